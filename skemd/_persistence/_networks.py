"""Networks from files: sizes are checked before anything is computed from them.

What a network lets later calls allocate is bounded by what its weights hold.
"""

import math

import numpy as np

from skemd._io._archive import brief
from skemd._io._encoding import check_image, check_n_cells
from skemd._number_formats._fixed_point import FixedPoint
from skemd._persistence._tables import has_type

__all__ = ["builders", "checked_network"]

_CONFIG = {
    "n_cells": int,
    "image_shape": list | tuple,
    "cell_to_pixel": list | tuple,
    "n_components": int,
    "n_filters": int,
    "kernel_size": int,
    "strides": int,
    "n_conv_layers": int,
    "n_dense_layers": int,
    "n_dense_units": int,
    "n_refinements": int,
    "head": str,
    "positions": list | tuple,
    "min_distance": int | float,
    "max_distance": int | float,
    "input_format": FixedPoint | None,
    "weight_format": FixedPoint | None,
    "accumulator_format": FixedPoint | None,
    "latent_format": FixedPoint | None,
    "arithmetic": str,
    "n_conditions": int,
}
# The largest integers in a configuration. All others count weights, and cannot be
# larger than the largest array of weights.
_LARGEST = {
    "kernel_size": 64,
    "n_conv_layers": 100,
    "n_dense_layers": 100,
    "n_refinements": 100,
    "strides": 64,
}
# Rows of the batches in which networks run.
_BATCH = 500
# How many numbers an array within a network may have, for each weight or in any case.
_MOST_PER_WEIGHT = 64
_MOST_NUMBERS = 2**25
# How many numbers the matrices of all convolutions may take while a network is built.
_MOST_TAPS = 2**24


# Keras takes seconds to import, and not every estimator has a network.


def builders():
    """Return the builders that a file may ask for, by the names in files."""
    from skemd._autoencoder._network import build_autoencoder
    from skemd._regressor._network import build_emd_network

    return {"autoencoder": build_autoencoder, "emd": build_emd_network}


def checked_network(builder, config, weights):
    """Return a network from a file, if its weights fit its configuration.

    Parameters
    ----------
    builder : {"emd", "autoencoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        In the order of ``keras.Model.get_weights``.

    Returns
    -------
    network : Network
        Not live yet.

    Raises
    ------
    ValueError
        If the configuration is too large, or the weights do not fit it.
    """
    from skemd._backend import keras
    from skemd._training._network import BUILD_LOCK, Network
    from skemd.layers._blocks import seeds_from

    build = builders()[builder]
    _check_config(config, weights)
    # Variables have shapes even if they get no values.
    with BUILD_LOCK, keras.StatelessScope(initialize_variables=False):
        seeds = seeds_from(np.random.RandomState(0))
        model = build(**config, seeds=seeds)
    expected = [tuple(weight.shape) for weight in model.weights]
    found = [weight.shape for weight in weights]
    if found != expected:
        raise ValueError(f"its weights have shapes {found}, not {expected}")
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError("its weights are not finite")
    most = max(_MOST_NUMBERS, _MOST_PER_WEIGHT * sum(w.size for w in weights))
    largest = max(_array_sizes(model))
    if largest > most:
        raise ValueError(
            f"it computes arrays of {largest} numbers, too many for its weights"
        )
    return Network(build, config, weights)


def _check_config(config, weights):
    """Check a configuration from a file before anything is computed from it."""
    for name, value in config.items():
        if name not in _CONFIG or not has_type(value, _CONFIG[name]):
            raise ValueError(f"a network has no {brief(name)}={brief(value)}")
    if not all(type(w) is np.ndarray and w.dtype.kind == "f" for w in weights):
        raise ValueError("its weights are no arrays of floating-point numbers")
    widest = max(weight.size for weight in weights)
    for name, value in config.items():
        if type(value) is int and not 0 <= value <= _LARGEST.get(name, widest):
            raise ValueError(f"{name}={value} is more than its weights hold")
    n_layers = config.get("n_conv_layers", 0) + config.get("n_dense_layers", 0)
    # Each has a kernel and a bias.
    if 2 * n_layers > len(weights):
        raise ValueError(f"it has {len(weights)} arrays for {n_layers} layers")
    shape, n_cells = config["image_shape"], len(config["cell_to_pixel"])
    check_n_cells(n_cells)
    check_image(shape, n_cells)
    if config.get("n_cells", n_cells) != n_cells:
        raise ValueError(f"its {n_cells} cells are not {config['n_cells']}")
    if "positions" in config:
        positions = np.array(config["positions"], dtype=np.float64)
        if len(positions) != n_cells or not np.isfinite(positions).all():
            raise ValueError(f"its positions are not those of {n_cells} cells")
    _check_taps(config, shape)


def _check_taps(config, shape):
    """Check the sizes of the matrices that convolutions of small grids set up."""
    from skemd.layers._convolution import MAX_PIXELS

    n_pixels = min(shape[0] * shape[1], MAX_PIXELS)
    n_layers = config.get("n_conv_layers", 3)
    if n_layers * n_pixels**2 * config["kernel_size"] ** 2 > _MOST_TAPS:
        raise ValueError(f"kernel_size={config['kernel_size']} is too large")


def _array_sizes(model):
    """Yield how many numbers the arrays have that a model computes for a batch."""
    from skemd.layers import GridConv2D, TruncatingConv2D, TruncatingDense

    for operation in model.operations:
        if hasattr(operation, "operations"):
            yield from _array_sizes(operation)
        if isinstance(operation, GridConv2D) and operation._taps is not None:
            yield operation._taps.shape[0] * math.prod(operation.kernel.shape[2:])
        if isinstance(operation, (TruncatingConv2D, TruncatingDense)):
            yield _BATCH * operation.products_per_sample
        for node in operation._inbound_nodes:
            for tensor in node.output_tensors:
                sides = (side for side in tensor.shape if side is not None)
                yield _BATCH * math.prod(sides)
