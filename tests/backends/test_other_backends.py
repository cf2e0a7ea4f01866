"""The networks on Keras's other backends, each in a process of its own."""

import importlib.util

import numpy as np
import pytest
from processes import run_python
from repository import HELPERS, ROOT
from small_data import small_pairs

from skemd import EMDRegressor

BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"{name} is not installed"
        ),
    )
    for name in ("torch", "tensorflow")
]
SCRIPT = """
import sys
import numpy as np
from skemd._backend import keras
from skemd import EMDAutoencoder, EMDRegressor
from skemd.losses._table import LOSSES
from small_data import small_pairs, small_wafers, tiny_autoencoder, tiny_regressor

assert keras.backend.backend() == sys.argv[1]
pairs, y = small_pairs()
for head in ("bounded", "linear", "potential"):
    one, other = (tiny_regressor(head=head, epochs=4).fit(pairs, y) for _ in "ab")
    assert one.history_["loss"][-1] < one.history_["loss"][0], head
    np.testing.assert_array_equal(one.predict(pairs), other.predict(pairs))
for loss in LOSSES:
    autoencoder = tiny_autoencoder(loss=loss, latent_bits=5, epochs=4)
    autoencoder.fit(small_wafers())
    assert autoencoder.history_["loss"][-1] < autoencoder.history_["loss"][0], loss
    assert np.isfinite(autoencoder.predict(small_wafers())).all()
np.save(sys.argv[2], EMDRegressor.from_pretrained().predict(pairs))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_networks_train_and_predict_alike_on(backend, tmp_path):
    path = tmp_path / "predictions.npy"
    outcome = run_python(
        SCRIPT,
        backend,
        path,
        KERAS_BACKEND=backend,
        PYTHONPATH=f"{HELPERS}:{ROOT}",
    )
    assert outcome.returncode == 0, outcome.stderr
    predictions = EMDRegressor.from_pretrained().predict(small_pairs()[0])
    np.testing.assert_allclose(np.load(path), predictions, rtol=1e-4)
