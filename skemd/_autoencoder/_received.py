"""The network of EMDDecoder, which corrects the wafers that a receiver has made."""

import numpy as np

from skemd._autoencoder._decoders import residual_layers
from skemd._autoencoder._inputs import log_of_sums
from skemd._backend import keras
from skemd._input._scaling import normalized, row_sums
from skemd.layers._blocks import FLOAT32

__all__ = ["build_decoder", "network_inputs"]

# Brings fractions to order one for the layers.
_SCALE = 10
# Keeps the logarithm of an empty cell finite.
_NONE = 1e-9
# How much of the charge an untrained network spreads evenly: exp(-8), too little to
# move a wafer, and enough to learn from.
_LOG_OF_LOST = -8


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

    Of the fractions p of the received charge it makes the fractions

    .. math:: (1 - a) \, \mathrm{softmax}(\log p + f) + a \, \mathrm{softmax}(g),

    where f and g are numbers for each cell, and the part a is one for each wafer, all
    from residual layers. The first term moves charge among cells of which some was
    received, the second one puts it where it was lost. They begin with zeros, and with
    a part so small that an untrained network returns what was received.

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
        Takes rows of :func:`network_inputs` and gives fractions of shape (n_samples,
        n_cells), of unit sum.
    """
    ops = keras.ops
    rows = keras.Input((n_cells + n_conditions,), name="received", **FLOAT32)
    fractions, conditions = rows[:, :n_cells], rows[:, n_cells:]
    x = ops.concatenate([_SCALE * fractions, conditions], axis=1)
    x = residual_layers(x, decoder_units, decoder_layers, seeds)
    learned = keras.layers.Dense(
        2 * n_cells + 1, kernel_initializer="zeros", name="corrections", **FLOAT32
    )(x)
    kept = ops.softmax(ops.log(fractions + _NONE) + learned[:, :n_cells])
    lost = ops.softmax(learned[:, n_cells:-1])
    part = ops.sigmoid(learned[:, -1:] + _LOG_OF_LOST)
    return keras.Model(rows, (1 - part) * kept + part * lost, name="decoder")
