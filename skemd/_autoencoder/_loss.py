"""The loss of an autoencoder, and the learned EMD that it may need."""

import copy

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skemd._backend import keras
from skemd._checks import check_choice
from skemd._regressor import EMDRegressor
from skemd.datasets import make_pairs
from skemd.geometry import hgcal_wafer
from skemd.losses._squared_errors import (
    MeanSquaredError,
    TelescopeLoss,
    WeightedMeanSquaredError,
)
from skemd.losses._transport import ExactEMD, LearnedEMD, SinkhornDivergence

__all__ = ["autoencoder_loss", "name_of_loss"]

# Pairs on which a learned EMD is fitted where none ships, but not many more than few
# wafers can tell.
_MAX_PAIRS = 100_000
_PAIRS_PER_WAFER = 20
_NETWORK = {"head": "potential", "n_conv_layers": 0, "n_dense_layers": 2}


def autoencoder_loss(autoencoder, X, geometry, rng, checkpoint):
    """Return the loss as a callable, and the regressor if one was fitted for it.

    Parameters
    ----------
    autoencoder : EMDAutoencoder
        Whose parameters `loss` and `emd_regressor` say what is wanted.
    X : ndarray of shape (n_samples, n_cells)
        Wafers to draw pairs from, should a regressor have to be fitted.
    geometry : Geometry
        Of the wafers.
    rng : numpy.random.RandomState
        Determines that fit.
    checkpoint : Checkpoint
        Within whose folder that fit leaves its state.

    Returns
    -------
    loss : callable
        ``loss(y_true, y_pred)`` -> one value a sample, in keras.ops.
    regressor : EMDRegressor or None
        The one that was fitted here.
    """
    if not isinstance(autoencoder.loss, str) or autoencoder.loss != "emdcnn":
        return resolve_loss(autoencoder.loss, geometry, autoencoder.n_jobs), None
    if autoencoder.emd_regressor is not None:
        regressor = _checked_regressor(autoencoder.emd_regressor, geometry)
        return LearnedEMD(regressor).call, None
    if geometry == hgcal_wafer():
        return LearnedEMD(EMDRegressor.from_pretrained("hgcal-wafer")).call, None
    regressor = EMDRegressor(
        **_NETWORK,
        geometry=geometry,
        random_state=rng.randint(2**31 - 1),
        verbose=autoencoder.verbose,
        n_jobs=autoencoder.n_jobs,
        checkpoint_dir=checkpoint.subfolder("emd_regressor"),
    )
    n_pairs = min(_MAX_PAIRS, _PAIRS_PER_WAFER * len(X))
    pairs, distances, _ = make_pairs(
        X, n_pairs, geometry=geometry, n_jobs=autoencoder.n_jobs, random_state=rng
    )
    regressor.fit(pairs, distances)
    # The folder belongs to this fit, not to whoever fits the regressor again.
    regressor.set_params(checkpoint_dir=None)
    return LearnedEMD(regressor).call, regressor


def _checked_regressor(regressor, geometry):
    """Check that a regressor that the user passed can serve as the loss."""
    if isinstance(regressor, FrozenEstimator):
        regressor = regressor.estimator
    if not isinstance(regressor, EMDRegressor):
        raise ValueError(
            "emd_regressor must be a fitted EMDRegressor or None; got "
            f"{type(regressor).__name__}."
        )
    check_is_fitted(
        regressor,
        msg="The emd_regressor is not fitted yet. Call its fit with pairs of wafers "
        "first; see skemd.datasets.make_pairs.",
    )
    if regressor.geometry_ != geometry:
        raise ValueError(
            f"The emd_regressor was fitted for the {regressor.geometry_.name} geometry "
            f"of {regressor.geometry_.n_cells} cells, but the wafers have the "
            f"{geometry.name} geometry of {geometry.n_cells}. Fit one for it."
        )
    return regressor


def name_of_loss(loss):
    """Return what the progress bar calls a loss."""
    return loss if isinstance(loss, str) else getattr(loss, "name", "own loss")


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


def clone_that_shares(estimator, part):
    """Return an unfitted estimator with the same parameters and the very same part.

    Parameters
    ----------
    estimator : estimator
        What to clone.
    part : str
        The parameter that is handed over as it is, not cloned.

    Returns
    -------
    twin : estimator
        Of the same class.
    """
    parameters = {
        name: value if name == part else clone(value, safe=False)
        for name, value in estimator.get_params(deep=False).items()
    }
    twin = type(estimator)(**parameters)
    # What scikit-learn's own clone takes along.
    for name in ("_metadata_request", "_sklearn_output_config"):
        if hasattr(estimator, name):
            setattr(twin, name, copy.deepcopy(getattr(estimator, name)))
    return twin
