"""Effects of a reconstruction on center, width, energy and cells, wafer by wafer."""

import numpy as np

from skemd._checks import check_choice, format_rows
from skemd._input._scaling import normalized
from skemd.metrics._pairs import check_empty_pred, checked_pairs

__all__ = [
    "center_shift",
    "energy_response",
    "lost_fraction",
    "squared_difference",
    "width_change",
    "zero_fraction",
]


def center_shift(X_true, X_pred, *, geometry="wafer", empty_pred="raise"):
    """Return how far the energy-weighted center of each wafer has moved.

    The distance between the two centroids, called dMean in the evaluation of published
    encoders, and never above the EMD.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit; each wafer is normalized to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    empty_pred : {"raise", "even"}, default="raise"
        How a reconstruction without charge counts: as an error, or as a wafer with the
        same charge in every cell.

    Returns
    -------
    shifts : ndarray of float64 of shape (n_samples,)
        Not negative, in the unit of the geometry (wafer: half a trigger-cell pitch,
        1.2084 cm).

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import center_shift
    >>> center_shift([[1, 0, 1]], [[0, 0, 5]], geometry="line")
    array([1.])
    """
    check_empty_pred(empty_pred)
    X_true, X_pred, geometry = checked_pairs(X_true, X_pred, geometry, empty_pred)
    moved = normalized(X_pred) - normalized(X_true)
    return np.linalg.norm(moved @ geometry.positions, axis=1)


def width_change(
    X_true, X_pred, *, definition="plain", geometry="wafer", empty_pred="raise"
):
    """Return by how much the width of each wafer has grown, or shrunk where negative.

    The width is the energy-weighted root mean square distance from the centroid.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit; each wafer is normalized to unit sum.
    definition : {"plain", "reference"}, default="plain"
        "reference" is the width in the evaluation of published encoders, which divides
        each coordinate by its standard deviation over the cells and weights with the
        squares of the energy fractions. Their dRMS is the absolute value of the change.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    empty_pred : {"raise", "even"}, default="raise"
        How a reconstruction without charge counts: as an error, or as a wafer with the
        same charge in every cell.

    Returns
    -------
    changes : ndarray of float64 of shape (n_samples,)
        In the unit of the geometry (wafer: half a trigger-cell pitch, 1.2084 cm);
        "reference" is a pure number.

    Raises
    ------
    ValueError
        If the definition is unknown, the true wafers are missing, the shapes disagree,
        a charge is negative or not finite, or a wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import width_change
    >>> width_change([[1, 0, 1]], [[0, 0, 5]], geometry="line")
    array([-1.])
    """
    check_choice(definition, "definition", ("plain", "reference"))
    check_empty_pred(empty_pred)
    X_true, X_pred, geometry = checked_pairs(X_true, X_pred, geometry, empty_pred)
    width = _width if definition == "plain" else _reference_width
    positions = geometry.positions
    return width(normalized(X_pred), positions) - width(normalized(X_true), positions)


def squared_difference(X_true, X_pred, *, geometry="wafer", empty_pred="raise"):
    """Return the sum of squared differences of each wafer.

    ``sum((t - p)**2) / sqrt(sum(t**2) sum(p**2))``, called SSD in the evaluation of
    published encoders. Charges are not normalized: a reconstruction of the right shape
    with another sum does not give zero.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit, the same on both sides.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    empty_pred : {"raise", "even"}, default="raise"
        How a reconstruction without charge counts: as an error, or as the charge of the
        wafer shared equally among all cells.

    Returns
    -------
    differences : ndarray of float64 of shape (n_samples,)
        Pure numbers, not negative.

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import squared_difference
    >>> squared_difference([[3, 0, 4]], [[0, 0, 5]], geometry="line")
    array([0.4])
    """
    check_empty_pred(empty_pred)
    lost = "keep" if empty_pred == "even" else empty_pred
    X_true, X_pred, _ = checked_pairs(X_true, X_pred, geometry, lost)
    # Unlike the other metrics, this one sees how much charge an even wafer holds.
    even = X_true.mean(axis=1, keepdims=True)
    X_pred = np.where(X_pred.any(axis=1, keepdims=True), X_pred, even)
    with np.errstate(all="ignore"):
        # In units of the largest true charge, which keeps squares in range.
        unit = X_true.max(axis=1, keepdims=True)
        X_true, X_pred = X_true / unit, X_pred / unit
        norms = np.linalg.norm(X_true, axis=1) * np.linalg.norm(X_pred, axis=1)
        differences = ((X_true - X_pred) ** 2).sum(axis=1) / norms
    return _of_one_unit(differences, "squared_difference")


