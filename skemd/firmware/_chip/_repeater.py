"""The repeater: every trigger cell as it came, on eleven links.

The frame is a header of five bits and 48 charges of seven bits, 4E3M of CALQ without
its dropped bits. Confirmed by captures of a prototype. Open: what fewer than eleven
links send; here their part of the frame.
"""

import numpy as np

from skemd._number_formats._links import CHARGE, HEADER_BITS, LINK_BITS
from skemd.firmware._chip._bit_fields import pack, read_field, read_fields
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._front_end import N_CELLS, long_headers

__all__ = ["pack_repeater", "unpack_repeater"]


def pack_repeater(charges, counters, *, n_links, dropped_bits):
    """Write the repeater's frames.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, 48)
        CALQ in counts.
    counters : ndarray of int64 of shape (n_crossings,)
        Crossings since the start of the orbit.
    n_links : int
        How many output links are enabled.
    dropped_bits : int
        Lowest bits of a charge to drop.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        Eleven words of data; those after the enabled links are zero.
    """
    codes = CHARGE.encode_unchecked(np.ascontiguousarray(charges.T) >> dropped_bits)
    fields = [(long_headers(counters), HEADER_BITS)]
    fields += [(cell, CHARGE.bits) for cell in codes]
    words = pack(fields, len(charges))
    words[:, n_links:] = 0
    return words


def unpack_repeater(words, *, n_links, dropped_bits, half_lsb=False):
    """Read the repeater's frames.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        As `pack_repeater` writes them.
    n_links : int
        How many output links are enabled.
    dropped_bits : int
        Lowest bits of a charge that were dropped.
    half_lsb : bool, default=False
        Whether to decode to the middle of the charges with a code.

    Returns
    -------
    frames : dict of ndarray
        "header", "codes" (n_crossings, n_cells), and "charges" of the same shape in
        counts: the cells whose charges the links carry to their last bit, all 48 on
        eleven links.
    """
    columns = words.T.astype(np.int64)
    n_cells = min((LINK_BITS * n_links - HEADER_BITS) // CHARGE.bits, N_CELLS)
    codes = read_fields(columns, HEADER_BITS, CHARGE.bits, n_cells)
    return {
        "header": read_field(columns, 0, HEADER_BITS),
        "codes": codes,
        "charges": decoded(codes, CHARGE, dropped_bits, half_lsb=half_lsb),
    }
