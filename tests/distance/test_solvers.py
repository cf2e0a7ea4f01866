"""Both engines of the exact EMD: their answers, who runs, and what they refuse."""

import contextlib
import itertools
import shutil

import numpy as np
import ot
import pytest
import scipy.optimize
import scipy.sparse
import scipy.stats
from engines import skip_without_simplex
from repository import REAL_SAMPLE

from skemd.datasets import load_wafers, make_wafers
from skemd.distance import _exact, _solvers, paired_emd, paired_potentials, pairwise_emd
from skemd.distance._solvers import SOLVERS, compiled_solver_is_built, resolve_engine
from skemd.geometry import Geometry, grid, hgcal_wafer, line

GROUND = hgcal_wafer().ground_distance
FUNCTIONS = [paired_emd, pairwise_emd, paired_potentials]


@pytest.fixture(params=SOLVERS)
def engine(request):
    """Run a test with the compiled solver and with POT's."""
    skip_without_simplex(request.param)
    return request.param


@pytest.fixture
def simplex():
    """Return the extension module."""
    skip_without_simplex()
    return _solvers._simplex


def assert_close(found, expected, relative=1e-9, absolute=1e-12):
    """Check that each distance is within one of the tolerances."""
    off = ~(np.abs(found - expected) <= np.maximum(relative * expected, absolute))
    assert not off.any(), f"{found[off]}, not {expected[off]} at {np.argwhere(off)}"


def unit_sums(X):
    return X / X.sum(axis=1, keepdims=True)


def by_pot(A, B, geometry):
    """Return POT's own distances, without canceling the charge that is shared."""
    return np.array(
        [
            ot.emd2(a, b, geometry.ground_distance, numItermax=1_000_000)
            for a, b in zip(unit_sums(A), unit_sums(B), strict=True)
        ]
    )


def test_the_compiled_solver_is_built_where_there_is_a_compiler():
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    assert compiled_solver_is_built()


# Independent answers, kind by kind


def _generated(rng):
    return np.split(make_wafers(400, random_state=1_000), 2)


def _real(rng):
    if not REAL_SAMPLE.exists():
        pytest.skip("there is no sample of real wafers")
    X = load_wafers(REAL_SAMPLE)
    return X[rng.randint(len(X), size=(2, 200))]


def _sparse(rng):
    rank = rng.rand(2, 200, 48).argsort(axis=-1).argsort(axis=-1)
    n_charged = rng.randint(1, 6, size=(2, 200, 1))
    return rng.exponential(size=rank.shape) * (rank < n_charged)


def _nearly_equal(rng):
    A = rng.exponential(size=(200, 48))
    step = 10 ** rng.uniform(-15, -3, size=(200, 1))
    return A, A * (1 + step * rng.uniform(-1, 1, size=A.shape))


def _one_against_the_rest(rng):
    A = np.eye(48)[rng.randint(48, size=200)]
    return A, (1 - A) * rng.exponential(size=A.shape)


def _wide_range(rng):
    return 10 ** rng.uniform(-12, 12, size=(2, 200, 48))


def _permuted(rng):
    # Equal charges on both sides make the transport problem degenerate.
    A = rng.exponential(size=(200, 48))
    return A, np.take_along_axis(A, rng.rand(*A.shape).argsort(axis=1), axis=1)


def _whole_numbers(rng):
    return rng.randint(0, 4, size=(2, 200, 48)).astype(float)


def _as_many_as_the_solver_takes(rng):
    return rng.exponential(size=(2, 100, 64))


