"""What the network of the learned EMD is compared with."""

import numpy as np
from small_data import small_pairs

from skemd._regressor._targets import regression_targets
from skemd.distance import paired_potentials

FLAT, DISTANCES = small_pairs(20)
PAIRS = FLAT.reshape(20, 2, 48)
EQUAL = np.stack([PAIRS[:, 0], PAIRS[:, 0]], axis=1)


def total_variation(pairs):
    a, b = np.moveaxis(pairs / pairs.sum(axis=2, keepdims=True), 1, 0)
    return np.abs(a - b).sum(axis=1) / 2


def test_distances_count_as_they_are_unless_asked():
    targets = regression_targets(PAIRS, DISTANCES)
    expected = np.column_stack([DISTANCES, np.ones(20)])
    np.testing.assert_allclose(targets, expected, rtol=1e-6)


def test_distances_may_count_over_the_total_variation():
    targets = regression_targets(PAIRS, DISTANCES, over_variation=True)
    np.testing.assert_allclose(targets[:, 1], total_variation(PAIRS), rtol=1e-5)


def test_beside_potentials_distances_count_relative_to_themselves():
    _, potentials = paired_potentials(PAIRS[:, 0], PAIRS[:, 1])
    targets = regression_targets(PAIRS, DISTANCES, potentials)
    np.testing.assert_allclose(targets[:, 0], targets[:, 1], rtol=1e-6)
    assert (targets[:, 2] == 1).all()
    centered = potentials - potentials.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(targets[:, 3:], centered, atol=1e-5)


def test_equal_wafers_have_no_weight():
    zeros = np.zeros(20)
    targets = regression_targets(EQUAL, zeros, np.ones((20, 48)))
    assert (targets[:, 1] == 1).all()
    assert (targets[:, 2] == 0).all()
