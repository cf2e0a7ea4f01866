"""Networks from files: sizes are checked before anything is computed from them.

What a network lets later calls allocate is bounded by what its weights hold, and by
what the networks of a file may take together.
"""

import math

import numpy as np

from skemd._io._archive import brief
from skemd._io._encoding import check_image, check_n_cells
from skemd._number_formats._fixed_point import FixedPoint
from skemd._persistence._tables import has_type
from skemd._training._options import MOST_REFINEMENTS

__all__ = ["MOST_IN_A_FILE", "builders", "checked_network", "numbers_of"]

# How many numbers the weights and matrices of all networks of a file may have. The
# network of the paper has 9 million on a layout of 8 x 8 pixels.
MOST_IN_A_FILE = 2**26

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
    "decoder": str,
    "decoder_units": int,
    "decoder_layers": int,
}
# The largest integers in a configuration. All others count weights, and cannot be
# larger than the largest array of weights.
_LARGEST = {
    "kernel_size": 64,
    "n_conv_layers": 100,
    "n_dense_layers": 100,
    "n_refinements": MOST_REFINEMENTS,
    "decoder_layers": 100,
    "strides": 64,
}
# Rows of the batches in which networks run.
_BATCH = 500
# How many numbers an array within a network may have, for each weight or in any case.
_MOST_PER_WEIGHT = 64
_MOST_NUMBERS = 2**25


# Keras takes seconds to import, and not every estimator has a network.


def builders():
    """Return the builders that a file may ask for, by the names in files."""
    from skemd._autoencoder._network import build_autoencoder
    from skemd._autoencoder._received import build_decoder
    from skemd._regressor._network import build_emd_network

    return {
        "autoencoder": build_autoencoder,
        "decoder": build_decoder,
        "emd": build_emd_network,
    }


def checked_network(builder, config, weights, spend):
    """Return a network from a file, if its weights fit its configuration.

    Parameters
    ----------
    builder : {"emd", "autoencoder", "decoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        In the order of ``keras.Model.get_weights``.
    spend : callable
        ``spend(n)`` raises a ValueError if the networks of the file may not have `n`
        numbers more.

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
    _check_config(builder, config, weights)
    spend(numbers_of(builder, config, weights))
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
    most = min(most, MOST_IN_A_FILE)
    largest = max(_array_sizes(model))
    if largest > most:
        raise ValueError(
            f"it computes arrays of {largest} numbers, too many for its weights"
        )
    return Network(build, config, weights)


def numbers_of(builder, config, weights):
    """Return how many numbers the weights and the matrices of a network have.

    Parameters
    ----------
    builder : {"emd", "autoencoder", "decoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        The weights.

    Returns
    -------
    n_numbers : int
        Of the weights, the matrix that lays cells out, the distances between cells,
        and the matrices of convolutions of small grids.
    """
    from skemd.layers._convolution import MAX_PIXELS

    n_numbers = sum(weight.size for weight in weights)
    if builder == "decoder":
        return n_numbers
    n_cells = len(config["cell_to_pixel"])
    n_numbers += n_cells * math.prod(config["image_shape"])
    if config.get("head") == "potential":
        n_numbers += n_cells**2
    # Of the connections, which NumPy and the backend each hold.
    taps = 2 * config["kernel_size"] ** 2
    for n_inputs, n_outputs, channels, filters in _convolutions(builder, config):
        if max(n_inputs, n_outputs) <= MAX_PIXELS:
            n_numbers += n_inputs * n_outputs * (channels * filters + taps)
    return n_numbers


def _convolutions(builder, config):
    """Return pixels in, pixels out, channels and filters of each convolution."""
    height, width, channels = config["image_shape"]
    n_pixels, n_filters = height * width, config["n_filters"]
    if builder == "emd":
        seen = [2 * channels, *config["n_conv_layers"] * [n_filters]]
        return [(n_pixels, n_pixels, inputs, n_filters) for inputs in seen[:-1]]
    from skemd._autoencoder._network import small_image, wide_image

    steps, small = small_image(config["image_shape"], config["strides"], n_filters)
    n_small = small[0] * small[1]
    if config.get("decoder") == "residual":
        small = wide_image(small, config["decoder_units"])
    n_decoding = small[2]
    return [
        (n_pixels, n_small, channels, n_filters),
        (n_small, n_small * steps[0] * steps[1], n_decoding, n_decoding),
        (n_pixels, n_pixels, n_decoding, channels),
    ]


def _check_config(builder, config, weights):
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
    kind = config.get("decoder", "mirror")
    sizes = {"decoder_units", "decoder_layers"} & config.keys()
    n_sizes = 2 * (kind == "residual" or builder == "decoder")
    if kind not in ("mirror", "residual") or len(sizes) != n_sizes:
        raise ValueError(f"there is no decoder {brief(kind)} of {len(sizes)} sizes")
    counted = ("n_conv_layers", "n_dense_layers", "decoder_layers")
    n_layers = sum(config.get(name, 0) for name in counted)
    # Each has a kernel and a bias.
    if 2 * n_layers > len(weights):
        raise ValueError(f"it has {len(weights)} arrays for {n_layers} layers")
    if builder == "decoder":
        check_n_cells(config["n_cells"])
        return
    shape, n_cells = config["image_shape"], len(config["cell_to_pixel"])
    check_n_cells(n_cells)
    check_image(shape, n_cells)
    if config.get("n_cells", n_cells) != n_cells:
        raise ValueError(f"its {n_cells} cells are not {config['n_cells']}")
    if "positions" in config:
        positions = np.array(config["positions"], dtype=np.float64)
        if len(positions) != n_cells or not np.isfinite(positions).all():
            raise ValueError(f"its positions are not those of {n_cells} cells")


def _array_sizes(model):
    """Yield how many numbers the arrays have that a model computes for a batch."""
    from skemd.layers import (
        GridConv2D,
        GridConv2DTranspose,
        TruncatingConv2D,
        TruncatingDense,
    )

    of_samples = (GridConv2DTranspose, TruncatingConv2D, TruncatingDense)

    for operation in model.operations:
        if hasattr(operation, "operations"):
            yield from _array_sizes(operation)
        if isinstance(operation, of_samples):
            yield _BATCH * operation.products_per_sample
        elif isinstance(operation, GridConv2D) and operation._taps is not None:
            yield operation._taps.shape[0] * math.prod(operation.kernel.shape[2:])
        for node in operation._inbound_nodes:
            for tensor in node.output_tensors:
                sides = (side for side in tensor.shape if side is not None)
                yield _BATCH * math.prod(sides)
