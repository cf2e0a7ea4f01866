"""From floating point to few bits: a start that fills the ranges of the formats.

Rounding hurts least where numbers use the whole range of their format. ReLU lets a
positive factor through, so a filter may be made larger and what reads it smaller by the
same factor, and a component of the code likewise: the network stays the same function.
:func:`fill_ranges` chooses such factors before the roundings come in, and
:func:`round_weights` leaves the rounded weights behind when the training is over.
"""

import numpy as np

from skemd._training import weights_of

__all__ = ["fill_ranges", "round_weights", "was_interrupted"]

# Weights start inside of their range, with room to grow.
_PART_OF_RANGE = 0.9
# Codes above this quantile of their component start saturated.
_CODE_QUANTILE = 0.999


def fill_ranges(network, codes, weight_format, latent_format):
    """Rescale filters and components of a trained floating-point network in place.

    Parameters
    ----------
    network : FittedNetwork
        An autoencoder, trained without formats.
    codes : ndarray of shape (n_samples, n_components)
        What its encoder makes of the wafers.
    weight_format, latent_format : FixedPoint or None
        The formats to come. Without one for the weights only components are scaled.
    """
    conv, code = (network.part("encoder").get_layer(name) for name in ("conv", "code"))
    dense = network.part("decoder").get_layer("dense")
    if weight_format is not None:
        _fill_filters(conv, code, _PART_OF_RANGE * weight_format.highest)
    _fill_components(code, dense, codes, weight_format, latent_format)


def _fill_filters(conv, code, highest):
    kernel, bias = weights_of(conv)
    code_kernel, code_bias = weights_of(code)
    largest = np.maximum(np.abs(kernel).max(axis=(0, 1, 2)), np.abs(bias))
    factors = highest / np.where(largest > 0, largest, highest)
    conv.set_weights([kernel * factors, bias * factors])
    # The image is flattened with its filters last.
    by_filter = np.tile(factors, len(code_kernel) // len(factors))
    code.set_weights([code_kernel / by_filter[:, None], code_bias])


def _fill_components(code, dense, codes, weight_format, latent_format):
    kernel, bias = weights_of(code)
    dense_kernel, dense_bias = weights_of(dense)
    factors = np.full(len(bias), np.inf)
    if latent_format is not None:
        largest = np.quantile(codes, _CODE_QUANTILE, axis=0)
        factors = np.minimum(factors, _ratio(latent_format.highest, largest))
    if weight_format is not None:
        largest = np.maximum(np.abs(kernel).max(axis=0), np.abs(bias))
        highest = _PART_OF_RANGE * weight_format.highest
        factors = np.minimum(factors, _ratio(highest, largest))
    factors[~np.isfinite(factors)] = 1
    code.set_weights([kernel * factors, bias * factors])
    dense.set_weights([dense_kernel / factors[:, None], dense_bias])


def _ratio(highest, largest):
    return np.divide(
        highest, largest, out=np.full(largest.shape, np.inf), where=largest > 0
    )


def round_weights(network, weight_format):
    """Round the encoder's weights to their format, in which they are used anyway.

    Parameters
    ----------
    network : FittedNetwork
        An autoencoder.
    weight_format : FixedPoint
        The format.
    """
    for name in ("conv", "code"):
        layer = network.part("encoder").get_layer(name)
        layer.set_weights([weight_format.quantize(w) for w in weights_of(layer)])


def was_interrupted(history, epochs, patience):
    """Tell from its history whether a training ended before it was done.

    Parameters
    ----------
    history : dict of lists
        As :func:`skemd._training.train` returns it.
    epochs, patience : int
        As it was given them.

    Returns
    -------
    interrupted : bool
        False where the training ran all its epochs or stopped for want of patience.
    """
    n_epochs = len(history["loss"])
    if n_epochs == epochs:
        return False
    watched = history.get("val_loss", [])
    return not watched or n_epochs - 1 - int(np.argmin(watched)) < patience
