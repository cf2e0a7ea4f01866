"""BestChoice: the trigger cells with the largest charges."""

from typing import ClassVar

import numpy as np

from skemd._checks import check_choice, check_flag, check_number, format_rows
from skemd._number_formats._links import CHARGE, SELECTION_SUM
from skemd.baselines._base import Baseline, most_that_fit
from skemd.baselines._charges import (
    received,
    remainder,
    sent,
    with_remainder,
)
from skemd.baselines._threshold import address_bits
from skemd.geometry import Geometry

__all__ = ["BestChoice", "best_choice_bits", "largest_first"]

TIES = ("network", "highest", "lowest")
# Header 4, sum 8.
FRAME_BITS = 12
# From this number on, a map with a bit for each cell is shorter than addresses.
FEWEST_MAPPED = 8


def best_choice_bits(n_sent, n_cells):
    """Return the bits of a wafer with a given number of cells sent.

    Parameters
    ----------
    n_sent, n_cells : int
        Number of cells that are sent, and of all cells of the wafer.

    Returns
    -------
    bits : int
        Header and sum; an address for each of up to seven cells, or a map with a bit
        for each cell of the wafer; and the charges.
    """
    where = n_sent * address_bits(n_cells) if n_sent < FEWEST_MAPPED else n_cells
    return FRAME_BITS + where + n_sent * CHARGE.bits


def largest_first(counts, ties="network"):
    """Order the cells of each wafer by their charges, the largest first.

    Parameters
    ----------
    counts : ndarray of int64 of shape (n_samples, n_cells)
        Charges in any unit.
    ties : {"network", "highest", "lowest"}, default="network"
        Which of equal charges comes first: the one that the chip's sorting network puts
        first, which is not simply that of one end; or the cell with the highest or the
        lowest number.

    Returns
    -------
    order : ndarray of intp of shape (n_samples, n_cells)
        Numbers of the cells.

    References
    ----------
    D. E. Knuth, "The Art of Computer Programming", vol. 3, 2nd ed., section 5.2.2,
    algorithm M (Batcher's merge exchange).
    """
    if ties == "lowest":
        return np.argsort(-counts, axis=1, kind="stable")
    if ties == "highest":
        n_cells = counts.shape[1]
        return n_cells - 1 - np.argsort(-counts[:, ::-1], axis=1, kind="stable")
    values = counts.copy()
    order = np.tile(np.arange(counts.shape[1]), (len(counts), 1))
    for left, right in _comparators(counts.shape[1]):
        swap = values[:, left] < values[:, right]
        for array in (values, order):
            one, other = array[:, left], array[:, right]
            array[:, left] = np.where(swap, other, one)
            array[:, right] = np.where(swap, one, other)
    return order


def _comparators(n):
    """List the stages of the network: pairs of places that are compared together."""
    stages = []
    top = 1 << max(0, (n - 1).bit_length() - 1)
    step = top
    while step > 0:
        reach, offset, distance = top, 0, step
        while True:
            places = np.arange(n - distance)
            left = places[(places & step) == offset]
            stages.append((left, left + distance))
            if reach == step:
                break
            distance, reach, offset = reach - step, reach // 2, step
        step //= 2
    return stages


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
    sum_of : {"all", "not_sent"}, default="all"
        Which cells the sum covers: all, or those that are not sent.
    rest : {"drop", "even"}, default="drop"
        How the receiver treats charge that only the sum contains: it drops it, as the
        trigger does, or shares it equally among the cells that were not sent.
    dropped_bits : int, default=1
        Lowest bits dropped from each charge before cells are ordered, summed and
        encoded: 1 on wafers of low density, 3 on those of high density.
    half_lsb : bool, default=False
        Whether the receiver takes the middle of the numbers with a code, not the
        lowest.
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
        "dropped_bits": int,
        "half_lsb": bool,
        "geometry": str | Geometry,
    }

    def __init__(
        self,
        n_output_links=5,
        *,
        ties="network",
        sum_of="all",
        rest="drop",
        dropped_bits=1,
        half_lsb=False,
        geometry="wafer",
    ):
        self.n_output_links = n_output_links
        self.ties = ties
        self.sum_of = sum_of
        self.rest = rest
        self.dropped_bits = dropped_bits
        self.half_lsb = half_lsb
        self.geometry = geometry

    def _check_parameters(self):
        check_choice(self.ties, "ties", TIES)
        check_choice(self.sum_of, "sum_of", ("all", "not_sent"))
        check_choice(self.rest, "rest", ("drop", "even"))
        check_number(self.dropped_bits, "dropped_bits", low=0, high=8, integer=True)
        check_flag(self.half_lsb, "half_lsb")

    def _settle(self, counts, geometry):
        self.n_sent_ = most_that_fit(
            lambda n_sent: best_choice_bits(n_sent, geometry.n_cells),
            geometry.n_cells,
            self.n_output_links,
        )

    def _sent(self, counts):
        kept = counts >> self.dropped_bits
        order = largest_first(kept, self.ties)
        addresses = np.sort(order[:, : self.n_sent_], axis=1)
        chosen = np.take_along_axis(kept, addresses, axis=1)
        sums = kept.sum(axis=1)
        if self.sum_of == "not_sent":
            sums = sums - chosen.sum(axis=1)
        charges = sent(chosen, CHARGE) << self.dropped_bits
        sums = sent(sums, SELECTION_SUM) << self.dropped_bits
        return np.column_stack([addresses, charges, sums])

    def _received(self, codes):
        addresses, charges, sums = np.split(codes, [self.n_sent_, 2 * self.n_sent_], 1)
        self._check_addresses(addresses)
        as_sent = {"dropped_bits": self.dropped_bits, "half_lsb": self.half_lsb}
        cells = np.zeros((len(codes), self.n_features_in_), dtype=np.int64)
        charges = received(charges, CHARGE, **as_sent)
        np.put_along_axis(cells, addresses, charges, axis=1)
        if self.rest == "drop":
            return cells
        sums = received(sums[:, 0], SELECTION_SUM, **as_sent)
        return with_remainder(cells, remainder(cells, sums, self.sum_of))

    def _bits(self, counts):
        bits = best_choice_bits(self.n_sent_, counts.shape[1])
        return np.full(len(counts), bits, dtype=np.int64)

    def _names(self):
        kinds = ("address", "charge")
        return [f"{kind}_{i}" for kind in kinds for i in range(self.n_sent_)] + ["sum"]

    def _check_addresses(self, addresses):
        broken = (addresses >= self.n_features_in_).any(axis=1)
        broken |= (np.diff(addresses, axis=1) <= 0).any(axis=1)
        if broken.any():
            raise ValueError(
                "BestChoice.inverse_transform expects the addresses of "
                f"{self.n_sent_} different cells below {self.n_features_in_}, in "
                f"rising order; got others in {format_rows(broken)}."
            )
