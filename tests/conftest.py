"""Small wafers for the tests, and one store of compiled programs for all processes."""

import atexit
import os
import tempfile

import numpy as np
import pytest

# Most of a run's time goes into compiling networks.


def pytest_configure(config):
    """Let all processes of a run compile each network once, and that fast."""
    _share_compiled_programs()
    if config.option.markexpr == "not exhaustive" and "XLA_FLAGS" not in os.environ:
        # Half the time of compiling is optimizing; numbers differ in their last bits.
        os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"


def _share_compiled_programs():
    # The first process makes the folder; workers and the children of tests inherit it.
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    # Children that outlive the run may still write to it.
    folder = tempfile.TemporaryDirectory(
        prefix="skemd-tests-", ignore_cleanup_errors=True
    )
    atexit.register(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


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
