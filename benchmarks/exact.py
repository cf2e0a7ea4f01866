"""The exact EMD of pairs against a loop over POT's ``ot.emd2``."""

import numpy as np
import ot

from benchmarks._compare import Comparison, in_turns
from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.geometry import hgcal_wafer


def compare(n_turns, n_pairs=20_000):
    """Compare on unrelated generated wafers; raise if the distances differ."""
    X = make_wafers(2 * n_pairs, random_state=1_000)
    A, B = X[:n_pairs], X[n_pairs:]
    ground_distance = hgcal_wafer().ground_distance

    def loop_over_pot():
        a = A / A.sum(axis=1, keepdims=True)
        b = B / B.sum(axis=1, keepdims=True)
        return [ot.emd2(x, y, ground_distance) for x, y in zip(a, b, strict=True)]

    np.testing.assert_allclose(paired_emd(A, B), loop_over_pot(), rtol=1e-9)
    rivals = {
        "paired_emd": lambda: paired_emd(A, B),
        "paired_emd, n_jobs=2": lambda: paired_emd(A, B, n_jobs=2),
        "loop over ot.emd2": loop_over_pot,
    }
    seconds = in_turns(rivals, n_turns)
    return [Comparison("exact EMD", "pairs", n_pairs, seconds, "paired_emd", 4)]
