"""Networks as plain values: a configuration, and weights as arrays.

A builder turns a configuration of plain values into an untrained Keras model. A
:class:`FittedNetwork` is such a configuration with its weights: it pickles small and
the same each time, and builds the live model when it is first used.
"""

import threading

import numpy as np

from skemd._autoencoder_network import build_autoencoder
from skemd._backend import keras
from skemd._blocks import seeds_from
from skemd._emd_network import build_emd_network
from skemd._stepping import compiled_forward
from skemd._training import fixed_batches, weights_of

__all__ = ["BUILDERS", "FittedNetwork", "checked_network"]

BUILDERS = {"emd": build_emd_network, "autoencoder": build_autoencoder}
_PREDICT_BATCH = 500
_BUILD_LOCK = threading.RLock()
# What a configuration from a file may ask for. Wider layers show in the weights.
_LARGEST = {
    "kernel_size": 64,
    "n_conv_layers": 100,
    "n_dense_layers": 100,
    "n_refinements": 100,
    "strides": 64,
}
_MOST_PLACES = 2**24


class FittedNetwork:
    """A network as plain values: what to build, and the weights.

    Parameters
    ----------
    builder : {"emd", "autoencoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray or None, default=None
        As ``keras.Model.get_weights`` gives them; None for the initialisers'.
    seeds : iterator of int or None, default=None
        Seeds of the initialisers, needed where there are no weights.
    """

    def __init__(self, builder, config, weights=None, seeds=None):
        self.builder = builder
        self.config = config
        self.weights = weights
        self._live = {}
        if weights is None:
            self._live["model"] = self._built(seeds)

    @property
    def model(self):
        """The live Keras model."""
        with _BUILD_LOCK:
            if "model" not in self._live:
                model = self._built(seeds_from(np.random.RandomState(0)))
                # Weights may be read-only memory maps; Keras wants arrays of its own.
                model.set_weights([np.array(weight) for weight in self.weights])
                self._live["model"] = model
        return self._live["model"]

    def store(self):
        """Take the live model's present weights over."""
        self.weights = weights_of(self.model)
        return self

    def copy(self):
        """Return a network of its own with the same weights."""
        return FittedNetwork(self.builder, self.config, self.weights)

    def part(self, name):
        """Return a model that is a layer of the live model, such as "encoder"."""
        return self.model.get_layer(name)

    def run(self, inputs, part=None):
        """Run the model, or a part of it, in batches of one size.

        Parameters
        ----------
        inputs : ndarray of shape (n_samples, ...)
            What the model or the part takes.
        part : str or None, default=None
            Name of a layer that is a model itself; None for the whole.

        Returns
        -------
        outputs : ndarray of shape (n_samples, ...)
            A row for each sample, float32.
        """
        with _BUILD_LOCK:
            if ("run", part) not in self._live:
                model = self.model if part is None else self.part(part)
                self._live["run", part] = compiled_forward(model)
        run = self._live["run", part]
        return fixed_batches(run, len(inputs), _PREDICT_BATCH, inputs)

    def __getstate__(self):
        return {
            "builder": self.builder,
            "config": self.config,
            "weights": self.weights,
            "_live": {},
        }

    def _built(self, seeds):
        with _BUILD_LOCK:
            return BUILDERS[self.builder](**self.config, seeds=seeds)


def checked_network(builder, config, weights):
    """Return a network from a file, if its weights are those that it asks for.

    Nothing of the configuration's size is computed before it is known to be small.

    Parameters
    ----------
    builder : str
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        In the order of the model.

    Returns
    -------
    network : FittedNetwork
        Not live yet.

    Raises
    ------
    ValueError
        If the configuration is too large, or the weights are others.
    """
    widest = max(weight.size for weight in weights)
    for name, value in config.items():
        if type(value) is int and value > _LARGEST.get(name, widest):
            raise ValueError(f"{name}={value} is more than its weights hold")
    places = len(config["cell_to_pixel"]) * float(np.prod(config["image_shape"]))
    if not 0 < places <= _MOST_PLACES:
        raise ValueError(f"its images of shape {config['image_shape']} are too large")
    # Without values variables have shapes all the same.
    with _BUILD_LOCK, keras.StatelessScope(initialize_variables=False):
        seeds = seeds_from(np.random.RandomState(0))
        model = BUILDERS[builder](**config, seeds=seeds)
    expected = [tuple(weight.shape) for weight in model.weights]
    found = [weight.shape for weight in weights]
    if found != expected:
        raise ValueError(f"its weights have shapes {found}, not {expected}")
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError("its weights are not finite")
    return FittedNetwork(builder, config, weights)
