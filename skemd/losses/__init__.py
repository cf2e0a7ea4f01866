"""Losses of the autoencoder, from squared errors to the exact EMD, for Keras.

All of them compare cells: ``loss(y_true, y_pred)`` takes two tensors of shape
(n_samples, n_cells) and gives one value a sample. The autoencoder hands them wafers
divided by the power of two below their sum, as the chip normalises them; losses that
are distances between distributions normalise to unit sum themselves. Any callable of
this form is a loss, too.
"""

from skemd._backend import keras
from skemd._validation import check_choice
from skemd.geometry import hgcal_wafer
from skemd.losses._squares import (
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

# What each name makes, given the geometry of the cells and the number of workers.
LOSSES = {
    "emd": lambda geometry, n_jobs: ExactEMD(geometry, n_jobs=n_jobs),
    "sinkhorn": lambda geometry, n_jobs: SinkhornDivergence(geometry),
    "telescope": lambda geometry, n_jobs: TelescopeLoss(),
    "weighted_mse": lambda geometry, n_jobs: WeightedMeanSquaredError(),
    "mse": lambda geometry, n_jobs: MeanSquaredError(),
}


def resolve_loss(loss, geometry, n_jobs=None):
    """Turn the `loss` parameter of an estimator into a callable.

    Parameters
    ----------
    loss : str or callable
        A key of `LOSSES`, or ``loss(y_true, y_pred)`` -> one value a sample.
    geometry : Geometry
        The geometry of the cells.
    n_jobs : int or None, default=None
        How many workers compute exact EMDs.

    Returns
    -------
    loss : callable
        In keras.ops, one value a sample.

    Raises
    ------
    ValueError
        If the loss is unknown or does not work with the geometry.
    """
    if not isinstance(loss, str):
        if not callable(loss):
            raise ValueError(f"loss must be a name or a callable; got {loss!r}.")
        # Keras's loss objects average when called; the training loop does it itself.
        return loss.call if isinstance(loss, keras.losses.Loss) else loss
    # "emdcnn" needs a regressor, which the estimator provides before it comes here.
    check_choice(loss, "loss", ("emdcnn", *LOSSES))
    if loss == "telescope" and geometry != hgcal_wafer():
        raise ValueError(
            "loss='telescope' sums the trigger cells of the wafer; it does not work "
            f"with the {geometry.name} geometry. Use 'emd', 'emdcnn', 'sinkhorn', "
            "'mse' or 'weighted_mse'."
        )
    return LOSSES[loss](geometry, n_jobs).call
