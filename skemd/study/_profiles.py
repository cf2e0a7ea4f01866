"""A number for each wafer against a property of the wafers: a median and a band."""

from typing import NamedTuple

import numpy as np

from skemd._checks import check_number

__all__ = ["Profile", "Ratios", "profile", "profile_ratios"]

# The median, and the ends of the central 68% of wafers.
QUANTILES = (0.16, 0.5, 0.84)


class Profile(NamedTuple):
    """How a number is distributed over the wafers of each bin of a property.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        In the unit of the property.
    n_wafers : ndarray of int of shape (n_bins,)
        Wafers in each bin.
    middle, low, high : ndarray of shape (n_bins,)
        Median, 16% and 84% quantile, in the unit of the number; NaN in empty bins.
    n_left_out : int
        Number of wafers outside of the bins, or without a finite number.
    """

    edges: np.ndarray
    n_wafers: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_left_out: int

    @property
    def centers(self):
        """Midpoints of the bins."""
        return (self.edges[1:] + self.edges[:-1]) / 2


class Ratios(NamedTuple):
    """Medians over medians in each bin, with their spread over seeds.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        In the unit of the property.
    n_wafers : ndarray of int of shape (n_bins,)
        Wafers in each bin, for the seed with the fewest there.
    middle, low, high : ndarray of shape (n_bins,)
        Mean, smallest and largest ratio over the seeds; NaN where no seed has wafers.
    """

    edges: np.ndarray
    n_wafers: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def centers(self):
        """Midpoints of the bins."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def profile(values, by, bins=10):
    """Sort wafers into bins of a property, and return a number's quantiles in each.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        A number for each wafer, for instance its EMD in half trigger-cell pitches.
        Wafers where it is not finite are left out, and counted.
    by : array-like of shape (n_samples,)
        The property in any unit, for instance occupancy in cells, or abs(eta). Finite.
    bins : int or array-like of shape (n_bins + 1,), default=10
        Number of bins of equal width from the smallest to the largest property, or
        their rising edges, in its unit. A bin includes its lower edge but not its upper
        one; the last bin includes both. Wafers outside are left out, and counted.

    Returns
    -------
    profile : Profile
        For each bin the number of wafers, the median, and the 16% and 84% quantiles,
        interpolated linearly between neighboring wafers as in NumPy by default. Bins
        with few wafers are kept; empty ones have NaN.

    Raises
    ------
    ValueError
        If the arrays do not pair up, a property is not finite, or the edges do not
        increase.

    Examples
    --------
    >>> from skemd.study import profile
    >>> found = profile([1.0, 2.0, 3.0, 7.0], by=[0, 1, 1, 4], bins=[0, 2, 4])
    >>> found.n_wafers.tolist(), found.middle.tolist()
    ([3, 1], [2.0, 7.0])
    """
    values, by = _checked_columns(values, by)
    edges = _checked_edges(bins, by)
    n_bins = len(edges) - 1
    bin_of = np.searchsorted(edges, by, side="right") - 1
    bin_of[by == edges[-1]] = n_bins - 1
    bin_of[~np.isfinite(values)] = -1
    n_wafers = np.zeros(n_bins, dtype=np.intp)
    quantiles = np.full((len(QUANTILES), n_bins), np.nan)
    for k in range(n_bins):
        inside = values[bin_of == k]
        n_wafers[k] = len(inside)
        if len(inside):
            quantiles[:, k] = np.quantile(inside, QUANTILES)
    low, middle, high = quantiles
    return Profile(
        edges, n_wafers, middle, low, high, len(values) - int(n_wafers.sum())
    )


def profile_ratios(ours, others):
    """Divide profiles of one algorithm by those of another, seed by seed.

    Parameters
    ----------
    ours, others : sequence of Profile
        One for each seed, in the same order, all with the same bins.

    Returns
    -------
    ratios : Ratios
        For each bin the median of `ours` over that of `others`: mean, smallest and
        largest over the seeds that have wafers there.

    Raises
    ------
    ValueError
        If there are no profiles, their numbers differ, or their bins differ.
    """
    if len(ours) != len(others) or len(ours) == 0:
        raise ValueError(
            "ours and others must hold one profile for each seed; got "
            f"{len(ours)} and {len(others)}."
        )
    edges = ours[0].edges
    if not all(np.array_equal(edges, one.edges) for one in [*ours, *others]):
        raise ValueError(
            "The profiles have different bins. Pass the same edges as bins= to all."
        )
    quotients = [
        one.middle / np.where(other.middle == 0, np.nan, other.middle)
        for one, other in zip(ours, others, strict=True)
    ]
    by_seed = np.ma.masked_invalid(quotients)
    n_wafers = np.min([one.n_wafers for one in [*ours, *others]], axis=0)
    spread = (by_seed.mean(axis=0), by_seed.min(axis=0), by_seed.max(axis=0))
    return Ratios(edges, n_wafers, *(np.ma.filled(part, np.nan) for part in spread))


def _checked_columns(values, by):
    columns = []
    for column, name in ((values, "values"), (by, "by")):
        column = np.asarray(column)
        if column.ndim != 1 or column.dtype.kind not in "biuf":
            raise ValueError(
                f"{name} must hold one number for each wafer, shape (n_samples,); got "
                f"shape {column.shape} and dtype {column.dtype}."
            )
        columns.append(column.astype(np.float64))
    values, by = columns
    if len(values) != len(by) or len(values) == 0:
        raise ValueError(
            f"values has {len(values)} entries and by {len(by)}; they must pair up "
            "wafer by wafer, and there must be at least one."
        )
    if not np.isfinite(by).all():
        raise ValueError(
            f"by must be finite; entry {np.flatnonzero(~np.isfinite(by))[0]} is not. "
            "Leave these wafers out of both arrays."
        )
    return values, by


def _checked_edges(bins, by):
    if np.ndim(bins) == 0:
        check_number(bins, "bins", low=1, integer=True)
        if by.min() == by.max():
            raise ValueError(
                f"All wafers have the property {by[0]:g}, which makes no bins. Pass "
                "edges as bins=."
            )
        return np.linspace(by.min(), by.max(), bins + 1)
    edges = np.array(bins, dtype=np.float64)
    rises = np.isfinite(edges).all() and (np.diff(edges) > 0).all()
    if edges.ndim != 1 or len(edges) < 2 or not rises:
        raise ValueError(
            "bins must be a number of bins or at least two finite edges that rise; got "
            f"{edges.tolist()}."
        )
    return edges
