"""How well the learned EMD does on wafers that it never saw.

Relative difference (predicted - exact) / exact for each kind of pairs, of the regressor
that ships with the package and of one that is fitted here with default parameters on
100,000 pairs of generated wafers.
"""

import time
from pathlib import Path

import numpy as np

from skemd import EMDRegressor
from skemd.datasets import load_wafers, make_pairs, make_wafers
from skemd.datasets._pairs import PAIR_KINDS

# Trainings use seeds below 1000.
TEST_SEED, TRAIN_SEED = 1_000, 1
REAL_SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "real_wafer_sample.csv"
# Relative differences of nearly equal wafers are those of rounding.
SMALLEST_DISTANCE = 1e-6


def report(n_pairs=5_000, n_train_pairs=100_000):
    """Fit, predict, and return the table and what it holds as plain values.

    Parameters
    ----------
    n_pairs : int, default=5000
        Pairs of each kind.
    n_train_pairs : int, default=100000
        Pairs on which the regressor is fitted here.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON.
    """
    regressors = {"shipped": EMDRegressor.from_pretrained("hgcal-wafer")}
    X = make_wafers(30_000, random_state=TRAIN_SEED)
    pairs, y, _ = make_pairs(X, n_train_pairs, random_state=TRAIN_SEED)
    started = time.perf_counter()
    regressors["fitted here"] = EMDRegressor(random_state=TRAIN_SEED, verbose=1)
    regressors["fitted here"].fit(pairs, y)
    seconds = time.perf_counter() - started

    results = {}
    wafers_of = test_wafers()
    for source, wafers in wafers_of.items():
        for kind in PAIR_KINDS:
            pairs, y, _ = make_pairs(
                wafers, n_pairs, kinds={kind: 1}, random_state=TEST_SEED
            )
            for name, regressor in regressors.items():
                difference = relative_difference(regressor, pairs, y)
                results[f"{name}, {source}, {kind}"] = difference
    X = make_wafers(n_pairs, random_state=TEST_SEED + 1)
    largest = [abs(r.predict(np.hstack([X, X]))).max() for r in regressors.values()]
    lines = [
        f"relative difference, mean / std, {n_pairs} pairs of each kind",
        f"{'pairs':<26}" + "".join(f"{name:>20}" for name in regressors),
    ]
    for source in wafers_of:
        for kind in PAIR_KINDS:
            cells = [results[f"{name}, {source}, {kind}"] for name in regressors]
            numbers = "".join(f"{mean:+10.4f} /{std:7.4f} " for mean, std in cells)
            lines.append(f"{source + ', ' + kind:<26}{numbers}")
    lines.append(
        f"{'equal wafers, largest':<26}"
        + "".join(f"{value:18g}  " for value in largest)
    )
    lines.append(f"{n_train_pairs} pairs fitted in {seconds:.0f} s")
    return "\n".join(lines), {"results": results, "seconds": seconds}


def test_wafers():
    """Return generated wafers of an unseen seed, and real ones where they are."""
    wafers = {"generated": make_wafers(10_000, random_state=TEST_SEED)}
    if REAL_SAMPLE.exists():
        wafers["real"] = load_wafers(REAL_SAMPLE)
    return wafers


def relative_difference(regressor, pairs, y):
    """Return mean and standard deviation of (predicted - exact) / exact."""
    chosen = y > SMALLEST_DISTANCE
    difference = regressor.predict(pairs[chosen]) / y[chosen] - 1
    return float(difference.mean()), float(difference.std())
