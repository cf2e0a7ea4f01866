"""Small wafers for the tests, made by a few lines of NumPy."""

import numpy as np
import pytest


@pytest.fixture
def wafers():
    """Return a maker of sparse wafers with positive charges of a steep spectrum."""

    def make(n, *, n_cells=48, n_charged=8, seed=0):
        rng = np.random.RandomState(seed)
        charges = rng.exponential(size=(n, n_cells)) ** 2 + 1e-3
        rank = np.argsort(np.argsort(rng.rand(n, n_cells), axis=1), axis=1)
        return np.where(rank < n_charged, charges, 0.0)

    return make


@pytest.fixture
def unit_wafers(wafers):
    """Return a maker of the same wafers with unit sums."""

    def make(n, **options):
        X = wafers(n, **options)
        return X / X.sum(axis=1, keepdims=True)

    return make
