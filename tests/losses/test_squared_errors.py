"""Losses against slow loops in plain Python over lists typed out."""

import re

import numpy as np
import pytest
from small_data import small_wafers, tiny_autoencoder

from skemd import EMDRegressor
from skemd._autoencoder._loss import resolve_loss
from skemd._backend import keras
from skemd.geometry import hgcal_wafer, line
from skemd.losses import MeanSquaredError, TelescopeLoss, WeightedMeanSquaredError
from skemd.losses._squared_errors import (
    telescope_sums,
    telescope_weights,
)
from skemd.losses._table import LOSSES

# The 2 x 2 sums of the telescope loss (arXiv:2105.01683), typed from a drawing of the
# wafer. In each face, cells are numbered row by row, four in a row.
TILING = [
    [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]],
    [[16, 17, 20, 21], [18, 19, 22, 23], [24, 25, 28, 29], [26, 27, 30, 31]],
    [[32, 33, 36, 37], [34, 35, 38, 39], [40, 41, 44, 45], [42, 43, 46, 47]],
]
SHIFTED = [
    [[1, 2, 5, 6], [4, 5, 8, 9], [5, 6, 9, 10], [6, 7, 10, 11], [9, 10, 13, 14]],
    [
        [17, 18, 21, 22],
        [20, 21, 24, 25],
        [21, 22, 25, 26],
        [22, 23, 26, 27],
        [25, 26, 29, 30],
    ],
    [
        [33, 34, 37, 38],
        [36, 37, 40, 41],
        [37, 38, 41, 42],
        [38, 39, 42, 43],
        [41, 42, 45, 46],
    ],
]
SEAMS = [
    [[0, 1, 27, 31], [1, 2, 23, 27], [2, 3, 19, 23]],
    [[3, 7, 34, 35], [7, 11, 33, 34], [11, 15, 32, 33]],
    [[16, 17, 43, 47], [17, 18, 39, 43], [18, 19, 35, 39]],
]
TYPED = [
    cells for group in (TILING, SHIFTED, SEAMS) for part in group for cells in part
]
# In how many of the sums each cell of a face is.
COVERAGE = [2, 4, 4, 3, 2, 4, 4, 4, 2, 4, 4, 4, 1, 2, 2, 2]


def slow_weight(cells, weights):
    weight = sum(1 / COVERAGE[cell % 16] for cell in cells) / 4
    # The published code computes 0.25 * 1 + 1/12 and 0.25 * 1 + 1/6 where the sums of
    # 1 / coverage call for a quarter of 1 + 1/12 and of 1 + 1/6.
    if weights == "reference" and abs(weight - 13 / 48) < 1e-9:
        return 0.25 * 1.0 + 1 / 12
    if weights == "reference" and abs(weight - 7 / 24) < 1e-9:
        return 0.25 * 1.0 + 1 / 6
    return weight


def slow_level(y, p, weights):
    total = sum(
        weight * (a - b) ** 2 * max(a, b)
        for a, b, weight in zip(y, p, weights, strict=True)
    )
    return total / len(y)


def slow_telescope(y, p, weights):
    def sums(x, groups):
        return [sum(x[cell] for cell in cells) for cells in groups]

    faces = [range(0, 16), range(16, 32), range(32, 48)]
    weights_36 = [slow_weight(cells, weights) for cells in TYPED]
    return (
        4 * slow_level(y, p, [1] * 48)
        + 2 * slow_level(sums(y, TYPED), sums(p, TYPED), weights_36)
        + slow_level(sums(y, faces), sums(p, faces), [1] * 3)
    )


def values_of(loss, y, p):
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    y, p = (np.asarray(x, np.float32) for x in (y, p))
    return keras.ops.convert_to_numpy(call(y, p))


@pytest.fixture
def two_sides(unit_wafers):
    return unit_wafers(5, n_charged=20, seed=1), unit_wafers(5, n_charged=48, seed=2)


# The telescope


