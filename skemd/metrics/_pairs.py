"""Checks of wafers and their reconstructions, shared by all metrics."""

import numpy as np

from skemd._checks import check_choice, format_rows
from skemd._input._wafers import as_wafers, check_same_length

__all__ = ["check_empty_pred", "checked_pairs", "checked_weights", "weighted_mean"]


def checked_pairs(X_true, X_pred, geometry, empty_pred, dtype=np.float64):
    """Check wafers and their reconstructions and return them as tables.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit.
    geometry : {"wafer", "line"} or Geometry
        Where the cells are.
    empty_pred : {"raise", "even", "keep"}
        Whether a reconstruction without charge is an error, is replaced by one with
        the same charge in every cell, or is kept.
    dtype : data-type or None, default=float64
        Type to convert to; None keeps real numbers as they are and saves the copies.

    Returns
    -------
    X_true, X_pred : ndarray of shape (n_samples, n_cells)
        In cell order.
    geometry : Geometry
        The resolved geometry.

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a wafer has no charge and needs some.
    """
    names = ("X_true", "X_pred")
    _check_reference(X_true)
    # Before millions of rows are read in vain; lists are compared below.
    check_same_length(X_true, X_pred, names)
    X_true, geometry = as_wafers(X_true, "X_true", geometry, dtype=dtype)
    X_pred, geometry = as_wafers(
        X_pred, "X_pred", geometry, allow_empty=True, dtype=dtype
    )
    check_same_length(X_true, X_pred, names)
    empty = ~X_pred.any(axis=1)
    if empty_pred == "raise" and empty.any():
        raise ValueError(
            "A reconstruction without charge does not tell where the charge is: "
            f"X_pred found {empty.sum()} of {len(X_pred)} without any "
            f"({format_rows(empty)}). Drop them on both sides, or count them as wafers "
            "with the same charge in every cell: empty_pred='even'."
        )
    if empty_pred == "even" and empty.any():
        # Ones, whose sum is exact, so that each fraction of it is rounded only once.
        X_pred = np.where(empty[:, None], 1.0, X_pred)
    return X_true, X_pred, geometry


def check_empty_pred(empty_pred):
    """Check the parameter `empty_pred` of the public functions."""
    check_choice(empty_pred, "empty_pred", ("raise", "even"))


def weighted_mean(values, sample_weight):
    """Average numbers of wafers.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        One number per wafer.
    sample_weight : array-like of shape (n_samples,) or None
        Weights, not negative.

    Returns
    -------
    mean : float
        In the unit of `values`.

    Raises
    ------
    ValueError
        If the weights do not fit.
    """
    return float(
        np.average(values, weights=checked_weights(sample_weight, len(values)))
    )


def checked_weights(sample_weight, n_samples):
    """Check the weights of wafers and return them as an array, or None."""
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


def _check_reference(X_true):
    if X_true is None or np.ndim(X_true) < 2:
        found = "nothing" if X_true is None else f"shape {np.shape(X_true)}"
        raise ValueError(
            "The true wafers must be an array of shape (n_samples, n_cells); got "
            f"{found}. In a search or cross-validation pass the wafers as y, "
            "search.fit(X, X), or use scoring=skemd.metrics.emd_scorer, which needs "
            "no y."
        )
