"""BestChoice: the trigger cells with the largest charges."""

from typing import ClassVar

import numpy as np

from skemd._checks import check_choice, format_rows
from skemd._number_formats._links import CHARGE, SELECTION_SUM, most_that_fit
from skemd.baselines._base import Baseline
from skemd.baselines._charges import received, with_rest
from skemd.firmware._chip._best_choice import best_choice_bits, best_choice_codes
from skemd.firmware._chip._decoding import decoded
from skemd.geometry import Geometry

__all__ = ["BestChoice"]


class BestChoice(Baseline):
    """Send the trigger cells with the largest charges, and a sum.

    As many cells are sent as the links have room for. The code has a column for each
    address, in rising order, one for each charge, and one for the sum.

    Parameters
    ----------
    n_output_links : int, default=5
        Links that carry the code, 1 to 13. On the wafer they have room for 1, 4, 6, 9,
        14, 18, 23, 28, 32, 37, 41, 46 or 48 cells.
    ties : {"network", "highest", "lowest"}, default="network"
        Which of equal charges goes first: as the chip's sorting network has it, or the
        cell with the highest or the lowest number.
    sum_of : {"not_sent", "all"}, default="not_sent"
        Which cells the sum covers: those that are not sent, or all.
    rest : {"drop", "even"}, default="drop"
        How the receiver treats charge that only the sum contains: it drops it, as the
        trigger does, or shares it equally among the cells that were not sent.
    dropped_bits : int or None, default=None
        Lowest bits dropped from each charge before cells are ordered, summed and
        encoded, 0 to 4. None for as many as the front end leaves out: 3 for "HD",
        else 1.
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
    n_sent_ : int
        Number of cells that are sent for each wafer.
    geometry_ : Geometry
        The geometry of the data.
    n_features_in_ : int
        Number of cells.

    See Also
    --------
    ThresholdSum : Sends all cells above a threshold.

    Notes
    -----
    The header has 4 bits and the sum 8 (5E3M). Up to 7 cells have an address of 6 bits
    each; for more there is a map of 48 bits. Charges have 7 bits (4E3M).

    Examples
    --------
    >>> from skemd.baselines import BestChoice
    >>> from skemd.datasets import make_wafers
    >>> X = make_wafers(10, random_state=0)
    >>> chip = BestChoice(n_output_links=2).fit(X)
    >>> chip.n_sent_, chip.payload_bits(X).max().item()
    (4, 64)
    """

    _fitted_attributes: ClassVar = {
        **Baseline._fitted_attributes,
        "n_sent_": int,
    }
    _saved_parameters: ClassVar = {
        "n_output_links": int,
        "ties": str,
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
        n_output_links=5,
        *,
        ties="network",
        sum_of="not_sent",
        rest="drop",
        dropped_bits=None,
        half_lsb=False,
        front_end="LD",
        geometry="wafer",
    ):
        self.n_output_links = n_output_links
        self.ties = ties
        self.sum_of = sum_of
        self.rest = rest
        self.dropped_bits = dropped_bits
        self.half_lsb = half_lsb
        self.front_end = front_end
        self.geometry = geometry

    def _check_parameters(self):
        super()._check_parameters()
        check_choice(self.ties, "ties", ("network", "highest", "lowest"))
        check_choice(self.sum_of, "sum_of", ("not_sent", "all"))
        check_choice(self.rest, "rest", ("drop", "even"))

    def _settle(self, calq, geometry):
        self.n_sent_ = most_that_fit(
            lambda n_sent: best_choice_bits(n_sent, geometry.n_cells),
            geometry.n_cells,
            self.n_output_links,
        )

    def _sent(self, calq):
        addresses, charges, sums = best_choice_codes(
            calq,
            self.n_sent_,
            dropped_bits=self._dropped,
            sum_all=self.sum_of == "all",
            ties=self.ties,
        )
        charges = decoded(charges, CHARGE, self._dropped)
        sums = decoded(sums, SELECTION_SUM, self._dropped)
        return np.column_stack([addresses, charges, sums])

    def _received(self, codes):
        addresses, charges, sums = np.split(codes, [self.n_sent_, 2 * self.n_sent_], 1)
        self._check_addresses(addresses)
        as_sent = {"dropped_bits": self._dropped, "half_lsb": self.half_lsb}
        # Bits are dropped from each charge, and those of an empty cell with them.
        pedestal = self._pedestal >> self._dropped << self._dropped
        cells = np.zeros((len(codes), self.n_features_in_), dtype=np.int64)
        charges = received(charges, CHARGE, pedestal=pedestal, **as_sent)
        np.put_along_axis(cells, addresses, charges, axis=1)
        if self.rest == "drop":
            return cells
        was_sent = np.zeros(cells.shape, dtype=bool)
        np.put_along_axis(was_sent, addresses, True, axis=1)
        pedestal *= self.n_features_in_ - self.n_sent_
        sums = received(sums[:, 0], SELECTION_SUM, pedestal=pedestal, **as_sent)
        return with_rest(cells, sums, was_sent, self.sum_of)

    def _bits(self, calq):
        bits = best_choice_bits(self.n_sent_, calq.shape[1])
        return np.full(len(calq), bits, dtype=np.int64)

    def _names(self):
        kinds = ("address", "charge")
        return [f"{kind}_{i}" for kind in kinds for i in range(self.n_sent_)] + ["sum"]

    def _chip_settings(self, caller):
        if self.ties != "network":
            raise ValueError(
                f"{caller}: the chip chooses among equal charges by its sorting "
                f"network; here ties is {self.ties!r}. Use 'network'."
            )
        return {"algorithm": "best_choice", "use_sum": self.sum_of == "all"}

    def _check_addresses(self, addresses):
        broken = (addresses >= self.n_features_in_).any(axis=1)
        broken |= (np.diff(addresses, axis=1) <= 0).any(axis=1)
        if broken.any():
            raise ValueError(
                "BestChoice.inverse_transform expects the addresses of "
                f"{self.n_sent_} different cells below {self.n_features_in_}, in "
                f"rising order; got others in {format_rows(broken)}."
            )
