"""ThresholdSum: the trigger cells above a threshold, and a sum."""

import numbers
from typing import ClassVar

import numpy as np

from skemd._checks import check_choice, check_flag, check_number
from skemd._number_formats._links import CHARGE, LINK_BITS, SELECTION_SUM
from skemd.baselines._base import Baseline
from skemd.baselines._charges import (
    received,
    remainder,
    sent,
    with_remainder,
)
from skemd.geometry import Geometry

__all__ = ["ThresholdSum", "address_bits", "lowest_threshold", "threshold_bits"]

# 1.35 transverse MIP, each 35.1 counts.
THRESHOLD_COUNTS = 47
# Header 5, type 3, sum 8.
FRAME_BITS = 16
COUNT_BITS = 3


def address_bits(n_cells):
    """Return the bits of a cell's address: 6 on the wafer.

    Parameters
    ----------
    n_cells : int
        Number of cells.

    Returns
    -------
    bits : int
        At least 1.
    """
    return max(1, (n_cells - 1).bit_length())


def threshold_bits(n_sent, n_cells):
    """Return the bits of wafers with given numbers of cells sent.

    Parameters
    ----------
    n_sent : ndarray of int of shape (n_samples,)
        Number of cells above threshold.
    n_cells : int
        Number of cells of a wafer.

    Returns
    -------
    bits : ndarray of int64 of shape (n_samples,)
        Header, type and sum; for up to seven cells their count and addresses, for more
        a map with a bit for each cell of the wafer; and the charges.
    """
    n_sent = np.asarray(n_sent, dtype=np.int64)
    listed = COUNT_BITS + n_sent * address_bits(n_cells)
    where = np.where(n_sent < 2**COUNT_BITS, listed, n_cells)
    return FRAME_BITS + np.where(n_sent > 0, where + n_sent * CHARGE.bits, 0)


def lowest_threshold(counts, n_output_links):
    """Find the lowest threshold with which wafers fit the links on average.

    Parameters
    ----------
    counts : ndarray of int64 of shape (n_samples, n_cells)
        Charges in CALQ counts.
    n_output_links : int
        Number of links, 32 bits each.

    Returns
    -------
    threshold : int
        In CALQ counts, at least 1.
    """

    def fits(threshold):
        n_sent = (counts >= threshold).sum(axis=1)
        bits = threshold_bits(n_sent, counts.shape[1])
        return bits.mean() <= LINK_BITS * n_output_links

    too_low, fitting = 0, int(counts.max()) + 1
    while fitting - too_low > 1:
        middle = (too_low + fitting) // 2
        too_low, fitting = (too_low, middle) if fits(middle) else (middle, fitting)
    return fitting


