"""ThresholdSum: the trigger cells above a threshold, and a sum."""

import numbers
from typing import ClassVar

import numpy as np

from skemd._checks import check_choice, check_number
from skemd._number_formats._links import CHARGE, LINK_BITS, SELECTION_SUM
from skemd._warnings import warn_user
from skemd.baselines._base import Baseline
from skemd.baselines._charges import received, with_rest
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._settings import LARGEST
from skemd.firmware._chip._threshold_sum import (
    HALF_BITS,
    threshold_sum_bits,
    threshold_sum_codes,
)
from skemd.geometry import Geometry

__all__ = ["ThresholdSum", "lowest_threshold"]

# The buffer of the chip holds what the links carry in so many crossings.
BUFFERED_CROSSINGS = 12


def lowest_threshold(calq, n_output_links):
    """Find the lowest threshold with which wafers fit the links on average.

    Parameters
    ----------
    calq : ndarray of int64 of shape (n_samples, n_cells)
        Charges in CALQ counts, behind the front end.
    n_output_links : int
        Number of links, 32 bits each.

    Returns
    -------
    threshold : int
        In CALQ counts, at least 1.
    """

    def fits(threshold):
        n_sent = (calq >= threshold).sum(axis=1)
        bits = threshold_sum_bits(n_sent, calq.shape[1])
        return bits.mean() <= LINK_BITS * n_output_links

    too_low, fitting = 0, int(calq.max()) + 1
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
    threshold : float, array-like of shape (n_cells,), or "links", default="links"
        In CALQ counts, for all cells or for each; 47 counts are 1.35 transverse MIP.
        "links" stands for the lowest whole number with which the wafers of `fit` need,
        on average, no more bits than the links have. A threshold of your own that needs
        more gives a warning.
    n_output_links : int, default=5
        Links that carry the code, 1 to 13, each with 32 bits per crossing.
    overflow : {"buffer", "truncate"}, default="buffer"
        What happens to a wafer that needs more bits. "buffer": all of it is sent, since
        a buffer on the chip lets the links catch up in quieter crossings; they limit
        only the mean payload. "truncate": no cell of such a wafer is sent, only header
        and sum, as the chip does with a full buffer.
    sum_of : {"not_sent", "all"}, default="not_sent"
        Which cells the sum covers: those that are not sent, or all.
    rest : {"drop", "even"}, default="drop"
        How the receiver treats charge that only the sum contains: it drops it, as the
        trigger does, or shares it equally among the cells that were not sent.
    dropped_bits : int or None, default=None
        Lowest bits dropped from each charge before it is encoded, 0 to 4; the sum keeps
        them. None for as many as the front end leaves out: 3 for "HD", else 1.
    half_lsb : bool, default=False
        Whether the receiver takes the middle of the numbers with a code, not the
        lowest.
    front_end : {"LD", "HD"} or None, default="LD"
        How charges reach the chip: as the codes of its input links, on a wafer of low
        or of high density, or as they are.
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
    >>> chip = ThresholdSum(47, front_end=None).fit(X)
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
        "dropped_bits": int | None,
        "half_lsb": bool,
        "front_end": str | None,
        "geometry": str | Geometry,
    }
    # Earlier files lack it: charges came as they were.
    _added_later: ClassVar = {"front_end": None}

    def __init__(
        self,
        threshold="links",
        *,
        n_output_links=5,
        overflow="buffer",
        sum_of="not_sent",
        rest="drop",
        dropped_bits=None,
        half_lsb=False,
        front_end="LD",
        geometry="wafer",
    ):
        self.threshold = threshold
        self.n_output_links = n_output_links
        self.overflow = overflow
        self.sum_of = sum_of
        self.rest = rest
        self.dropped_bits = dropped_bits
        self.half_lsb = half_lsb
        self.front_end = front_end
        self.geometry = geometry

    def _check_parameters(self):
        super()._check_parameters()
        check_choice(self.overflow, "overflow", ("buffer", "truncate"))
        check_choice(self.sum_of, "sum_of", ("not_sent", "all"))
        check_choice(self.rest, "rest", ("drop", "even"))

    def _settle(self, calq, geometry):
        if isinstance(self.threshold, str) and self.threshold == "links":
            self.threshold_ = float(lowest_threshold(calq, self.n_output_links))
            return
        self.threshold_ = _checked_threshold(self.threshold, geometry.n_cells)
        mean, room = self._bits(calq).mean(), LINK_BITS * self.n_output_links
        if mean > room:
            warn_user(
                f"With this threshold, the wafers of ThresholdSum.fit need {mean:.1f} "
                f"bits on average, and n_output_links={self.n_output_links} carry "
                f"{room}. Use a higher threshold (in CALQ counts), more links, or "
                "threshold='links'."
            )

    def _sent(self, calq):
        codes, sum_codes = threshold_sum_codes(
            calq,
            self._chosen(calq),
            dropped_bits=self._dropped,
            sum_all=self.sum_of == "all",
        )
        charges = decoded(codes, CHARGE, self._dropped)
        return np.column_stack([charges, decoded(sum_codes, SELECTION_SUM)])

    def _received(self, codes):
        options = {"half_lsb": self.half_lsb}
        # Bits are dropped from each charge, and those of an empty cell with them.
        pedestal = self._pedestal >> self._dropped << self._dropped
        charges, sums = codes[:, :-1], codes[:, -1]
        cells = received(charges, CHARGE, self._dropped, pedestal=pedestal, **options)
        if self.rest == "drop":
            return cells
        was_sent = charges > 0
        pedestals = self._pedestal * (~was_sent).sum(axis=1)
        sums = received(sums, SELECTION_SUM, pedestal=pedestals, **options)
        return with_rest(cells, sums, was_sent, self.sum_of)

    def _bits(self, calq):
        return threshold_sum_bits(self._chosen(calq).sum(axis=1), calq.shape[1])

    def _names(self):
        return [*(f"charge_{cell}" for cell in range(self.n_features_in_)), "sum"]

    def _chip_settings(self, caller):
        crossings = 1 if self.overflow == "truncate" else BUFFERED_CROSSINGS
        limit = LINK_BITS * self.n_output_links * crossings // HALF_BITS
        # Charges are whole numbers of at most 22 bits.
        thresholds = np.minimum(np.ceil(self.threshold_), LARGEST["thresholds"])
        return {
            "algorithm": "threshold_sum",
            "thresholds": np.full(self.n_features_in_, thresholds, dtype=np.int64),
            "use_sum": self.sum_of == "all",
            # The first limit cuts a frame that does not fit; the others never do.
            "t1": limit,
            "t2": limit,
            "t3": 0,
        }

    def _chosen(self, calq):
        """Return which cells are sent, as a mask of the shape of `calq`."""
        chosen = calq >= self.threshold_
        if self.overflow == "buffer":
            return chosen
        bits = threshold_sum_bits(chosen.sum(axis=1), calq.shape[1])
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
