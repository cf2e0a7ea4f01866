"""The network of EMDDecoder, which corrects the wafers that a receiver has made."""

import numpy as np

from skemd._autoencoder._decoders import residual_layers
from skemd._autoencoder._inputs import log_of_sums
from skemd._backend import keras
from skemd._input._scaling import normalized, row_sums
from skemd.layers._blocks import FLOAT32

__all__ = ["build_decoder", "network_inputs"]

# What each cell gets besides its fraction, so that empty cells have a logarithm. It is
# too little to move a wafer, and enough to be multiplied.
_SMALL = 1e-5
# Brings logarithms of fractions to order one.
_LOG_SPREAD = 4


def network_inputs(X, given):
    """Return what the network takes of received wafers.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells)
        Charges in any unit.
    given : ndarray of shape (n_samples, n_given)
        What else the decoder is told.

    Returns
    -------
    rows : ndarray of float32 of shape (n_samples, n_cells + 1 + n_given)
        Fractions of each wafer's charge, the scaled logarithm of its sum, and what is
        given.
    """
    columns = [normalized(X), log_of_sums(row_sums(X)), given]
    return np.column_stack(columns).astype(np.float32)


def build_decoder(*, n_cells, n_conditions, decoder_units, decoder_layers, seeds):
    r"""Build the network that corrects received wafers.

    From the fractions p of the received charge it makes

    .. math:: \mathrm{softmax}\bigl(\log(p + 10^{-5}) + f(p)\bigr),

    where f are residual layers. They begin with f = 0, so an untrained network returns
    what was received.

    Parameters
    ----------
    n_cells : int
        Number of cells.
    n_conditions : int
        Numbers that the network is told beside them.
    decoder_units, decoder_layers : int
        Width and number of the layers before the cells.
    seeds : iterator of int
        Seeds of the initializers.

    Returns
    -------
    model : keras.Model
        Takes rows of :func:`network_inputs` and gives positive fractions of shape
        (n_samples, n_cells), of unit sum.
    """
    rows = keras.Input((n_cells + n_conditions,), name="received", **FLOAT32)
    fractions, conditions = rows[:, :n_cells], rows[:, n_cells:]
    logs = keras.ops.log(fractions + _SMALL)
    x = keras.ops.concatenate([fractions, logs / _LOG_SPREAD + 1, conditions], axis=1)
    x = residual_layers(x, decoder_units, decoder_layers, seeds)
    corrections = keras.layers.Dense(
        n_cells, kernel_initializer="zeros", name="corrections", **FLOAT32
    )(x)
    return keras.Model(rows, keras.ops.softmax(logs + corrections), name="decoder")
