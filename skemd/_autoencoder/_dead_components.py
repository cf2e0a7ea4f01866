"""Dead components of the code, which carry no information: find, revive, warn."""

import numpy as np

from skemd._autoencoder._network import DECODER, ENCODER
from skemd._backend import layers_with_weights, weights_of
from skemd._warnings import warn_user

__all__ = [
    "dead_components",
    "revive_components",
    "turn_on",
    "warn_of_dead_components",
]

# A fit of fewer wafers in floating point is a trial, which often has dead components.
_MANY_WAFERS = 1_000


def dead_components(codes):
    """Find the components that are the same in all codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes of the wafers in fit.

    Returns
    -------
    dead : ndarray of int
        Their indices.
    """
    (dead,) = (codes.min(axis=0) == codes.max(axis=0)).nonzero()
    return dead


def revive_components(network, images):
    """Turn on the components of a network that are off for all wafers.

    ReLU gives them no gradient, so that they would stay off.

    Parameters
    ----------
    network : Network
        An autoencoder.
    images : ndarray of shape (n_samples, height, width, channels)
        Some of the images on which it trains.

    Returns
    -------
    revived : bool
        Whether there were any.
    """
    off = network.predict(images, ENCODER).max(axis=0) <= 0
    if off.any():
        turn_on(network, off)
        # All wafers turn them on now. The smallest code becomes zero, so that few
        # saturate.
        smallest = network.predict(images, ENCODER).min(axis=0)
        _, code = layers_with_weights(network.submodel(ENCODER))
        kernel, bias = weights_of(code)
        code.set_weights([kernel, bias - np.where(off, smallest, 0)])
    return bool(off.any())


def turn_on(network, off):
    """Flip the sign of components that are off for all wafers, so that they are on.

    The decoder begins by ignoring them.

    Parameters
    ----------
    network : Network
        An autoencoder, whose live model changes.
    off : ndarray of bool of shape (n_components,)
        Which components are off.
    """
    _, code = layers_with_weights(network.submodel(ENCODER))
    dense, *_ = layers_with_weights(network.submodel(DECODER))
    sign = np.where(off, -1, 1)
    code.set_weights([weight * sign for weight in weights_of(code)])
    kernel, bias = weights_of(dense)
    # After the components the decoder may be told conditions.
    kernel[: len(off)][off] = 0
    dense.set_weights([kernel, bias])


def warn_of_dead_components(dead, n_components, n_wafers, *, few_bits):
    """Warn the caller of fit, if dead components are worth a warning.

    Parameters
    ----------
    dead : ndarray of int
        Their indices.
    n_components, n_wafers : int
        Components of a code, and wafers in fit.
    few_bits : bool
        Whether the encoder has formats. A dead component then costs bandwidth, however
        few the wafers are.
    """
    if len(dead) == 0 or not (few_bits or n_wafers >= _MANY_WAFERS):
        return
    warn_user(
        f"{len(dead)} of {n_components} components of the code are dead: the same for "
        f"all wafers of fit ({', '.join(map(str, dead))}; see dead_components_). They "
        "cost bandwidth and say nothing. Fit again with another random_state, a "
        "smaller learning_rate or fewer n_components.",
    )
