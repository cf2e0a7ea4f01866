"""Losses of the autoencoder, from squared errors to the exact EMD, for Keras.

All of them compare cells: ``loss(y_true, y_pred)`` takes two tensors of shape
(n_samples, n_cells) and returns one value per sample. The autoencoder passes wafers
divided by the power of two at or below their sum, as the chip normalizes them; losses
that are distances between distributions normalize to unit sum themselves. Any callable
of this form can serve as a loss.
"""

from skemd.losses._squared_errors import (
    MeanSquaredError,
    TelescopeLoss,
    WeightedMeanSquaredError,
)
from skemd.losses._transport import ExactEMD, LearnedEMD, SinkhornDivergence

__all__ = [
    "ExactEMD",
    "LearnedEMD",
    "MeanSquaredError",
    "SinkhornDivergence",
    "TelescopeLoss",
    "WeightedMeanSquaredError",
]
