"""The repeater: every trigger cell as it came, on eleven links.

The frame is a header of five bits and 48 charges of seven bits, 4E3M of CALQ without
its dropped bits. Confirmed by captures of a prototype.
"""

import numpy as np

from skemd.firmware._chip._bit_fields import pack, read_field, read_fields
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._front_end import CHARGE, CODE_BITS, N_CELLS, long_headers

__all__ = ["pack_repeater", "unpack_repeater"]

_HEADER_BITS = 5


def pack_repeater(charges, counters, *, dropped_bits):
    """Write the repeater's frames.

    Parameters
    ----------
    charges : ndarray of int of shape (n_crossings, 48)
        CALQ in counts.
    counters : ndarray of int64 of shape (n_crossings,)
        Crossings since the start of the orbit.
    dropped_bits : int
        Lowest bits of a charge to drop.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        Eleven words of data.
    """
    codes = CHARGE.encode_unchecked(np.ascontiguousarray(charges.T) >> dropped_bits)
    fields = [(long_headers(counters), _HEADER_BITS)]
    fields += [(cell, CODE_BITS) for cell in codes]
    return pack(fields, len(charges))


def unpack_repeater(words, *, dropped_bits, half_lsb=False):
    """Read the repeater's frames.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        As `pack_repeater` writes them.
    dropped_bits : int
        Lowest bits of a charge that were dropped.
    half_lsb : bool, default=False
        Whether to decode to the middle of the charges with a code.

    Returns
    -------
    frames : dict of ndarray
        "header", "codes" (n_crossings, 48), and "charges" of the same shape in counts.
    """
    columns = words.T.astype(np.int64)
    codes = read_fields(columns, _HEADER_BITS, CODE_BITS, N_CELLS)
    return {
        "header": read_field(columns, 0, _HEADER_BITS),
        "codes": codes,
        "charges": decoded(codes, CHARGE, dropped_bits, half_lsb=half_lsb),
    }
