"""Training for few bits: a start that fills the formats, then with the roundings.

Rounding hurts least where numbers use the whole range of their format. ReLU lets a
positive factor through, so a filter may be made larger and what reads it smaller by the
same factor, and a component of the code likewise: the network stays the same function,
but weights and codes fill their ranges. From there on the training sees all roundings.
It may also train in floating point for a while before.
"""

import copy

import numpy as np

from skemd._autoencoder._network import build_autoencoder
from skemd._backend import weights_of
from skemd._training._network import Network

__all__ = ["equalize_ranges", "train_quantized"]

# Weights start inside of their range, with room to grow.
_PART_OF_RANGE = 0.9
# Codes above this quantile of their component start saturated.
_CODE_QUANTILE = 0.999
# But none starts beyond its range by more than this factor.
_MOST_SATURATION = 4


def train_quantized(
    network, formats, run, images, *, rng, epochs, float_fraction, patience, label
):
    """Train in floating point, then with the encoder's formats, if there are any.

    Parameters
    ----------
    network : Network
        An autoencoder without formats, untrained.
    formats : dict of str to FixedPoint or None
        The builder's, by name.
    run : callable
        ``run(model, epochs=, rng=, label=, stage=)`` trains and returns the history.
    images : ndarray of shape (n_samples, height, width, channels)
        What the network trains on.
    rng : numpy.random.RandomState
        Determines split and order.
    epochs : int
        Of both parts together.
    float_fraction : float
        Part of the epochs in floating point; there is at least one epoch behind them.
    patience : int
        The one that `run` stops after.
    label : str
        What the progress bar starts with.

    Returns
    -------
    network : Network
        One with the formats; the encoder's weights are numbers of theirs.
    history : dict of lists
        Of both parts.
    """
    if not any(formats.values()):
        return network, run(network.model, rng=rng, label=label)
    n_float = min(int(float_fraction * epochs), epochs - 1)
    history, interrupted = {}, False
    if n_float > 0:
        # A copy of the random state, so that both parts set aside the same wafers.
        history = run(
            network.model,
            epochs=n_float,
            rng=copy.deepcopy(rng),
            label=f"{label} in floating point",
            stage="floating_point",
        )
        interrupted = _was_interrupted(history, n_float, patience)
    equalize_ranges(network, images, formats["weight_format"], formats["latent_format"])
    weights = network.pull_weights().weights
    network = Network(build_autoencoder, {**network.config, **formats}, weights)
    if not interrupted:
        last = run(network.model, epochs=epochs - n_float, rng=rng, label=label)
        history = {name: history.get(name, []) + last[name] for name in last}
    if formats["weight_format"] is not None:
        _round_weights(network, formats["weight_format"])
    return network, history


def equalize_ranges(network, images, weight_format, latent_format):
    """Rescale filters and components of a floating-point network in place.

    Components that are dead, or that rounding would kill, are turned on as well; the
    decoder has to learn to use them. But for these the network remains the same
    function.

    Parameters
    ----------
    network : Network
        An autoencoder without formats.
    images : ndarray of shape (n_samples, height, width, channels)
        What it trains on.
    weight_format, latent_format : FixedPoint or None
        The formats to come. Without one for the weights only components are scaled.
    """
    conv, code = (
        network.submodel("encoder").get_layer(name) for name in ("conv", "code")
    )
    dense = network.submodel("decoder").get_layer("dense")
    if weight_format is not None:
        _equalize_filters(conv, code, _PART_OF_RANGE * weight_format.highest)
    codes = network.predict(images, submodel="encoder")
    codes = codes * _equalize_components(
        code, dense, codes, weight_format, latent_format
    )
    # What rounds to zero for every wafer is as dead as what is zero.
    dead = codes.max(axis=0) <= (latent_format.step / 2 if latent_format else 0)
    if dead.any():
        _revive(code, dense, dead)
        codes = network.predict(images, submodel="encoder")
        _equalize_components(code, dense, codes, weight_format, latent_format)


def _revive(code, dense, dead):
    """Turn components that are off for all wafers around, so that they are on."""
    sign = np.where(dead, -1, 1)
    code.set_weights([weight * sign for weight in weights_of(code)])
    kernel, bias = weights_of(dense)
    dense.set_weights([np.where(dead[:, None], 0, kernel), bias])


def _equalize_filters(conv, code, highest):
    kernel, bias = weights_of(conv)
    code_kernel, code_bias = weights_of(code)
    largest = np.maximum(np.abs(kernel).max(axis=(0, 1, 2)), np.abs(bias))
    factors = highest / np.where(largest > 0, largest, highest)
    conv.set_weights([kernel * factors, bias * factors])
    # The image is flattened with its filters last.
    by_filter = np.tile(factors, len(code_kernel) // len(factors))
    code.set_weights([code_kernel / by_filter[:, None], code_bias])


def _equalize_components(code, dense, codes, weight_format, latent_format):
    kernel, bias = weights_of(code)
    dense_kernel, dense_bias = weights_of(dense)
    factors = np.full(len(bias), np.inf)
    if latent_format is not None:
        largest = np.quantile(codes, _CODE_QUANTILE, axis=0)
        # A component that is hardly ever on has no quantile to go by.
        largest = np.maximum(largest, codes.max(axis=0) / _MOST_SATURATION)
        factors = np.minimum(factors, _ratio(latent_format.highest, largest))
    if weight_format is not None:
        largest = np.maximum(np.abs(kernel).max(axis=0), np.abs(bias))
        highest = _PART_OF_RANGE * weight_format.highest
        factors = np.minimum(factors, _ratio(highest, largest))
    factors[~np.isfinite(factors)] = 1
    code.set_weights([kernel * factors, bias * factors])
    dense.set_weights([dense_kernel / factors[:, None], dense_bias])
    return factors


def _ratio(highest, largest):
    return np.divide(
        highest, largest, out=np.full(largest.shape, np.inf), where=largest > 0
    )


def _round_weights(network, weight_format):
    """Leave the encoder's weights as what they are used as."""
    for name in ("conv", "code"):
        layer = network.submodel("encoder").get_layer(name)
        layer.set_weights([weight_format.quantize(w) for w in weights_of(layer)])


def _was_interrupted(history, epochs, patience):
    """Tell from its history whether a training ended before it was done."""
    n_epochs = len(history["loss"])
    if n_epochs == epochs:
        return False
    watched = history.get("val_loss", [])
    return not watched or n_epochs - 1 - int(np.argmin(watched)) < patience
