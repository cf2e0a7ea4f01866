"""Training for few bits: first fill the ranges of the formats, then train with them.

Rounding costs least where numbers use the whole range of their format. ReLU commutes
with a positive factor, so a filter may be made larger, and the weights that read it
smaller by the same factor, and a component of the code likewise (M. Nagel et al.,
"Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
arXiv:1906.04721). The network remains the same function, but its weights and codes fill
their ranges. From there on the training sees all roundings. Before that it may train in
floating point for a while.
"""

import copy
import dataclasses
import functools

import numpy as np

from skemd._autoencoder._dead_components import revive_components, turn_on
from skemd._autoencoder._network import DECODER, ENCODER, build_autoencoder
from skemd._backend import layers_with_weights, weights_of
from skemd._number_formats._links import CONV_FRACTION_BITS, DENSE_FRACTION_BITS
from skemd._training._loop import TrainingResult
from skemd._training._network import Network
from skemd.firmware._arithmetic import patches

__all__ = ["equalize_ranges", "make_up_for_truncation", "train_quantized"]

# Weights start inside their range, with room to grow.
_PART_OF_RANGE = 0.9
# Codes above this quantile of their component start saturated.
_CODE_QUANTILE = 0.999
# But no code starts beyond its range by more than this factor.
_MOST_SATURATION = 4
# So many images show what rounding down takes away, and which components are off.
_N_IMAGES = 2_000


def train_quantized(
    network,
    formats,
    arithmetic,
    images,
    run,
    options,
    *,
    rng,
    float_fraction,
    label,
    is_rounded=False,
):
    """Train in floating point, then with the encoder's formats, if there are any.

    Parameters
    ----------
    network : Network
        An autoencoder without formats.
    formats : dict of str to FixedPoint or None
        The formats of the encoder's stages, by the names that the builder gives them.
    arithmetic : {"chip", "exact"}
        What else it rounds, as the builder takes it.
    images : ndarray of shape (n_samples, height, width, channels)
        The images on which the network trains.
    run : callable
        ``run(model, options=, rng=, label=, stage=, revive=)`` -> TrainingResult,
        trains a model on these images.
    options : TrainingOptions
        Its epochs are the sum of both parts.
    rng : numpy.random.RandomState
        Determines split and order.
    float_fraction : float
        Part of the epochs in floating point; at least one epoch follows them.
    label : str
        How the progress bar begins.
    is_rounded : bool, default=False
        Whether the network has been trained with these formats before, so that there is
        nothing to prepare, and no part in floating point.

    Returns
    -------
    network : Network
        With the formats, if there are any, and weights of the encoder that are numbers
        of these formats.
    result : TrainingResult
        The result of both parts. If the first one is interrupted, there is no second.
    """
    run = functools.partial(_run_reviving, run, images=images)
    if not any(formats.values()):
        return network, run(network, options=options, rng=rng, label=label)
    n_float = min(int(float_fraction * options.epochs), options.epochs - 1)
    if is_rounded:
        n_float = 0
    result = TrainingResult({})
    if n_float > 0:
        result = run(
            network,
            options=dataclasses.replace(options, epochs=n_float),
            # A copy, so that both parts set aside the same wafers.
            rng=copy.deepcopy(rng),
            label=f"{label} in floating point",
            stage="floating_point",
        )
    weight_format, latent_format = formats["weight_format"], formats["latent_format"]
    if not is_rounded:
        equalize_ranges(network, images, weight_format, latent_format, arithmetic)
    if arithmetic == "chip" and not is_rounded:
        make_up_for_truncation(network, images[:_N_IMAGES], latent_format)
    weights = network.pull_weights().weights
    config = {**network.config, **formats, "arithmetic": arithmetic}
    network = Network(build_autoencoder, config, weights)
    if result.interruption is None:
        options = dataclasses.replace(options, epochs=options.epochs - n_float)
        last = run(network, options=options, rng=rng, label=label)
        history = {
            name: result.history.get(name, []) + values
            for name, values in last.history.items()
        }
        result = dataclasses.replace(last, history=history)
    if formats["weight_format"] is not None:
        _round_weights(network, formats["weight_format"])
    return network, result


def _run_reviving(run, network, *, images, **options):
    """Run a training that revives components that die, as far as these images show."""
    some = images[:_N_IMAGES]
    revive = functools.partial(revive_components, network, some)
    return run(network.model, revive=revive, **options)


