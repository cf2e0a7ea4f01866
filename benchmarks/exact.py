"""The exact EMD: one thread against every peer, two against one, and POT's engine."""

import sys

import numpy as np

from benchmarks import peers
from benchmarks._compare import Comparison, in_turns
from benchmarks.other_geometries import smooth_histograms
from skemd._input._scaling import normalized
from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.geometry import grid, hgcal_wafer

# Peers that are exact solve every pair; those that take milliseconds solve some.
FEW_PAIRS = {"POT, solve_batch": 200, "SciPy, linprog": 20, "jax, Sinkhorn": 500}
PEERS = {
    "POT, solve_batch": peers.pot_batch,
    "SciPy, linprog": peers.linear_program,
    "jax, Sinkhorn": peers.jax_sinkhorn,
}
OURS = "paired_emd"
# Above 64 cells the solver has another method. Numbers of pairs, ratios to reach.
GRIDS = {
    (8, 16): (200, None),
    (16, 16): (60, 8),
    (16, 32): (20, None),
    (32, 32): (8, 8),
}


def compare(n_turns, n_wafers=140):
    """Compare on all pairs of unrelated generated wafers.

    Raises
    ------
    AssertionError
        If an exact peer disagrees.
    """
    X = normalized(make_wafers(2 * n_wafers, random_state=1_000))
    rows, columns = np.indices((n_wafers, n_wafers)).reshape(2, -1)
    A, B = X[:n_wafers][rows], X[n_wafers:][columns]
    geometry = hgcal_wafer()
    rivals = {
        OURS: lambda: paired_emd(A, B),
        "paired_emd, engine='pot'": lambda: paired_emd(A, B, engine="pot"),
        "loop over ot.emd2": peers.loop_over_pot(A, B, geometry),
    }
    child = None
    if peers.Wasserstein.is_installed():
        child = peers.Wasserstein(X[:n_wafers], X[n_wafers:], geometry)
        rivals["wasserstein.PairwiseEMD"] = child
    few = np.random.RandomState(0).permutation(len(A))
    for name, make in PEERS.items():
        part = few[: FEW_PAIRS[name]]
        rivals[name] = make(A[part], B[part], geometry)
    _check(rivals, few)
    seconds = in_turns(rivals, n_turns)
    if child is not None:
        child.close()
    for name, n_pairs in FEW_PAIRS.items():
        seconds[name] = [value * len(A) / n_pairs for value in seconds[name]]
    targets = {"loop over ot.emd2": 15, "wasserstein.PairwiseEMD": 5}
    return [
        Comparison("exact EMD", "pairs", len(A), seconds, OURS, targets),
        *(_compare_on_a_grid(n_turns, grid(*size), *GRIDS[size]) for size in GRIDS),
        *_compare_workers(n_turns, A, B, geometry),
    ]


def _compare_on_a_grid(n_turns, geometry, n_pairs, target):
    """Compare with the loop on unrelated smooth histograms, all cells charged."""
    A, B = (smooth_histograms(geometry, n_pairs, 1_000 + side) for side in range(2))
    rivals = {
        OURS: lambda: paired_emd(A, B, geometry=geometry),
        "loop over ot.emd2": peers.loop_over_pot(A, B, geometry),
    }
    _check(rivals, [])
    seconds = in_turns(rivals, n_turns)
    return _comparison(f"exact EMD, {geometry.n_cells} cells", n_pairs, seconds, target)


def _compare_workers(n_turns, A, B, geometry):
    """Compare two threads with one, and POT's engine on two processes with the loop."""
    more = (np.tile(A, (10, 1)), np.tile(B, (10, 1)))
    threads = in_turns(
        {
            "paired_emd, n_jobs=2": lambda: paired_emd(*more, n_jobs=2),
            "paired_emd, n_jobs=1": lambda: paired_emd(*more),
        },
        n_turns,
    )
    fallback = in_turns(
        {
            "engine='pot', n_jobs=2": lambda: paired_emd(A, B, engine="pot", n_jobs=2),
            "loop over ot.emd2": peers.loop_over_pot(A, B, geometry),
        },
        n_turns,
    )
    return [
        _comparison("two threads", len(more[0]), threads, 1.7),
        _comparison("POT's engine", len(A), fallback, 5),
    ]


def _comparison(work, n_pairs, seconds, target):
    """Compare the first rival with the other one."""
    ours, other = seconds
    targets = {} if target is None else {other: target}
    return Comparison(work, "pairs", n_pairs, seconds, ours, targets)


def _check(rivals, few):
    """Compare all distances with those of the loop, and say how far peers are off."""
    expected = rivals["loop over ot.emd2"]()
    for name, run in rivals.items():
        part = few[: FEW_PAIRS[name]] if name in FEW_PAIRS else slice(None)
        error = np.abs(run() - expected[part]).max()
        print(f"{name}: off by {error:.1e} at most", file=sys.stderr)
        if name.startswith(OURS):
            assert error < 1e-10, f"{name} is wrong by {error}"
