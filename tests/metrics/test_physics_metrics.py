"""Metrics with one number per wafer, against numbers worked out by hand."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer

from skemd.distance import paired_emd
from skemd.geometry import Geometry, grid, hgcal_wafer
from skemd.metrics import (
    center_shift,
    emd_per_wafer,
    emd_score,
    energy_response,
    lost_fraction,
    mean_emd,
    mean_metric,
    squared_difference,
    width_change,
    zero_fraction,
)

POSITIONAL = [emd_per_wafer, center_shift, width_change, squared_difference]
BY_CHARGE = [energy_response, zero_fraction, lost_fraction]
each_metric = pytest.mark.parametrize("metric", POSITIONAL + BY_CHARGE)

# A square of side 3 by 4: cells at (0, 0), (3, 0), (0, 4), (3, 4).
SQUARE = Geometry([[0, 0], [3, 0], [0, 4], [3, 4]])
TRUE = np.array([[1.0, 0, 0, 1], [0, 2, 0, 0], [1, 1, 1, 1], [4, 0, 0, 0]])
PRED = np.array([[0.0, 0, 3, 0], [0, 8, 0, 0], [2, 0, 0, 2], [3, 1, 0, 0]])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # Half of the charge moves by 4, half by 3.
        (emd_per_wafer, [3.5, 0, 1.5, 0.75]),
        # From (1.5, 2) to (0, 4); not; from the middle to the middle; by 3 / 4.
        (center_shift, [2.5, 0, 0, 0.75]),
        # 2.5 from the middle, or none; sqrt(3 / 16) * 3 between two cells at 3 to 1.
        (width_change, [-2.5, 0, 0, 3 * np.sqrt(3 / 16)]),
        (
            squared_difference,
            [11 / np.sqrt(2 * 9), 36 / 16, 4 / np.sqrt(4 * 8), 2 / np.sqrt(160)],
        ),
        (energy_response, [1.5, 4, 1, 1]),
        (zero_fraction, [0, 0, 0, 0]),
        (lost_fraction, [1, 0, 0.5, 0]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_numbers_are_those_worked_out_by_hand(metric, expected):
    found = metric(TRUE, PRED, geometry=SQUARE)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert found.dtype == np.float64


def test_the_reference_width_scales_the_axes_and_squares_the_weights():
    # Standard deviations of the coordinates are 1.5 and 2. Two cells at a diagonal are
    # one of each away from their middle: sqrt(2 * 1/4 * 2) = 1.
    options = {"definition": "reference", "geometry": SQUARE}
    found = width_change(TRUE, PRED, **options)
    # Four cells of a quarter: sqrt(4 * 1/16 * 2); cells of 3/4 and 1/4 along x are 1/2
    # and 3/2 deviations from their center: sqrt(9/16 * 1/4 + 1/16 * 9/4).
    expected = [-1, 0, 1 - np.sqrt(0.5), np.sqrt(9 / 64 + 9 / 64)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_reference_width_takes_cells_in_a_row():
    geometry = grid(1, 3)
    found = width_change(
        [[0, 1, 0]], [[1, 0, 1]], definition="reference", geometry=geometry
    )
    # The deviation of 0, 1, 2 is sqrt(2/3); two cells of a half, one unit off.
    np.testing.assert_allclose(found, [np.sqrt(2 * 0.25 * 1.5)])


def test_positions_on_the_wafer_are_in_half_pitches():
    X_true, X_pred = np.zeros((2, 1, 48))
    # Neighbors in a face are a pitch of 2 apart.
    X_true[0, 0] = 5
    X_pred[0, 1] = 7
    for metric in (emd_per_wafer, center_shift):
        np.testing.assert_allclose(metric(X_true, X_pred), [2])
    X_pred[0, 0] = 7
    # Two equal charges 2 apart are each 1 from their center.
    np.testing.assert_allclose(width_change(X_true, X_pred), [1])


@each_metric
@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_images_may_stand_on_either_side(wafers, metric, layout):
    A, B = wafers(6, seed=1), wafers(6, seed=2)
    apply = hgcal_wafer().layout(layout).apply
    expected = metric(A, B)
    np.testing.assert_allclose(metric(apply(A), B), expected, rtol=1e-12)
    np.testing.assert_allclose(metric(A, apply(B)), expected, rtol=1e-12)
    assert expected.shape == (6,)


@each_metric
def test_a_perfect_reconstruction_has_the_perfect_number(wafers, metric):
    X = wafers(6)
    perfect = 1 if metric is energy_response else 0
    np.testing.assert_allclose(metric(X, X), np.full(6, perfect), atol=1e-12)


@pytest.mark.parametrize("metric", [emd_per_wafer, center_shift, width_change])
def test_positional_metrics_are_the_same_at_any_scale(wafers, metric):
    A, B = wafers(6, seed=1), wafers(6, seed=2)
    expected = metric(A, B)
    assert (expected != 0).all()
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(metric(scale * A, B), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squared_differences_are_the_same_in_any_unit(wafers, scale):
    A, B = wafers(6, seed=1), wafers(6, seed=2)
    found = squared_difference(scale * A, scale * B)
    np.testing.assert_allclose(found, squared_difference(A, B), rtol=1e-12)


def test_the_center_moves_at_most_by_the_emd(wafers):
    A, B = wafers(50, seed=1), wafers(50, seed=2)
    assert (center_shift(A, B) <= paired_emd(A, B) + 1e-9).all()


def test_the_distance_is_that_of_each_pair(wafers):
    A, B = wafers(6, seed=1), wafers(6, seed=2)
    np.testing.assert_array_equal(emd_per_wafer(A, B, n_jobs=2), paired_emd(A, B))


# Reconstructions without charge


LOST = np.array([[0.0, 0, 0, 0], [0, 2, 0, 0]])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [(energy_response, [0, 1]), (zero_fraction, [1, 0]), (lost_fraction, [1, 0])],
)
def test_a_lost_wafer_is_counted(metric, expected):
    assert metric(TRUE[:2], LOST, geometry=SQUARE).tolist() == expected


@pytest.mark.parametrize("function", [*POSITIONAL, mean_emd, emd_score])
def test_a_lost_wafer_is_an_error_unless_it_counts_as_even(function):
    true = 3 * TRUE[[3, 1]]
    match = r"X_pred found 1 of 2 without any \(row 0\).*empty_pred='even'"
    with pytest.raises(ValueError, match=match):
        function(true, LOST, geometry=SQUARE)
    found = function(true, LOST, geometry=SQUARE, empty_pred="even")
    even = np.array([[3.0, 3, 3, 3], [0, 2, 0, 0]])
    np.testing.assert_array_equal(found, function(true, even, geometry=SQUARE))
    assert np.any(found)


@pytest.mark.parametrize("function", [*POSITIONAL, mean_emd, emd_score])
def test_a_true_wafer_without_charge_is_always_an_error(function):
    with pytest.raises(ValueError, match="X_true found 1 of 2 without any"):
        function(LOST, TRUE[:2], geometry=SQUARE, empty_pred="even")


@pytest.mark.parametrize("function", [*POSITIONAL, mean_emd, emd_score])
@pytest.mark.parametrize("value", ["keep", None, True])
def test_an_unknown_choice_is_answered_with_the_known_ones(function, value):
    with pytest.raises(ValueError, match="empty_pred must be one of 'raise', 'even'"):
        function(TRUE, PRED, geometry=SQUARE, empty_pred=value)


@pytest.mark.parametrize("value", ["published", None])
def test_an_unknown_width_is_answered_with_the_known_ones(value):
    with pytest.raises(ValueError, match="one of 'plain', 'reference'; got"):
        width_change(TRUE, PRED, definition=value, geometry=SQUARE)


@each_metric
@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        (None, np.ones((3, 48)), "must be an array of shape .*got nothing"),
        (np.ones(48), np.ones((3, 48)), r"got shape \(48,\)"),
        (
            np.ones((3, 48)),
            np.ones((2, 48)),
            "X_true and X_pred must pair up row by row; got 3 and 2",
        ),
        (np.zeros((3, 48)), np.ones((3, 48)), "X_true found 3 of 3 without any"),
        (np.ones((3, 48)), -np.ones((3, 48)), "Negative values in data .* X_pred"),
        (np.ones((3, 48)), np.ones((3, 16)), "X_pred has 16 columns"),
        (np.ones((3, 48)), np.full((3, 48), np.nan), "X_pred found NaN in row 0"),
    ],
)
def test_wafers_that_cannot_be_compared_are_named(metric, true, pred, message):
    with pytest.raises(ValueError, match=message):
        metric(true, pred)


# Scores


class Prediction(BaseEstimator):
    """Predicts a fixed answer."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, X):
        return self.answer


@each_metric
def test_the_mean_of_a_metric_is_a_score(metric):
    mean = metric(TRUE, PRED, geometry=SQUARE).mean()
    options = {"metric": metric, "geometry": SQUARE}
    found = mean_metric(TRUE, PRED, **options)
    assert found == pytest.approx(mean, rel=1e-12)
    assert type(found) is float
    scorer = make_scorer(mean_metric, greater_is_better=False, **options)
    assert scorer(Prediction(PRED), TRUE, TRUE) == -found


def test_weights_weigh_the_wafers_of_a_mean():
    options = {"metric": energy_response, "geometry": SQUARE}
    found = mean_metric(TRUE, PRED, sample_weight=[2, 1, 0, 1], **options)
    assert found == (2 * 1.5 + 4 + 1) / 4
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(4,\)"):
        mean_metric(TRUE, PRED, sample_weight=[1, 2], **options)
