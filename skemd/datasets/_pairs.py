"""Pairs of wafers, labeled with the exact EMD, for training a learned one.

A learned EMD that serves as a loss sees all kinds of pairs: unrelated wafers at first,
then wafers and better and better reconstructions of them. It also has to be right for
sparse wafers and for single cells, so each kind has its share here.
"""

import numpy as np
from sklearn.utils import check_random_state

from skemd._checks import check_choice, check_number
from skemd._input._scaling import normalized
from skemd._input._wafers import as_wafers
from skemd.distance._exact import solve_pairs

__all__ = ["PAIR_KINDS", "make_pairs"]

# Share of each kind of pairs. The docstring of make_pairs describes the kinds.
PAIR_KINDS = {
    "unrelated": 0.30,
    "mixture": 0.15,
    "blur": 0.15,
    "noise": 0.10,
    "reconstruction": 0.15,
    "sparse": 0.10,
    "single": 0.05,
}
_MAX_GROUPS = 20
_MAX_SPARSE_CELLS = 5
# The principal components of this many wafers are practically those of all.
_MAX_POPULATION = 1_000_000


def make_pairs(
    X,
    n_pairs,
    *,
    kinds=None,
    layout="flat",
    geometry="wafer",
    n_jobs=None,
    random_state=None,
):
    """Draw pairs of wafers of many kinds and label them with the exact EMD.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells), or images of a known layout
        Wafers to draw from, at least two, charges in any unit.
    n_pairs : int
        How many pairs to draw.
    kinds : dict of str to float or None, default=None
        Relative shares of the kinds of pairs; None for the default shares.

        - "unrelated": two different wafers;
        - "mixture": a wafer and its sum with another one, or with a flat one;
        - "blur": a wafer and the same wafer with its charge spread over neighbors;
        - "noise": a wafer and a copy with each charge fluctuated, small ones dropped;
        - "reconstruction": a wafer and its projection on a few principal components
          of `X`, as an autoencoder might reconstruct it;
        - "sparse": one to five cells of a wafer, and the same cells blurred or one to
          five cells of another wafer;
        - "single": two wafers with a single cell each.
    layout : {"flat", "stacked"}, default="flat"
        "flat" for rows of 2 * n_cells, "stacked" for shape (n_pairs, 2, n_cells).
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers compute the labels.
    random_state : int, RandomState instance or None, default=None
        Determines the pairs.

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2 * n_cells) or (n_pairs, 2, n_cells)
        Wafers of unit sum, in random order.
    y : ndarray of shape (n_pairs,)
        Exact EMD of each pair, in the unit of the geometry (wafer: half a
        trigger-cell pitch, 1.2084 cm).
    groups : ndarray of int of shape (n_pairs,)
        The wafers are divided into up to 20 groups, and pairs are drawn within these: a
        split that keeps groups together, such as GroupKFold, keeps each wafer on one
        side.

    Raises
    ------
    ValueError
        If there are fewer than two wafers, one of them is unusable, or an option is
        unknown.

    Examples
    --------
    >>> from skemd.datasets import make_pairs, make_wafers
    >>> X = make_wafers(100, random_state=0)
    >>> pairs, y, groups = make_pairs(X, 500, random_state=0)
    >>> pairs.shape
    (500, 96)
    """
    X, geometry = as_wafers(X, "X", geometry, dtype=None)
    check_number(n_pairs, "n_pairs", low=1, integer=True)
    check_choice(layout, "layout", ("flat", "stacked"))
    shares = _checked_shares(kinds)
    if len(X) < 2:
        raise ValueError("make_pairs needs at least two wafers; got n_samples=1.")
    rng = check_random_state(random_state)
    first, second, groups = _partners(len(X), n_pairs, rng)
    kind_of_pair = rng.choice(list(shares), size=n_pairs, p=list(shares.values()))
    A, B = normalized(X[first]), normalized(X[second])
    # Evenly spaced wafers give the same components as all.
    population = normalized(X[:: -(-len(X) // _MAX_POPULATION)])
    context = {
        "distance": geometry.ground_distance,
        "population": population,
        "rng": rng,
    }
    for kind in shares:
        rows = np.flatnonzero(kind_of_pair == kind)
        if len(rows):
            A[rows], B[rows] = _MAKERS[kind](A[rows], B[rows], **context)
    A, B = normalized(A), normalized(B)
    swap = rng.rand(n_pairs) < 0.5
    A[swap], B[swap] = B[swap], A[swap]
    y, _ = solve_pairs(A, B, geometry, n_jobs=n_jobs)
    pairs = np.stack([A, B], axis=1)
    return (pairs if layout == "stacked" else pairs.reshape(n_pairs, -1)), y, groups


def _checked_shares(kinds):
    shares = PAIR_KINDS if kinds is None else dict(kinds)
    for kind, share in shares.items():
        check_choice(kind, "A key of kinds", PAIR_KINDS)
        check_number(share, f"kinds[{kind!r}]", low=0)
    total = sum(shares.values())
    if total <= 0:
        raise ValueError(f"kinds must have a positive share; got {kinds}.")
    return {kind: share / total for kind, share in shares.items()}


def _partners(n_samples, n_pairs, rng):
    """Draw two different wafers of one group for each pair."""
    n_groups = max(1, min(_MAX_GROUPS, n_samples // 2))
    group_of_wafer = rng.permutation(np.arange(n_samples) % n_groups)
    members = np.argsort(group_of_wafer, kind="stable")
    sizes = np.bincount(group_of_wafer)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    first = rng.randint(n_samples, size=n_pairs)
    groups = group_of_wafer[first]
    place = np.empty(n_samples, dtype=np.intp)
    place[members] = np.arange(n_samples) - starts[group_of_wafer[members]]
    # A step of at least one around the group never ends at the wafer itself.
    step = 1 + (rng.rand(n_pairs) * (sizes[groups] - 1)).astype(np.intp)
    second = members[starts[groups] + (place[first] + step) % sizes[groups]]
    return first, second, groups


def _unrelated(A, B, **context):
    return A, B


def _mixture(A, B, *, rng, **context):
    flat = rng.rand(len(A), 1) < 0.25
    other = np.where(flat, 1 / A.shape[1], B)
    share = rng.rand(len(A), 1)
    return A, (1 - share) * A + share * other


def _blur(A, B, *, distance, rng, **context):
    return A, _blurred(A, distance, rng)


def _noise(A, B, *, rng, **context):
    strength = rng.uniform(0.02, 1.0, size=(len(A), 1))
    noisy = A * np.exp(strength * rng.normal(size=A.shape))
    threshold = rng.uniform(0, 0.5, size=(len(A), 1)) * noisy.max(axis=1, keepdims=True)
    zero_suppressed = np.where(noisy >= threshold, noisy, 0)
    return A, np.where(rng.rand(len(A), 1) < 0.5, zero_suppressed, noisy)


def _reconstruction(A, B, *, population, rng, **context):
    mean = population.mean(axis=0)
    _, components = np.linalg.eigh(np.cov(population, rowvar=False))
    components = components[:, ::-1]
    n_kept = rng.randint(1, max(2, A.shape[1] // 2 + 1), size=(len(A), 1))
    coordinates = (A - mean) @ components
    coordinates[np.arange(A.shape[1]) >= n_kept] = 0
    # Charges that a projection makes negative become a small leak, like a sigmoid's.
    leak = 10 ** rng.uniform(-6, -2, size=(len(A), 1))
    return A, np.maximum(mean + coordinates @ components.T, leak / A.shape[1])


def _sparse(A, B, *, distance, rng, **context):
    sparse_a, sparse_b = _few_cells(A, rng), _few_cells(B, rng)
    blurred = rng.rand(len(A), 1) < 0.5
    return sparse_a, np.where(blurred, _blurred(sparse_a, distance, rng), sparse_b)


def _single(A, B, *, rng, **context):
    n_cells = A.shape[1]
    return tuple(np.eye(n_cells)[rng.randint(n_cells, size=len(A))] for _ in "ab")


def _few_cells(A, rng):
    """Keep one to five of each wafer's charged cells."""
    n_kept = rng.randint(1, _MAX_SPARSE_CELLS + 1, size=(len(A), 1))
    order = np.argsort(np.argsort(-rng.rand(*A.shape) * (A > 0), axis=1), axis=1)
    return np.where(order < n_kept, A, 0)


def _blurred(A, distance, rng):
    """Spread charge over neighbors with Gaussians of random widths."""
    nearest = np.where(distance > 0, distance, np.inf).min()
    widths = nearest * rng.uniform(0.2, 1.5, size=8)
    kernels = np.exp(-((distance / widths[:, None, None]) ** 2) / 2)
    kernels /= kernels.sum(axis=2, keepdims=True)
    width_of_row = rng.randint(len(widths), size=len(A))
    blurred = np.empty_like(A)
    for number, kernel in enumerate(kernels):
        rows = width_of_row == number
        blurred[rows] = A[rows] @ kernel
    return blurred


_MAKERS = {
    "unrelated": _unrelated,
    "mixture": _mixture,
    "blur": _blur,
    "noise": _noise,
    "reconstruction": _reconstruction,
    "sparse": _sparse,
    "single": _single,
}
