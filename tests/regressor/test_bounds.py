"""Bounds of the exact EMD: they hold for any network and pair, and are close."""

import numpy as np
import pytest
from small_data import N_CELLS, fitted_line_regressor, fitted_regressor, small_wafers

from skemd import EMDRegressor
from skemd._backend import keras
from skemd._input._scaling import normalized
from skemd.distance import paired_emd
from skemd.geometry import grid, hgcal_wafer, line
from skemd.losses import LearnedEMD
from skemd.losses._bounds import emd_bounds


def pairs_of_many_kinds():
    """Unrelated, nearly equal, equal, single cells, and charges of all sizes."""
    rng = np.random.RandomState(0)
    A, B = small_wafers(20, 1), small_wafers(20, 2)
    cells = np.eye(N_CELLS)
    spread = 10 ** rng.uniform(-12, 6, size=(10, N_CELLS))
    sides = [
        (A, B),
        (A, A * (1 + 1e-9 * rng.rand(*A.shape))),
        (A, A),
        (cells[:20], cells[20:40]),
        (A, np.ones_like(A)),
        (spread, spread[::-1]),
    ]
    return [np.concatenate(side) for side in zip(*sides, strict=True)]


def assert_hold(lower, upper, exact, rounding=0.0):
    assert (lower >= 0).all()
    assert (lower <= exact + rounding).all()
    assert (upper >= exact - rounding).all()


@pytest.mark.parametrize("head", ["bounded", "linear", "potential"])
def test_bounds_hold_for_a_network_that_has_learned_little(head):
    A, B = pairs_of_many_kinds()
    regressor = fitted_regressor(head)
    pairs = np.hstack([A, B])
    distances, lower, upper = regressor.predict(pairs, return_bounds=True)
    np.testing.assert_array_equal(distances, regressor.predict(pairs))
    exact = paired_emd(A, B)
    assert_hold(lower, upper, exact)
    assert (upper - lower)[exact > 1].max() < 0.5


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3, 1e30, np.inf, np.nan])
@pytest.mark.parametrize(
    "geometry", [hgcal_wafer(), grid(8, 8), line(2), line(1)], ids=lambda g: g.name
)
def test_bounds_hold_whatever_the_potentials_are(geometry, scale):
    rng = np.random.RandomState(0)
    A, B = rng.gamma(0.3, size=(2, 30, geometry.n_cells)) + 1e-9
    a, b = normalized(A), normalized(B)
    potentials = rng.normal(size=a.shape) * scale
    lower, upper = emd_bounds(np, a, b, potentials, geometry.ground_distance)
    assert_hold(lower, upper, paired_emd(A, B, geometry=geometry))


def test_bounds_of_the_shipped_network_are_close():
    A, B = small_wafers(100, 3), small_wafers(100, 4)
    regressor = EMDRegressor.from_pretrained("hgcal-wafer")
    _, lower, upper = regressor.predict(np.stack([A, B], axis=1), return_bounds=True)
    exact = paired_emd(A, B)
    assert_hold(lower, upper, exact)
    assert ((upper - lower) / exact).mean() < 0.01
    # Learned potentials are a better start than none, with as many iterations.
    potentials = np.zeros(A.shape)
    sides = normalized(A), normalized(B)
    ground_distance = hgcal_wafer().ground_distance
    of_none = np.subtract(*emd_bounds(np, *sides, potentials, ground_distance)[::-1])
    assert 1.5 * (upper - lower).mean() < of_none.mean()


def test_bounds_do_not_depend_on_the_scale_or_on_other_pairs():
    A, B = small_wafers(40, 5), small_wafers(40, 6)
    regressor = fitted_regressor("potential")
    _, *bounds = regressor.predict(np.hstack([A, B]), return_bounds=True)
    _, *scaled = regressor.predict(np.hstack([A * 1e6, B]), return_bounds=True)
    _, *few = regressor.predict(np.hstack([A[:3], B[:3]]), return_bounds=True)
    np.testing.assert_allclose(scaled, bounds, rtol=1e-4)
    np.testing.assert_allclose(few, np.array(bounds)[:, :3], rtol=1e-4)


def test_pairs_without_charge_have_no_bounds():
    A, B = small_wafers(3, 7), small_wafers(3, 8)
    A[1] = 0
    distances, lower, upper = fitted_regressor().predict(
        np.hstack([A, B]), return_bounds=True
    )
    assert distances[1] == 0
    for bound in (lower, upper):
        np.testing.assert_array_equal(np.isnan(bound), [False, True, False])


def test_histograms_on_a_line_have_bounds_as_well():
    A, B = small_wafers(30, 9, 6), small_wafers(30, 10, 6)
    _, lower, upper = fitted_line_regressor().predict(
        np.hstack([A, B]), return_bounds=True
    )
    assert_hold(lower, upper, paired_emd(A, B, geometry="line"))


def test_return_bounds_is_a_flag():
    with pytest.raises(ValueError, match="return_bounds must be True or False"):
        fitted_regressor().predict(np.ones((1, 2 * N_CELLS)), return_bounds="yes")


@pytest.mark.parametrize("head", ["bounded", "potential"])
def test_tensors_have_the_same_bounds_in_single_precision(head):
    A, B = pairs_of_many_kinds()
    regressor = fitted_regressor(head)
    loss = LearnedEMD(regressor)
    found = loss.bounds(*(keras.ops.convert_to_tensor(X, "float32") for X in (A, B)))
    distances, lower, upper = map(keras.ops.convert_to_numpy, found)
    expected = regressor.predict(np.hstack([A, B]), return_bounds=True)
    np.testing.assert_allclose(distances, expected[0], rtol=1e-4, atol=1e-4)
    # The margins of single precision, and what rounding does to the iterations.
    np.testing.assert_allclose(lower, expected[1], rtol=2e-3, atol=5e-4)
    np.testing.assert_allclose(upper, expected[2], rtol=2e-3, atol=5e-4)
    assert_hold(lower, upper, paired_emd(A, B))
