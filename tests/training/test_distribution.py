"""Training on several devices, by Keras's own way of asking for it."""

import functools
import json
import os

import numpy as np
import pytest
from processes import run_python
from repository import HELPERS

from skemd._backend import keras

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution shares data on jax"
)

XLA_FLAGS = os.environ.get("XLA_FLAGS", "")
TWO_DEVICES = {"XLA_FLAGS": f"{XLA_FLAGS} --xla_force_host_platform_device_count=2"}
TRAIN = """
import json, sys, warnings
warnings.simplefilter("error")
# Keras imports Matplotlib, whose old versions call old names of pyparsing.
warnings.filterwarnings("default", "'[A-Za-z]+' deprecated - use", DeprecationWarning)
# Two epochs are not enough.
warnings.filterwarnings("ignore", ".* ended while still improving")
import numpy as np
from small_data import small_pairs, small_wafers
from small_data import tiny_autoencoder, tiny_regressor
from skemd._backend import keras
import jax
from skemd._training import _step

seen = set()
place = _step._among_devices

def recorded(array, distribution):
    array = place(array, distribution)
    if distribution is not None:
        seen.add(len(array.sharding.device_set))
        seen.add(array.addressable_shards[0].data.shape[0])
    return array

_step._among_devices = recorded
X, (pairs, y) = small_wafers(), small_pairs()
FITS = {
    "mse": lambda: tiny_autoencoder().fit(X),
    "regressor": lambda: tiny_regressor().fit(pairs, y),
    "emd": lambda: tiny_autoencoder(loss="emd", early_stopping=False).fit(X),
}
DATA = {"mse": X, "regressor": pairs, "emd": X}
networks = sys.argv[1:]
found = {}
for name in ("one", "two"):
    if name == "two":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    fits = {network: FITS[network]() for network in networks}
    found[name] = {key: fit.history_ for key, fit in fits.items()}
    predicted = {key: fit.predict(DATA[key]) for key, fit in fits.items()}
    found[name]["predicted"] = {k: v.tolist() for k, v in predicted.items()}
    weights = fits[networks[0]].model_.trainable_variables
    found[name]["devices"] = len(weights[0].value.sharding.device_set)
try:
    tiny_autoencoder(batch_size=31).fit(X)
except ValueError as error:
    found["odd"] = str(error)
keras.distribution.set_distribution(None)
found["afterwards"] = fits[networks[0]].predict(DATA[networks[0]]).tolist()
found["seen"] = sorted(seen)
found["n_devices"] = jax.device_count()
print(json.dumps(found))
"""


@functools.cache
def trained(*networks):
    """Return what networks learn and predict on one device, and on two."""
    outcome = run_python(
        TRAIN,
        *networks,
        PYTHONPATH=str(HELPERS),
        KERAS_BACKEND="jax",
        **TWO_DEVICES,
    )
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


def check_two_are_as_one(found, network):
    one, two = found["one"][network], found["two"][network]
    assert one.keys() == two.keys()
    for name, losses in one.items():
        np.testing.assert_allclose(two[name], losses, rtol=1e-5)
    predicted = [found[name]["predicted"][network] for name in ("one", "two")]
    np.testing.assert_allclose(*predicted, rtol=1e-3, atol=1e-3)


def test_losses_on_two_devices_are_those_on_one():
    check_two_are_as_one(trained("mse"), "mse")


@pytest.mark.exhaustive
@pytest.mark.parametrize("network", ["regressor", "emd"])
def test_losses_of_other_networks_are_those_on_one(network):
    check_two_are_as_one(trained("regressor", "emd"), network)


def test_both_devices_share_each_batch():
    found = trained("mse")
    assert found["n_devices"] == 2
    # Two devices, and half of a batch of 32 on each.
    assert found["seen"] == [2, 16]
    assert (found["one"]["devices"], found["two"]["devices"]) == (1, 2)


def test_a_batch_that_cannot_be_shared_is_refused():
    expected = "Batches of 31 cannot be shared evenly by the 2 devices"
    assert trained("mse")["odd"].startswith(expected)


def test_what_was_trained_on_two_devices_predicts_without_them():
    found = trained("mse")
    predicted = found["two"]["predicted"]["mse"]
    np.testing.assert_allclose(found["afterwards"], predicted, rtol=1e-6)


LARGER = """
from skemd._backend import keras
from skemd import EMDAutoencoder
from skemd.datasets import make_wafers

keras.distribution.set_distribution(keras.distribution.DataParallel())
X = make_wafers(100_000, random_state=0)
fitted = EMDAutoencoder("mse", epochs=3, batch_size=1_000, random_state=0).fit(X)
print(fitted.n_iter_)
"""


@pytest.mark.exhaustive
def test_large_batches_do_not_wait_for_each_other_for_ever():
    outcome = run_python(LARGER, KERAS_BACKEND="jax", **TWO_DEVICES)
    assert outcome.stdout == "3\n", outcome.stderr
