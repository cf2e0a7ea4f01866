"""Checks of the input that every floor shares, with messages that name the cure.

Each check looks at what came before any work starts and says what was expected,
where the first offence is, and what to do about it.
"""

import warnings

import numpy as np
from sklearn.utils.validation import validate_data

from skemd._checks import as_numbers, check_container, format_rows
from skemd.geometry import Geometry, hgcal_wafer, line


def resolve_geometry(geometry, n_cells=None):
    """Turn the `geometry` parameter of a public function into a Geometry.

    Parameters
    ----------
    geometry : {"wafer", "line"} or Geometry
        What the caller asked for.
    n_cells : int or None, default=None
        Number of columns of the data, which a "line" adapts to.

    Returns
    -------
    geometry : Geometry
        Never a string.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if isinstance(geometry, Geometry):
        return geometry
    if isinstance(geometry, str) and geometry == "wafer":
        return hgcal_wafer()
    if isinstance(geometry, str) and geometry == "line":
        return line(max(1, int(n_cells)))
    raise ValueError(
        f"Unknown geometry {geometry!r}: pass 'wafer', 'line' or a "
        "skemd.geometry.Geometry."
    )


def resolve_layout(geometry, name):
    """Return the layout that an estimator's `layout` parameter means.

    The names of the wafer's layouts are the estimators' defaults. For any other
    geometry they stand for that geometry's own choice, so that the defaults work
    with every geometry; all other names must be the geometry's.

    Parameters
    ----------
    geometry : Geometry
        The resolved geometry.
    name : str
        The estimator's parameter.

    Returns
    -------
    layout : Layout
        How the cells lie in the image.
    """
    wafer = hgcal_wafer()
    if geometry != wafer and name in wafer.layouts and name not in geometry.layouts:
        name = geometry.default_layout
    return geometry.layout(name)


def check_charges(X, caller, *, allow_empty=False):
    """Check that each row of a numeric array can be normalized to unit sum.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells)
        Charges in any unit, one row a wafer.
    caller : str
        Who asks, for the message.
    allow_empty : bool, default=False
        Whether rows without any charge may pass.

    Raises
    ------
    ValueError
        Naming the rows with a NaN, an infinite or negative charge, or no charge.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums = X.sum(axis=1, dtype=np.float64)
    # Two passes over good data; what is wrong with bad data is found out below.
    if X.min(initial=0) >= 0 and np.isfinite(sums).all():
        if allow_empty or (sums > 0).all():
            return
    if not np.isfinite(X).all():
        row, cell = np.argwhere(~np.isfinite(X))[0]
        kind = "NaN" if np.isnan(X[row, cell]) else "infinity"
        raise ValueError(
            f"Input X contains NaN or infinity: {caller} found {kind} in row {row}, "
            f"cell {cell}. Drop these wafers or mend them first."
        )
    if X.min(initial=0) < 0:
        row, cell = np.argwhere(X < 0)[0]
        raise ValueError(
            f"Negative values in data passed to {caller}: {X[row, cell]} in row {row}, "
            f"cell {cell}. Charges are not negative; subtract pedestals and clip at "
            "zero first."
        )
    too_large = ~np.isfinite(sums)
    if too_large.any():
        raise ValueError(
            f"The charges passed to {caller} are too large for floating-point numbers: "
            f"they add up to infinity in {format_rows(too_large)}. Choose a larger "
            "unit."
        )
    if allow_empty:
        return
    empty = ~(X > 0).any(axis=1)
    if empty.any():
        raise ValueError(
            f"A wafer without charge has no earth mover's distance: {caller} found "
            f"{empty.sum()} of {len(X)} without any ({format_rows(empty)}). Drop them "
            "first: X[X.sum(axis=1) > 0]."
        )


def as_wafers(X, name, geometry="wafer", *, allow_empty=False, dtype=np.float64):
    """Check a public function's wafers and return them as a table.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells), or images of a known layout
        Charges in any unit.
    name : str
        What the argument is called, for messages.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        The geometry of the cells.
    allow_empty : bool, default=False
        Whether rows without any charge may pass.
    dtype : data-type or None, default=float64
        What to convert to; None keeps real numbers as they are, and saves the copy.

    Returns
    -------
    X : ndarray of shape (n_samples, n_cells)
        Charges in cell order.
    geometry : Geometry
        The resolved geometry.
    """
    X = as_numbers(X, name, dtype)
    if X.ndim == 4:
        X, geometry, _ = cells_of_images(X, geometry, name)
    elif X.ndim != 2:
        raise ValueError(
            f"{name} must have one row a wafer, shape (n_samples, n_cells), or be "
            f"images of a layout; got shape {X.shape}. A single wafer is "
            f"{name}.reshape(1, -1)."
        )
    geometry = resolve_geometry(geometry, X.shape[1])
    if X.shape[1] != geometry.n_cells:
        raise ValueError(
            f"{name} has {X.shape[1]} columns, but the {geometry.name} geometry has "
            f"{geometry.n_cells} cells. Pass one column a cell, or the geometry that "
            "the data have."
        )
    if len(X) == 0:
        raise ValueError(f"{name} holds no wafer: found array with 0 sample(s).")
    check_charges(X, name, allow_empty=allow_empty)
    return X, geometry


