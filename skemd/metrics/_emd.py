"""The exact earth mover's distance of reconstructions, and scores made of it."""

import numpy as np

from skemd._input._wafers import as_wafers, without_empty
from skemd.distance._exact import solve_pairs
from skemd.metrics._pairs import (
    check_empty_pred,
    checked_pairs,
    checked_weights,
    weighted_mean,
)

__all__ = ["emd_per_wafer", "emd_score", "emd_scorer", "mean_emd"]


def emd_per_wafer(X_true, X_pred, *, geometry="wafer", empty_pred="raise", n_jobs=None):
    """Return the exact EMD between each wafer and its reconstruction.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit; each wafer is normalized to unit sum. Either side may be
        laid out in any layout of the geometry.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    empty_pred : {"raise", "even"}, default="raise"
        How a reconstruction without charge counts: as an error, or as a wafer with the
        same charge in every cell, the guess of a receiver without information.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    distances : ndarray of float64 of shape (n_samples,)
        Not negative, in the unit of the geometry (wafer: half a trigger-cell pitch,
        1.2084 cm).

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import emd_per_wafer
    >>> emd_per_wafer([[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]], geometry="line")
    array([1., 0.])
    """
    check_empty_pred(empty_pred)
    X_true, X_pred, geometry = checked_pairs(
        X_true, X_pred, geometry, empty_pred, dtype=None
    )
    distances, _ = solve_pairs(X_true, X_pred, geometry, n_jobs=n_jobs)
    return distances


def mean_emd(
    X_true,
    X_pred,
    *,
    sample_weight=None,
    geometry="wafer",
    empty_pred="raise",
    n_jobs=None,
):
    """Return the mean exact EMD between wafers and their reconstructions.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit; each wafer is normalized to unit sum. Either side may be
        laid out in any layout of the geometry.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the mean, not negative.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    empty_pred : {"raise", "even"}, default="raise"
        How a reconstruction without charge counts: as an error, or as a wafer with the
        same charge in every cell.
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
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a wafer on either side has no charge.

    Examples
    --------
    >>> from skemd.metrics import mean_emd
    >>> mean_emd([[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]], geometry="line")
    0.5
    """
    check_empty_pred(empty_pred)
    X_true, X_pred, geometry = checked_pairs(
        X_true, X_pred, geometry, empty_pred, dtype=None
    )
    # Before computing the distances, which takes time.
    weights = checked_weights(sample_weight, len(X_true))
    distances, _ = solve_pairs(X_true, X_pred, geometry, n_jobs=n_jobs)
    return weighted_mean(distances, weights)


def emd_score(
    y_true,
    y_pred,
    *,
    sample_weight=None,
    geometry="wafer",
    empty_pred="raise",
    n_jobs=None,
):
    """Return minus the mean exact EMD, a score for ``make_scorer``.

    A search has to get the wafers as y, ``search.fit(X, X)``: without y scikit-learn
    cannot call such a scorer, and all scores are NaN.
    :func:`skemd.metrics.emd_scorer` needs no y.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, n_cells), or images of a layout
        As `X_true` and `X_pred` of :func:`~skemd.metrics.mean_emd`.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the mean, not negative.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    empty_pred : {"raise", "even"}, default="raise"
        As in :func:`~skemd.metrics.mean_emd`.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    score : float
        Zero or negative; 0 is perfect.

    Raises
    ------
    ValueError
        As :func:`~skemd.metrics.mean_emd`, and if `y_true` is missing or has one
        dimension.

    Examples
    --------
    >>> from sklearn.metrics import make_scorer
    >>> from skemd import emd_score
    >>> scoring = make_scorer(emd_score)  # search.fit(X, X) passes the wafers as y
    """
    return -mean_emd(
        y_true,
        y_pred,
        sample_weight=sample_weight,
        geometry=geometry,
        empty_pred=empty_pred,
        n_jobs=n_jobs,
    )


def emd_scorer(estimator, X, y=None):
    """Score how well an estimator reconstructs wafers, for ``scoring=emd_scorer``.

    The reconstruction is ``estimator.inverse_transform(estimator.transform(X))``, which
    is compared with X itself. The scorer needs no y, and is also right for pipelines
    with preprocessing steps that have an inverse. Reconstructions must not be negative:
    those of NMF never are, those of PCA may be.

    Parameters
    ----------
    estimator : object
        Fitted, with `transform` and `inverse_transform`, such as a pipeline or a
        search. Its parameter `geometry` is used, or that of the last step of a pipeline
        that has one; without any, the geometry is the wafer.
    X : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit. Wafers without any are left out, with a warning.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Minus the mean exact EMD, in the unit of the geometry; 0 is perfect. A
        reconstruction without charge counts as one with the same charge in every cell.

    Raises
    ------
    TypeError
        If the estimator does not transform wafers and back.
    ValueError
        If no wafer has charge, or a charge is negative or not finite.
    """
    for method in ("transform", "inverse_transform"):
        if not hasattr(estimator, method):
            raise TypeError(
                "emd_scorer compares wafers with inverse_transform(transform(X)), but "
                f"{type(estimator).__name__} has no {method}. Leave scoring out to use "
                "the estimator's own score."
            )
    reconstructed = estimator.inverse_transform(estimator.transform(X))
    X, geometry = as_wafers(
        X, "X", _geometry_of(estimator) or "wafer", allow_empty=True, dtype=None
    )
    has_charge = X.any(axis=1)
    X, reconstructed = without_empty(
        has_charge, "emd_scorer", X, np.asarray(reconstructed), least=1
    )
    return emd_score(X, reconstructed, geometry=geometry, empty_pred="even")


def _geometry_of(estimator):
    """Return the geometry of an estimator or of a step inside it, or None."""
    if hasattr(estimator, "geometry"):
        return estimator.geometry
    inside = [step for _, step in reversed(getattr(estimator, "steps", []))]
    inside.append(getattr(estimator, "best_estimator_", None))
    found = (_geometry_of(step) for step in inside if step is not None)
    return next((geometry for geometry in found if geometry is not None), None)
