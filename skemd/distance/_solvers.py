"""The solvers of the transport problem that defines the exact EMD: compiled, and POT's.

Both bring wafers to unit sum, cancel the charge that two wafers share, and return the
distance and, on request, Kantorovich potentials at every cell. The compiled solver
(``_simplex.c`` up to 64 cells, ``_simplex_large.c`` up to 1,024) is missing where skemd
was installed without a C compiler. POT's network simplex handles any number of cells
and is the reference.
"""

import functools

import numpy as np

from skemd._checks import check_choice
from skemd._input._scaling import normalized

try:
    from skemd.distance import _simplex
except ImportError:
    _simplex = None

__all__ = [
    "SOLVERS",
    "compiled_solver_is_built",
    "resolve_engine",
    "transport_plan",
]

_MAX_SIMPLEX_ITERATIONS = 1_000_000
_OPTIMAL = 1  # POT's result code


def compiled_solver_is_built():
    """Return whether the compiled solver was built when skemd was installed."""
    return _simplex is not None


def resolve_engine(engine, geometry):
    """Return the name of the engine that computes exact EMDs over a geometry.

    Parameters
    ----------
    engine : {"auto", "simplex", "pot"}
        The compiled solver, POT's, or the compiled one where it can be used.
    geometry : Geometry
        Where the cells are.

    Returns
    -------
    engine : {"simplex", "pot"}
        A key of `SOLVERS`.

    Raises
    ------
    ValueError
        If the compiled solver is asked for and does not suit the geometry.
    ImportError
        If it is asked for and was not built.
    """
    check_choice(engine, "engine", ("auto", *SOLVERS))
    if engine == "pot":
        return engine
    if _simplex is None:
        if engine == "auto":
            return "pot"
        raise ImportError(
            "engine='simplex' is the compiled solver, which was not built when skemd "
            "was installed. Install a C compiler and skemd again, or use engine='pot'."
        )
    if _simplex.suits(geometry.ground_distance):
        return "simplex"
    if engine == "auto":
        return "pot"
    raise ValueError(
        "engine='simplex' solves up to 64 cells whose distances differ by a factor of "
        "at most 1000, and up to 1,024 cells with a factor of at most 2048; the "
        f"{geometry.name} geometry has {geometry.n_cells} cells with "
        f"distances from {geometry.min_distance:.3g} to {geometry.max_distance:.3g}. "
        "Use engine='pot'."
    )


def transport_plan(a, b, ground_distance):
    """Return an optimal transport plan between two wafers, by POT.

    Parameters
    ----------
    a, b : ndarray of shape (n_cells,)
        Charges of unit sum.
    ground_distance : ndarray of shape (n_cells, n_cells)
        Distances between the cells.

    Returns
    -------
    plan : ndarray of shape (n_cells, n_cells)
        The fraction of the charge that goes from each cell of `a` to each cell of `b`.
    """
    ground_distance, _ = _of_order_one(ground_distance)
    _, sources, sinks, moved, _ = _solved_by_pot(a - b, ground_distance)
    plan = np.diag(np.minimum(a, b))
    plan[np.ix_(sources, sinks)] = moved
    return plan


def _by_simplex(A, B, ground_distance, with_potentials, first_pair=0):
    """Solve pairs of wafers of any scale with the compiled solver.

    Others may write to the wafers meanwhile: it copies each pair, checks the copy, and
    names a pair that is none by its number, counted from `first_pair`.
    """
    distances = np.empty(len(A))
    potentials = np.empty(A.shape) if with_potentials else None
    A, B = (np.require(side, np.float64, ("C", "A")) for side in (A, B))
    _simplex.solve(A, B, ground_distance, distances, potentials, first_pair)
    return distances, potentials


def _by_pot(A, B, ground_distance, with_potentials, first_pair=0):
    """Solve pairs of wafers of any scale with POT, one by one.

    As the compiled solver it copies the wafers before it checks them.

    The dual of the transport problem over the cells where the wafers differ gives a
    potential v at the cells that receive charge. Its c-transform,
    f_k = max_j (v_j - d_jk), extends it to every cell as the lowest 1-Lipschitz
    function that is no smaller than v.
    """
    ground_distance, unit = _of_order_one(ground_distance)
    A, B = _checked_copies(A, B, first_pair)
    distances = np.zeros(len(A))
    potentials = np.zeros(A.shape) if with_potentials else None
    for row, surplus in enumerate(normalized(A) - normalized(B)):
        distances[row], _, sinks, _, at_sinks = _solved_by_pot(surplus, ground_distance)
        if with_potentials and distances[row] > 0:
            below = at_sinks[:, None] - ground_distance[sinks]
            potentials[row] = below.max(axis=0)
    distances *= unit
    if with_potentials:
        potentials -= potentials.mean(axis=1, keepdims=True)
        potentials *= unit
    return distances, potentials


def _checked_copies(A, B, first_pair):
    """Copy pairs of wafers to where nobody else writes, and check the copies."""
    pairs = np.stack([A, B], axis=1).astype(np.float64)
    charges = ((pairs >= 0) & (pairs < np.inf)).all(axis=-1)
    wrong = ~(charges & (pairs > 0).any(axis=-1)).all(axis=-1)
    if wrong.any():
        raise ValueError(
            f"pair {first_pair + wrong.argmax()} has a charge that is negative or not "
            "finite, or a wafer without charge. If that was checked before, another "
            "thread or process has changed the array meanwhile; pass a copy"
        )
    return pairs[:, 0], pairs[:, 1]


SOLVERS = {"simplex": _by_simplex, "pot": _by_pot}


@functools.cache
def _pot():
    """Import POT only when needed: it loads every array library that it finds."""
    from ot.lp import emd_wrap

    return emd_wrap


def _of_order_one(ground_distance):
    """Return distances in a unit, a power of two, that POT's tolerances suit."""
    _, exponent = np.frexp(ground_distance.max())
    unit = np.ldexp(1.0, exponent)
    return ground_distance / unit, unit


def _solved_by_pot(surplus, ground_distance):
    """Solve the transport from the cells with a surplus to those that lack charge.

    Parameters
    ----------
    surplus : ndarray of shape (n_cells,)
        Difference of two wafers of unit sum, in which the charge that they share is
        canceled.
    ground_distance : ndarray of shape (n_cells, n_cells)
        Distances between the cells, the largest of order one.

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
    # The rounding of equal wafers can leave a surplus without a sink.
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
