"""The pairs of wafers that the learned EMD takes: flat, stacked, or as images."""

import numpy as np
from sklearn.utils.validation import validate_data

from skemd._checks import check_container
from skemd._input._wafers import (
    cells_of_images,
    check_charges,
    check_width,
    is_lenient,
    resolve_geometry,
)

__all__ = ["both_charged", "validated_pairs"]


def validated_pairs(estimator, X, y=None, *, reset, allow_empty):
    """Check an estimator's pairs as scikit-learn does, and return them stacked.

    Parameters
    ----------
    estimator : BaseEstimator
        With the parameter `geometry`, and `geometry_` once it is fitted. Gets
        ``n_features_in_``, twice the number of cells, when `reset`.
    X : array-like of shape (n_pairs, 2 * n_cells), (n_pairs, 2, n_cells) or
        (n_pairs, 2, height, width, channels)
        Charges in any unit.
    y : array-like of shape (n_pairs,) or None, default=None
        Distances in the unit of the geometry.
    reset : bool
        True in fit, False afterwards.
    allow_empty : bool
        Whether wafers without charge are allowed.

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2, n_cells)
        float64 or float32, in the unit of `X`.
    y : ndarray of float64 of shape (n_pairs,) or None
        In the unit of the geometry.
    geometry : Geometry
        The resolved geometry.

    Raises
    ------
    ValueError
        If the columns are not two wafers of the geometry, or a charge cannot be used.
    """
    caller = type(estimator).__name__
    geometry = estimator.geometry if reset else estimator.geometry_
    X_input, X = X, _flat_pairs(X, geometry, caller)
    least = 2 if reset else 1
    options = {
        "dtype": [np.float64, np.float32],
        "reset": reset,
        "ensure_min_samples": least,
        "ensure_min_features": least,
    }
    if y is None:
        X = validate_data(estimator, X, **options)
    else:
        X, y = validate_data(estimator, X, y, y_numeric=True, **options)
        y = np.asarray(y, dtype=np.float64)
    check_container(X_input, caller)
    if X.shape[1] % 2 and (is_lenient(estimator.geometry) or not reset):
        X = np.column_stack([X, np.zeros(len(X))])
    geometry = resolve_geometry(geometry, X.shape[1] // 2)
    check_width(X.shape[1], 2 * geometry.n_cells, geometry, caller)
    pairs = X.reshape(len(X), 2, geometry.n_cells)
    for side in range(2):
        check_charges(pairs[:, side], caller, allow_empty=allow_empty)
    return pairs, y, geometry


def both_charged(pairs):
    """Return a mask of the pairs in which both wafers hold charge."""
    return pairs.any(axis=2).all(axis=1)


def _flat_pairs(X, geometry, caller):
    """Turn stacked pairs of cells or images into flat ones; leave the rest as it is."""
    if getattr(X, "ndim", 2) == 3 and X.shape[1] == 2:
        return np.asarray(X).reshape(len(X), -1)
    if getattr(X, "ndim", 2) == 5 and X.shape[1] == 2:
        wafers = np.asarray(X).reshape(-1, *X.shape[2:])
        cells, _, _ = cells_of_images(wafers, geometry, caller)
        return cells.reshape(len(X), 2 * cells.shape[1])
    return X
