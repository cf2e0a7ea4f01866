"""Networks without training, with weights that every part of them can be told by."""

import functools

import numpy as np

from skemd._backend import keras
from skemd._regressor._network import build_emd_network
from skemd._training._network import Network
from skemd.geometry import hgcal_wafer
from skemd.layers._blocks import seeds_from

WAFER = hgcal_wafer()


def seeds(seed=0):
    return seeds_from(np.random.RandomState(seed))


def layout_config(geometry, name=None):
    layout = geometry.layout(name)
    return {"image_shape": layout.shape, "cell_to_pixel": layout.cell_to_pixel.tolist()}


def emd_config(geometry=WAFER, name="4x4x3", **changes):
    return {
        "n_cells": geometry.n_cells,
        **layout_config(geometry, name),
        "n_filters": 3,
        "kernel_size": 3,
        "n_conv_layers": 2,
        "n_dense_layers": 1,
        "n_dense_units": 4,
        "n_refinements": 2,
        "head": "bounded",
        "positions": geometry.positions.tolist(),
        "min_distance": geometry.min_distance,
        "max_distance": geometry.max_distance,
        **changes,
    }


def autoencoder_config(geometry=WAFER, name="8x8", **changes):
    return {
        **layout_config(geometry, name),
        "n_components": 16,
        "n_filters": 8,
        "kernel_size": 3,
        "strides": 2,
        **changes,
    }


def weights_by_hand(network, seed=0):
    """Give a network weights that every part of it can be told by."""
    rng = np.random.RandomState(seed)
    for weight in network.model.weights:
        values = rng.normal(scale=0.4, size=weight.shape)
        if weight.name in ("gamma", "moving_variance"):
            values = rng.uniform(0.5, 1.5, size=weight.shape)
        if "refine" in weight.path:
            # Potentials of the size of distances.
            values /= 4
        weight.assign(values)
    return network.pull_weights()


def arrays_of(model):
    return [keras.ops.convert_to_numpy(weight.value) for weight in model.weights]


@functools.cache
def emd_networks():
    """Return small EMD networks of each head; who changes one takes a copy."""
    configs = {
        "linear": emd_config(name="4x4x3", head="linear"),
        "bounded": emd_config(name="8x8", n_conv_layers=1, n_dense_layers=2),
        "potential": emd_config(name="8x8", n_conv_layers=0, head="potential"),
    }
    return {
        head: weights_by_hand(Network.untrained(build_emd_network, config, seeds()))
        for head, config in configs.items()
    }