def cells_of_images(images, geometry, name):
    """Read cells from images of whichever layout of the geometry they are in.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width, channels)
        Charges in any unit.
    geometry : {"wafer", "line"} or Geometry
        The geometry of the cells.
    name : str
        What the images are called, for messages.

    Returns
    -------
    X : ndarray of shape (n_samples, n_cells)
        Charges in cell order.
    geometry : Geometry
        The resolved geometry.
    layout_name : str
        The layout of the images.
    """
    geometry = resolve_geometry(geometry, int(np.prod(images.shape[1:])))
    for layout_name, layout in geometry.layouts.items():
        if images.shape[1:] == layout.shape:
            return layout.invert(images), geometry, layout_name
    known = {key: layout.shape for key, layout in geometry.layouts.items()}
    raise ValueError(
        f"{name} holds images of shape {images.shape[1:]}, which is none of the "
        f"layouts of the {geometry.name} geometry: {known}."
    )


def validated_cells(estimator, X, *, geometry, reset, allow_empty):
    """Check an estimator's wafers as scikit-learn does, and return cells.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_``, the number of cells, when `reset`.
    X : array-like of shape (n_samples, n_cells), or images of a known layout
        What the user passed.
    geometry : {"wafer", "line"} or Geometry
        The estimator's parameter, or its fitted geometry.
    reset : bool
        True in fit, False behind it.
    allow_empty : bool
        Whether wafers without charge may pass.

    Returns
    -------
    X : ndarray of shape (n_samples, n_cells)
        float64 or float32, in cell order.
    geometry : Geometry
        The resolved geometry.
    layout_name : str or None
        The layout of the images; None for rows of cells.
    """
    caller = type(estimator).__name__
    layout_name, X_input = None, X
    if getattr(X, "ndim", 2) == 4:
        X, geometry, layout_name = cells_of_images(np.asarray(X), geometry, caller)
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=[np.float64, np.float32],
        ensure_min_samples=2 if reset else 1,
        # Behind fit the number of columns has a clearer message of its own.
        ensure_min_features=2 if reset else 1,
    )
    check_container(X_input, caller)
    geometry = resolve_geometry(geometry, X.shape[1])
    check_width(X.shape[1], geometry.n_cells, geometry, caller)
    check_charges(X, caller, allow_empty=allow_empty)
    return X, geometry, layout_name


def is_lenient(geometry):
    """Say whether the `geometry` parameter is the lenient one, "line".

    The wafer, and any geometry of the user's own, insists that every row in fit holds
    charge. Histograms of unknown origin on a line may well be empty now and then: fit
    leaves them out, and says so.
    """
    return isinstance(geometry, str) and geometry == "line"


def without_empty(has_charge, caller, *arrays):
    """Leave samples without charge out of fit, with a warning.

    Parameters
    ----------
    has_charge : ndarray of bool of shape (n_samples,)
        Which samples to keep.
    caller : str
        Who asks, for the message.
    *arrays : ndarray of shape (n_samples, ...) or None
        What to take them from.

    Returns
    -------
    arrays : list of ndarray or None
        In the same order.
    """
    if has_charge.all():
        return list(arrays)
    message = (
        f"{(~has_charge).sum()} of {len(has_charge)} samples hold no charge and have "
        f"no earth mover's distance ({format_rows(~has_charge)})"
    )
    if has_charge.sum() < 2:
        raise ValueError(f"{caller} needs at least two samples with charge; {message}.")
    warnings.warn(f"{caller} leaves samples out: {message}.", stacklevel=3)
    return [array if array is None else array[has_charge] for array in arrays]


def check_width(width, expected, geometry, caller):
    """Check the number of columns against that of the geometry."""
    if width != expected:
        raise ValueError(
            f"{caller} got {width} columns, but the {geometry.name} geometry has "
            f"{geometry.n_cells} cells, so {expected} columns were expected. Pass one "
            "column a cell, or the geometry that the data have as geometry=."
        )
