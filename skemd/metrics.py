"""Scores for reconstructed wafers, as scikit-learn knows them.

:func:`mean_emd` is the positive number, an average distance; :func:`emd_score` is
minus that, for ``make_scorer``: larger is better and 0 is perfect.
:func:`emd_scorer` is a ready scorer that needs no y. All of them measure with the
exact earth mover's distance, never with the learned one.
"""

import numpy as np

from skemd._validation import as_wafers
from skemd.distance import paired_emd

__all__ = ["emd_score", "emd_scorer", "mean_emd"]


def mean_emd(X_true, X_pred, *, sample_weight=None, geometry="wafer", n_jobs=None):
    """Return the mean exact EMD between wafers and their reconstructions.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit; each wafer is normalised to unit sum. Either side may be
        laid out in any layout of the geometry.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the mean, not negative.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    distance : float
        Not negative, in the unit of the geometry (wafer: half a trigger-cell pitch,
        1.2084 cm).

    Raises
    ------
    ValueError
        If there is nothing to compare with, the shapes disagree, a charge is negative
        or not finite, or a wafer on either side has no charge.

    Examples
    --------
    >>> from skemd.metrics import mean_emd
    >>> mean_emd([[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]], geometry="line")
    0.5
    """
    _check_reference(X_true)
    # Checked here as well, so that messages carry the names of this function.
    X_true, geometry = as_wafers(X_true, "X_true", geometry)
    X_pred, geometry = as_wafers(X_pred, "X_pred", geometry)
    if len(X_true) != len(X_pred):
        raise ValueError(
            f"X_true has {len(X_true)} wafers and X_pred {len(X_pred)}; they must "
            "pair up row by row."
        )
    weights = _checked_weights(sample_weight, len(X_true))
    distances = paired_emd(X_true, X_pred, geometry=geometry, n_jobs=n_jobs)
    return float(np.average(distances, weights=weights))


def emd_score(y_true, y_pred, *, sample_weight=None, geometry="wafer", n_jobs=None):
    """Return minus the mean exact EMD, a score for ``make_scorer``.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, n_cells), or images of a layout
        As `X_true` and `X_pred` of :func:`mean_emd`.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the mean, not negative.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    score : float
        Zero or negative; 0 is perfect.

    Raises
    ------
    ValueError
        As :func:`mean_emd`, and if `y_true` is missing or one-dimensional.

    Examples
    --------
    >>> from sklearn.metrics import make_scorer
    >>> from skemd import emd_score
    >>> scoring = make_scorer(emd_score)  # search.fit(X, X) gives it the wafers
    """
    return -mean_emd(
        y_true, y_pred, sample_weight=sample_weight, geometry=geometry, n_jobs=n_jobs
    )


def emd_scorer(estimator, X, y=None):
    """Score how well an estimator gives wafers back, for ``scoring=emd_scorer``.

    The reconstruction is ``estimator.inverse_transform(estimator.transform(X))``, which
    is compared with X itself: it needs no y, and is right behind preprocessing steps
    that have an inverse. Reconstructions must not be negative: those of NMF are not,
    those of PCA may be.

    Parameters
    ----------
    estimator : object
        Fitted, with `transform` and `inverse_transform`; a pipeline or a search, too.
        The geometry is that of its parameter `geometry`, or of the last of a
        pipeline's steps that has one; else it is the wafer.
    X : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Minus the mean exact EMD, in the unit of the geometry; 0 is perfect.
    """
    reconstructed = estimator.inverse_transform(estimator.transform(X))
    return emd_score(X, reconstructed, geometry=_geometry_of(estimator) or "wafer")


def _geometry_of(estimator):
    """Return the geometry of an estimator or of a step inside it, None without one."""
    if hasattr(estimator, "geometry"):
        return estimator.geometry
    inside = [step for _, step in reversed(getattr(estimator, "steps", []))]
    inside.append(getattr(estimator, "best_estimator_", None))
    found = (_geometry_of(step) for step in inside if step is not None)
    return next((geometry for geometry in found if geometry is not None), None)


def _check_reference(X_true):
    if X_true is None or np.ndim(X_true) < 2:
        came = "nothing" if X_true is None else f"shape {np.shape(X_true)}"
        raise ValueError(
            "The true wafers must be an array of shape (n_samples, n_cells); got "
            f"{came}. In a search or cross-validation pass the wafers as y, "
            "search.fit(X, X), or use scoring=skemd.metrics.emd_scorer, which needs "
            "no y."
        )


def _checked_weights(sample_weight, n_samples):
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},); got {weights.shape}."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError("sample_weight must be finite, not negative and not all zero.")
    return weights
