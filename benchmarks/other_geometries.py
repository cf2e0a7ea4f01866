"""How well, and how fast, a regressor learns the EMD on a line and on a grid.

Histograms are sums of a few smooth bumps over a flat floor; pairs are unrelated. The
time is that of everything: labels, compilation and training.
"""

import time

import numpy as np

from skemd import EMDRegressor
from skemd.datasets import make_pairs
from skemd.distance import paired_emd
from skemd.geometry import grid, line
from skemd.study import rst_table

GEOMETRIES = {"line(64)": line(64), "grid(8, 8)": grid(8, 8)}
REGRESSORS = {
    "potential": {"head": "potential", "n_conv_layers": 0, "n_dense_layers": 2},
    "bounded": {"n_conv_layers": 0, "n_dense_layers": 3},
}
# Trainings use seeds below 1000.
TEST_SEED, TRAIN_SEED = 1_000, 1
LARGEST_STD, MOST_SECONDS = 0.05, 240


def report(n_histograms=10_000, n_pairs=60_000, epochs=15, n_test_pairs=5_000):
    """Fit both heads on each geometry, and return the table and its values.

    Parameters
    ----------
    n_histograms, n_pairs, epochs : int
        To train on.
    n_test_pairs : int, default=5000
        Pairs of unrelated histograms that no regressor saw.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON.
    """
    header = ("geometry", "head", "mean", "std", "target", "seconds", "target")
    rows, results = [header], {}
    for name, geometry in GEOMETRIES.items():
        H = smooth_histograms(geometry, n_histograms, TRAIN_SEED)
        A, B = (
            smooth_histograms(geometry, n_test_pairs, TEST_SEED + side)
            for side in range(2)
        )
        exact = paired_emd(A, B, geometry=geometry)
        for head, parameters in REGRESSORS.items():
            started = time.perf_counter()
            pairs, y, _ = make_pairs(
                H, n_pairs, geometry=geometry, random_state=TRAIN_SEED
            )
            regressor = EMDRegressor(
                **parameters, epochs=epochs, geometry=geometry, random_state=TRAIN_SEED
            ).fit(pairs, y)
            seconds = time.perf_counter() - started
            difference = regressor.predict(np.hstack([A, B])) / exact - 1
            found = {
                "mean": float(difference.mean()),
                "std": float(difference.std()),
                "seconds": seconds,
            }
            results[f"{name}, {head}"] = found
            rows.append(
                (
                    *(name, head, f"{found['mean']:+.4f}", f"{found['std']:.4f}"),
                    *(f"{LARGEST_STD}", f"{seconds:.0f}", f"{MOST_SECONDS}"),
                )
            )
    return rst_table(rows), results


def smooth_histograms(geometry, n_histograms, seed):
    """Return histograms of unit sum: one to four bumps of random place and width."""
    rng = np.random.RandomState(seed)
    positions = geometry.positions
    low, high = positions.min(axis=0), positions.max(axis=0)
    size = (high - low).max()
    histograms = np.full((n_histograms, geometry.n_cells), 1e-3)
    for number in range(4):
        centers = rng.uniform(low, high, size=(n_histograms, len(low)))
        widths = rng.uniform(0.05, 0.25, size=(n_histograms, 1)) * size
        heights = rng.rand(n_histograms, 1) * (rng.rand(n_histograms, 1) < 0.7)
        if number == 0:
            heights = np.ones((n_histograms, 1))
        distance = np.linalg.norm(positions - centers[:, None], axis=2)
        histograms += heights * np.exp(-((distance / widths) ** 2) / 2)
    return histograms / histograms.sum(axis=1, keepdims=True)
