"""From an argument to checked wafers: geometry, layout, and rows of charges.

Public functions go through :func:`as_wafers` and estimators through
:func:`validated_cells`. Both find the geometry that the caller means, accept images of
its layouts, and check widths and charges before any work starts. The smaller checks
that the estimators share are here as well.
"""

import numpy as np
from sklearn.utils.validation import validate_data

from skemd._checks import as_numbers, check_container, format_rows
from skemd._warnings import warn_user
from skemd.geometry import Geometry, hgcal_wafer, line


def resolve_geometry(geometry, n_cells=None):
    """Turn the `geometry` parameter of a public function into a Geometry.

    Parameters
    ----------
    geometry : {"wafer", "line"} or Geometry
        The caller's parameter.
    n_cells : int or None, default=None
        Number of columns of the data, to which a "line" adapts.

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

    The estimators' defaults are names of the wafer's layouts. In any other geometry
    these names stand for its default layout, so that the defaults work with every
    geometry; all other names must be the geometry's.

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
        Charges in any unit, one row per wafer.
    caller : str
        Name of the caller in messages.
    allow_empty : bool, default=False
        Whether rows without any charge are allowed.

    Raises
    ------
    ValueError
        If a charge is NaN, infinite or negative, or a row has none. The message names
        the rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums = X.sum(axis=1, dtype=np.float64)
    # Good data take two passes; the checks below find the fault of bad data.
    if X.min(initial=0) >= 0 and np.isfinite(sums).all():
        if allow_empty or (sums > 0).all():
            return
    if not np.isfinite(X).all():
        row, cell = np.argwhere(~np.isfinite(X))[0]
        kind = "NaN" if np.isnan(X[row, cell]) else "infinity"
        raise ValueError(
            f"Input X contains NaN or infinity: {caller} found {kind} in row {row}, "
            f"cell {cell}. Drop or correct these wafers first."
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
        Name of the argument in messages.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        The geometry of the cells.
    allow_empty : bool, default=False
        Whether rows without any charge are allowed.
    dtype : data-type or None, default=float64
        Type to convert to; None keeps real numbers as they are and saves the copy.

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
            f"{name} must have one row per wafer, shape (n_samples, n_cells), or be "
            f"images of a layout; got shape {X.shape}. A single wafer is "
            f"{name}.reshape(1, -1)."
        )
    geometry = resolve_geometry(geometry, X.shape[1])
    if X.shape[1] != geometry.n_cells:
        raise ValueError(
            f"{name} has {X.shape[1]} columns, but the {geometry.name} geometry has "
            f"{geometry.n_cells} cells. Pass one column per cell, or the geometry of "
            "the data."
        )
    if len(X) == 0:
        raise ValueError(f"{name} holds no wafer: found array with 0 sample(s).")
    check_charges(X, name, allow_empty=allow_empty)
    return X, geometry


def check_same_length(X, Y, names, cure=""):
    """Check that two tables have the same number of rows, as far as they tell it.

    Parameters
    ----------
    X, Y : array-like
        One row per wafer, checked or not.
    names : tuple of two str
        Their names in messages.
    cure : str, default=""
        What else to do about it.

    Raises
    ------
    ValueError
        If they do not.
    """
    shapes = [getattr(table, "shape", ()) for table in (X, Y)]
    if min(map(len, shapes)) < 2 or shapes[0][0] == shapes[1][0]:
        return
    # Of a table without rows another check says more.
    if 0 in (shapes[0][0], shapes[1][0]):
        return
    raise ValueError(
        f"{names[0]} and {names[1]} must pair up row by row; got {shapes[0][0]} and "
        f"{shapes[1][0]} wafers.{cure}"
    )


def one_wafer(wafer, name, geometry="wafer"):
    """Check a single wafer and return its cells.

    Parameters
    ----------
    wafer : array-like of shape (n_cells,) or (1, n_cells), or an image of a layout
        Charges in any unit; an image may have one more axis, of length one, as well.
    name : str
        Name of the argument in messages.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        The geometry of the cells.

    Returns
    -------
    wafer : ndarray of float64 of shape (n_cells,)
        Charges in cell order.
    geometry : Geometry
        The resolved geometry.
    """
    X = as_numbers(wafer, name)
    if X.ndim in (1, 3):
        X = X[None]
    X, geometry = as_wafers(X, name, geometry, allow_empty=True)
    if len(X) != 1:
        raise ValueError(
            f"{name} must be one wafer of shape ({geometry.n_cells},); got {len(X)} "
            f"wafers. Pass one of them, {name}[0]."
        )
    return X[0], geometry


def cells_of_images(images, geometry, name):
    """Read cells from images in any layout of the geometry.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width, channels)
        Charges in any unit.
    geometry : {"wafer", "line"} or Geometry
        The geometry of the cells.
    name : str
        Name of the images in messages.

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


def validated_cells(estimator, X, *, geometry, reset, allow_empty=True, least=2):
    """Check an estimator's wafers as scikit-learn does, and return cells.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_``, the number of cells, when `reset`.
    X : array-like of shape (n_samples, n_cells), or images of a known layout
        Charges in any unit.
    geometry : {"wafer", "line"} or Geometry
        The estimator's parameter, or its fitted geometry.
    reset : bool
        True in fit, False afterwards.
    allow_empty : bool, default=True
        Whether wafers without charge are allowed.
    least : int, default=2
        How many wafers fit takes at least.

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
        ensure_min_samples=least if reset else 1,
        # After fit, a wrong number of columns has a clearer message below.
        ensure_min_features=2 if reset else 1,
    )
    check_container(X_input, caller)
    geometry = resolve_geometry(geometry, X.shape[1])
    check_width(X.shape[1], geometry.n_cells, geometry, caller)
    check_charges(X, caller, allow_empty=allow_empty)
    return X, geometry, layout_name


def is_lenient(geometry):
    """Return whether the `geometry` parameter is the lenient one, "line".

    Histograms of unknown origin may lie on a line: any number of columns will do, and
    any labels.
    """
    return isinstance(geometry, str) and geometry == "line"


def without_empty(has_charge, caller, *arrays, least=2):
    """Leave samples without charge out, with a warning.

    Parameters
    ----------
    has_charge : ndarray of bool of shape (n_samples,)
        Which samples to keep.
    caller : str
        Name of the caller in messages.
    *arrays : ndarray of shape (n_samples, ...) or None
        Arrays to take them from.
    least : int, default=2
        How many samples must be left.

    Returns
    -------
    arrays : list of ndarray or None
        In the same order.

    Raises
    ------
    ValueError
        If fewer are left.
    """
    if has_charge.all():
        return list(arrays)
    message = (
        f"{(~has_charge).sum()} of {len(has_charge)} samples hold no charge and have "
        f"no earth mover's distance ({format_rows(~has_charge)})"
    )
    if has_charge.sum() < least:
        raise ValueError(f"{caller} needs at least {least} with charge; {message}.")
    warn_user(f"{caller} leaves samples out: {message}.")
    return [array if array is None else array[has_charge] for array in arrays]


def check_width(width, expected, geometry, caller):
    """Check the number of columns against that of the geometry."""
    if width != expected:
        raise ValueError(
            f"{caller} got {width} columns, but the {geometry.name} geometry has "
            f"{geometry.n_cells} cells, so {expected} columns were expected. Pass one "
            "column per cell, or the geometry of the data as geometry=."
        )
