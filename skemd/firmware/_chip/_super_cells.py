"""Super trigger cells: sums of 4 or 16 trigger cells, and where the largest of them is.

A frame is a header of four bits, all addresses, then all sums. Which cells make a sum,
the number of bits and the number of sums that fit depend on the type. The address is
the place of the largest CALQ, not of the largest code; of equal ones the highest place
wins.

Confirmed by captures of a prototype: types 0 to 3, ties included. Type 4 exists on the
production chip alone and is read only. Open: how the production chip breaks ties, how
many sums type 4 sends (here as many as fit), and what the chip sends with more links
than the sums need (here zeros, as the public emulator does).
"""

from typing import NamedTuple

import numpy as np

from skemd._number_formats._float_code import FloatCode
from skemd._number_formats._links import (
    CHARGE,
    LINK_BITS,
    MODULE_SUM,
    SHORT_HEADER_BITS,
    most_that_fit,
)
from skemd.firmware._chip._bit_fields import (
    N_OUTPUT_WORDS,
    pack,
    read_field,
    read_fields,
)
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._front_end import N_CELLS, short_headers

__all__ = [
    "SUPER_CELL_TYPES",
    "SuperCellType",
    "pack_super_cells",
    "super_cell_codes",
    "unpack_super_cells",
]


class SuperCellType(NamedTuple):
    """How one type of super trigger cells is sent.

    Attributes
    ----------
    n_cells : int
        Trigger cells of a sum.
    address_bits : int
        Bits of the address of the largest of them; 0 where none is sent.
    code : FloatCode
        Format of the sums.
    drops : bool
        Whether the dropped bits are dropped before.
    """

    n_cells: int
    address_bits: int
    code: FloatCode
    drops: bool

    def frame_bits(self, n_sums):
        """Return the bits of a frame with so many sums."""
        return SHORT_HEADER_BITS + n_sums * (self.address_bits + self.code.bits)

    def sums_on(self, n_links):
        """Return how many sums so many links carry; zero if they are too many."""
        n_all = N_CELLS // self.n_cells
        fewer_would_do = self.frame_bits(n_all) <= LINK_BITS * (n_links - 1)
        return 0 if fewer_would_do else most_that_fit(self.frame_bits, n_all, n_links)


SUPER_CELL_TYPES = (
    SuperCellType(4, 2, MODULE_SUM, False),
    SuperCellType(16, 4, MODULE_SUM, False),
    SuperCellType(4, 0, CHARGE, True),
    SuperCellType(4, 2, CHARGE, True),
    SuperCellType(4, 0, MODULE_SUM, False),
)


def super_cell_codes(cells, kind, *, dropped_bits, ties="highest"):
    """Encode sums of cells, and find the largest cell of each.

    Parameters
    ----------
    cells : ndarray of int of shape (n_sums, n_grouped, n_crossings)
        CALQ in counts of the cells of each sum.
    kind : SuperCellType
        How they are sent.
    dropped_bits : int
        Lowest bits that sums of seven bits drop.
    ties : {"highest", "lowest"}, default="highest"
        Which of equal cells counts as the largest: the last, as on the chip, or the
        first.

    Returns
    -------
    codes : ndarray of int64 of shape (n_sums, n_crossings)
        Sums, in the format of the type.
    addresses : ndarray of int64 of shape (n_sums, n_crossings)
        Places of the largest cells. Not all types send them.
    """
    sums = cells.sum(axis=1)
    codes = kind.code.encode_unchecked(sums >> dropped_bits if kind.drops else sums)
    if ties == "lowest":
        return codes, cells.argmax(axis=1)
    # argmax takes the first of equal ones, so the order is turned round.
    return codes, cells.shape[1] - 1 - cells[:, ::-1].argmax(axis=1)


def pack_super_cells(charges, counters, *, stc_type, n_links, dropped_bits):
    """Write the frames of super trigger cells.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, 48)
        CALQ in counts.
    counters : ndarray of int64 of shape (n_crossings,)
        Crossings since the start of the orbit.
    stc_type : {0, 1, 2, 3, 4}
        Which cells are summed and how they are sent.
    n_links : int
        How many output links are enabled.
    dropped_bits : int
        Lowest bits that sums of seven bits drop.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        Words after the enabled links are zero.
    """
    kind = SUPER_CELL_TYPES[stc_type]
    n_sums = kind.sums_on(n_links)
    if n_sums == 0:
        return np.zeros((len(charges), N_OUTPUT_WORDS), dtype=np.uint32)
    cells = np.ascontiguousarray(charges.T).reshape(
        N_CELLS // kind.n_cells, kind.n_cells, -1
    )[:n_sums]
    codes, addresses = super_cell_codes(cells, kind, dropped_bits=dropped_bits)
    fields = [(short_headers(counters), SHORT_HEADER_BITS)]
    if kind.address_bits:
        fields += [(address, kind.address_bits) for address in addresses]
    fields += [(code, kind.code.bits) for code in codes]
    return pack(fields, len(charges))


def unpack_super_cells(words, *, stc_type, n_links, dropped_bits, half_lsb=False):
    """Read the frames of super trigger cells.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        As `pack_super_cells` writes them.
    stc_type : {0, 1, 2, 3, 4}
        Which cells were summed and how they were sent.
    n_links : int
        How many output links are enabled.
    dropped_bits : int
        Lowest bits that sums of seven bits have dropped.
    half_lsb : bool, default=False
        Whether to decode to the middle of the sums with a code.

    Returns
    -------
    frames : dict of ndarray
        "header", "codes" (n_crossings, n_sums), "charges" of the same shape, which are
        the sums in counts, and "addresses" of the same shape where they are sent: the
        place of the largest trigger cell within its super trigger cell.
    """
    kind = SUPER_CELL_TYPES[stc_type]
    n_sums = kind.sums_on(n_links)
    columns = words.T.astype(np.int64)
    frames = {"header": read_field(columns, 0, SHORT_HEADER_BITS)}
    place = SHORT_HEADER_BITS
    if kind.address_bits:
        frames["addresses"] = read_fields(columns, place, kind.address_bits, n_sums)
        place += kind.address_bits * n_sums
    codes = read_fields(columns, place, kind.code.bits, n_sums)
    dropped = dropped_bits if kind.drops else 0
    charges = decoded(codes, kind.code, dropped, half_lsb=half_lsb)
    return {**frames, "codes": codes, "charges": charges}
