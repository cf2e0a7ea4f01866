"""Threshold sum: every charge above its cell's threshold, in frames of any length.

A frame is made of words of 16 bits: header of five bits, kind of three, sum of eight
(5E3M), then what the kind says. One to seven cells are counted and named one by one,
more are shown on a map of 48 bits; their charges of seven bits follow in the order of
rising cells. The sum is of undropped charges, either of all cells or of those that are
not sent. A frame that the buffer has no room for is cut to one word, whose sum is of
all cells.

Confirmed by captures of a prototype; by vectors for the production chip, whose map
begins with cell 47.
"""

from typing import NamedTuple

import numpy as np

from skemd._number_formats._links import (
    ADDRESS_BITS,
    CHARGE,
    HEADER_BITS,
    LINK_BITS,
    SELECTION_SUM,
    address_bits,
)
from skemd.firmware._chip._best_choice import map_fields, read_map
from skemd.firmware._chip._bit_fields import (
    N_OUTPUT_WORDS,
    pack,
    read_field,
    read_fields,
)
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._front_end import N_CELLS, long_headers

__all__ = [
    "Frames",
    "Kind",
    "frame_length",
    "pack_threshold_sum",
    "read_frames",
    "threshold_sum_bits",
    "threshold_sum_codes",
]

HALF_BITS = LINK_BITS // 2
MOST_HALVES = 2 * N_OUTPUT_WORDS
_KIND_BITS, _COUNT_BITS = 3, 3
# The first word: header, kind and sum.
_LIST_PLACE = _MAP_PLACE = HALF_BITS
_FEWEST_ON_MAP = 8


class Kind:
    """What the three bits behind the header mean."""

    EMPTY = 0b000
    LIST = 0b010
    MAP = 0b100
    CUT_BY_T1 = 0b110
    CUT_BY_T2_AND_T3 = 0b111


class Frames(NamedTuple):
    """Frames before the buffer, with what it puts in their place.

    Attributes
    ----------
    halves : ndarray of uint16 of shape (n_crossings, 26)
        The frames' words, zeros after their ends.
    lengths : ndarray of int64 of shape (n_crossings,)
        Words of each frame, 1 to 25.
    cut_by_t1 : ndarray of uint16 of shape (n_crossings,)
        The word that is stored instead if the frame is cut by the first limit.
    cut_by_t2_and_t3 : ndarray of uint16 of shape (n_crossings,)
        The same for the second and third.
    headers : ndarray of int64 of shape (n_crossings,)
        Headers of five bits, which idle words have as well.
    """

    halves: np.ndarray
    lengths: np.ndarray
    cut_by_t1: np.ndarray
    cut_by_t2_and_t3: np.ndarray
    headers: np.ndarray


def threshold_sum_bits(n_sent, n_cells=N_CELLS):
    """Return the bits of frames, before they fill whole words.

    Parameters
    ----------
    n_sent : ndarray of int64 of shape (n_crossings,)
        Number of cells that are sent.
    n_cells : int, default=48
        Number of cells of the wafer.

    Returns
    -------
    n_bits : ndarray of int64 of shape (n_crossings,)
        Header, kind and sum; for up to seven cells their count and addresses, for more
        a map with a bit for each cell of the wafer; and the charges.
    """
    bits = np.where(
        n_sent < _FEWEST_ON_MAP,
        _list_bits(n_sent, n_cells),
        _map_bits(n_sent, n_cells),
    )
    return np.where(n_sent == 0, HALF_BITS, bits)


def _list_bits(n_sent, n_cells=N_CELLS):
    each = address_bits(n_cells) + CHARGE.bits
    return HALF_BITS + _COUNT_BITS + n_sent * each


def _map_bits(n_sent, n_cells=N_CELLS):
    return HALF_BITS + n_cells + n_sent * CHARGE.bits


