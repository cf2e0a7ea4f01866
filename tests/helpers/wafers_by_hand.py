"""Wafers written out cell by cell, and the arithmetic of the chip's numbers by hand."""

import numpy as np

N_CELLS = 48


def wafer(charges):
    """One wafer with the charges of a dict, cell by cell."""
    X = np.zeros((1, N_CELLS))
    X[0, list(charges)] = list(charges.values())
    return X


def busy_wafers(n_samples=200, seed=0):
    """Wafers in whole counts, from nearly empty to full, each with a large charge."""
    rng = np.random.default_rng(seed)
    charges = np.floor(10 ** rng.uniform(0, 3.5, size=(n_samples, N_CELLS)))
    charges[rng.random((n_samples, N_CELLS)) > rng.random((n_samples, 1))] = 0
    charges[np.arange(n_samples), rng.integers(N_CELLS, size=n_samples)] += 400
    return charges


def leading_digits(number, n_digits, dropped=0):
    """Keep the leading binary digits of a whole number, as the float codes do."""
    digits = f"{int(number) >> dropped:b}"
    return int(digits[:n_digits].ljust(len(digits), "0"), 2) << dropped


def fitted(algorithm):
    return algorithm.fit(busy_wafers())
