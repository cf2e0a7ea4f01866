"""The exact earth mover's distance (EMD) between wafers, and its gradient.

The EMD is the least work that turns one distribution of charge into another: charge
times the distance that it is carried. Wafers are normalised to unit sum, so it tells
how far, on average, the charge has to travel; its unit is that of the geometry's
positions (half a trigger-cell pitch, 1.2084 cm, for the wafer). The dual solution,
a potential for every cell, is the gradient of the EMD for free.
"""

import functools

import joblib
import numpy as np

from skemd._scaling import normalized
from skemd._validation import as_wafers

__all__ = ["emd", "paired_emd", "paired_potentials", "pairwise_emd"]

# Pairs that one joblib task solves: long enough to hide the hand-over, short enough
# to keep every worker busy to the end.
_TASK_SIZE = 512
_MAX_SIMPLEX_ITERATIONS = 1_000_000
_OPTIMAL = 1  # POT's result code


def emd(a, b, *, geometry="wafer", return_plan=False):
    """Return the exact earth mover's distance between two wafers.

    Parameters
    ----------
    a, b : array-like of shape (n_cells,)
        Charges in any unit; each is normalised to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    return_plan : bool, default=False
        Whether to return the transport plan, too.

    Returns
    -------
    distance : float
        In the unit of the geometry (wafer: half a trigger-cell pitch, 1.2084 cm).
    plan : ndarray of shape (n_cells, n_cells)
        Only with `return_plan`: the fraction of charge that goes from each cell of
        `a` to each cell of `b`; its row sums are `a`, its column sums `b`, both of
        unit sum.

    Raises
    ------
    ValueError
        If the numbers of cells differ from the geometry's, a charge is negative or
        not finite, or a wafer has no charge.

    Examples
    --------
    >>> from skemd.distance import emd
    >>> emd([1, 0, 0], [0, 1, 1], geometry="line")
    1.5
    """
    a, b = np.asarray(a), np.asarray(b)
    for wafer, name in ((a, "a"), (b, "b")):
        if wafer.ndim != 1:
            raise ValueError(
                f"{name} must be one wafer of shape (n_cells,); got shape "
                f"{wafer.shape}. Use paired_emd for many."
            )
    A, B, geometry = _checked_pairs(a[None], b[None], geometry, names=("a", "b"))
    distance, sources, sinks, moved, _ = _solved(A[0] - B[0], geometry.ground_distance)
    if not return_plan:
        return float(distance)
    plan = np.diag(np.minimum(A[0], B[0]))
    plan[np.ix_(sources, sinks)] = moved
    return float(distance), plan


def paired_emd(A, B, *, geometry="wafer", n_jobs=None):
    r"""Return the exact earth mover's distance of each row of A to that row of B.

    Parameters
    ----------
    A, B : array-like of shape (n_pairs, n_cells), or images of a known layout
        Charges in any unit; each row is normalised to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
        In the unit of the geometry (wafer: half a trigger-cell pitch, 1.2084 cm).

    Raises
    ------
    ValueError
        If shapes disagree, a charge is negative or not finite, or a wafer has no
        charge; the message names the rows.

    Notes
    -----
    With unit sums a, b and ground distances d the EMD is the linear programme

    .. math:: \min_{P \ge 0} \sum_{ij} P_{ij} d_{ij}, \quad
        \sum_j P_{ij} = a_i, \quad \sum_i P_{ij} = b_j.

    Since d is a metric, charge that both wafers have in a cell stays there in some
    optimal plan; it is cancelled first and POT's network simplex solves the rest.
    """
    A, B, geometry = _checked_pairs(A, B, geometry)
    (distances,) = _over_tasks(_distances_of_task, A, B, geometry, n_jobs)
    return distances


def pairwise_emd(A, B=None, *, geometry="wafer", n_jobs=None):
    """Return the exact earth mover's distances between all rows of A and of B.

    Parameters
    ----------
    A : array-like of shape (n_samples_A, n_cells), or images of a known layout
        Charges in any unit; each row is normalised to unit sum.
    B : array-like of shape (n_samples_B, n_cells) or None, default=None
        The other wafers; None for A itself, where each pair is solved once.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    distances : ndarray of shape (n_samples_A, n_samples_B)
        In the unit of the geometry (wafer: half a trigger-cell pitch, 1.2084 cm).

    Raises
    ------
    ValueError
        As :func:`paired_emd`.
    """
    if B is None:
        A, _, geometry = _checked_pairs(A, A, geometry)
        rows, columns = np.triu_indices(len(A), k=1)
        distances = np.zeros((len(A), len(A)))
        if len(rows):
            (upper,) = _over_tasks(
                _distances_of_task, A, A, geometry, n_jobs, rows, columns
            )
            distances[rows, columns] = upper
            distances[columns, rows] = upper
        return distances
    A, B, geometry = _checked_pairs(A, B, geometry, paired=False)
    rows, columns = np.indices((len(A), len(B))).reshape(2, -1)
    (distances,) = _over_tasks(
        _distances_of_task, A, B, geometry, n_jobs, rows, columns
    )
    return distances.reshape(len(A), len(B))


