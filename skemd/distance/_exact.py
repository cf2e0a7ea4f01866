"""Exact distances of one pair, of many pairs and of all pairs, and their potentials."""

import joblib
import numpy as np

from skemd._checks import as_numbers
from skemd._input._scaling import normalized
from skemd._input._wafers import as_wafers, check_same_length
from skemd._progress import ProgressBar
from skemd.distance._solvers import SOLVERS, resolve_engine, transport_plan

__all__ = ["emd", "paired_emd", "paired_potentials", "pairwise_emd"]

# Pairs per joblib task over up to 64 cells: enough to outweigh the cost of handing them
# over, few enough to keep every worker busy to the end and to allow interruption.
_TASK_SIZE = {"simplex": 2048, "pot": 512}


def emd(a, b, *, geometry="wafer", return_plan=False):
    """Return the exact earth mover's distance between two wafers.

    Parameters
    ----------
    a, b : array-like of shape (n_cells,)
        Charges in any unit; each is normalized to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    return_plan : bool, default=False
        Whether to return the transport plan as well.

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
    a, b = _one_wafer(a, "a"), _one_wafer(b, "b")
    A, B, geometry = _checked_pairs(a[None], b[None], geometry, names=("a", "b"))
    distances, _ = solve_pairs(A, B, geometry)
    if not return_plan:
        return float(distances[0])
    a, b = normalized(A)[0], normalized(B)[0]
    return float(distances[0]), transport_plan(a, b, geometry.ground_distance)


def paired_emd(A, B, *, geometry="wafer", n_jobs=None, engine="auto", verbose=0):
    r"""Return the exact earth mover's distance of each row of A to that row of B.

    Parameters
    ----------
    A, B : array-like of shape (n_pairs, n_cells), or images of a known layout
        Charges in any unit; each row is normalized to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs: threads for the compiled solver,
        processes for POT, or the backend of ``joblib.parallel_config``, such as dask.
    engine : {"auto", "simplex", "pot"}, default="auto"
        The solver: the compiled network simplex (up to 1,024 cells), POT's, or the
        compiled one wherever it can be used. They agree to rounding.
    verbose : int, default=0
        1 for a progress bar on stderr.

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
    With unit sums a, b and ground distances d the EMD is the linear program

    .. math:: \min_{P \ge 0} \sum_{ij} P_{ij} d_{ij}, \quad
        \sum_j P_{ij} = a_i, \quad \sum_i P_{ij} = b_j.

    Since d is a metric, charge that both wafers have in a cell stays there in some
    optimal plan; it is canceled first and the network simplex method solves the rest.
    """
    A, B, geometry = _checked_pairs(A, B, geometry)
    return solve_pairs(A, B, geometry, n_jobs=n_jobs, engine=engine, verbose=verbose)[0]


def pairwise_emd(A, B=None, *, geometry="wafer", n_jobs=None, engine="auto", verbose=0):
    """Return the exact earth mover's distances between all rows of A and of B.

    Parameters
    ----------
    A : array-like of shape (n_samples_A, n_cells), or images of a known layout
        Charges in any unit; each row is normalized to unit sum.
    B : array-like of shape (n_samples_B, n_cells) or None, default=None
        The other wafers, charges in any unit; None for A itself, where each pair is
        solved once.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs: threads for the compiled solver,
        processes for POT, or the backend of ``joblib.parallel_config``, such as dask.
    engine : {"auto", "simplex", "pot"}, default="auto"
        The solver: the compiled network simplex (up to 1,024 cells), POT's, or the
        compiled one wherever it can be used. They agree to rounding.
    verbose : int, default=0
        1 for a progress bar on stderr.

    Returns
    -------
    distances : ndarray of shape (n_samples_A, n_samples_B)
        In the unit of the geometry (wafer: half a trigger-cell pitch, 1.2084 cm).

    Raises
    ------
    ValueError
        As :func:`paired_emd`.
    """
    options = {"n_jobs": n_jobs, "engine": engine, "verbose": verbose}
    if B is None:
        A, _, geometry = _checked_pairs(A, A, geometry)
        rows, columns = np.triu_indices(len(A), k=1)
        upper, _ = solve_pairs(A, A, geometry, rows, columns, **options)
        distances = np.zeros((len(A), len(A)))
        distances[rows, columns] = upper
        distances[columns, rows] = upper
        return distances
    A, B, geometry = _checked_pairs(A, B, geometry, paired=False)
    rows, columns = np.indices((len(A), len(B))).reshape(2, -1)
    distances, _ = solve_pairs(A, B, geometry, rows, columns, **options)
    return distances.reshape(len(A), len(B))


def paired_potentials(A, B, *, geometry="wafer", n_jobs=None, engine="auto", verbose=0):
    r"""Return the exact EMD of each pair and its gradient, the Kantorovich potentials.

    Parameters
    ----------
    A, B : array-like of shape (n_pairs, n_cells), or images of a known layout
        Charges in any unit; each row is normalized to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs: threads for the compiled solver,
        processes for POT, or the backend of ``joblib.parallel_config``, such as dask.
    engine : {"auto", "simplex", "pot"}, default="auto"
        The solver: the compiled network simplex (up to 1,024 cells), POT's, or the
        compiled one wherever it can be used. They agree to rounding.
    verbose : int, default=0
        1 for a progress bar on stderr.

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
        As :func:`paired_emd` returns them, in the unit of the geometry.
    potentials : ndarray of shape (n_pairs, n_cells)
        One function over the cells for each pair, in the unit of the geometry,
        1-Lipschitz with respect to the ground distance, with
        ``distance == potential @ (b - a)`` for the unit-sum wafers a, b. It is a
        gradient (a subgradient at a kink) of the EMD with respect to the unit-sum
        second wafer, up to a constant for each pair, which is chosen such that the
        potential averages to zero over the cells.

    Raises
    ------
    ValueError
        As :func:`paired_emd`.

    Notes
    -----
    The dual of the transport problem over the cells where the wafers differ gives a
    potential v at the cells that receive charge. Its c-transform,
    :math:`f_k = \max_j (v_j - d_{jk})`, extends it to every cell as the lowest
    1-Lipschitz function that is no smaller than v. At a kink of the EMD there is more
    than one such v, and engines may return different ones.
    """
    A, B, geometry = _checked_pairs(A, B, geometry)
    options = {"n_jobs": n_jobs, "engine": engine, "verbose": verbose}
    return solve_pairs(A, B, geometry, with_potentials=True, **options)


def _one_wafer(wafer, name):
    wafer = as_numbers(wafer, name, None)
    if wafer.ndim != 1:
        raise ValueError(
            f"{name} must be one wafer of shape (n_cells,); got shape {wafer.shape}. "
            "Use paired_emd for many."
        )
    # Nobody else writes to the copy between its check and its use.
    return wafer.copy()


def _checked_pairs(A, B, geometry, *, names=("A", "B"), paired=True):
    """Check both sides and return them as tables, and the geometry."""
    cure = " Use pairwise_emd for all combinations."
    if paired:
        # Before millions of rows are read in vain; lists are compared below.
        check_same_length(A, B, names, cure)
    A, geometry = as_wafers(A, names[0], geometry, dtype=None)
    B, geometry = as_wafers(B, names[1], geometry, dtype=None)
    if paired:
        check_same_length(A, B, names, cure)
    return A, B, geometry


def solve_pairs(
    A,
    B,
    geometry,
    rows=None,
    columns=None,
    *,
    with_potentials=False,
    n_jobs=None,
    engine="auto",
    verbose=0,
):
    """Solve pairs task by task; none needs more memory than its own pairs.

    Parameters
    ----------
    A, B : ndarray of shape (n_wafers, n_cells)
        Checked wafers of any scale.
    geometry : Geometry
        Where the cells are.
    rows, columns : ndarray of int of shape (n_pairs,) or None
        Which wafers of A and B make the pairs; None for row by row.
    with_potentials, n_jobs, engine, verbose
        As :func:`paired_potentials`.

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
        Exact EMDs.
    potentials : ndarray of shape (n_pairs, n_cells) or None
        Kantorovich potentials, if asked for.
    """
    engine = resolve_engine(engine, geometry)
    n_pairs = len(A) if rows is None else len(rows)
    task_size = _task_size(engine, geometry.n_cells)
    distances = np.empty(n_pairs)
    potentials = np.empty((n_pairs, A.shape[1])) if with_potentials else None

    def tasks():
        for start in range(0, n_pairs, task_size):
            chosen = slice(start, start + task_size)
            pairs = (A[chosen], B[chosen])
            if rows is not None:
                pairs = (A[rows[chosen]], B[columns[chosen]])
            yield engine, *pairs, geometry.ground_distance, with_potentials, start

    n_tasks = -(-n_pairs // task_size)
    bar = ProgressBar(n_pairs, "exact EMD", verbose)
    start = 0
    try:
        for found, found_potentials in _results(tasks(), engine, n_tasks, n_jobs):
            stop = start + len(found)
            distances[start:stop] = found
            if with_potentials:
                potentials[start:stop] = found_potentials
            start = stop
            bar.update(stop)
    finally:
        bar.close()
    return distances, potentials


def _task_size(engine, n_cells):
    """Return how many pairs make a task, which takes as long whatever the geometry."""
    return max(1, _TASK_SIZE[engine] * 64**2 // max(64, n_cells) ** 2)


def _results(tasks, engine, n_tasks, n_jobs):
    """Return an iterator over the tasks' results, in their order."""
    if n_tasks <= 1:
        # Handing over a single task takes longer than solving it.
        return map(_solve_task, tasks)
    parallel = joblib.Parallel(
        n_jobs=n_jobs,
        # A backend chosen by the caller takes precedence.
        prefer="threads" if engine == "simplex" else None,
        return_as="generator",
        # Tasks have their best length already.
        batch_size=1,
    )
    return parallel(joblib.delayed(_solve_task)(task) for task in tasks)


def _solve_task(task):
    """Solve the pairs of a task, a tuple that begins with the engine's name.

    It is one tuple because joblib stores each large array among the arguments on one of
    dask's workers, and a task whose arguments died with a worker is lost. The content
    of a tuple travels with the task, so that another worker can repeat it.
    """
    engine, *arguments = task
    return SOLVERS[engine](*arguments)
