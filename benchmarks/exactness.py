"""How exact both engines are: every kind of pair against independent answers.

The answers come from POT's ``ot.emd2`` on the whole problem, without canceling the
charge that two wafers share, for 100,000 pairs in all; from the closed form in one
dimension; and from a linear program.
"""

import dataclasses
from pathlib import Path

import numpy as np
import ot
import scipy.stats

from benchmarks import peers
from skemd.datasets import load_wafers, make_wafers
from skemd.distance import paired_emd
from skemd.geometry import Geometry, grid, hgcal_wafer, line

SOLVERS = ("simplex", "pot")
# Trainings use seeds below 1000.
TEST_SEED = 1_000
REAL_SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "real_wafer_sample.csv"
N_CELLS = 48
ALL_SINGLE_CELLS = N_CELLS**2

RELATIVE_TOLERANCE = 1e-9
ABSOLUTE_TOLERANCE = 1e-12
# HiGHS stops at feasible to 1e-7.
PROGRAM_TOLERANCE = 1e-6
N_PROGRAMS = 50


@dataclasses.dataclass
class Kind:
    """Pairs of one kind with the answers that the engines shall give.

    Attributes
    ----------
    name : str
        What the table calls it.
    A, B : ndarray of shape (n_pairs, n_cells)
        Wafers of any scale.
    geometry : Geometry
        Where the cells are.
    answer : callable
        Takes a, b of unit sum and the geometry; returns the distance.
    relative_tolerance : float
        How far off a distance may be, unless the absolute tolerance forgives it.
    """

    name: str
    A: np.ndarray
    B: np.ndarray
    geometry: Geometry = dataclasses.field(default_factory=hgcal_wafer)
    answer: callable = None
    relative_tolerance: float = RELATIVE_TOLERANCE

    def answers(self):
        """Return the independent distances of all pairs."""
        answer = self.answer or by_pot
        a, b = (X / X.sum(axis=1, keepdims=True) for X in (self.A, self.B))
        return np.array(
            [answer(*pair, self.geometry) for pair in zip(a, b, strict=True)]
        )


@dataclasses.dataclass
class Errors:
    """How far an engine was off on the pairs of one kind."""

    n_pairs: int
    worst_relative: float
    worst_absolute: float
    n_outside: int
    worst_pair: int


def report(n_pairs=100_000):
    """Compare both engines with independent answers; return the table and its values.

    Parameters
    ----------
    n_pairs : int, default=100000
        Pairs that ``ot.emd2`` solves, all kinds together; no fewer than 10,000.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON: for each kind, and each engine, its `Errors`.

    Raises
    ------
    AssertionError
        If any distance is out of tolerance; the message holds the table.
    """
    if n_pairs < 10_000:
        raise ValueError(f"n_pairs must be 10,000 or more; got {n_pairs}.")
    kinds = [*kinds_for_pot(n_pairs), *kinds_for_others()]
    results = {}
    for kind in kinds:
        expected = kind.answers()
        results[kind.name] = {
            engine: errors_of(kind, engine, expected) for engine in SOLVERS
        }
    table = as_table(results, n_pairs)
    outside = [
        f"{name}, {engine}: {errors.n_outside} pairs, worst in row {errors.worst_pair}"
        for name, engines in results.items()
        for engine, errors in engines.items()
        if errors.n_outside
    ]
    if outside:
        raise AssertionError("\n".join([table, "out of tolerance:", *outside]))
    return table, {
        name: {engine: dataclasses.asdict(errors) for engine, errors in engines.items()}
        for name, engines in results.items()
    }


def errors_of(kind, engine, expected):
    """Solve the pairs of a kind and return how far the distances are off."""
    found = paired_emd(kind.A, kind.B, geometry=kind.geometry, engine=engine)
    error = np.abs(found - expected)
    allowed = np.maximum(kind.relative_tolerance * expected, ABSOLUTE_TOLERANCE)
    # A distance that is not a number is outside, too.
    inside = error <= allowed
    # Below the absolute tolerance a relative error says nothing.
    meaningful = expected > ABSOLUTE_TOLERANCE / kind.relative_tolerance
    relative = error[meaningful] / expected[meaningful]
    return Errors(
        n_pairs=len(found),
        worst_relative=float(relative.max(initial=0)),
        worst_absolute=float(error.max()),
        n_outside=int((~inside).sum()),
        worst_pair=int(np.argmax(error / allowed)),
    )


def as_table(results, n_pairs):
    """Return the errors of every kind and engine as lines for people."""
    lines = [
        f"exact EMD against independent answers, {n_pairs:,} pairs by ot.emd2",
        f"{'pairs':<36}{'number':>8}  {'engine':<8}{'relative':>10}{'absolute':>10}"
        "  within",
    ]
    for name, engines in results.items():
        for engine, errors in engines.items():
            within = "NO" if errors.n_outside else "yes"
            lines.append(
                f"{name:<36}{errors.n_pairs:>8,}  {engine:<8}"
                f"{errors.worst_relative:>10.1e}{errors.worst_absolute:>10.1e}"
                f"  {within}"
            )
    lines.append(
        f"within: each pair by {RELATIVE_TOLERANCE:g} relative or "
        f"{ABSOLUTE_TOLERANCE:g} absolute (linear program: "
        f"{PROGRAM_TOLERANCE:g}); relative: of distances above "
        f"{ABSOLUTE_TOLERANCE / RELATIVE_TOLERANCE:g}"
    )
    return "\n".join(lines)


