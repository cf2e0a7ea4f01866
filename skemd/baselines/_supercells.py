"""SuperTriggerCell: sums of neighboring trigger cells."""

from typing import ClassVar

import numpy as np

from skemd._checks import check_choice, format_rows
from skemd._number_formats._links import LINK_BITS, most_that_fit
from skemd.baselines._base import Baseline
from skemd.baselines._charges import received
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._super_cells import SUPER_CELL_TYPES, super_cell_codes
from skemd.firmware._chip._trigger_cells import square_cells
from skemd.geometry import N_FACE_CELLS, Geometry, hgcal_wafer

__all__ = ["ALGORITHMS", "SuperTriggerCell", "supercells"]

# Stands for the cells that the last group lacks. As an index it is a column after all
# cells.
NO_CELL = -1


ALGORITHMS = dict(
    zip(
        ("STC4_9", "STC16_9", "CTC4_7", "STC4_7", "CTC4_9"),
        SUPER_CELL_TYPES,
        strict=True,
    )
)


def supercells(geometry, n_grouped):
    """List the cells of each supercell.

    Parameters
    ----------
    geometry : Geometry
        Where the cells are.
    n_grouped : {4, 16}
        Cells of a supercell.

    Returns
    -------
    cells : ndarray of int of shape (n_supercells, n_grouped)
        On the wafer, twelve squares of 2 x 2, face by face and row by row, or the three
        faces. In other geometries, consecutive cells; the last supercell may lack some,
        which are -1.
    """
    cells = np.arange(geometry.n_cells)
    if geometry == hgcal_wafer() and n_grouped != N_FACE_CELLS:
        return square_cells().reshape(-1, n_grouped)
    lacking = -geometry.n_cells % n_grouped
    cells = np.concatenate([cells, np.full(lacking, NO_CELL)])
    return cells.reshape(-1, n_grouped)


