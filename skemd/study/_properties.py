"""Properties of wafers for profiles: how many cells are hit, and how hard."""

from skemd._checks import check_number
from skemd._input._units import COUNTS_PER_MIP, warn_unless_counts
from skemd._input._wafers import as_wafers

__all__ = ["COUNTS_PER_MIP", "charge_in_mip", "occupancy"]

_NO_COUNTS = "charges in another unit give wrong results"


def occupancy(X, *, threshold=COUNTS_PER_MIP, geometry="wafer"):
    """Count the cells of each wafer that hold more than a threshold.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells), or images of a known layout
        Charges in CALQ counts, or in the unit of `threshold`.
    threshold : float, default=35.1
        1 transverse MIP in counts, as in the paper's figures. A cell exactly at the
        threshold does not count; with 0 all cells with charge do.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.

    Returns
    -------
    occupancy : ndarray of int of shape (n_samples,)
        Number of cells.

    Raises
    ------
    ValueError
        If the charges are not wafers of the geometry, or the threshold is negative.

    Warns
    -----
    UserWarning
        If the threshold is in counts and the charges cannot be.

    Examples
    --------
    >>> from skemd.study import occupancy
    >>> occupancy([[35.1, 40, 0], [0, 0, 0]], geometry="line").tolist()
    [1, 0]
    """
    check_number(threshold, "threshold", low=0)
    X, _ = as_wafers(X, "X", geometry, allow_empty=True)
    if threshold == COUNTS_PER_MIP:
        warn_unless_counts(X, "occupancy with the default threshold", _NO_COUNTS)
    return (X > threshold).sum(axis=1)


def charge_in_mip(X, *, geometry="wafer"):
    """Return the charge of each wafer in transverse MIP.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells), or images of a known layout
        Charges in CALQ counts.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.

    Returns
    -------
    charge : ndarray of shape (n_samples,)
        Sums over the cells, 35.1 counts to a transverse MIP.

    Raises
    ------
    ValueError
        If the charges are not wafers of the geometry.

    Warns
    -----
    UserWarning
        If the charges cannot be in counts.
    """
    X, _ = as_wafers(X, "X", geometry, allow_empty=True)
    warn_unless_counts(X, "charge_in_mip", _NO_COUNTS)
    return X.sum(axis=1) / COUNTS_PER_MIP
