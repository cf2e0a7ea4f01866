"""The exact EMD against independent answers, and the axioms of a metric."""

import itertools

import numpy as np
import ot
import pytest
import scipy.optimize
import scipy.sparse
import scipy.stats
from engines import skip_without_simplex

from skemd.distance import _exact, emd, paired_emd, paired_potentials, pairwise_emd
from skemd.distance._solvers import SOLVERS
from skemd.geometry import Geometry, grid, hgcal_wafer, line
from skemd.metrics import mean_emd

GROUND = hgcal_wafer().ground_distance
FUNCTIONS = [paired_emd, pairwise_emd, paired_potentials]


@pytest.fixture(params=SOLVERS, autouse=True)
def each_engine(request, monkeypatch):
    """Run every test with the compiled solver and with POT's."""
    skip_without_simplex(request.param)
    monkeypatch.setattr(_exact, "resolve_engine", lambda *_: request.param)
    return request.param


@pytest.fixture
def dense_pairs(unit_wafers):
    """Return pairs of unit-sum wafers with charge in every cell."""
    return unit_wafers(12, n_charged=48, seed=1), unit_wafers(12, n_charged=48, seed=2)


def linear_program(a, b, ground):
    """Solve the transport problem as a linear program over all n * n flows."""
    n = len(a)
    one = scipy.sparse.identity(n)
    row = np.ones((1, n))
    marginals = scipy.sparse.vstack(
        [scipy.sparse.kron(one, row), scipy.sparse.kron(row, one)]
    )
    solution = scipy.optimize.linprog(
        ground.ravel(), A_eq=marginals, b_eq=np.r_[a, b], method="highs"
    )
    return solution.fun


def pot(a, b, ground=GROUND):
    """Return POT's own distance, without canceling the charge that is shared."""
    return ot.emd2(a / a.sum(), b / b.sum(), ground, numItermax=1_000_000)


# Independent second answers


def test_single_cells_are_as_far_apart_as_the_ground_distance():
    distances = pairwise_emd(np.eye(48), np.eye(48))
    np.testing.assert_allclose(distances, GROUND, rtol=1e-15, atol=0)


