"""Networks as plain values: a configuration, and weights as arrays.

A builder turns a configuration of plain values into an untrained Keras model. A
:class:`Network` is a builder and a configuration with their weights. Its pickle is
small and always the same. The live model is built when it is first used.
"""

import threading

import numpy as np

from skemd._backend import weights_of
from skemd._training._step import compiled_predict, fixed_batches
from skemd.layers._blocks import seeds_from

__all__ = ["BUILD_LOCK", "Network"]

_PREDICT_BATCH = 500
# Keras names and registers layers globally while it builds a model.
BUILD_LOCK = threading.RLock()


class Network:
    """A network as plain values: builder, configuration and weights.

    Parameters
    ----------
    builder : callable
        ``builder(**config, seeds=seeds)`` -> keras.Model, a function of a module.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        In the order of ``keras.Model.get_weights``.
    """

    def __init__(self, builder, config, weights):
        self.builder = builder
        self.config = config
        self.weights = weights
        self._live = {}

    @classmethod
    def untrained(cls, builder, config, seeds):
        """Return a network with the weights of its initializers.

        Parameters
        ----------
        builder : callable
            ``builder(**config, seeds=seeds)`` -> keras.Model, a function of a module.
        config : dict
            The builder's keyword arguments, without the seeds.
        seeds : iterator of int
            Seeds of the initializers.

        Returns
        -------
        network : Network
            With its live model.
        """
        network = cls(builder, config, None)
        network._live["model"] = network._built(seeds)
        return network.pull_weights()

    @property
    def model(self):
        """The live Keras model."""
        with BUILD_LOCK:
            if "model" not in self._live:
                model = self._built(seeds_from(np.random.RandomState(0)))
                # Weights may be read-only memory maps, which Keras does not take.
                model.set_weights([np.array(weight) for weight in self.weights])
                self._live["model"] = model
        return self._live["model"]

    def pull_weights(self):
        """Copy the weights of the live model into `weights`, and return the network."""
        self.weights = weights_of(self.model)
        return self

    def copy(self):
        """Return a network with the same weights and a live model of its own."""
        return Network(self.builder, self.config, self.weights)

    def submodel(self, name):
        """Return a layer of the live model that is a model itself, by its name."""
        return self.model.get_layer(name)

    def predict(self, inputs, submodel=None):
        """Run the model, or a submodel, in batches of one size.

        Parameters
        ----------
        inputs : ndarray of shape (n_samples, ...)
            The inputs of the model or of the submodel.
        submodel : str or None, default=None
            Name of a layer that is a model itself; None for the whole model.

        Returns
        -------
        outputs : ndarray of shape (n_samples, ...)
            A row for each sample, float32.
        """
        with BUILD_LOCK:
            if ("predict", submodel) not in self._live:
                model = self.model if submodel is None else self.submodel(submodel)
                self._live["predict", submodel] = compiled_predict(model)
        predict = self._live["predict", submodel]
        return fixed_batches(predict, len(inputs), _PREDICT_BATCH, inputs)

    def __getstate__(self):
        return {
            "builder": self.builder,
            "config": self.config,
            "weights": self.weights,
            "_live": {},
        }

    def _built(self, seeds):
        with BUILD_LOCK:
            return self.builder(**self.config, seeds=seeds)
