"""skemd's networks against the same networks from Keras's own layers.

The rival has the same weights and gives the same numbers; it is trained with Keras's
``fit`` and predicts with Keras's ``predict``, as one would without skemd. Where there
is an environment for it, the rival of the regressor also runs on tensorflow, which is
the fastest of Keras's backends with its own convolutions.
"""

import contextlib
import pickle
import subprocess
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks._compare import Comparison, in_turns
from skemd import EMDAutoencoder, EMDRegressor, layers
from skemd._autoencoder._loss import resolve_loss
from skemd._backend import keras
from skemd._input._scaling import to_leading_bit
from skemd._training._loop import batches_of_rows
from skemd._training._step import TrainStep
from skemd.datasets import make_pairs, make_wafers
from skemd.geometry import hgcal_wafer
from skemd.layers._blocks import seeds_from

BATCH_SIZE = 500
ROOT = Path(__file__).parents[1]
# python -m venv .venv-tensorflow
# .venv-tensorflow/bin/python -m pip install -e . tensorflow
TENSORFLOW_PYTHON = ROOT / ".venv-tensorflow" / "bin" / "python"
KERAS_HERE = "Keras's layers and fit"
KERAS_ON_TENSORFLOW = "the same on tensorflow"


def compare_regressor(n_turns, n_pairs=4_000):
    """Compare training and predicting of the EMD CNN."""
    X = make_wafers(2_000, random_state=1_000)
    pairs, y, _ = make_pairs(X, n_pairs, random_state=0)
    pairs = pairs.astype(np.float32)
    settings = {"epochs": 1, "early_stopping": False, "random_state": 0}
    regressor = EMDRegressor(batch_size=BATCH_SIZE, **settings).fit(pairs, y)
    rival = from_keras_layers(regressor.network_)
    predictions = regressor.predict(pairs)
    tolerance = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(
        rival.predict(pairs, verbose=0), predictions, **tolerance
    )
    data = pairs, y.astype(np.float32)
    rivals = {KERAS_HERE: keras_work(rival, *data)}
    targets = {KERAS_HERE: (10, 15), KERAS_ON_TENSORFLOW: (1.3, 2)}
    with contextlib.ExitStack() as stack:
        if TENSORFLOW_PYTHON.exists():
            child = stack.enter_context(_OnTensorflow(regressor.network_, *data))
            np.testing.assert_allclose(predictions, child.predictions, **tolerance)
            rivals[KERAS_ON_TENSORFLOW] = child.work
        return _training_and_predicting(
            ("EMDRegressor", "pairs"),
            regressor.network_,
            data,
            rivals,
            n_turns,
            targets,
        )


def compare_autoencoder(n_turns, n_wafers=30_000):
    """Compare training and predicting of the autoencoder with squared errors."""
    X = make_wafers(n_wafers, random_state=1_000)
    autoencoder = EMDAutoencoder(
        loss="mse", epochs=1, early_stopping=False, random_state=0
    ).fit(X)
    rival = from_keras_layers(autoencoder.network_)
    cells = (X / X.sum(axis=1, keepdims=True)).astype(np.float32)
    images = autoencoder.layout_.apply(cells)
    np.testing.assert_allclose(
        rival.predict(images[:100], verbose=0),
        autoencoder.network_.predict(images[:100]),
        rtol=1e-3,
        atol=1e-4,
    )
    return _training_and_predicting(
        ("EMDAutoencoder", "wafers"),
        autoencoder.network_,
        (images, cells),
        {KERAS_HERE: keras_work(rival, images, cells)},
        n_turns,
        targets={KERAS_HERE: (1.5, 1)},
    )