def test_cells_on_a_line_agree_with_the_closed_form_in_one_dimension(wafers):
    A, B = wafers(30, n_cells=12, seed=1), wafers(30, n_cells=12, seed=2)
    places = np.arange(12)
    expected = [
        scipy.stats.wasserstein_distance(places, places, a, b)
        for a, b in zip(A, B, strict=True)
    ]
    found = paired_emd(A, B, geometry="line")
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("n_charged", [5, 48])
def test_emd_agrees_with_a_linear_program(unit_wafers, n_charged):
    A = unit_wafers(10, n_charged=n_charged, seed=3)
    B = unit_wafers(10, n_charged=n_charged, seed=4)
    expected = [linear_program(a, b, GROUND) for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(paired_emd(A, B), expected, rtol=1e-7)


def _dense(rng):
    return rng.rand(20, 48), rng.rand(20, 48)


def _sparse(rng):
    return tuple(rng.rand(20, 48) * (rng.rand(20, 48) < 0.15) + 1e-9 for _ in "AB")


def _nearly_equal(rng):
    A = rng.rand(20, 48)
    return A, A * (1 + 1e-15 * rng.normal(size=A.shape))


def _wide_range(rng):
    return tuple(10 ** rng.uniform(-12, 12, size=(20, 48)) for _ in "AB")


def _one_against_the_rest(rng):
    cells = rng.randint(48, size=20)
    A = np.eye(48)[cells]
    return A, (1 - A) * rng.rand(20, 48)


def _whole_numbers(rng):
    # Equal charges make the transport problem degenerate.
    return tuple(rng.randint(0, 3, size=(20, 48)).astype(float) for _ in "AB")


@pytest.mark.parametrize(
    "kind",
    [
        _dense,
        _sparse,
        _nearly_equal,
        _wide_range,
        _one_against_the_rest,
        _whole_numbers,
    ],
)
def test_emd_agrees_with_pot(kind):
    A, B = kind(np.random.RandomState(5))
    expected = [pot(a, b) for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(paired_emd(A, B), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("geometry", [grid(3, 4), line(12), Geometry(np.eye(12))])
def test_emd_agrees_with_pot_on_other_geometries(wafers, geometry):
    A, B = wafers(10, n_cells=12, seed=1), wafers(10, n_cells=12, seed=2)
    ground = geometry.ground_distance
    expected = [pot(a, b, ground) for a, b in zip(A, B, strict=True)]
    found = paired_emd(A, B, geometry=geometry)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_one_cell_against_many_is_the_mean_distance_to_them(unit_wafers):
    X = unit_wafers(48, n_charged=47)
    expected = (X * GROUND).sum(axis=1)
    np.testing.assert_allclose(paired_emd(np.eye(48), X), expected, rtol=1e-12)


def test_differences_far_below_rounding_of_the_whole_keep_their_precision():
    # A charge of 1e-9 moves over a known distance; the rest stays.
    A = np.full(48, 1 / 48)
    B = A.copy()
    B[0] -= 1e-9
    B[12] += 1e-9
    assert emd(A, B) == pytest.approx(1e-9 * GROUND[0, 12], rel=1e-6)


# Axioms


def test_equal_wafers_are_exactly_zero_apart(wafers):
    X = wafers(50)
    assert (paired_emd(X, X) == 0).all()
    assert (np.diag(pairwise_emd(X, X)) == 0).all()
    assert emd(X[0], X[0]) == 0


def test_emd_is_symmetric(wafers):
    A, B = wafers(50, seed=1), wafers(50, seed=2)
    np.testing.assert_allclose(paired_emd(A, B), paired_emd(B, A), rtol=1e-13)


def test_emd_obeys_the_triangle_inequality(wafers):
    distances = pairwise_emd(wafers(12))
    assert (distances[~np.eye(12, dtype=bool)] > 0.1).all()
    for i, j, k in itertools.permutations(range(12), 3):
        assert distances[i, k] <= distances[i, j] + distances[j, k] + 1e-12


def test_emd_is_never_outside_what_the_geometry_allows(wafers):
    A, B = wafers(50, seed=1), wafers(50, seed=2)
    moved = np.abs(A / A.sum(1)[:, None] - B / B.sum(1)[:, None]).sum(axis=1) / 2
    distances = paired_emd(A, B)
    assert (distances >= moved * hgcal_wafer().min_distance - 1e-12).all()
    assert (distances <= moved * hgcal_wafer().max_distance + 1e-12).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 3.0, 1e12, 1e300])
def test_the_scale_of_the_charges_does_not_matter(wafers, scale):
    A, B = wafers(20, seed=1), wafers(20, seed=2)
    expected = paired_emd(A, B)
    np.testing.assert_allclose(paired_emd(A * scale, B), expected, rtol=1e-12)
    np.testing.assert_allclose(paired_emd(A, B * scale), expected, rtol=1e-12)


def test_the_smallest_numbers_there_are_still_make_wafers():
    a, b = np.zeros(48), np.zeros(48)
    a[0] = b[47] = 5e-324
    assert emd(a, b) == GROUND[0, 47]


def test_turning_both_wafers_does_not_change_the_emd(wafers):
    A, B = wafers(20, seed=1), wafers(20, seed=2)
    expected = paired_emd(A, B)
    for p in hgcal_wafer().symmetries:
        np.testing.assert_allclose(paired_emd(A[:, p], B[:, p]), expected, rtol=1e-12)


def test_moving_apart_by_mixing_scales_the_emd(unit_wafers):
    A, B = unit_wafers(20, seed=1), unit_wafers(20, seed=2)
    # With less of B in the mixture less charge travels, the same way.
    mixed = 0.75 * A + 0.25 * B
    found = paired_emd(A, mixed)
    np.testing.assert_allclose(found, paired_emd(A, B) / 4, rtol=1e-12)


# The plan


@pytest.mark.parametrize("n_charged", [1, 5, 48])
def test_the_plan_moves_one_wafer_to_the_other_at_its_cost(wafers, n_charged):
    A = wafers(5, n_charged=n_charged, seed=1)
    B = wafers(5, n_charged=n_charged, seed=2)
    for a, b in zip(A, B, strict=True):
        distance, plan = emd(a, b, return_plan=True)
        assert plan.shape == (48, 48)
        assert (plan >= 0).all()
        np.testing.assert_allclose(plan.sum(axis=1), a / a.sum(), atol=1e-14)
        np.testing.assert_allclose(plan.sum(axis=0), b / b.sum(), atol=1e-14)
        assert (plan * GROUND).sum() == pytest.approx(distance, rel=1e-12)
        assert distance == emd(a, b)


def test_the_plan_leaves_shared_charge_where_it_is(wafers):
    a = wafers(1)[0]
    distance, plan = emd(a, 2 * a, return_plan=True)
    assert distance == 0
    np.testing.assert_allclose(plan, np.diag(a / a.sum()), atol=1e-15)


def test_emd_gives_a_python_float(wafers):
    a, b = wafers(2)
    assert type(emd(a, b)) is float
    assert type(emd(a, b, return_plan=True)[0]) is float
    assert type(emd(a, a)) is float


# Potentials


def _few_cells(wafers):
    return wafers(12, n_charged=3, seed=1), wafers(12, n_charged=3, seed=2)


def _many_cells(wafers):
    return wafers(12, n_charged=48, seed=1), wafers(12, n_charged=48, seed=2)


def _single_cells(wafers):
    return np.eye(48)[:12], np.eye(48)[12:24]


def _equal(wafers):
    return wafers(3), 2 * wafers(3)


kinds_of_pairs = pytest.mark.parametrize(
    "kind", [_few_cells, _many_cells, _single_cells, _equal]
)


@kinds_of_pairs
def test_potentials_are_1_lipschitz(wafers, kind):
    _, potentials = paired_potentials(*kind(wafers))
    assert potentials.shape[1] == 48
    for f in potentials:
        assert (np.abs(f[:, None] - f[None, :]) <= GROUND + 1e-9).all()


@kinds_of_pairs
def test_potentials_attain_the_distance_and_average_to_zero(wafers, kind):
    A, B = kind(wafers)
    distances, potentials = paired_potentials(A, B)
    np.testing.assert_array_equal(distances, paired_emd(A, B))
    a, b = A / A.sum(1)[:, None], B / B.sum(1)[:, None]
    attained = (potentials * (b - a)).sum(axis=1)
    np.testing.assert_allclose(attained, distances, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(potentials.mean(axis=1), 0, atol=1e-12)


def test_potentials_equal_finite_differences(dense_pairs):
    A, B = dense_pairs
    _, potentials = paired_potentials(A, B)
    # Charge goes from one cell of the second wafer to another one, so sums stay.
    rng = np.random.RandomState(0)
    lose, gain = np.array([rng.permutation(48)[:2] for _ in A]).T
    direction = np.eye(48)[gain] - np.eye(48)[lose]
    step = 1e-7
    slope = paired_emd(A, B + step * direction) - paired_emd(A, B - step * direction)
    expected = (potentials * direction).sum(axis=1)
    np.testing.assert_allclose(slope / (2 * step), expected, atol=1e-6)
    assert (np.abs(expected) > 0.1).sum() > len(A) / 2


@kinds_of_pairs
def test_potentials_are_subgradients(wafers, unit_wafers, kind):
    A, B = kind(wafers)
    distances, potentials = paired_potentials(A, B)
    b = B / B.sum(1)[:, None]
    for seed, n_charged in [(10, 2), (11, 10), (12, 48)]:
        other = unit_wafers(len(A), n_charged=n_charged, seed=seed)
        linear = distances + (potentials * (other - b)).sum(axis=1)
        assert (paired_emd(A, other) >= linear - 1e-9).all()


# All pairs, and workers


def test_pairwise_holds_every_paired_distance(wafers):
    A, B = wafers(7, seed=1), wafers(5, seed=2)
    expected = [[emd(a, b) for b in B] for a in A]
    np.testing.assert_array_equal(pairwise_emd(A, B), expected)


def test_pairwise_of_one_set_is_symmetric_with_a_zero_diagonal(wafers):
    X = wafers(9)
    distances = pairwise_emd(X)
    np.testing.assert_array_equal(distances, distances.T)
    assert (np.diag(distances) == 0).all()
    np.testing.assert_allclose(distances, pairwise_emd(X, X), rtol=1e-13)


def test_pairwise_of_one_wafer_is_a_zero(wafers):
    np.testing.assert_array_equal(pairwise_emd(wafers(1)), [[0.0]])


@pytest.mark.parametrize("task_size", [1, 3, 10, 11])
def test_the_size_of_tasks_does_not_matter(wafers, monkeypatch, each_engine, task_size):
    A, B = wafers(10, seed=1), wafers(10, seed=2)
    expected = [emd(a, b) for a, b in zip(A, B, strict=True)]
    expected_pairwise = pairwise_emd(A)
    monkeypatch.setitem(_exact._TASK_SIZE, each_engine, task_size)
    np.testing.assert_array_equal(paired_emd(A, B), expected)
    np.testing.assert_array_equal(pairwise_emd(A), expected_pairwise)
    assert paired_potentials(A, B)[1].shape == A.shape


def test_two_workers_give_the_same_as_one(wafers, monkeypatch, each_engine):
    monkeypatch.setitem(_exact._TASK_SIZE, each_engine, 4)
    A, B = wafers(10, seed=1), wafers(10, seed=2)
    for function in FUNCTIONS:
        alone = function(A, B, n_jobs=1)
        together = function(A, B, n_jobs=2)
        np.testing.assert_array_equal(np.asarray(together[0]), np.asarray(alone[0]))
        np.testing.assert_array_equal(np.asarray(together[-1]), np.asarray(alone[-1]))
    np.testing.assert_array_equal(pairwise_emd(A, n_jobs=2), pairwise_emd(A))


# What may be passed


@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_images_of_a_layout_are_wafers(wafers, layout):
    A, B = wafers(6, seed=1), wafers(6, seed=2)
    images = hgcal_wafer().layout(layout).apply
    np.testing.assert_allclose(paired_emd(images(A), B), paired_emd(A, B), rtol=1e-13)
    expected = pairwise_emd(A, B)
    np.testing.assert_allclose(pairwise_emd(A, images(B)), expected, rtol=1e-13)


@pytest.mark.parametrize("convert", [np.ndarray.tolist, np.float32, np.uint16, bool])
def test_lists_and_other_numbers_are_wafers(convert):
    rng = np.random.RandomState(0)
    A, B = rng.randint(1, 100, size=(2, 5, 48)).astype(np.float64)
    if convert is bool:
        A, B = A > 50, B > 50
        assert paired_emd(A, B) == pytest.approx(paired_emd(A * 1.0, B * 1.0))
    else:
        np.testing.assert_array_equal(
            paired_emd(convert(A), convert(B)), paired_emd(A, B)
        )


def test_what_is_passed_is_not_changed(wafers):
    A, B = wafers(4, seed=1), wafers(4, seed=2)
    kept = A.copy(), B.copy()
    for function in FUNCTIONS:
        function(A, B)
    np.testing.assert_array_equal((A, B), kept)


def test_a_geometry_has_the_last_word_about_columns():
    assert emd([1, 0, 0], [0, 0, 1], geometry="line") == 2
    stretched = Geometry([[0.0], [1.0], [7.0]])
    assert emd([1, 0, 0], [0, 0, 1], geometry=stretched) == 7


# What may not


def _with(value, row=2, cell=3):
    X = np.ones((4, 48))
    X[row, cell] = value
    return X


def _empty(*rows):
    X = np.ones((10, 48))
    X[list(rows)] = 0
    return X


# "{}" stands for the name of the argument.
BAD_WAFERS = [
    (np.ones((4, 47)), "{} has 47 columns, but the wafer geometry has 48 cells"),
    (np.ones((4, 49)), "{} has 49 columns, but the wafer geometry has 48 cells"),
    (np.ones((4, 64)), "{} has 64 columns, but the wafer geometry has 48 cells"),
    (np.ones((4, 6, 6, 3)), r"{} holds images of shape \(6, 6, 3\), which is none"),
    (_with(np.nan), "NaN or infinity: {} found NaN in row 2, cell 3"),
    (_with(np.inf), "NaN or infinity: {} found infinity in row 2, cell 3"),
    (_with(-np.inf), "NaN or infinity: {} found infinity in row 2, cell 3"),
    (_with(-1e-9), "Negative values in data passed to {}: -1e-09 in row 2, cell 3"),
    (_empty(7), r"without charge .* {} found 1 of 10 without any \(row 7\)"),
    (_empty(0, 9), r"{} found 2 of 10 without any \(rows 0, 9\)"),
    (_empty(*range(1, 8)), r"{} found 7 .* \(rows 1, 2, 3, 4, 5 and 2 more\)"),
    (np.zeros((0, 48)), r"{} holds no wafer: found array with 0 sample\(s\)"),
    (np.ones(48), r"got shape \(48,\)\. A single wafer is {}\.reshape\(1, -1\)"),
    (np.ones((2, 4, 48)), r"{} must have one row .* got shape \(2, 4, 48\)"),
    (np.full((4, 48), "1"), r"{} must hold numbers; got dtype <U1\. .*load_wafers"),
    (np.full((4, 48), "x", dtype=object), "{} must hold numbers: could not convert"),
    (np.full((4, 48), None), "{} found NaN in row 0, cell 0"),
    (np.ones((4, 48), dtype=complex), "Complex data not supported: {} has dtype"),
    (_with(1.7e308, cell=slice(3)), r"passed to {} are too large .* in row 2\. Choose"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("bad", "message"), BAD_WAFERS)
@pytest.mark.parametrize("side", ["A", "B"])
def test_bad_wafers_are_named_on_either_side(function, bad, message, side):
    good = np.ones((max(len(bad), 1), 48))
    A, B = (bad, good) if side == "A" else (good, bad)
    with pytest.raises(ValueError, match=message.replace("{}", side)):
        function(A, B)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_sparse_matrices_are_refused_with_the_cure(function):
    with pytest.raises(TypeError, match=r"dense data is required. Use A\.toarray"):
        function(scipy.sparse.csr_matrix(np.eye(48)), np.eye(48))


@pytest.mark.parametrize("function", [paired_emd, paired_potentials])
def test_sides_of_different_length_do_not_pair(function):
    with pytest.raises(ValueError, match=r"got 3 and 2 wafers\. Use pairwise_emd"):
        function(np.ones((3, 48)), np.ones((2, 48)))


@pytest.mark.parametrize("function", [paired_emd, mean_emd])
def test_lengths_are_compared_before_millions_of_rows_are_read(function):
    with pytest.raises(ValueError, match=r"got 3 and 2 wafers"):
        function(np.full((3, 48), np.nan), np.ones((2, 48)))


def test_emd_takes_one_wafer_on_each_side():
    with pytest.raises(ValueError, match=r"a must be one wafer .* Use paired_emd"):
        emd(np.ones((1, 48)), np.ones(48))
    with pytest.raises(ValueError, match=r"b must be one wafer .* got shape \(\)"):
        emd(np.ones(48), 1)
    with pytest.raises(ValueError, match="b found 1 of 1 without any"):
        emd(np.ones(48), np.zeros(48))


@pytest.mark.parametrize("geometry", ["hexagon", None, 48, np.ones((48, 2))])
def test_an_unknown_geometry_is_an_error_that_names_the_known_ones(geometry):
    with pytest.raises(ValueError, match="pass 'wafer', 'line' or a skemd"):
        paired_emd(np.ones((1, 48)), np.ones((1, 48)), geometry=geometry)


def test_sides_of_different_width_do_not_fit_a_line():
    with pytest.raises(
        ValueError, match=r"B has 4 columns, but the line\(3\) geometry"
    ):
        paired_emd(np.ones((2, 3)), np.ones((2, 4)), geometry="line")