def test_supercells_are_the_typed_ones_in_their_order():
    assert [len(part) for part in (TILING, SHIFTED, SEAMS)] == [3, 3, 3]
    found = telescope_sums()
    assert found[:12] == TYPED[:12]
    assert sorted(found[12:27]) == sorted(TYPED[12:27])
    assert sorted(found[27:]) == sorted(TYPED[27:])
    assert len(found) == 36


def test_supercells_cover_the_cells_as_often_as_typed():
    counts = np.bincount(np.concatenate(telescope_sums()), minlength=48)
    assert counts.tolist() == COVERAGE * 3


def test_supercells_across_seams_are_cells_that_touch():
    # The sums are of four cells around one corner: no two are far apart.
    for cells in telescope_sums():
        distances = hgcal_wafer().ground_distance[np.ix_(cells, cells)]
        assert distances.max() < 4.0


def test_corrected_weights_count_every_cell_once():
    weights = telescope_weights("corrected")
    assert weights.sum() == pytest.approx(12, rel=1e-12)
    assert np.sum(np.isclose(weights, 13 / 48)) == 3
    assert np.sum(np.isclose(weights, 7 / 24)) == 3
    known = [0.5625, 0.375, 0.25, 13 / 48, 7 / 24]
    assert all(np.isclose(known, weight).any() for weight in weights)


def test_reference_weights_are_those_of_the_published_code():
    weights = telescope_weights("reference")
    assert weights.sum() == pytest.approx(12.5625, rel=1e-12)
    corrected = telescope_weights("corrected")
    changed = ~np.isclose(weights, corrected)
    assert changed.sum() == 6
    np.testing.assert_allclose(weights[np.isclose(corrected, 13 / 48)], 1 / 3)
    np.testing.assert_allclose(weights[np.isclose(corrected, 7 / 24)], 5 / 12)


@pytest.mark.parametrize("weights", ["corrected", "reference"])
def test_weights_are_those_of_a_slow_loop(weights):
    expected = [slow_weight(cells, weights) for cells in telescope_sums()]
    np.testing.assert_allclose(telescope_weights(weights), expected, rtol=1e-12)


