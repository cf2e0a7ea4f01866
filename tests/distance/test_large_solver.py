"""The compiled solver over 65 to 1,024 cells, where it has code of its own."""

import numpy as np
import ot
import pytest
import scipy.optimize
import scipy.sparse
import scipy.stats
from engines import skip_without_simplex

from skemd.distance import _exact, _solvers, paired_emd, paired_potentials, pairwise_emd
from skemd.distance._solvers import resolve_engine
from skemd.geometry import Geometry, grid, line

SIZES = [65, 66, 71, 72, 73, 127, 128, 129, 255, 1023, 1024]


@pytest.fixture(autouse=True)
def simplex():
    """Return the extension module."""
    skip_without_simplex()
    return _solvers._simplex


def unit_sums(X):
    return X / X.sum(axis=1, keepdims=True)


def smooth_histograms(rng, n, height, width, floor=1e-3):
    """Return sums of two to five Gaussians over a low floor, all cells charged."""
    places = np.indices((height, width)).reshape(2, -1).T
    X = np.full((n, height * width), floor / (height * width))
    for row in X:
        for _ in range(rng.integers(2, 6)):
            center = rng.uniform(0, [height, width])
            squares = ((places - center) ** 2).sum(axis=1)
            spread = rng.uniform(0.06, 0.25) * max(height, width)
            bump = np.exp(-squares / (2 * spread**2))
            row += rng.uniform(0.3, 1) * bump / bump.sum()
    return unit_sums(X)


def mixed(rng, n, n_cells):
    """Return wafers with few and many charged cells, of all scales, whole numbers."""
    X = rng.exponential(size=(n, n_cells))
    X[1::5] = rng.integers(0, 3, size=X[1::5].shape)
    X[2::5] *= rng.random(X[2::5].shape) < 0.1
    X[3::5] = 10 ** rng.uniform(-12, 12, size=X[3::5].shape)
    X[4::5] = 0
    X[X.sum(axis=1) == 0, rng.integers(n_cells)] = 1
    return X


def in_space(rng, n_cells, n_dimensions):
    return Geometry(rng.normal(size=(n_cells, n_dimensions)), name="in space")


def by_pot(A, B, ground):
    """Return POT's own distances, without canceling the charge that is shared."""
    pairs = zip(unit_sums(A), unit_sums(B), strict=True)
    return np.array([ot.emd2(a, b, ground, numItermax=1_000_000) for a, b in pairs])


def uneven(n_cells, largest):
    """Return cells on a line: two close ones, one far away, the others between."""
    between = np.linspace(2, 0.9 * largest, n_cells - 3)
    return Geometry(np.r_[0, 1, between, largest][:, None], name="uneven")