class ThresholdSum(Baseline):
    """Send each trigger cell at or above a threshold, and a sum.

    The number of bits of a wafer depends on its charges. The code has a column for the
    charge of each cell, zero where none is sent, and one for the sum.

    Parameters
    ----------
    threshold : float, array-like of shape (n_cells,), or "links", default=47
        In CALQ counts, for all cells or for each; 47 counts are 1.35 transverse MIP.
        "links" stands for the lowest whole number with which the wafers of `fit` need,
        on average, no more bits than the links have.
    n_output_links : int, default=5
        Links that carry the code, 1 to 13, each with 32 bits per crossing.
    overflow : {"buffer", "truncate"}, default="buffer"
        What happens to a wafer that needs more bits. "buffer": all of it is sent, since
        a buffer on the chip lets the links catch up in quieter crossings; they limit
        only the mean payload. "truncate": no cell of such a wafer is sent, only header
        and sum, as the chip does with a full buffer.
    sum_of : {"all", "not_sent"}, default="all"
        Which cells the sum covers: all, or those that are not sent.
    rest : {"drop", "even"}, default="drop"
        How the receiver treats charge that only the sum contains: it drops it, as the
        trigger does, or shares it equally among the cells that were not sent.
    dropped_bits : int, default=1
        Lowest bits dropped from each charge before it is encoded: 1 on wafers of low
        density, 3 on those of high density.
    half_lsb : bool, default=False
        Whether the receiver takes the middle of the numbers with a code, not the
        lowest.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. "wafer" requires 48 columns; "line" takes any number.

    Attributes
    ----------
    threshold_ : float or ndarray of float64 of shape (n_cells,)
        The threshold in use, in CALQ counts.
    geometry_ : Geometry
        The geometry of the data.
    n_features_in_ : int
        Number of cells.

    See Also
    --------
    BestChoice : Sends a fixed number of cells.

    Notes
    -----
    Wafers below threshold are received without charge, unless ``rest="even"``. `score`
    counts them as even; :func:`skemd.metrics.mean_emd` and the other metrics do so with
    ``empty_pred="even"``, and refuse them by default.

    The header has 5 bits, the type 3 and the sum 8 (5E3M). For 1 to 7 cells their count
    follows in 3 bits, and an address of 6 bits each; for more there is a map of 48
    bits. Charges have 7 bits (4E3M).

    Examples
    --------
    >>> import numpy as np
    >>> from skemd.baselines import ThresholdSum
    >>> X = np.zeros((2, 48))
    >>> X[:, 3], X[0, 9], X[1, 20] = 100, 46, 47
    >>> chip = ThresholdSum().fit(X)
    >>> chip.payload_bits(X)
    array([32, 45])
    >>> chip.predict(X)[:, [3, 9, 20]]
    array([[96.,  0.,  0.],
           [96.,  0., 44.]])
    """

    _fitted_attributes: ClassVar = {
        **Baseline._fitted_attributes,
        "threshold_": int | float | np.ndarray,
    }
    _saved_parameters: ClassVar = {
        "threshold": int | float | str | list | tuple | np.ndarray,
        "n_output_links": int,
        "overflow": str,
        "sum_of": str,
        "rest": str,
        "dropped_bits": int,
        "half_lsb": bool,
        "geometry": str | Geometry,
    }

    def __init__(
        self,
        threshold=THRESHOLD_COUNTS,
        *,
        n_output_links=5,
        overflow="buffer",
        sum_of="all",
        rest="drop",
        dropped_bits=1,
        half_lsb=False,
        geometry="wafer",
    ):
        self.threshold = threshold
        self.n_output_links = n_output_links
        self.overflow = overflow
        self.sum_of = sum_of
        self.rest = rest
        self.dropped_bits = dropped_bits
        self.half_lsb = half_lsb
        self.geometry = geometry

    def _check_parameters(self):
        check_choice(self.overflow, "overflow", ("buffer", "truncate"))
        check_choice(self.sum_of, "sum_of", ("all", "not_sent"))
        check_choice(self.rest, "rest", ("drop", "even"))
        check_number(self.dropped_bits, "dropped_bits", low=0, high=8, integer=True)
        check_flag(self.half_lsb, "half_lsb")

    def _settle(self, counts, geometry):
        if isinstance(self.threshold, str) and self.threshold == "links":
            lowest = lowest_threshold(counts, self.n_output_links)
            self.threshold_ = float(lowest)
        else:
            self.threshold_ = _checked_threshold(self.threshold, geometry.n_cells)

    def _sent(self, counts):
        chosen = self._chosen(counts)
        charges = sent(np.where(chosen, counts, 0), CHARGE, self.dropped_bits)
        summed = counts if self.sum_of == "all" else np.where(chosen, 0, counts)
        sums = sent(summed.sum(axis=1), SELECTION_SUM)
        return np.column_stack([charges, sums])

    def _received(self, codes):
        options = {"half_lsb": self.half_lsb}
        cells = received(codes[:, :-1], CHARGE, self.dropped_bits, **options)
        if self.rest == "drop":
            return cells
        sums = received(codes[:, -1], SELECTION_SUM, **options)
        return with_remainder(cells, remainder(cells, sums, self.sum_of))

    def _bits(self, counts):
        return threshold_bits(self._chosen(counts).sum(axis=1), counts.shape[1])

    def _names(self):
        return [*(f"charge_{cell}" for cell in range(self.n_features_in_)), "sum"]

    def _chosen(self, counts):
        """Return which cells are sent, as a mask of the shape of `counts`."""
        chosen = counts >= self.threshold_
        if self.overflow == "buffer":
            return chosen
        bits = threshold_bits(chosen.sum(axis=1), counts.shape[1])
        return chosen & (bits <= LINK_BITS * self.n_output_links)[:, None]


def _checked_threshold(threshold, n_cells):
    if isinstance(threshold, numbers.Real):
        check_number(threshold, "threshold", low=0)
        return float(threshold)
    expected = (
        "threshold must be a number, 'links', or a number for each of the "
        f"{n_cells} cells, not negative"
    )
    try:
        each = np.asarray(threshold, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{expected}; got {threshold!r}.") from error
    if each.shape != (n_cells,):
        raise ValueError(f"{expected}; got {threshold!r}, of shape {each.shape}.")
    broken = ~(np.isfinite(each) & (each >= 0))
    if broken.any():
        raise ValueError(f"{expected}; got {each[broken][0]:g} among them.")
    return each
