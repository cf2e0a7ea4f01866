"""Best Choice: as many of the largest charges as the links have room for.

A frame is a header of four bits, a sum of eight (5E3M), then for fewer than eight cells
their addresses of six bits, else a map of 48 bits, then the charges of seven bits in
the order of rising cells. The sum is of charges without their dropped bits, unlike that
of the threshold sum. Which of several equal charges is sent is up to the sorting
network.

Confirmed by vectors for 1 to 13 links; no capture of a chip exists. By the public
emulator alone: that charges are clipped to 18 bits before they are sorted and summed.
Open: whether the production chip has the same network.
"""

import numpy as np

from skemd._number_formats._links import (
    ADDRESS_BITS,
    CHARGE,
    SELECTION_SUM,
    SHORT_HEADER_BITS,
    address_bits,
    most_that_fit,
)
from skemd.firmware._chip._bit_fields import pack, read_field, read_fields
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._front_end import N_CELLS, short_headers
from skemd.firmware._chip._sorting_network import largest_first

__all__ = [
    "best_choice_bits",
    "best_choice_codes",
    "map_fields",
    "pack_best_choice",
    "read_map",
    "unpack_best_choice",
]

# Fewer cells than this are named one by one.
_FEWEST_ON_MAP = 8
_LARGEST_KEY = 2**18 - 1
_MAP_PLACE = SHORT_HEADER_BITS + SELECTION_SUM.bits


def best_choice_bits(n_sent, n_cells=N_CELLS):
    """Return the bits of a frame.

    Parameters
    ----------
    n_sent : int
        Number of cells that are sent.
    n_cells : int, default=48
        Number of cells of the wafer.

    Returns
    -------
    n_bits : int
        Header and sum; an address for each of up to seven cells, or a map with a bit
        for each cell of the wafer; and the charges.
    """
    where = n_sent * address_bits(n_cells) if n_sent < _FEWEST_ON_MAP else n_cells
    return _MAP_PLACE + where + n_sent * CHARGE.bits


def best_choice_codes(charges, n_sent, *, dropped_bits, sum_all, ties="network"):
    """Choose the largest charges of each crossing, and encode them and a sum.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, n_cells)
        CALQ in counts.
    n_sent : int
        How many to choose.
    dropped_bits : int
        Lowest bits of a charge to drop before.
    sum_all : bool
        Whether the sum is of all cells, or of those that are not sent.
    ties : {"network", "highest", "lowest"}, default="network"
        Which of equal charges are chosen: as the chip's network has it, or those of
        the cells with the highest or the lowest numbers.

    Returns
    -------
    cells : ndarray of int64 of shape (n_crossings, n_sent)
        The cells that were chosen, rising.
    codes : ndarray of int64 of shape (n_crossings, n_sent)
        Their charges, 4E3M.
    sum_codes : ndarray of int64 of shape (n_crossings,)
        Sums of charges without their dropped bits, 5E3M.
    """
    kept = np.minimum(np.ascontiguousarray(charges.T) >> dropped_bits, _LARGEST_KEY)
    if ties == "network":
        _, addresses = largest_first(kept)
    elif ties == "lowest":
        addresses = np.argsort(-kept, axis=0, kind="stable")
    else:
        addresses = len(kept) - 1 - np.argsort(-kept[::-1], axis=0, kind="stable")
    mask = np.zeros(charges.shape, dtype=bool)
    np.put_along_axis(mask, addresses[:n_sent].T.astype(np.intp), True, axis=1)
    cells = np.nonzero(mask)[1].reshape(len(charges), n_sent)
    chosen = np.take_along_axis(kept.T, cells, axis=1)
    sums = kept.sum(axis=0)
    if not sum_all:
        sums = sums - chosen.sum(axis=1)
    codes = CHARGE.encode_unchecked(chosen)
    return cells, codes, SELECTION_SUM.encode_unchecked(sums)