def threshold_sum_codes(charges, sent, *, dropped_bits, sum_all):
    """Encode the charges that are sent, and a sum.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, n_cells)
        CALQ in counts.
    sent : ndarray of bool of shape (n_crossings, n_cells)
        Which cells are sent.
    dropped_bits : int
        Lowest bits of a charge to drop; sums keep theirs.
    sum_all : bool
        Whether sums are of all cells, or of those that are not sent.

    Returns
    -------
    codes : ndarray of int64 of shape (n_crossings, n_cells)
        Charges, 4E3M; zero where none is sent.
    sum_codes : ndarray of int64 of shape (n_crossings,)
        Sums, 5E3M.
    """
    charges_sent = charges * sent
    sums = charges.sum(axis=1)
    if not sum_all:
        sums = sums - charges_sent.sum(axis=1)
    codes = CHARGE.encode_unchecked(charges_sent >> dropped_bits)
    return codes, SELECTION_SUM.encode_unchecked(sums)


def pack_threshold_sum(
    charges, counters, thresholds, *, dropped_bits, sum_all, version
):
    """Write the frames of the threshold sum.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, 48)
        CALQ in counts.
    counters : ndarray of int64 of shape (n_crossings,)
        Crossings since the start of the orbit.
    thresholds : ndarray of int64 of shape (48,)
        A cell is sent if its charge in counts is not below.
    dropped_bits : int
        Lowest bits of a charge to drop; sums keep theirs.
    sum_all : bool
        Whether sums are of all cells, or of those that are not sent.
    version : {"prototype", "production"}
        Which chip, for the order of the map.

    Returns
    -------
    frames : Frames
        For the buffer.
    """
    charges = np.ascontiguousarray(charges)
    sent = charges >= thresholds
    n_sent = sent.sum(axis=1)
    kinds = np.select([n_sent == 0, n_sent < _FEWEST_ON_MAP], [Kind.EMPTY, Kind.LIST])
    kinds[n_sent >= _FEWEST_ON_MAP] = Kind.MAP
    codes, sum_codes = threshold_sum_codes(
        charges, sent, dropped_bits=dropped_bits, sum_all=sum_all
    )
    headers = long_headers(counters)
    first = _first_words(headers, kinds, sum_codes)
    cells, codes = _moved_together(codes, sent, n_sent)

    words = np.zeros((len(charges), N_OUTPUT_WORDS), dtype=np.uint32)
    for n in range(1, _FEWEST_ON_MAP):
        rows = np.flatnonzero(n_sent == n)
        fields = [(first[rows], HALF_BITS), (np.full(len(rows), n), _COUNT_BITS)]
        fields += [(cell, ADDRESS_BITS) for cell in cells[:n, rows]]
        fields += [(code, CHARGE.bits) for code in codes[:n, rows]]
        words[rows] = pack(fields, len(rows))
    rows = np.flatnonzero(n_sent >= _FEWEST_ON_MAP)
    fields = [(first[rows], HALF_BITS), *map_fields(sent[rows], version)]
    fields += [(code, CHARGE.bits) for code in codes[:, rows]]
    words[rows] = pack(fields, len(rows))
    rows = np.flatnonzero(n_sent == 0)
    words[rows, 0] = first[rows] << HALF_BITS

    whole = SELECTION_SUM.encode_unchecked(charges.sum(axis=1))
    return Frames(
        np.stack([words >> HALF_BITS, words & (2**HALF_BITS - 1)], axis=2)
        .reshape(len(words), MOST_HALVES)
        .astype(np.uint16),
        -(-threshold_sum_bits(n_sent) // HALF_BITS),
        _first_words(headers, Kind.CUT_BY_T1, whole).astype(np.uint16),
        _first_words(headers, Kind.CUT_BY_T2_AND_T3, whole).astype(np.uint16),
        headers,
    )


def _first_words(headers, kinds, sum_codes):
    kinds_and_sums = sum_codes | kinds << SELECTION_SUM.bits
    return headers << (HALF_BITS - HEADER_BITS) | kinds_and_sums


def _moved_together(codes, sent, n_sent):
    """Return the cells that are sent and their codes, (48, n), without gaps."""
    rows, cells = np.nonzero(sent)
    place = np.arange(len(rows)) - (np.cumsum(n_sent) - n_sent)[rows]
    together = np.zeros((2, N_CELLS, len(codes)), dtype=np.int64)
    together[0, place, rows] = cells
    together[1, place, rows] = codes[rows, cells]
    return together


def frame_length(halves):
    """Say how long a frame is, as far as its first words tell.

    Parameters
    ----------
    halves : list of int
        At least the first of the frame's words of 16 bits.

    Returns
    -------
    length : int
        Words of the frame. While those at hand do not tell, a lower bound that is
        larger than their number.

    Raises
    ------
    ValueError
        If there is no such kind of frame.
    """
    kind = (halves[0] >> SELECTION_SUM.bits) & (2**_KIND_BITS - 1)
    if kind in (Kind.EMPTY, Kind.CUT_BY_T1, Kind.CUT_BY_T2_AND_T3):
        return 1
    if kind == Kind.LIST:
        if len(halves) < 2:
            return 2
        n_sent = halves[1] >> (HALF_BITS - _COUNT_BITS)
        bits = _list_bits(n_sent)
    elif kind == Kind.MAP:
        map_end = 1 + N_CELLS // HALF_BITS
        if len(halves) < map_end:
            return map_end
        n_sent = sum(half.bit_count() for half in halves[1:map_end])
        bits = _map_bits(n_sent)
    else:
        raise ValueError(f"there is no frame of kind {kind:03b}")
    return -(-bits // HALF_BITS)


def read_frames(halves, *, dropped_bits, version, half_lsb=False):
    """Read frames that have been found in the stream.

    Parameters
    ----------
    halves : ndarray of uint16 of shape (n_frames, 26)
        Their words, zeros after their ends.
    dropped_bits : int
        Lowest bits of a charge that were dropped.
    version : {"prototype", "production"}
        Which chip, for the order of the map.
    half_lsb : bool, default=False
        Whether to decode to the middle of the charges with a code.

    Returns
    -------
    frames : dict of ndarray
        "header", "kind", "sum_codes", "sum" in counts, "n_sent", and of shape
        (n_frames, 48) "addresses", "codes" and "charges" in counts; behind the cells
        that were sent, addresses are -1 and the others 0.
    """
    columns = np.ascontiguousarray(halves.T).astype(np.int64)
    columns = columns[::2] << HALF_BITS | columns[1::2]
    kinds = read_field(columns, HEADER_BITS, _KIND_BITS)
    sum_codes = read_field(columns, HALF_BITS - SELECTION_SUM.bits, SELECTION_SUM.bits)
    mask = read_map(columns, _MAP_PLACE, version) & (kinds == Kind.MAP)[:, None]
    n_sent = mask.sum(axis=1)
    listed = kinds == Kind.LIST
    n_sent[listed] = read_field(columns, _LIST_PLACE, _COUNT_BITS)[listed]

    addresses = np.full(mask.shape, -1)
    rows, cells = np.nonzero(mask)
    starts = np.cumsum(mask.sum(axis=1)) - mask.sum(axis=1)
    addresses[rows, np.arange(len(rows)) - starts[rows]] = cells
    codes = read_fields(columns, _MAP_PLACE + N_CELLS, CHARGE.bits, N_CELLS)
    for n in range(1, _FEWEST_ON_MAP):
        few = np.flatnonzero(listed & (n_sent == n))
        place = _LIST_PLACE + _COUNT_BITS
        addresses[few, :n] = read_fields(columns[:, few], place, ADDRESS_BITS, n)
        place += n * ADDRESS_BITS
        codes[few, :n] = read_fields(columns[:, few], place, CHARGE.bits, n)
    codes = np.where(np.arange(N_CELLS) < n_sent[:, None], codes, 0)
    return {
        "header": read_field(columns, 0, HEADER_BITS),
        "kind": kinds,
        "sum_codes": sum_codes,
        "sum": decoded(sum_codes, SELECTION_SUM, half_lsb=half_lsb),
        "n_sent": n_sent,
        "addresses": addresses,
        "codes": codes,
        "charges": decoded(codes, CHARGE, dropped_bits, half_lsb=half_lsb),
    }
