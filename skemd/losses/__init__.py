"""Losses of the autoencoder, from squared errors to the exact EMD, for Keras.

All of them compare cells: ``loss(y_true, y_pred)`` takes two tensors of shape
(n_samples, n_cells) and returns one value per sample. The autoencoder passes wafers
divided by the power of two at or below their sum, as the chip normalizes them; losses
that are distances between distributions normalize to unit sum themselves. Any callable
of this form can serve as a loss.

``EMDAutoencoder(loss=...)`` takes these by name:
"""

from skemd.losses import _squared_errors, _table, _transport
from skemd.losses._squared_errors import *  # noqa: F403
from skemd.losses._transport import *  # noqa: F403

__all__ = [*_squared_errors.__all__, *_transport.__all__]

__doc__ = f"{__doc__}\n{_table.descriptions()}\n"
