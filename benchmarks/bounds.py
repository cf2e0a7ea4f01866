"""How far the learned EMD's bounds of the exact EMD are from it, and from each other.

The gap of a pair is its upper bound minus its lower one, over the exact EMD.
"""

import sys

import numpy as np

from benchmarks.learned_emd import SMALLEST_DISTANCE, pairs_of_every_kind, test_wafers
from skemd import EMDRegressor
from skemd.distance import paired_emd
from skemd.study import rst_table


def report(n_pairs=5_000):
    """Compare the bounds of the shipped network with the exact EMD.

    Parameters
    ----------
    n_pairs : int, default=5000
        Pairs of each kind; there are 15 kinds of generated wafers and of real ones.

    Returns
    -------
    table : str
        For people, in per cent of the exact EMD.
    results : dict
        For JSON: by kind "lower", "upper" and "gap", means over the pairs, and
        "violation", by how much a bound is on the wrong side at most.
    """
    regressor = EMDRegressor.from_pretrained("hgcal-wafer")
    results = {}
    for source, wafers in test_wafers().items():
        for kind, (A, B) in pairs_of_every_kind(wafers, n_pairs).items():
            results[f"{source}, {kind}"] = _quality(regressor, A, B)
            print(source, kind, results[f"{source}, {kind}"], file=sys.stderr)
    rows = [
        [kind, *(f"{found[name]:.2%}" for name in ("lower", "upper", "gap"))]
        for kind, found in results.items()
    ]
    worst = max(found["violation"] for found in results.values())
    n_all = sum(found["n_pairs"] for found in results.values())
    said = f"\n{n_all:,} pairs; on the wrong side by {worst:.1e} half pitches at most"
    heads = ["pairs", "lower bound below", "upper bound above", "gap"]
    return rst_table([heads, *rows]) + said, results


def _quality(regressor, A, B):
    exact = paired_emd(A, B)
    _, lower, upper = regressor.predict(np.hstack([A, B]), return_bounds=True)
    apart = exact > SMALLEST_DISTANCE
    return {
        "lower": float((1 - lower[apart] / exact[apart]).mean()),
        "upper": float((upper[apart] / exact[apart] - 1).mean()),
        "gap": float(((upper - lower)[apart] / exact[apart]).mean()),
        "violation": float(np.maximum(lower - exact, exact - upper).max()),
        "n_pairs": len(exact),
    }