# Independent answers


def by_pot(a, b, geometry):
    """Return POT's own distance, without canceling the charge that is shared."""
    return ot.emd2(a, b, geometry.ground_distance, numItermax=1_000_000)


def by_closed_form(a, b, geometry):
    """Return SciPy's distance of cells on a line."""
    places = geometry.positions[:, 0]
    return scipy.stats.wasserstein_distance(places, places, a, b)


def by_linear_program(a, b, geometry):
    """Solve the transport problem as a linear program over all n * n flows."""
    return peers.linear_program(a[None], b[None], geometry)()[0]


# Pairs


def kinds_for_pot(n_pairs):
    """Return the kinds that ``ot.emd2`` answers, `n_pairs` in all."""
    rng = np.random.RandomState(TEST_SEED)
    shuffled, *wafers_of_shuffled = permuted_cells(rng, n_pairs // 50)
    kinds = [
        Kind("all single cells", *single_cells()),
        Kind("sparse, 1-5 cells", *sparse(rng, n_pairs // 8)),
        Kind("nearly equal, 1e-3 to 1e-15", *nearly_equal(rng, n_pairs // 10)),
        Kind("one cell against 47", *one_against_the_rest(rng, n_pairs // 25)),
        Kind("charges from 1e-12 to 1e12", *wide_range(rng, n_pairs // 12)),
        Kind("permuted charges", *permuted(rng, n_pairs // 16)),
        Kind("permuted cells", *wafers_of_shuffled, shuffled),
        Kind("whole numbers 0 to 3", *whole_numbers(rng, n_pairs // 16)),
        Kind("line(64)", *histograms(rng, n_pairs // 20), line(64)),
        Kind("grid(8, 8)", *histograms(rng, n_pairs // 20), grid(8, 8)),
    ]
    if REAL_SAMPLE.exists():
        X = load_wafers(REAL_SAMPLE)
        drawn = X[rng.randint(len(X), size=(2, n_pairs // 6))]
        kinds.insert(0, Kind("real", *drawn))
    n_left = n_pairs - sum(len(kind.A) for kind in kinds)
    kinds.insert(0, Kind("generated", *generated(n_left)))
    return kinds


def kinds_for_others():
    """Return the kinds that the closed form and a linear program answer."""
    rng = np.random.RandomState(TEST_SEED + 1)
    kinds = [
        Kind(
            f"line({n_cells}), closed form",
            *histograms(rng, 500, n_cells),
            line(n_cells),
            by_closed_form,
        )
        for n_cells in (1, 2, 3, 12, 48, 64)
    ]
    A, B = generated(N_PROGRAMS)
    program = Kind("generated, linear program", A, B, answer=by_linear_program)
    program.relative_tolerance = PROGRAM_TOLERANCE
    return [*kinds, program]


def generated(n):
    return np.split(make_wafers(2 * n, random_state=TEST_SEED), 2)


def single_cells():
    return np.repeat(np.eye(N_CELLS), N_CELLS, 0), np.tile(
        np.eye(N_CELLS), (N_CELLS, 1)
    )


def sparse(rng, n):
    def side():
        rank = rng.rand(n, N_CELLS).argsort(axis=1).argsort(axis=1)
        return rng.exponential(size=rank.shape) * (rank < rng.randint(1, 6, (n, 1)))

    return side(), side()


def nearly_equal(rng, n):
    A = make_wafers(n, random_state=TEST_SEED + 2)
    step = 10 ** rng.uniform(-15, -3, size=(n, 1))
    return A, A * (1 + step * rng.uniform(-1, 1, size=A.shape))


def one_against_the_rest(rng, n):
    A = np.eye(N_CELLS)[rng.randint(N_CELLS, size=n)]
    return A, (1 - A) * rng.exponential(size=A.shape)


def wide_range(rng, n):
    return tuple(10 ** rng.uniform(-12, 12, size=(2, n, N_CELLS)))


def permuted(rng, n):
    # Equal charges on both sides make the transport problem degenerate.
    A = make_wafers(n, random_state=TEST_SEED + 3)
    order = rng.rand(*A.shape).argsort(axis=1)
    return A, np.take_along_axis(A, order, axis=1)


def permuted_cells(rng, n):
    order = rng.permutation(N_CELLS)
    shuffled = Geometry(hgcal_wafer().positions[order], name="shuffled wafer")
    return shuffled, *(np.take(side, order, axis=1) for side in generated(n))


def whole_numbers(rng, n):
    A, B = rng.randint(0, 4, size=(2, n, N_CELLS)).astype(float)
    return A, B


def histograms(rng, n, n_cells=64):
    return tuple(rng.exponential(size=(2, n, n_cells)))
