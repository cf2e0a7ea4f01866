"""What the receiver knows beside the code, as users pass it: checks and names."""

import numpy as np
from sklearn.utils import check_array

__all__ = ["checked_conditions", "names_of_conditions"]


def names_of_conditions(conditions):
    """Return the names of the columns of a DataFrame, or None for other tables."""
    names = getattr(conditions, "columns", None)
    return None if names is None else np.array([str(name) for name in names], object)


def checked_conditions(conditions, n_samples, caller, fitted=None):
    """Check the argument `conditions` of an estimator's method.

    Parameters
    ----------
    conditions : array-like of shape (n_samples, n_conditions) or None
        One row per wafer.
    n_samples : int
        Number of wafers.
    caller : str
        Name of the method in messages.
    fitted : EMDAutoencoder, EMDDecoder or None, default=None
        The fitted estimator, which expects the number and the names of the columns of
        its fit; None in fit itself.

    Returns
    -------
    conditions : ndarray of float32 of shape (n_samples, n_conditions)
        Finite; without columns for None.

    Raises
    ------
    ValueError
        If rows, columns or names are not those that are expected, or a number is
        missing or not finite.
    """
    n_expected = None if fitted is None else fitted.n_conditions_in_
    if conditions is None:
        if n_expected:
            raise ValueError(
                f"{caller} got no conditions, but the decoder was fitted with "
                f"{_listed(fitted)}. Pass conditions=, one row per wafer; in a "
                "pipeline or a search with enable_metadata_routing."
            )
        return np.empty((n_samples, 0), np.float32)
    name = f"conditions of {caller}"
    names = names_of_conditions(conditions)
    with np.errstate(over="ignore"):
        conditions = check_array(conditions, dtype=np.float32, input_name=name)
    if len(conditions) != n_samples:
        raise ValueError(
            f"{name} must have one row per wafer; got {len(conditions)} rows for "
            f"{n_samples} wafers."
        )
    if fitted is not None:
        _check_columns(conditions.shape[1], names, name, fitted)
    return conditions


def _check_columns(n_columns, names, name, fitted):
    if n_columns != fitted.n_conditions_in_:
        raise ValueError(
            f"{name} must have the columns of fit, {_listed(fitted)}; got "
            f"{n_columns} columns."
        )
    expected = fitted.condition_names_
    if names is None or expected is None:
        return
    if list(names) != list(expected):
        raise ValueError(
            f"{name} must have the columns of fit in their order, {list(expected)}; "
            f"got {list(names)}."
        )


def _listed(fitted):
    """Name the conditions of fit in a message."""
    names, n_given = fitted.condition_names_, fitted.n_conditions_in_
    if n_given == 0:
        return "none: it was fitted without conditions"
    return f"{n_given} of them" if names is None else f"{list(names)}"