def pack_best_choice(charges, counters, *, n_links, dropped_bits, sum_all, version):
    """Write the frames of Best Choice.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, 48)
        CALQ in counts.
    counters : ndarray of int64 of shape (n_crossings,)
        Crossings since the start of the orbit.
    n_links : int
        How many output links are enabled, 1 to 13.
    dropped_bits : int
        Lowest bits of a charge to drop.
    sum_all : bool
        Whether the sum is of all cells, or of those that are not sent.
    version : {"prototype", "production"}
        Which chip, for the order of the map.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        Words after the enabled links are zero.
    """
    n_cells = most_that_fit(best_choice_bits, N_CELLS, n_links)
    cells, codes, sum_codes = best_choice_codes(
        charges, n_cells, dropped_bits=dropped_bits, sum_all=sum_all
    )
    fields = [
        (short_headers(counters), SHORT_HEADER_BITS),
        (sum_codes, SELECTION_SUM.bits),
    ]
    if n_cells < _FEWEST_ON_MAP:
        fields += [(cell, ADDRESS_BITS) for cell in cells.T]
    else:
        mask = np.zeros(charges.shape, dtype=bool)
        np.put_along_axis(mask, cells, True, axis=1)
        fields += map_fields(mask, version)
    fields += [(code, CHARGE.bits) for code in codes.T]
    return pack(fields, len(charges))


def unpack_best_choice(words, *, n_links, dropped_bits, version, half_lsb=False):
    """Read the frames of Best Choice.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        As `pack_best_choice` writes them.
    n_links : int
        How many output links are enabled.
    dropped_bits : int
        Lowest bits of a charge that were dropped.
    version : {"prototype", "production"}
        Which chip, for the order of the map.
    half_lsb : bool, default=False
        Whether to decode to the middle of the charges with a code.

    Returns
    -------
    frames : dict of ndarray
        "header", "sum_codes", "sum" in counts, and of shape (n_crossings, n_cells)
        "addresses", the cells that were sent, "codes" and "charges" in counts.
    """
    n_cells = most_that_fit(best_choice_bits, N_CELLS, n_links)
    columns = words.T.astype(np.int64)
    sum_codes = read_field(columns, SHORT_HEADER_BITS, SELECTION_SUM.bits)
    if n_cells < _FEWEST_ON_MAP:
        cells = read_fields(columns, _MAP_PLACE, ADDRESS_BITS, n_cells)
        place = _MAP_PLACE + ADDRESS_BITS * n_cells
    else:
        mask = read_map(columns, _MAP_PLACE, version)
        n_sent = mask.sum(axis=1)
        if (n_sent != n_cells).any():
            row = np.flatnonzero(n_sent != n_cells)[0]
            raise ValueError(
                f"Crossing {row} is not a frame of Best Choice on {n_links} links: its "
                f"map names {n_sent[row]} cells, not {n_cells}. Words must come from a "
                "chip of these registers, with the frame beginning at link 0."
            )
        cells = np.nonzero(mask)[1].reshape(len(words), n_cells)
        place = _MAP_PLACE + N_CELLS
    codes = read_fields(columns, place, CHARGE.bits, n_cells)
    decode = {"dropped_bits": dropped_bits, "half_lsb": half_lsb}
    return {
        "header": read_field(columns, 0, SHORT_HEADER_BITS),
        "sum_codes": sum_codes,
        "sum": decoded(sum_codes, SELECTION_SUM, **decode),
        "addresses": cells,
        "codes": codes,
        "charges": decoded(codes, CHARGE, **decode),
    }


def map_fields(mask, version):
    """Return the fields of a map of cells.

    Parameters
    ----------
    mask : ndarray of bool of shape (n_crossings, 48)
        Which cells are sent.
    version : {"prototype", "production"}
        The prototype begins with cell 0, the production chip with cell 47.

    Returns
    -------
    fields : list of (ndarray of uint8 of shape (n_crossings,), int)
        Six fields of eight bits.
    """
    ordered = mask[:, ::-1] if version == "production" else mask
    return [(byte, 8) for byte in np.packbits(ordered, axis=1).T]


def read_map(columns, place, version):
    """Read a map of cells.

    Parameters
    ----------
    columns : ndarray of int64 of shape (n_words, n_crossings)
        Words of 32 bits, a column a crossing.
    place : int
        Where the map begins, in bits.
    version : {"prototype", "production"}
        Which chip, for the order of the map.

    Returns
    -------
    mask : ndarray of bool of shape (n_crossings, 48)
        Which cells are sent.
    """
    mask = read_fields(columns, place, 1, N_CELLS).astype(bool)
    return mask[:, ::-1] if version == "production" else mask