DEGENERATE = {
    "a line": line,
    "a line, uneven": lambda n: uneven(n, 1000.0),
    "a grid": lambda n: Geometry(grid(-(-n // 32), 32).positions[:n]),
    "a circle": lambda n: Geometry(
        np.column_stack([np.cos(angle := 2 * np.pi * np.arange(n) / n), np.sin(angle)])
    ),
    "two clusters": lambda n: Geometry(
        np.column_stack([np.arange(n) // 2 % 32, np.arange(n) // 64, np.arange(n) % 2])
        * [1, 1, 60]
    ),
}


# Independent answers


@pytest.mark.parametrize("n_cells", [65, 300, 1024])
def test_lines_agree_with_the_closed_form(n_cells):
    A, B = np.random.default_rng(0).exponential(size=(2, 10, n_cells))
    places = np.arange(n_cells)
    pairs = zip(A, B, strict=True)
    expected = [scipy.stats.wasserstein_distance(places, places, *ab) for ab in pairs]
    found = paired_emd(A, B, geometry=line(n_cells), engine="simplex")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def _assert_agreement_with_pot(n_pairs, seed):
    rng = np.random.default_rng(seed)
    for pair in range(n_pairs):
        n_cells = int(rng.integers(300, 1000, endpoint=True))
        geometry = in_space(rng, n_cells, pair % 4 + 1)
        A, B = (mixed(rng, 5, n_cells)[[pair % 5]] for _ in range(2))
        try:
            found = paired_emd(A, B, geometry=geometry, engine="simplex")
        except ValueError:
            # Two random cells are too close for the solver.
            assert geometry.max_distance > 2048 * geometry.min_distance
            geometry = DEGENERATE["a grid"](n_cells)
            found = paired_emd(A, B, geometry=geometry, engine="simplex")
        expected = by_pot(A, B, geometry.ground_distance)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_distances_agree_with_pot_on_the_whole_problem():
    _assert_agreement_with_pot(10, seed=1)


@pytest.mark.exhaustive
def test_many_distances_agree_with_pot_on_the_whole_problem():
    _assert_agreement_with_pot(200, seed=2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(20))
def test_distances_agree_with_a_linear_program(seed):
    rng = np.random.default_rng(seed)
    n_cells = int(rng.integers(300, 500))
    geometry = DEGENERATE["a grid"](n_cells)
    # Some hundred cells with charge keep the program solvable in seconds.
    A, B = rng.exponential(size=(2, 1, n_cells)) * (rng.random((2, 1, n_cells)) < 0.25)
    (sources,), (sinks,) = A[0].nonzero(), B[0].nonzero()
    a, b = unit_sums(A)[0, sources], unit_sums(B)[0, sinks]
    marginals = scipy.sparse.vstack(
        [
            scipy.sparse.kron(scipy.sparse.identity(len(a)), np.ones((1, len(b)))),
            scipy.sparse.kron(np.ones((1, len(a))), scipy.sparse.identity(len(b))),
        ]
    )
    costs = geometry.ground_distance[np.ix_(sources, sinks)].ravel()
    expected = scipy.optimize.linprog(costs, A_eq=marginals, b_eq=np.r_[a, b]).fun
    found = paired_emd(A, B, geometry=geometry, engine="simplex")
    # HiGHS stops at feasible to 1e-7.
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("n_cells", [65, 200, 1024])
@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_metrics_agree_with_bounds_of_both_sides(kind, n_cells):
    geometry = DEGENERATE[kind](n_cells)
    rng = np.random.default_rng(n_cells)
    A, B = mixed(rng, 5, n_cells), mixed(rng, 5, n_cells)[::-1]
    options = {"geometry": geometry}
    assert resolve_engine("auto", geometry) == "simplex"
    distances, potentials = paired_potentials(A, B, **options)
    if n_cells <= 200:
        expected = by_pot(A, B, geometry.ground_distance)
        np.testing.assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)
    # Potentials that are steep nowhere prove that no plan is cheaper ...
    rounding = 1e-12 * geometry.max_distance
    for potential in potentials:
        steepness = potential[:, None] - potential
        assert (steepness <= geometry.ground_distance + rounding).all()
    np.testing.assert_allclose(potentials.mean(axis=1), 0, atol=rounding)
    # ... and those of the other direction are a second proof, by another walk.
    attained = (potentials * (unit_sums(B) - unit_sums(A))).sum(axis=1)
    np.testing.assert_allclose(attained, distances, rtol=1e-9, atol=rounding)
    back, potentials = paired_potentials(B, A, **options)
    np.testing.assert_array_equal(back, distances)
    attained = (potentials * (unit_sums(A) - unit_sums(B))).sum(axis=1)
    np.testing.assert_allclose(attained, distances, rtol=1e-9, atol=rounding)


@pytest.mark.parametrize("n_cells", SIZES)
def test_over_cells_all_equally_far_the_distance_is_the_charge_that_moves(
    simplex, n_cells
):
    rng = np.random.default_rng(n_cells)
    A, B = mixed(rng, 5, n_cells), mixed(rng, 5, n_cells)[::-1].copy()
    distances = np.full(5, np.nan)
    simplex.solve(A, B, 1 - np.eye(n_cells), distances, None)
    expected = np.abs(unit_sums(A) - unit_sums(B)).sum(axis=1) / 2
    np.testing.assert_allclose(distances, expected, rtol=1e-9)


@pytest.mark.parametrize("n_cells", SIZES)
def test_single_cells_are_as_far_apart_as_the_ground_distance(n_cells):
    geometry = line(n_cells)
    cells = np.array([0, 1, n_cells // 2, n_cells - 1])
    X = np.eye(n_cells)[cells]
    found = pairwise_emd(X, X, geometry=geometry, engine="simplex")
    expected = geometry.ground_distance[np.ix_(cells, cells)]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-80, 1e-6, 1e80])
def test_the_unit_of_length_does_not_matter(scale):
    usual = grid(10, 12)
    scaled = Geometry(usual.positions * scale)
    rng = np.random.default_rng(3)
    A, B = mixed(rng, 10, 120), mixed(rng, 10, 120)
    expected = paired_emd(A, B, geometry=usual, engine="simplex")
    distances, potentials = paired_potentials(A, B, geometry=scaled, engine="simplex")
    np.testing.assert_allclose(distances / scale, expected, rtol=1e-9)
    attained = (potentials * (unit_sums(B) - unit_sums(A))).sum(axis=1)
    np.testing.assert_allclose(attained / scale, expected, rtol=1e-9, atol=1e-12)


def test_a_tiny_difference_keeps_its_precision():
    geometry = grid(16, 16)
    a = np.full(256, 2.0**-8)
    b = a.copy()
    b[[0, 12]] += [-(2.0**-40), 2.0**-40]
    found = paired_emd(a[None], b[None], geometry=geometry, engine="simplex")
    np.testing.assert_allclose(found, 2.0**-40 * 12, rtol=1e-9)


# Who runs, and how


def test_more_cells_are_for_pot():
    assert resolve_engine("auto", line(1024)) == "simplex"
    assert resolve_engine("auto", line(1025)) == "pot"
    with pytest.raises(ValueError, match=r"1,024 cells .* has 1025 cells"):
        resolve_engine("simplex", line(1025))


@pytest.mark.parametrize("n_cells", [65, 1024])
def test_suits_draws_the_line_at_a_factor_of_2048(simplex, n_cells):
    assert simplex.suits(uneven(n_cells, 2048.0).ground_distance) is True
    beyond = uneven(n_cells, np.nextafter(2048.0, np.inf)).ground_distance
    assert simplex.suits(beyond) is False
    with pytest.raises(ValueError, match="do not suit the compiled solver"):
        simplex.solve(*np.ones((2, 1, n_cells)), beyond, np.empty(1), None)


def test_tasks_take_about_as_long_over_all_geometries():
    assert _exact._task_size("simplex", 48) == _exact._task_size("simplex", 64) == 2048
    assert _exact._task_size("simplex", 128) == 512
    assert _exact._task_size("simplex", 1024) == 8
    assert _exact._task_size("pot", 1_000_000) == 1


def test_two_threads_and_both_directions_give_the_same_to_the_last_bit():
    rng = np.random.default_rng(4)
    A, B = smooth_histograms(rng, 30, 20, 30), smooth_histograms(rng, 30, 20, 30)
    options = {"geometry": grid(20, 30), "engine": "simplex"}
    distances, potentials = paired_potentials(A, B, **options)
    together = paired_potentials(A, B, n_jobs=2, **options)
    np.testing.assert_array_equal(together[0], distances)
    np.testing.assert_array_equal(together[1], potentials)
    np.testing.assert_array_equal(paired_emd(B, A, **options), distances)
    np.testing.assert_array_equal(paired_emd(A, B, **options), distances)


def test_sides_with_as_many_cells_give_the_same_both_ways_to_the_last_bit():
    A, B = np.random.default_rng(8).exponential(size=(2, 100, 130))
    A[:, ::2], B[:, 1::2] = 0, 0
    options = {"geometry": grid(10, 13), "engine": "simplex"}
    np.testing.assert_array_equal(
        paired_emd(A, B, **options), paired_emd(B, A, **options)
    )


# Arguments that the functions above never pass


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, -5e-324])
@pytest.mark.parametrize("side", [0, 1])
def test_numbers_that_are_no_charge_are_refused(simplex, side, bad):
    wafers = np.ones((2, 3, 65))
    wafers[side, 1, 64] = bad
    match = r"pair 1 has a charge .* not finite"
    with pytest.raises(ValueError, match=match):
        simplex.solve(*wafers, line(65).ground_distance, np.empty(3), None)
    wafers[side, 1] = 0
    with pytest.raises(ValueError, match=r"pair 1 has .* a wafer without charge"):
        simplex.solve(*wafers, line(65).ground_distance, np.empty(3), None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, -5e-324, 1e101])
@pytest.mark.parametrize("place", [(0, 0), (64, 0), (0, 64)])
def test_bad_ground_distances_are_refused(simplex, place, bad):
    ground = np.array(line(65).ground_distance)
    ground[place] = bad
    assert simplex.suits(ground) is False
    with pytest.raises(ValueError, match="do not suit the compiled solver"):
        simplex.solve(*np.ones((2, 1, 65)), ground, np.empty(1), None)


@pytest.mark.parametrize("n_cells", SIZES)
def test_numbers_that_are_no_metric_do_not_crash(simplex, n_cells):
    rng = np.random.default_rng(5)
    A, B = mixed(rng, 5, n_cells), mixed(rng, 5, n_cells)
    for ground in (
        rng.uniform(1, 2000, size=(n_cells, n_cells)),
        np.zeros((n_cells, n_cells)),
        rng.integers(0, 2, size=(n_cells, n_cells)).astype(float),
    ):
        distances, potentials = np.full(5, np.nan), np.full((5, n_cells), np.nan)
        simplex.solve(A, B, ground, distances, potentials)
        assert np.isfinite(distances).all()
        assert np.isfinite(potentials).all()


@pytest.mark.parametrize("n_cells", SIZES)
def test_solve_writes_nowhere_but_to_its_outputs(simplex, n_cells):
    rng = np.random.default_rng(6)
    A, B = mixed(rng, 2, n_cells), mixed(rng, 2, n_cells)
    memory = np.full(2 * n_cells + 128 + 2, 7.0)
    potentials = memory[64 : 64 + 2 * n_cells].reshape(2, n_cells)
    distances = memory[65 + 2 * n_cells : 67 + 2 * n_cells]
    ground = line(n_cells).ground_distance
    simplex.solve(A, B, ground, distances, potentials)
    assert (np.delete(memory, np.s_[64 : 67 + 2 * n_cells]) == 7).all()
    assert memory[64 + 2 * n_cells] == 7


def test_equal_histograms_are_no_distance_apart():
    X = mixed(np.random.default_rng(7), 5, 100)
    distances, potentials = paired_potentials(X, X, geometry=grid(10, 10))
    assert (distances == 0).all()
    assert (potentials == 0).all()