def paired_potentials(A, B, *, geometry="wafer", n_jobs=None):
    r"""Return the exact EMD of each pair and its gradient, the Kantorovich potentials.

    Parameters
    ----------
    A, B : array-like of shape (n_pairs, n_cells), or images of a known layout
        Charges in any unit; each row is normalised to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
        As :func:`paired_emd` gives them.
    potentials : ndarray of shape (n_pairs, n_cells)
        One function over the cells for each pair, in the unit of the geometry,
        1-Lipschitz with respect to the ground distance, with
        ``distance == potential @ (b - a)`` for the unit sums a, b. It is a gradient
        (a subgradient where there is a kink) of the EMD with respect to the unit-sum
        second wafer, up to a constant for each pair, which is chosen such that the
        potential averages to zero over the cells.

    Raises
    ------
    ValueError
        As :func:`paired_emd`.

    Notes
    -----
    The dual of the transport problem over the cells where the wafers differ gives a
    potential v at the cells that receive. Its c-transform,
    :math:`f_k = \max_j (v_j - d_{jk})`, extends it to every cell as the lowest
    1-Lipschitz function that is no smaller.
    """
    A, B, geometry = _checked_pairs(A, B, geometry)
    return _over_tasks(_potentials_of_task, A, B, geometry, n_jobs)


def _checked_pairs(A, B, geometry, *, names=("A", "B"), paired=True):
    """Check both sides and return them with unit sums, and the geometry."""
    A, geometry = as_wafers(A, names[0], geometry)
    B, geometry = as_wafers(B, names[1], geometry)
    if paired and len(A) != len(B):
        raise ValueError(
            f"{names[0]} and {names[1]} must pair up row by row; got {len(A)} and "
            f"{len(B)} wafers. Use pairwise_emd for all combinations."
        )
    return normalized(A), normalized(B), geometry


def _over_tasks(solve, A, B, geometry, n_jobs, rows=None, columns=None):
    """Run `solve` over slices of the pairs and join the arrays that it returns."""
    n_pairs = len(A) if rows is None else len(rows)

    def pairs_of(start):
        chosen = slice(start, start + _TASK_SIZE)
        if rows is None:
            return A[chosen], B[chosen]
        return A[rows[chosen]], B[columns[chosen]]

    tasks = (
        joblib.delayed(solve)(*pairs_of(start), geometry.ground_distance)
        for start in range(0, n_pairs, _TASK_SIZE)
    )
    results = joblib.Parallel(n_jobs=n_jobs)(tasks)
    return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))


@functools.cache
def _pot():
    """Import POT when it is first needed: it loads every array library it finds."""
    from ot.lp import emd_wrap

    return emd_wrap


def _distances_of_task(A, B, ground_distance):
    distances = np.zeros(len(A))
    for row, surplus in enumerate(A - B):
        distances[row] = _solved(surplus, ground_distance)[0]
    return (distances,)


def _potentials_of_task(A, B, ground_distance):
    distances = np.zeros(len(A))
    potentials = np.zeros(A.shape)
    for row, surplus in enumerate(A - B):
        distances[row], _, sinks, _, at_sinks = _solved(surplus, ground_distance)
        if distances[row] > 0:
            below = at_sinks[:, None] - ground_distance[sinks]
            potentials[row] = below.max(axis=0)
    potentials -= potentials.mean(axis=1, keepdims=True)
    return distances, potentials


def _solved(surplus, ground_distance):
    """Solve the transport from the cells with a surplus to those that lack charge.

    Parameters
    ----------
    surplus : ndarray of shape (n_cells,)
        Difference of two wafers of unit sum: what is left once the charge that they
        share is cancelled.
    ground_distance : ndarray of shape (n_cells, n_cells)
        Distances between the cells.

    Returns
    -------
    distance : float
        The earth mover's distance.
    sources, sinks : ndarray of int
        Cells with a surplus, and cells that lack charge.
    moved : ndarray of shape (n_sources, n_sinks)
        Fractions of charge carried between them.
    at_sinks : ndarray of shape (n_sinks,)
        Dual potential of the sinks.
    """
    (sources,) = (surplus > 0).nonzero()
    (sinks,) = (surplus < 0).nonzero()
    supply, demand = surplus[sources], -surplus[sinks]
    total = supply.sum()
    # Rounding alone can leave a surplus without a sink: the wafers are equal then.
    if len(sources) == 0 or len(sinks) == 0:
        return 0.0, sources[:0], sinks[:0], np.zeros((0, 0)), np.zeros(0)
    # Unit sums keep POT's tolerances meaningful for nearly equal wafers.
    pot = _pot()
    moved, cost, _, at_sinks, status = pot.emd_c(
        supply / total,
        demand / demand.sum(),
        ground_distance[sources[:, None], sinks],
        _MAX_SIMPLEX_ITERATIONS,
        1,
    )
    if status != _OPTIMAL:
        raise RuntimeError(
            "POT's network simplex did not reach the optimum: "
            f"{pot.check_result(status)}"
        )
    return cost * total, sources, sinks, moved * total, at_sinks