@pytest.mark.parametrize("weights", ["corrected", "reference"])
def test_telescope_equals_a_slow_loop(two_sides, weights):
    found = values_of(TelescopeLoss(weights), *two_sides)
    expected = [slow_telescope(y, p, weights) for y, p in zip(*two_sides, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_telescope_counts_the_corrected_weights_unless_told_otherwise(two_sides):
    found = values_of(TelescopeLoss(), *two_sides)
    np.testing.assert_array_equal(
        found, values_of(TelescopeLoss("corrected"), *two_sides)
    )
    assert (found != values_of(TelescopeLoss("reference"), *two_sides)).all()


def test_telescope_of_single_cells_is_a_number_by_hand():
    # A cell at a corner of the wafer is in one sum of weight 0.5625 and in one face.
    y, p = np.eye(48)[[12]], np.zeros((1, 48))
    by_hand = 4 / 48 + 2 * 0.5625 / 36 + 1 / 3
    assert values_of(TelescopeLoss(), y, p)[0] == pytest.approx(by_hand, rel=1e-6)


def test_telescope_survives_serialization():
    loss = TelescopeLoss("reference")
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert (type(again), again.weights) == (TelescopeLoss, "reference")


def test_telescope_refuses_unknown_weights():
    with pytest.raises(ValueError, match=r"weights must be .*'corrected'.*'reference'"):
        TelescopeLoss("wrong")


def test_telescope_refuses_what_is_no_wafer():
    with pytest.raises(ValueError, match="48 trigger cells; got 12"):
        values_of(TelescopeLoss(), np.ones((2, 12)), np.ones((2, 12)))


# Squared errors


def test_squared_errors_are_numbers_by_hand():
    y, p = [[1, 2, 0, 4], [1, 1, 1, 1]], [[2, 0, 0, 4], [1, 1, 1, 1]]
    found = values_of(MeanSquaredError(), y, p)
    np.testing.assert_allclose(found, [(1 + 4) / 4, 0])
    found = values_of(WeightedMeanSquaredError(), y, p)
    np.testing.assert_allclose(found, [(1 * 2 + 4 * 2) / 4, 0])


@pytest.mark.parametrize(
    "loss", [MeanSquaredError(), WeightedMeanSquaredError(), TelescopeLoss()]
)
def test_negative_charges_count_as_zero(two_sides, loss):
    y, p = (side - 0.02 for side in two_sides)
    assert (y < 0).any()
    assert (p < 0).any()
    expected = values_of(loss, np.maximum(y, 0), np.maximum(p, 0))
    np.testing.assert_array_equal(values_of(loss, y, p), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_give_one_value_a_sample_and_zero_for_equal_wafers(two_sides, name):
    regressor = EMDRegressor.from_pretrained()
    loss = resolve_loss(name, hgcal_wafer(), regressor=regressor)
    y, p = two_sides
    values = values_of(loss, y, p)
    assert values.shape == (5,)
    assert (values > 0).all()
    assert (values_of(loss, y, y) == 0).all()
    for row in range(5):
        alone = values_of(loss, y[row : row + 1], p[row : row + 1])
        np.testing.assert_allclose(alone, values[row : row + 1], rtol=1e-5)


def test_names_resolve_to_their_losses(two_sides):
    for name, loss in [
        ("mse", MeanSquaredError()),
        ("weighted_mse", WeightedMeanSquaredError()),
        ("telescope", TelescopeLoss()),
    ]:
        found = values_of(resolve_loss(name, hgcal_wafer()), *two_sides)
        np.testing.assert_array_equal(found, values_of(loss, *two_sides))


# Choosing a loss


def test_the_telescope_needs_the_wafer():
    message = r"loss='telescope' .* does not work with the line\(48\) geometry\. Use '"
    with pytest.raises(ValueError, match=message) as caught:
        resolve_loss("telescope", line(48))
    named = set(re.findall(r"'(\w+)'", str(caught.value)))
    assert named == {*LOSSES}


def test_an_unknown_loss_is_an_error_that_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"loss must be one of .*; got 'mae'"
    ) as caught:
        resolve_loss("mae", hgcal_wafer())
    assert all(repr(name) in str(caught.value) for name in LOSSES)
    with pytest.raises(ValueError, match="loss must be a name or a callable; got 3"):
        resolve_loss(3, hgcal_wafer())


def test_a_callable_passes_through():
    def loss(y_true, y_pred):
        return y_true

    assert resolve_loss(loss, line(4)) is loss


@pytest.mark.parametrize(
    ("returned", "shape"),
    [
        (lambda y, p: keras.ops.square(y - p), r"\(2, 48\)"),
        (lambda y, p: keras.ops.mean(keras.ops.square(y - p), axis=0), r"\(48,\)"),
        (lambda y, p: keras.ops.mean(keras.ops.square(y - p)), "one number"),
        (lambda y, p: 3.0, "one number"),
    ],
)
def test_a_callable_returns_one_value_a_sample(returned, shape):
    message = rf"one value a sample: .* \(2,\) is expected, but it returned {shape}"
    autoencoder = tiny_autoencoder(loss=returned)
    with pytest.raises(ValueError, match=message):
        autoencoder.fit(small_wafers(8))
    # Not even one step was done.
    assert not hasattr(autoencoder, "network_")


def test_a_loss_of_keras_gives_one_value_a_sample(two_sides):
    loss = resolve_loss(keras.losses.MeanAbsoluteError(), hgcal_wafer())
    # Called as the training does, where Keras's own object would average.
    found = loss(*(side.astype(np.float32) for side in two_sides))
    found = keras.ops.convert_to_numpy(found)
    assert found.shape == (5,)
    expected = np.abs(two_sides[0] - two_sides[1]).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