def compare_losses(n_turns, n_wafers=24_000):
    """Compare an epoch of the autoencoder with the exact EMD with other losses."""
    X = make_wafers(n_wafers, random_state=1_000)
    geometry = hgcal_wafer()
    autoencoder = EMDAutoencoder(
        loss="mse", epochs=1, early_stopping=False, random_state=0
    ).fit(X)
    cells = to_leading_bit(X)
    images = autoencoder.layout_.apply(cells)
    regressor = EMDRegressor.from_pretrained("hgcal-wafer")
    losses = {
        name: resolve_loss(name, geometry, regressor=regressor)
        for name in ("emd", "mse", "telescope", "sinkhorn", "emdcnn")
    }
    epochs = {
        name: _epoch(autoencoder.network_.copy().model, images, cells, loss)
        for name, loss in losses.items()
    }
    seconds = in_turns(epochs, n_turns)
    targets = {"mse": 0.5, "emdcnn": 1}
    return [Comparison("an epoch by loss", "wafers", n_wafers, seconds, "emd", targets)]


def from_keras_layers(network):
    """Return the same network, weights included, with Keras's own convolutions."""

    def same(layer):
        def build(filters, kernel_size, strides=1, weight_format=None, **options):
            return layer(filters, kernel_size, strides, padding="same", **options)

        return build

    swaps = {
        "GridConv2D": same(keras.layers.Conv2D),
        "GridConv2DTranspose": same(keras.layers.Conv2DTranspose),
    }
    with mock.patch.multiple(layers, **swaps):
        seeds = seeds_from(np.random.RandomState(0))
        model = network.builder(**network.config, seeds=seeds)
    model.set_weights(network.weights)
    return model


def keras_work(model, inputs, targets):
    """Return functions that train for an epoch, and predict, as Keras does it."""
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    options = {"batch_size": BATCH_SIZE, "verbose": 0}
    return (
        lambda: model.fit(inputs, targets, **options),
        lambda: model.predict(inputs, **options),
    )


class _OnTensorflow:
    """Plain Keras on tensorflow in a child process, which works when it is told to."""

    def __init__(self, network, inputs, targets):
        self._data = network, inputs, targets

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        data = Path(self._folder.name, "data.pickle")
        data.write_bytes(pickle.dumps(self._data))
        predictions = Path(self._folder.name, "predictions.npy")
        self._child = subprocess.Popen(
            [
                *(TENSORFLOW_PYTHON, "-m", "benchmarks.tensorflow_child"),
                *(data, predictions),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._wait_for("ready")
        self.predictions = np.load(predictions)
        self.work = tuple(
            lambda word=word: self._tell(word) for word in ("training", "predicting")
        )
        return self

    def __exit__(self, *_):
        self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()
        self._folder.cleanup()

    def _tell(self, word):
        self._child.stdin.write(f"{word}\n")
        self._child.stdin.flush()
        self._wait_for("done")

    def _wait_for(self, answer):
        if self._child.stdout.readline().strip() != answer:
            raise RuntimeError("The process with tensorflow ended; see its messages.")


def _training_and_predicting(names, network, data, rivals, n_turns, targets):
    """Time an epoch, and a prediction, of our network and of each rival's."""
    name, unit = names
    inputs = data[0]
    ours = _epoch(network.model, *data), lambda: network.predict(inputs)
    comparisons = []
    for number, verb in enumerate(("training", "predicting")):
        work = {name: ours[number]}
        work |= {rival: both[number] for rival, both in rivals.items()}
        goals = {rival: targets[rival][number] for rival in rivals}
        seconds = in_turns(work, n_turns)
        comparisons.append(
            Comparison(f"{verb}, {name}", unit, len(inputs), seconds, name, goals)
        )
    return comparisons


def _squared_error(y_true, y_pred):
    return keras.ops.square(y_true - y_pred)


def _epoch(model, inputs, targets, loss=_squared_error):
    """Return a function that trains for one epoch as skemd's loop does it."""
    stepper = TrainStep(model, loss, keras.optimizers.Adam())
    rng = np.random.RandomState(0)
    rows = np.arange(len(inputs))

    def run():
        for chosen in batches_of_rows(rows, BATCH_SIZE, rng):
            value = stepper.step(inputs[chosen], targets[chosen])
        return float(value)

    return run