def energy_response(X_true, X_pred, *, geometry="wafer"):
    """Return which fraction of each wafer's energy the reconstruction has.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit, the same on both sides. Reconstructions may have no charge.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.

    Returns
    -------
    responses : ndarray of float64 of shape (n_samples,)
        Pure numbers: sum of the reconstruction over that of the wafer; 1 is perfect.

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a true wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import energy_response
    >>> energy_response([[3, 0, 5]], [[0, 0, 6]], geometry="line")
    array([0.75])
    """
    X_true, X_pred, _ = checked_pairs(X_true, X_pred, geometry, "keep")
    with np.errstate(over="ignore"):
        responses = X_pred.sum(axis=1) / X_true.sum(axis=1)
    return _of_one_unit(responses, "energy_response")


def zero_fraction(X_true, X_pred, *, geometry="wafer"):
    """Return 1 for each wafer whose reconstruction has no charge, else 0.

    The mean is the fraction of lost wafers, called zero_frac in the evaluation of
    published encoders. For lost cells see :func:`lost_fraction`.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit. Reconstructions may have no charge.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.

    Returns
    -------
    lost : ndarray of float64 of shape (n_samples,)
        Zeros and ones.

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a true wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import zero_fraction
    >>> zero_fraction([[3, 0, 5], [0, 1, 0]], [[0, 0, 6], [0, 0, 0]], geometry="line")
    array([0., 1.])
    """
    _, X_pred, _ = checked_pairs(X_true, X_pred, geometry, "keep")
    return (~X_pred.any(axis=1)).astype(np.float64)


def lost_fraction(X_true, X_pred, *, geometry="wafer"):
    """Return which fraction of each wafer's charged cells the reconstruction loses.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, n_cells), or images of a layout
        Charges in any unit. Reconstructions may have no charge.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.

    Returns
    -------
    fractions : ndarray of float64 of shape (n_samples,)
        In [0, 1]: the number of cells with charge in `X_true` and none in `X_pred`,
        over that of cells with charge in `X_true`.

    Raises
    ------
    ValueError
        If the true wafers are missing, the shapes disagree, a charge is negative or not
        finite, or a true wafer has no charge.

    Examples
    --------
    >>> from skemd.metrics import lost_fraction
    >>> lost_fraction([[3, 0, 5]], [[0, 0, 6]], geometry="line")
    array([0.5])
    """
    X_true, X_pred, _ = checked_pairs(X_true, X_pred, geometry, "keep")
    charged = X_true > 0
    return (charged & (X_pred == 0)).sum(axis=1) / charged.sum(axis=1)


def _of_one_unit(values, caller):
    """Check that both sides were close enough to be compared in double precision."""
    too_far = ~np.isfinite(values)
    if too_far.any():
        raise ValueError(
            f"{caller} got charges too different to compare in {format_rows(too_far)}. "
            "Pass X_true and X_pred in the same unit."
        )
    return values


def _width(fractions, positions):
    squares = ((positions - _centers(fractions, positions)) ** 2).sum(axis=2)
    return np.sqrt((fractions * squares).sum(axis=1))


def _reference_width(fractions, positions):
    spread = positions.std(axis=0)
    # An axis along which all cells coincide adds nothing.
    scaled = (positions - _centers(fractions, positions)) / np.where(spread, spread, 1)
    squares = (scaled**2).sum(axis=2)
    return np.sqrt((fractions**2 * squares).sum(axis=1))


def _centers(fractions, positions):
    return (fractions @ positions)[:, None, :]
