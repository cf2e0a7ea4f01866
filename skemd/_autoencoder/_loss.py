"""The loss of an autoencoder: what its parameters ask for, as a callable.

Names are those of the table in :mod:`skemd.losses._table`. The learned EMD among them
needs a fitted regressor, which is found or fitted here.
"""

import copy
import functools

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skemd._backend import keras
from skemd._checks import check_choice
from skemd._regressor import EMDRegressor
from skemd._training._step import shape_of
from skemd.datasets import make_pairs
from skemd.geometry import hgcal_wafer
from skemd.losses._table import LOSSES

__all__ = [
    "autoencoder_loss",
    "clone_that_shares",
    "name_of_loss",
    "of_equal_sums",
    "resolve_loss",
]

# Pairs on which a learned EMD is fitted where none ships, and how many of them a wafer
# supports.
_MAX_PAIRS = 100_000
_PAIRS_PER_WAFER = 20
_NETWORK = {"head": "potential", "n_conv_layers": 0, "n_dense_layers": 2}


def autoencoder_loss(autoencoder, X, geometry, rng, checkpoint):
    """Return the loss as a callable, and the regressor if one was fitted for it.

    Parameters
    ----------
    autoencoder : EMDAutoencoder
        The estimator; its parameters `loss` and `emd_regressor` name the loss.
    X : ndarray of shape (n_samples, n_cells)
        Wafers to draw pairs from, if a regressor has to be fitted.
    geometry : Geometry
        The geometry of the wafers.
    rng : numpy.random.RandomState
        Determines that fit.
    checkpoint : Checkpoint
        In a subfolder of its folder that fit leaves its state.

    Returns
    -------
    loss : callable
        ``loss(y_true, y_pred)`` -> one value a sample, in keras.ops.
    regressor : EMDRegressor or None
        The one that was fitted here.

    Raises
    ------
    ValueError
        If the loss is unknown or does not work with the geometry. A callable raises it
        at its first call if it does not return one value a sample.
    """
    loss, regressor, fitted_here = autoencoder.loss, None, None
    if isinstance(loss, str) and loss in LOSSES and "regressor" in LOSSES[loss].given:
        regressor = _ready_regressor(autoencoder, geometry)
        if regressor is None:
            regressor = _fitted_regressor(autoencoder, X, geometry, rng, checkpoint)
            fitted_here = regressor
    resolved = resolve_loss(loss, geometry, autoencoder.n_jobs, regressor)
    if not isinstance(loss, str):
        resolved = _checked_when_called(resolved, geometry.n_cells)
    return resolved, fitted_here


def resolve_loss(loss, geometry, n_jobs=None, regressor=None):
    """Turn the `loss` parameter of an estimator into a callable.

    Parameters
    ----------
    loss : str or callable
        A name of the table of losses, or ``loss(y_true, y_pred)`` -> one value a
        sample.
    geometry : Geometry
        The geometry of the cells.
    n_jobs : int or None, default=None
        How many workers compute exact EMDs.
    regressor : EMDRegressor or None, default=None
        The learned EMD, for losses that need one.

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
    check_choice(loss, "loss", sorted(LOSSES))
    row = LOSSES[loss]
    if row.wafer_only and geometry != hgcal_wafer():
        *others, last = (
            repr(name) for name in sorted(LOSSES) if not LOSSES[name].wafer_only
        )
        raise ValueError(
            f"loss={loss!r} is made for the trigger cells of the wafer; it does not "
            f"work with the {geometry.name} geometry. Use {', '.join(others)} or "
            f"{last}."
        )
    offered = {"geometry": geometry, "n_jobs": n_jobs, "regressor": regressor}
    return row.loss(**{name: offered[name] for name in row.given}).call


def of_equal_sums(loss):
    """Return a loss that gives reconstructions of unit sum the sums of the wafers."""

    def scaled(y_true, y_pred):
        return loss(y_true, y_pred * keras.ops.sum(y_true, axis=-1, keepdims=True))

    return scaled


def _checked_when_called(loss, n_cells):
    """Return a loss that checks what it returns in its first call, in the first step.

    By then the training takes care of Ctrl-C.
    """
    check = functools.cache(lambda: _check_one_value_a_sample(loss, n_cells))

    def checked(y_true, y_pred):
        check()
        return loss(y_true, y_pred)

    return checked


def _check_one_value_a_sample(loss, n_cells):
    """Check the shape of what a user's loss returns, without computing it."""
    # No other side of the tensors has this length.
    n_samples = 2 if n_cells != 2 else 3
    shape = shape_of(loss, (n_samples, n_cells), (n_samples, n_cells))
    if shape != (n_samples,):
        raise ValueError(
            "loss must return one value a sample: for tensors of shape "
            f"(n_samples, n_cells) = ({n_samples}, {n_cells}) an array of shape "
            f"({n_samples},) is expected, but it returned {shape or 'one number'}. "
            "Take the mean over the cells alone: keras.ops.mean(..., axis=-1)."
        )


def _ready_regressor(autoencoder, geometry):
    """Return the regressor of the user, or the one that ships, or None."""
    if autoencoder.emd_regressor is not None:
        return _checked_regressor(autoencoder.emd_regressor, geometry)
    if geometry == hgcal_wafer():
        return EMDRegressor.from_pretrained("hgcal-wafer")
    return None


def _fitted_regressor(autoencoder, X, geometry, rng, checkpoint):
    """Return a regressor that is fitted on pairs of the wafers."""
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
    # The folder belongs to the fit of the autoencoder, not to later ones.
    return regressor.set_params(checkpoint_dir=None)


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
    """Return the name of a loss in the progress bar."""
    return loss if isinstance(loss, str) else getattr(loss, "name", "own loss")


def clone_that_shares(estimator, part):
    """Return an unfitted clone that shares one parameter with the estimator.

    Parameters
    ----------
    estimator : estimator
        The estimator to clone.
    part : str
        The parameter that both share, instead of a clone of it.

    Returns
    -------
    twin : estimator
        An estimator of the same class.
    """
    parameters = {
        name: value if name == part else clone(value, safe=False)
        for name, value in estimator.get_params(deep=False).items()
    }
    twin = type(estimator)(**parameters)
    # scikit-learn's own clone copies these, too.
    for name in ("_metadata_request", "_sklearn_output_config"):
        if hasattr(estimator, name):
            setattr(twin, name, copy.deepcopy(getattr(estimator, name)))
    return twin