KINDS = {
    "generated": (_generated, hgcal_wafer()),
    "real": (_real, hgcal_wafer()),
    "sparse": (_sparse, hgcal_wafer()),
    "nearly equal": (_nearly_equal, hgcal_wafer()),
    "one against the rest": (_one_against_the_rest, hgcal_wafer()),
    "wide range": (_wide_range, hgcal_wafer()),
    "permuted": (_permuted, hgcal_wafer()),
    "whole numbers": (_whole_numbers, hgcal_wafer()),
    "line(64)": (_as_many_as_the_solver_takes, line(64)),
    "grid(8, 8)": (_as_many_as_the_solver_takes, grid(8, 8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_distances_agree_with_pot_on_the_whole_problem(engine, kind):
    draw, geometry = KINDS[kind]
    A, B = draw(np.random.RandomState(0))
    found = paired_emd(A, B, geometry=geometry, engine=engine)
    assert_close(found, by_pot(A, B, geometry))


def test_all_single_cells_are_as_far_apart_as_the_ground_distance(engine):
    distances = pairwise_emd(np.eye(48), np.eye(48), engine=engine)
    np.testing.assert_allclose(distances, GROUND, rtol=1e-15, atol=0)


@pytest.mark.parametrize("n_cells", [1, 2, 3, 17, 63, 64])
def test_lines_agree_with_the_closed_form(engine, n_cells):
    A, B = np.random.RandomState(1).exponential(size=(2, 100, n_cells))
    places = np.arange(n_cells)
    expected = [
        scipy.stats.wasserstein_distance(places, places, a, b)
        for a, b in zip(A, B, strict=True)
    ]
    found = paired_emd(A, B, geometry=line(n_cells), engine=engine)
    assert_close(found, np.array(expected))


def test_distances_agree_with_a_linear_program(engine):
    A, B = unit_sums(make_wafers(20, random_state=1_001)).reshape(2, 10, 48)
    one, row = scipy.sparse.identity(48), np.ones((1, 48))
    marginals = scipy.sparse.vstack(
        [scipy.sparse.kron(one, row), scipy.sparse.kron(row, one)]
    )
    expected = [
        scipy.optimize.linprog(GROUND.ravel(), A_eq=marginals, b_eq=np.r_[a, b]).fun
        for a, b in zip(A, B, strict=True)
    ]
    # HiGHS stops at feasible to 1e-7.
    assert_close(paired_emd(A, B, engine=engine), np.array(expected), relative=1e-6)


def test_a_tiny_difference_keeps_its_precision(engine):
    # A charge of 2**-40 moves over a known distance; the rest stays.
    a = np.full(48, 2.0**-6)
    b = a.copy()
    b[[0, 12]] += [-(2.0**-40), 2.0**-40]
    expected = 2.0**-40 / a.sum() * GROUND[0, 12]
    assert emd_by(engine, a, b) == pytest.approx(expected, rel=1e-9)


def emd_by(engine, a, b, geometry="wafer"):
    return paired_emd(a[None], b[None], geometry=geometry, engine=engine)[0]


# What holds over any geometry


def _in_space(n_cells, n_dimensions, seed=0):
    positions = np.random.RandomState(seed).normal(size=(n_cells, n_dimensions))
    return Geometry(positions, name=f"{n_cells} in {n_dimensions} dimensions")


GEOMETRIES = [
    hgcal_wafer(),
    line(1),
    line(2),
    line(64),
    grid(8, 8),
    grid(2, 5),
    Geometry([[0.0], [0.3]], name="two cells"),
    Geometry([[0.0], [1.0], [1000.0]], name="as uneven as may be"),
    Geometry(np.eye(9), name="all equally far"),
    _in_space(3, 2),
    _in_space(20, 3),
    _in_space(63, 3),
    _in_space(64, 5),
]

over_geometries = pytest.mark.parametrize(
    "geometry", GEOMETRIES, ids=lambda geometry: geometry.name
)


def mixed_wafers(geometry, n, seed):
    """Return wafers with few and many charged cells, whole numbers among them."""
    rng = np.random.RandomState(seed)
    X = rng.exponential(size=(n, geometry.n_cells))
    X[1::3] = rng.randint(0, 3, size=X[1::3].shape)
    X[2::3] *= rng.rand(*X[2::3].shape) < 0.2
    X[X.sum(axis=1) == 0, rng.randint(geometry.n_cells)] = 1.0
    return X


@over_geometries
def test_distances_are_a_metric(engine, geometry):
    X = mixed_wafers(geometry, 9, seed=2)
    largest = geometry.max_distance
    distances = pairwise_emd(X, X, geometry=geometry, engine=engine)
    assert (distances >= 0).all()
    assert (distances <= largest * (1 + 1e-12)).all()
    assert (np.diag(distances) == 0).all()
    assert_close(distances, distances.T, absolute=1e-12 * largest)
    moved = np.abs(unit_sums(X)[:, None] - unit_sums(X)).sum(axis=-1) / 2
    assert (distances >= moved * geometry.min_distance - 1e-12 * largest).all()
    for i, j, k in itertools.permutations(range(len(X)), 3):
        detour = distances[i, j] + distances[j, k]
        assert distances[i, k] <= detour + 1e-12 * largest


@over_geometries
def test_potentials_are_1_lipschitz_and_attain_the_distance(engine, geometry):
    A, B = (mixed_wafers(geometry, 60, seed) for seed in (3, 4))
    distances, potentials = paired_potentials(A, B, geometry=geometry, engine=engine)
    rounding = 1e-12 * max(geometry.max_distance, 1e-90)
    steepness = potentials[:, :, None] - potentials[:, None, :]
    assert (steepness <= geometry.ground_distance + rounding).all()
    attained = (potentials * (unit_sums(B) - unit_sums(A))).sum(axis=1)
    assert_close(attained, distances, absolute=rounding)
    assert (np.abs(potentials.mean(axis=1)) <= rounding).all()


@over_geometries
def test_asking_for_potentials_does_not_change_the_distances(engine, geometry):
    A, B = (mixed_wafers(geometry, 60, seed) for seed in (3, 4))
    distances, _ = paired_potentials(A, B, geometry=geometry, engine=engine)
    alone = paired_emd(A, B, geometry=geometry, engine=engine)
    np.testing.assert_array_equal(distances, alone)


@over_geometries
def test_potentials_are_subgradients(engine, geometry):
    A, B, other = (mixed_wafers(geometry, 60, seed) for seed in (5, 6, 7))
    distances, potentials = paired_potentials(A, B, geometry=geometry, engine=engine)
    step = unit_sums(other) - unit_sums(B)
    bound = distances + (potentials * step).sum(axis=1)
    found = paired_emd(A, other, geometry=geometry, engine=engine)
    assert (found >= bound - 1e-9 * geometry.max_distance).all()


@over_geometries
def test_engines_agree(simplex, geometry):
    A, B = (mixed_wafers(geometry, 100, seed) for seed in (8, 9))
    compiled = paired_emd(A, B, geometry=geometry, engine="simplex")
    pot = paired_emd(A, B, geometry=geometry, engine="pot")
    assert_close(compiled, pot, absolute=1e-12 * geometry.max_distance)


@pytest.mark.parametrize("scale", [1e-80, 1e-12, 1e-6, 1e6, 1e80])
def test_the_unit_of_length_does_not_matter(engine, scale):
    usual = _in_space(30, 3)
    scaled = Geometry(usual.positions * scale)
    A, B = (mixed_wafers(usual, 50, seed) for seed in (1, 2))
    expected = paired_emd(A, B, geometry=usual, engine=engine)
    distances, potentials = paired_potentials(A, B, geometry=scaled, engine=engine)
    assert_close(distances / scale, expected)
    attained = (potentials * (unit_sums(B) - unit_sums(A))).sum(axis=1)
    assert_close(attained / scale, expected)


def test_the_order_of_the_cells_does_not_matter(engine):
    A, B = np.split(make_wafers(100, random_state=1_005), 2)
    order = np.random.RandomState(0).permutation(48)
    shuffled = Geometry(hgcal_wafer().positions[order], name="shuffled")
    found = paired_emd(A[:, order], B[:, order], geometry=shuffled, engine=engine)
    assert_close(found, paired_emd(A, B, engine=engine))


# The choice of the engine

UNSUITABLE = [
    Geometry([[0.0], [1.0], [1000.001]], name="uneven"),
    Geometry(
        [*([float(place)] for place in range(64)), [2048.001]], name="more uneven"
    ),
]


@pytest.mark.parametrize("geometry", UNSUITABLE, ids=lambda geometry: geometry.name)
def test_the_compiled_solver_is_refused_where_it_does_not_suit(simplex, geometry):
    A, B = (mixed_wafers(geometry, 10, seed) for seed in (1, 2))
    match = (
        "up to 64 cells whose distances differ by a factor of at most 1000, and up to "
        r"1,024 cells with a factor of at most 2048; .* has "
        rf"{geometry.n_cells} cells with distances from 1 to .*Use engine='pot'"
    )
    for function in FUNCTIONS:
        with pytest.raises(ValueError, match=match):
            function(A, B, geometry=geometry, engine="simplex")
    assert resolve_engine("auto", geometry) == "pot"
    np.testing.assert_array_equal(
        paired_emd(A, B, geometry=geometry),
        paired_emd(A, B, geometry=geometry, engine="pot"),
    )


@over_geometries
def test_auto_is_the_compiled_solver_wherever_it_suits(simplex, geometry):
    assert resolve_engine("auto", geometry) == "simplex"
    A, B = (mixed_wafers(geometry, 10, seed) for seed in (1, 2))
    for function in FUNCTIONS:
        auto, compiled = (
            function(A, B, geometry=geometry, engine=engine)
            for engine in ("auto", "simplex")
        )
        np.testing.assert_array_equal(auto[0], compiled[0])
        np.testing.assert_array_equal(auto[-1], compiled[-1])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("unknown", ["sinkhorn", "POT", "", None, 1])
def test_an_unknown_engine_is_an_error_that_names_the_known_ones(function, unknown):
    with pytest.raises(ValueError, match=r"engine.*'auto'.*'simplex'.*'pot'"):
        function(np.eye(48), np.eye(48), engine=unknown)


def test_without_the_compiled_solver_the_error_names_the_cure(monkeypatch):
    monkeypatch.setattr(_solvers, "_simplex", None)
    match = "not built .* Install a C compiler and skemd again, or use engine='pot'"
    for function in FUNCTIONS:
        with pytest.raises(ImportError, match=match):
            function(np.eye(48), np.eye(48), engine="simplex")


def test_without_the_compiled_solver_auto_is_pot(monkeypatch):
    A, B = make_wafers(60, random_state=1_002).reshape(2, 30, 48)
    before = paired_emd(A, B)
    monkeypatch.setattr(_solvers, "_simplex", None)
    assert resolve_engine("auto", hgcal_wafer()) == "pot"
    auto = paired_emd(A, B)
    np.testing.assert_array_equal(auto, paired_emd(A, B, engine="pot"))
    assert_close(auto, before)


# What may be passed


def both(A, B, engine, **options):
    """Return distances and potentials as one array."""
    distances, potentials = paired_potentials(A, B, engine=engine, **options)
    return np.column_stack([distances, potentials])


@pytest.mark.parametrize("dtype", ["f4", "f2", "i8", "u2", ">f8", ">f4", bool])
def test_other_numbers_are_what_they_are_in_double_precision(engine, dtype):
    A, B = np.random.RandomState(3).randint(1, 500, size=(2, 20, 48)).astype(dtype)
    expected = both(A.astype(np.float64), B.astype(np.float64), engine)
    np.testing.assert_array_equal(both(A, B, engine), expected)
    np.testing.assert_array_equal(both(A.astype(np.float64), B, engine), expected)


@pytest.mark.parametrize(
    "lay_out",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: np.repeat(X, 3, axis=1)[:, ::3],
        lambda X: X[::-1].copy()[::-1],
        lambda X: np.pad(X, 5)[5:-5, 5:-5],
        lambda X: X.tolist(),
    ],
    ids=["fortran", "rows", "columns", "reversed", "inside", "list"],
)
def test_the_layout_in_memory_does_not_matter(engine, lay_out):
    A, B = np.random.RandomState(4).exponential(size=(2, 20, 48))
    found, expected = both(lay_out(A), lay_out(B), engine), both(A, B, engine)
    # NumPy may add up in another order.
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def unaligned(X):
    """Return the same numbers at an address that is no multiple of their size."""
    memory = bytearray(X.nbytes + 1)
    copy = np.frombuffer(memory, X.dtype, offset=1).reshape(X.shape)
    copy[:] = X
    assert not copy.flags.aligned
    return copy


def test_unaligned_wafers_are_wafers(engine):
    A, B = np.random.RandomState(4).exponential(size=(2, 20, 48))
    found = both(unaligned(A), unaligned(B), engine)
    np.testing.assert_array_equal(found, both(A, B, engine))


def test_the_smallest_charges_there_are_count(engine):
    tiny, one = np.zeros((2, 3)), np.zeros((2, 3))
    tiny[0, 0], tiny[1, 1:] = 5e-324, [5e-324, 1.5e-323]
    one[0, 0], one[1, 1:] = 1, [1, 3]
    assert emd_by(engine, *tiny, "line") == emd_by(engine, *one, "line") == 1.75


def test_the_largest_charges_there_are_count(engine):
    A, B = np.random.RandomState(5).rand(2, 3, 48)
    A[:, 7], B[0] = 1e308, 1e306
    A[1] = [1e308, 7e307] + 46 * [0]
    B[1] = np.eye(48)[5] * np.finfo(float).max
    # A power of two costs no precision.
    expected = paired_emd(A / 2.0**900, B / 2.0**900, engine=engine)
    assert_close(paired_emd(A, B, engine=engine), expected)
    assert_close(expected, by_pot(A / 2.0**900, B / 2.0**900, hgcal_wafer()))


def test_what_is_passed_is_not_changed(engine):
    A, B = make_wafers(20, random_state=1_003).reshape(2, 10, 48)
    kept = A.tobytes(), B.tobytes()
    for side in (A, B):
        side.setflags(write=False)
    for function in FUNCTIONS:
        function(A, B, engine=engine)
    assert (A.tobytes(), B.tobytes()) == kept


@pytest.mark.parametrize("function", FUNCTIONS)
def test_two_threads_give_the_same_as_one(simplex, monkeypatch, function):
    A, B = make_wafers(100, random_state=1_004).reshape(2, 50, 48)
    alone = function(A, B, engine="simplex", n_jobs=1)
    monkeypatch.setitem(_exact._TASK_SIZE, "simplex", 3)
    together = function(A, B, engine="simplex", n_jobs=2)
    np.testing.assert_array_equal(alone[0], together[0])
    np.testing.assert_array_equal(alone[-1], together[-1])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_progress_bar_is_drawn_on_stderr_if_asked_for(engine, capsys, function):
    function(np.eye(48)[:5], np.ones((5, 48)), engine=engine, verbose=1)
    shown = capsys.readouterr()
    n_pairs = 25 if function is pairwise_emd else 5
    assert "exact EMD [####" in shown.err
    assert f"{n_pairs}/{n_pairs}" in shown.err
    assert shown.err.endswith("\n")
    assert shown.out == ""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_drawn_unless_asked_for(engine, capsys, function):
    function(np.eye(48)[:5], np.ones((5, 48)), engine=engine, verbose=0)
    function(np.eye(48)[:5], np.ones((5, 48)), engine=engine)
    assert tuple(capsys.readouterr()) == ("", "")


# The extension module, called with arguments that the functions above never pass

ARGUMENTS = ("a", "b", "ground_distance", "distances", "potentials")


def good_arguments(n_pairs=3, n_cells=4):
    """Return arguments of the extension's solve, by name."""
    a, b = np.random.RandomState(6).rand(2, n_pairs, n_cells)
    return {
        "a": a,
        "b": b,
        "ground_distance": np.array(line(max(n_cells, 1)).ground_distance)[:n_cells],
        "distances": np.full(n_pairs, np.nan),
        "potentials": np.full((n_pairs, n_cells), np.nan),
    }


def solve(simplex, arguments):
    return simplex.solve(*(arguments[name] for name in ARGUMENTS))


def as_dtype(dtype):
    def change(array):
        return np.zeros(array.shape, dtype)

    change.__name__ = str(dtype)
    return change


def read_only(array):
    array.setflags(write=False)
    return array


def strided(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def reversed_rows(array):
    return array[::-1]


def one_row_less(array):
    return array[:-1].copy()


def one_row_more(array):
    return np.concatenate([array, array[:1]])


def one_column_more(array):
    return np.concatenate([array, array[..., :1]], axis=-1)


def one_dimension_more(array):
    return array[None]


def flat(array):
    return array.ravel() if array.ndim > 1 else array[0]


def in_records(array):
    return array.view([("charge", np.float64)])


def as_bytes(array):
    return array.tobytes()


def as_list(array):
    return array.tolist()


def nothing(array):
    return None


def text(array):
    return "wafer"


def a_number(array):
    return 1.0


MISFITS = [
    *map(as_dtype, ["f4", "i8", "u8", "c16", ">f8", "O", "M8[s]", "g", "?"]),
    strided,
    reversed_rows,
    one_row_less,
    one_row_more,
    one_column_more,
    one_dimension_more,
    flat,
    in_records,
    as_bytes,
]
NO_ARRAYS = [as_list, text, a_number, nothing]


def _name(value):
    return getattr(value, "__name__", str(value))


def test_good_arguments_are_solved(simplex):
    arguments = good_arguments()
    assert solve(simplex, arguments) is None
    expected = by_pot(arguments["a"], arguments["b"], line(4))
    assert_close(arguments["distances"], expected)
    assert np.isfinite(arguments["potentials"]).all()


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("change", MISFITS, ids=_name)
def test_solve_refuses_arrays_that_do_not_fit(simplex, name, change):
    arguments = good_arguments()
    arguments[name] = change(arguments[name])
    with pytest.raises((ValueError, BufferError)):
        solve(simplex, arguments)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("change", NO_ARRAYS, ids=_name)
def test_solve_refuses_what_is_no_array(simplex, name, change):
    if name == "potentials" and change is nothing:
        pytest.skip("no potentials are fine")
    arguments = good_arguments()
    arguments[name] = change(arguments[name])
    with pytest.raises(TypeError):
        solve(simplex, arguments)


@pytest.mark.parametrize("name", ["distances", "potentials"])
def test_solve_does_not_write_to_what_is_read_only(simplex, name):
    arguments = good_arguments()
    arguments[name] = read_only(arguments[name])
    with pytest.raises((ValueError, BufferError), match="read-only"):
        solve(simplex, arguments)
    assert np.isnan(arguments[name]).all()


def test_solve_reads_what_is_read_only(simplex):
    arguments = good_arguments()
    for name in ("a", "b", "ground_distance"):
        arguments[name] = read_only(arguments[name])
    solve(simplex, arguments)
    assert np.isfinite(arguments["distances"]).all()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_solve_refuses_addresses_that_are_no_multiple_of_the_size(simplex, name):
    arguments = good_arguments()
    # NumPy's own buffers say that they are unaligned; memoryviews do not.
    array = arguments[name]
    memory = memoryview(bytearray(array.nbytes + 1))[1:]
    memory[:] = array.tobytes()
    arguments[name] = memory.cast("d", shape=array.shape)
    with pytest.raises((ValueError, BufferError)):
        solve(simplex, arguments)


@pytest.mark.parametrize("n_arguments", [0, 1, 2, 3, 4, 7])
def test_solve_counts_its_arguments(simplex, n_arguments):
    arguments = [*good_arguments().values(), 0, None][:n_arguments]
    match = rf"at (least 5|most 6) arguments \({n_arguments} given"
    with pytest.raises(TypeError, match=match):
        simplex.solve(*arguments)


def test_solve_takes_no_keywords(simplex):
    with pytest.raises(TypeError, match="keyword"):
        simplex.solve(**good_arguments())


@pytest.mark.parametrize("n_arguments", [0, 2])
def test_suits_counts_its_arguments(simplex, n_arguments):
    with pytest.raises(TypeError, match="exactly one argument"):
        simplex.suits(*n_arguments * [np.zeros((2, 2))])


@pytest.mark.parametrize("n_cells", [0, 1025, 2000])
def test_solve_refuses_numbers_of_cells_that_it_does_not_take(simplex, n_cells):
    arguments = good_arguments(n_cells=n_cells)
    arguments["ground_distance"] = np.ones((n_cells, n_cells))
    with pytest.raises(ValueError, match="square with 1 to 1024 cells"):
        solve(simplex, arguments)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (1, 4), (0, 4), (4, 0), (64, 1)])
def test_ground_distances_must_be_square(simplex, shape):
    arguments = good_arguments()
    arguments["ground_distance"] = np.ones(shape)
    with pytest.raises(ValueError, match="must be square with 1 to 1024 cells"):
        solve(simplex, arguments)
    assert simplex.suits(np.ones(shape)) is False


BAD_CHARGES = [np.nan, -np.nan, np.inf, -np.inf, -1.0, -5e-324]


@pytest.mark.parametrize("with_potentials", [True, False])
@pytest.mark.parametrize("bad", BAD_CHARGES)
@pytest.mark.parametrize("side", ["a", "b"])
def test_solve_refuses_numbers_that_are_no_charge(simplex, side, bad, with_potentials):
    for row, cell in itertools.product(range(3), range(4)):
        arguments = good_arguments()
        if not with_potentials:
            arguments["potentials"] = None
        arguments[side][row, cell] = bad
        with pytest.raises(ValueError, match=f"pair {row} has a charge .* not finite"):
            solve(simplex, arguments)
        # Earlier pairs are solved; later ones are not touched.
        assert np.isfinite(arguments["distances"][:row]).all()
        assert np.isnan(arguments["distances"][row + 1 :]).all()


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("side", ["a", "b"])
def test_solve_refuses_wafers_without_charge(simplex, side, zero):
    arguments = good_arguments()
    arguments[side][1] = zero
    with pytest.raises(ValueError, match=r"pair 1 has .* a wafer without charge"):
        solve(simplex, arguments)


@pytest.mark.parametrize("n_cells", [1, 2, 4, 64])
@pytest.mark.parametrize("bad", [*BAD_CHARGES, 1e101])
def test_bad_ground_distances_are_refused(simplex, bad, n_cells):
    for place in [(0, 0), (n_cells - 1, 0), (0, n_cells - 1)]:
        arguments = good_arguments(n_cells=n_cells)
        arguments["ground_distance"][place] = bad
        assert simplex.suits(arguments["ground_distance"]) is False
        with pytest.raises(ValueError, match="do not suit the compiled solver"):
            solve(simplex, arguments)


@pytest.mark.parametrize("change", [*MISFITS, as_list, text, a_number], ids=_name)
def test_suits_refuses_what_is_no_square_array(simplex, change):
    changed = change(good_arguments()["ground_distance"])
    with contextlib.suppress(ValueError, BufferError, TypeError):
        assert simplex.suits(changed) is False


def test_suits_draws_the_line_at_a_factor_of_1000(simplex):
    ground = np.array([[0, 1, 1000], [1, 0, 999], [1000, 999, 0]], dtype=float)
    assert simplex.suits(ground) is True
    ground[0, 2] = np.nextafter(1000, np.inf)
    assert simplex.suits(ground) is False


def test_no_pairs_are_no_work(simplex):
    arguments = good_arguments(n_pairs=0)
    assert solve(simplex, arguments) is None
    arguments["potentials"] = None
    assert solve(simplex, arguments) is None


def test_numbers_that_are_no_metric_do_not_crash(simplex):
    rng = np.random.RandomState(7)
    for n_cells in (1, 2, 9, 64):
        arguments = good_arguments(n_pairs=20, n_cells=n_cells)
        arguments["ground_distance"] = rng.uniform(1, 1000, size=(n_cells, n_cells))
        solve(simplex, arguments)
        assert np.isfinite(arguments["distances"]).all()
        assert np.isfinite(arguments["potentials"]).all()


def inside_guards(array):
    """Return a view of the same shape in the middle of memory that holds sevens."""
    memory = np.full(array.size + 128, 7.0)
    return memory[64:-64].reshape(array.shape), memory


@pytest.mark.parametrize("n_cells", [1, 2, 7, 8, 9, 48, 63, 64])
def test_solve_writes_nowhere_but_to_its_outputs(simplex, n_cells):
    arguments = good_arguments(n_pairs=5, n_cells=n_cells)
    memories = []
    for name in ("distances", "potentials"):
        arguments[name], memory = inside_guards(arguments[name])
        memories.append(memory)
    solve(simplex, arguments)
    for memory in memories:
        assert (memory[:64] == 7).all()
        assert (memory[-64:] == 7).all()


def test_both_sides_may_be_the_same_array(simplex):
    arguments = good_arguments()
    arguments["b"] = arguments["a"]
    solve(simplex, arguments)
    assert (arguments["distances"] == 0).all()
    assert (arguments["potentials"] == 0).all()


def test_outputs_may_overlap_the_ground_distance(simplex):
    expected = good_arguments(n_pairs=4)
    solve(simplex, expected)
    arguments = good_arguments(n_pairs=4)
    arguments["potentials"] = arguments["ground_distance"]
    solve(simplex, arguments)
    np.testing.assert_array_equal(arguments["distances"], expected["distances"])
    np.testing.assert_array_equal(arguments["potentials"], expected["potentials"])


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("output", ["distances", "potentials"])
@pytest.mark.parametrize("shift", [0, 1, 5, 47])
def test_overlapping_buffers_do_not_crash(simplex, side, output, shift):
    arguments = good_arguments(n_pairs=10, n_cells=48)
    memory = np.full(10 * 48 + 200, 7.0)
    held = memory[100 : 100 + 10 * 48].reshape(10, 48)
    held[:] = arguments[side]
    arguments[side] = held
    size = arguments[output].size
    start = 100 + shift
    arguments[output] = memory[start : start + size].reshape(arguments[output].shape)
    # A charge that was overwritten may be negative.
    with contextlib.suppress(ValueError):
        solve(simplex, arguments)
    assert (memory[:100] == 7).all()
    assert (memory[-48:] == 7).all()
