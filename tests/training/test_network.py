"""Network: a Keras model as plain values, which copies and pickles carry."""

import pickle

import numpy as np
import pytest
from networks_by_hand import emd_networks

from skemd._backend import keras
from skemd._training._network import Network


@pytest.fixture
def pairs(unit_wafers):
    return np.concatenate([unit_wafers(7, seed=1), unit_wafers(7, seed=2)], axis=1)


def test_pickles_are_small_the_same_each_time_and_whole(pairs):
    network = emd_networks()["bounded"].copy()
    unused = pickle.dumps(network)
    expected = network.predict(pairs)
    assert pickle.dumps(network) == unused
    n_bytes = sum(weight.nbytes for weight in network.weights)
    assert len(unused) < n_bytes + 5_000
    again = pickle.loads(unused)
    assert pickle.dumps(again) == unused
    np.testing.assert_array_equal(again.predict(pairs), expected)


def test_predictions_do_not_depend_on_their_company(pairs):
    network = emd_networks()["bounded"]
    together = network.predict(pairs)
    alone = np.concatenate([network.predict(pairs[row : row + 1]) for row in range(7)])
    np.testing.assert_allclose(alone, together, rtol=1e-6)
    # More rows than one batch.
    many = network.predict(np.tile(pairs, (100, 1)))
    np.testing.assert_allclose(many, np.tile(together, 100), rtol=1e-6)


def test_copies_share_no_live_weights(pairs):
    network = emd_networks()["linear"].copy()
    expected = network.predict(pairs)
    other = network.copy()
    other.model.get_layer("output").bias.assign([100.0])
    np.testing.assert_array_equal(network.predict(pairs), expected)
    assert (other.predict(pairs) > expected + 50).all()


def test_weights_may_be_read_only(pairs):
    network = emd_networks()["linear"]
    frozen = [weight.copy() for weight in network.weights]
    for weight in frozen:
        weight.setflags(write=False)
    other = Network(network.builder, network.config, frozen)
    np.testing.assert_array_equal(other.predict(pairs), network.predict(pairs))


def test_a_run_sees_weights_that_changed(pairs):
    network = emd_networks()["linear"].copy()
    before = network.predict(pairs)
    bias = network.model.get_layer("output").bias
    bias.assign(keras.ops.convert_to_numpy(bias.value) + 1)
    np.testing.assert_allclose(network.predict(pairs), before + 1, rtol=1e-4)