def equalize_ranges(network, images, weight_format, latent_format, arithmetic="exact"):
    """Rescale filters and components of a floating-point network in place.

    Components that are dead, or that rounding would kill, are turned on as well, and
    the decoder has to learn to use them. Apart from these the network remains the same
    function.

    Parameters
    ----------
    network : Network
        An autoencoder without formats.
    images : ndarray of shape (n_samples, height, width, channels)
        The images on which it trains.
    weight_format, latent_format : FixedPoint or None
        The formats to come. Without one for the weights only components are scaled.
    arithmetic : {"chip", "exact"}, default="exact"
        Whether codes will be rounded down, or to the nearest number.
    """
    highest, smallest = _range_of_codes(latent_format, arithmetic)
    conv, code = layers_with_weights(network.submodel(ENCODER))
    dense, *_ = layers_with_weights(network.submodel(DECODER))
    if weight_format is not None:
        _equalize_filters(conv, code, _PART_OF_RANGE * weight_format.highest)
    codes = network.predict(images, submodel=ENCODER)
    codes = codes * _equalize_components(code, dense, codes, weight_format, highest)
    # A component that rounds to zero for every wafer is as dead as one that is zero.
    dead = codes.max(axis=0) <= smallest
    if dead.any():
        turn_on(network, dead)
        codes = network.predict(images, submodel=ENCODER)
        _equalize_components(code, dense, codes, weight_format, highest)


def make_up_for_truncation(network, images, latent_format):
    """Add to biases what rounding down will take away, in place.

    Each product and each code loses half a step on average. Without this, components
    whose codes are small would start dead.

    Parameters
    ----------
    network : Network
        An autoencoder without formats.
    images : ndarray of shape (n_samples, height, width, channels)
        Some of the images on which it trains.
    latent_format : FixedPoint
        The format of the codes to come.
    """
    conv, code = layers_with_weights(network.submodel(ENCODER))
    kernel, bias = weights_of(conv)
    seen = patches(images, kernel.shape[:2], conv.strides)
    hidden = seen @ kernel.reshape(-1, len(bias)) + bias
    # Products with zero lose nothing.
    n_products = (seen > 0).sum(axis=3).mean()
    conv.set_weights([kernel, bias + n_products / 2 ** (CONV_FRACTION_BITS + 1)])
    n_products = (hidden > 0).sum(axis=(1, 2, 3)).mean()
    lost = n_products / 2 ** (DENSE_FRACTION_BITS + 1) + latent_format.step / 2
    kernel, bias = weights_of(code)
    code.set_weights([kernel, bias + lost])


def _range_of_codes(latent_format, arithmetic):
    """Return the largest code that does not saturate, and the largest that is lost."""
    if latent_format is None:
        return np.inf, 0
    if arithmetic == "chip":
        return latent_format.highest + latent_format.step, latent_format.step
    return latent_format.highest, latent_format.step / 2


def _equalize_filters(conv, code, highest):
    kernel, bias = weights_of(conv)
    code_kernel, code_bias = weights_of(code)
    largest = np.maximum(np.abs(kernel).max(axis=(0, 1, 2)), np.abs(bias))
    factors = highest / np.where(largest > 0, largest, highest)
    conv.set_weights([kernel * factors, bias * factors])
    # The image is flattened with its filters last.
    by_filter = np.tile(factors, len(code_kernel) // len(factors))
    code.set_weights([code_kernel / by_filter[:, None], code_bias])


def _equalize_components(code, dense, codes, weight_format, highest_code):
    kernel, bias = weights_of(code)
    dense_kernel, dense_bias = weights_of(dense)
    largest = np.quantile(codes, _CODE_QUANTILE, axis=0)
    # The quantile of a component that is hardly ever on is zero.
    largest = np.maximum(largest, codes.max(axis=0) / _MOST_SATURATION)
    factors = _ratio(highest_code, largest)
    if weight_format is not None:
        largest = np.maximum(np.abs(kernel).max(axis=0), np.abs(bias))
        highest = _PART_OF_RANGE * weight_format.highest
        factors = np.minimum(factors, _ratio(highest, largest))
    factors[~np.isfinite(factors)] = 1
    code.set_weights([kernel * factors, bias * factors])
    dense_kernel[: len(factors)] /= factors[:, None]
    dense.set_weights([dense_kernel, dense_bias])
    return factors


def _ratio(highest, largest):
    return np.divide(
        highest, largest, out=np.full(largest.shape, np.inf), where=largest > 0
    )


def _round_weights(network, weight_format):
    """Leave the encoder with its weights as it rounds them."""
    for layer in layers_with_weights(network.submodel(ENCODER)):
        layer.set_weights([weight_format.quantize(w) for w in weights_of(layer)])