class SuperTriggerCell(Baseline):
    """Send sums of neighboring trigger cells, and which cell holds most of each.

    Supercells have fixed places, and always the first ones are sent: with too few links
    part of the wafer is not seen at all. The code has a column for each sum and one for
    each address.

    Parameters
    ----------
    algorithm : {"STC4_9", "STC16_9", "STC4_7", "CTC4_7", "CTC4_9"}, default="STC4_9"
        Twelve sums of 4 cells, in 9 bits (5E4M) with an address of 2; three sums of 16
        cells, in 9 bits with an address of 4; twelve sums of 4 cells in 7 bits (4E3M)
        with an address of 2, or without; or twelve in 9 bits without address, which
        only the production chip has.
    n_output_links : int, default=5
        Links that carry the code, 1 to 13. With 1, 2, 3, 4 or more links there is room
        for 2, 5, 8, 11 or 12 sums of STC4_9; for 2 or 3 of STC16_9; for 3, 6, 10 or 12
        of STC4_7; for 4, 8 or 12 of CTC4_7; for 3, 6, 10 or 12 of CTC4_9.
    ties : {"highest", "lowest"}, default="highest"
        Which address is sent for equal charges: the highest, as by the chip, or the
        lowest, as in published training code.
    put_back : {"largest", "equal"} or None, default=None
        Where the receiver puts a sum: into the cell of the largest charge, or in equal
        shares into the cells of the supercell. None for "largest" where an address is
        sent, else "equal".
    half_lsb : bool, default=False
        Whether the receiver takes the middle of the sums with a code, not the lowest.
    dropped_bits : int or None, default=None
        Lowest bits dropped from sums of 7 bits before they are encoded, 0 to 4; sums of
        9 bits keep them. None for as many as the front end leaves out: 3 for "HD", else
        1.
    front_end : {"LD", "HD"} or None, default="LD"
        How charges reach the chip: as the codes of its input links, on a wafer of low
        or of high density, or as they are.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. "wafer" requires 48 columns; "line" takes any number.
        In geometries other than the wafer, supercells are consecutive cells.

    Attributes
    ----------
    supercells_ : ndarray of int of shape (n_sent, n_grouped)
        The cells of each supercell that is sent; -1 where the last one lacks cells.
    geometry_ : Geometry
        The geometry of the data.
    n_features_in_ : int
        Number of cells.

    See Also
    --------
    BestChoice : Sends single cells.

    Notes
    -----
    The header has 4 bits, and there is no sum of the wafer. The address of a cell is
    its place in a row of `supercells_`, which is in rising order of cells.

    The chip sums cells that follow each other behind its multiplexer, which therefore
    decides which cells make a supercell and which one is sent first. Here it is set so
    that they are squares of neighbors: `to_chip` has that setting.

    Examples
    --------
    >>> from skemd.baselines import SuperTriggerCell
    >>> from skemd.datasets import make_wafers
    >>> X = make_wafers(10, random_state=0)
    >>> chip = SuperTriggerCell("STC16_9", n_output_links=2).fit(X)
    >>> chip.transform(X).shape, chip.payload_bits(X).max().item()
    ((10, 6), 43)
    """

    _fitted_attributes: ClassVar = {
        **Baseline._fitted_attributes,
        "supercells_": np.ndarray,
    }
    _saved_parameters: ClassVar = {
        "algorithm": str,
        "n_output_links": int,
        "ties": str,
        "put_back": str | None,
        "half_lsb": bool,
        "dropped_bits": int | None,
        "front_end": str | None,
        "geometry": str | Geometry,
    }
    # Earlier files lack them: charges came as they were, and no bits were dropped.
    _added_later: ClassVar = {"front_end": None, "dropped_bits": 0}

    def __init__(
        self,
        algorithm="STC4_9",
        *,
        n_output_links=5,
        ties="highest",
        put_back=None,
        half_lsb=False,
        dropped_bits=None,
        front_end="LD",
        geometry="wafer",
    ):
        self.algorithm = algorithm
        self.n_output_links = n_output_links
        self.ties = ties
        self.put_back = put_back
        self.half_lsb = half_lsb
        self.dropped_bits = dropped_bits
        self.front_end = front_end
        self.geometry = geometry

    def _check_parameters(self):
        super()._check_parameters()
        check_choice(self.algorithm, "algorithm", tuple(ALGORITHMS))
        check_choice(self.ties, "ties", ("highest", "lowest"))
        if self.put_back is None:
            return
        check_choice(self.put_back, "put_back", ("largest", "equal"))
        if self.put_back == "largest" and not self._sends_addresses:
            raise ValueError(
                f"{self.algorithm} sends no address, so put_back must be 'equal' or "
                "None; got 'largest'."
            )

    def _settle(self, calq, geometry):
        kind = ALGORITHMS[self.algorithm]
        groups = supercells(geometry, kind.n_cells)
        n_sent = most_that_fit(kind.frame_bits, len(groups), self.n_output_links)
        self.supercells_ = groups[:n_sent]

    def _sent(self, calq):
        kind = ALGORITHMS[self.algorithm]
        # A row of zeros stands for lacking cells.
        grouped = np.pad(calq.T, ((0, 1), (0, 0)))[self.supercells_]
        codes, addresses = super_cell_codes(
            grouped, kind, dropped_bits=self._dropped, ties=self.ties
        )
        sums = decoded(codes.T, kind.code, self._dropped_from_sums)
        return np.column_stack([sums, addresses.T]) if kind.address_bits else sums

    def _received(self, codes):
        n_sent = len(self.supercells_)
        n_grouped = (self.supercells_ != NO_CELL).sum(axis=1)
        sums = received(
            codes[:, :n_sent],
            ALGORITHMS[self.algorithm].code,
            self._dropped_from_sums,
            half_lsb=self.half_lsb,
            pedestal=self._pedestal * n_grouped,
        )
        sums = sums.astype(np.float64)
        cells = np.zeros((len(codes), self.n_features_in_ + 1))
        if self._sends_addresses:
            self._check_addresses(codes[:, n_sent:], sums)
        if self._sends_addresses and self.put_back != "equal":
            addressed = self.supercells_[np.arange(n_sent), codes[:, n_sent:]]
            np.put_along_axis(cells, addressed, sums, axis=1)
        else:
            shares = sums / n_grouped
            cells[:, self.supercells_] = shares[:, :, None]
        return cells[:, :-1]

    def _bits(self, calq):
        bits = ALGORITHMS[self.algorithm].frame_bits(len(self.supercells_))
        return np.full(len(calq), bits, dtype=np.int64)

    def _names(self):
        kinds = ("sum", "address") if self._sends_addresses else ("sum",)
        numbers = range(len(self.supercells_))
        return [f"{kind}_{number}" for kind in kinds for number in numbers]

    def _chip_settings(self, caller):
        kind = ALGORITHMS[self.algorithm]
        if self._sends_addresses and self.ties != "highest":
            raise ValueError(
                f"{caller}: of equal charges the chip sends the highest address; here "
                f"ties is {self.ties!r}. Use 'highest'."
            )
        if kind.sums_on(self.n_output_links) == 0:
            needed = -(-kind.frame_bits(len(self.supercells_)) // LINK_BITS)
            raise ValueError(
                f"{caller}: the chip sends nothing if {self.algorithm} has more links "
                f"than its sums need; got n_output_links={self.n_output_links}. Use "
                f"{needed}."
            )
        return {
            "algorithm": "super_trigger_cell",
            "stc_type": SUPER_CELL_TYPES.index(kind),
            "mux": supercells(self.geometry_, kind.n_cells).ravel(),
        }

    @property
    def _sends_addresses(self):
        return ALGORITHMS[self.algorithm].address_bits > 0

    @property
    def _dropped_from_sums(self):
        return self._dropped if ALGORITHMS[self.algorithm].drops else 0

    def _check_addresses(self, addresses, sums):
        n_grouped = self.supercells_.shape[1]
        broken = (addresses >= n_grouped).any(axis=1)
        if broken.any():
            raise ValueError(
                "SuperTriggerCell.inverse_transform expects addresses below "
                f"{n_grouped}; got others in {format_rows(broken)}."
            )
        lacking = self.supercells_[np.arange(len(self.supercells_)), addresses] < 0
        broken = (lacking & (sums > 0)).any(axis=1)
        if broken.any():
            raise ValueError(
                "SuperTriggerCell.inverse_transform got the address of a cell that "
                f"the last supercell lacks in {format_rows(broken)}."
            )
