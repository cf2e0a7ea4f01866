"""The encoder's frame: the module sum and the bits of the code that are kept.

A frame is a header of five bits, the sum of nine (5E4M of all CALQ, nothing dropped),
and the bits of the code: from the last of the 16 numbers to the first, each with its
most significant bit first, as far as the keep mask has ones. Where the links have room
for fewer bits, those in front are lost; where for more, zeros stand in front.

Confirmed by vectors with full masks on 2 and 5 links. Read only: the order of the
mask's bits, and partial masks.
"""

import numpy as np

from skemd._number_formats._links import (
    CODE_BITS,
    HEADER_BITS,
    MODULE_SUM,
    N_COMPONENTS,
    room_for_code,
)
from skemd.firmware._chip._bit_fields import pack, read_field
from skemd.firmware._chip._decoding import decoded
from skemd.firmware._chip._front_end import long_headers

__all__ = [
    "FULL_MASK",
    "N_COMPONENTS",
    "mask_of_top_bits",
    "pack_encoder",
    "unpack_encoder",
]

FULL_MASK = 2 ** (N_COMPONENTS * CODE_BITS) - 1
_CODE_PLACE = HEADER_BITS + MODULE_SUM.bits
# More links than these send nothing more.
_MOST_LINKS = 5


def mask_of_top_bits(n_bits):
    """Return the keep mask that keeps the top bits of each number of the code.

    Parameters
    ----------
    n_bits : int
        How many of nine.

    Returns
    -------
    mask : int
        144 bits.
    """
    of_one = (2**n_bits - 1) << (CODE_BITS - n_bits)
    return sum(of_one << (CODE_BITS * number) for number in range(N_COMPONENTS))


def pack_encoder(codes, totals, counters, *, keep_mask, n_links):
    """Write the encoder's frames.

    Parameters
    ----------
    codes : ndarray of int64 of shape (n_crossings, 16)
        Nine bits each.
    totals : ndarray of int64 of shape (n_crossings,)
        Sums of all charges, in counts.
    counters : ndarray of int64 of shape (n_crossings,)
        Crossings since the start of the orbit.
    keep_mask : int
        144 bits, the highest for the top bit of the last number; ones are kept.
    n_links : int
        How many output links are enabled.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        At most five words of data.
    """
    padding, runs = _layout(keep_mask, n_links)
    fields = [
        (long_headers(counters), HEADER_BITS),
        (MODULE_SUM.encode_unchecked(totals), MODULE_SUM.bits),
    ]
    zeros = np.zeros(len(codes), dtype=np.int64)
    fields += [(zeros, min(16, padding - start)) for start in range(0, padding, 16)]
    for number, lowest, width in runs:
        fields.append(((codes[:, number] >> lowest) & (2**width - 1), width))
    return pack(fields, len(codes))


def unpack_encoder(words, *, keep_mask, n_links, half_lsb=False):
    """Read the encoder's frames.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        As `pack_encoder` writes them.
    keep_mask : int
        The bits of the code that were kept.
    n_links : int
        How many output links are enabled.
    half_lsb : bool, default=False
        Whether to decode to the middle of the sums with a code.

    Returns
    -------
    frames : dict of ndarray
        "header", "sum_codes", "sum" in counts, and "codes" (n_crossings, 16) in steps
        of 1/256, with zeros for bits that were not sent.
    """
    columns = words.T.astype(np.int64)
    padding, runs = _layout(keep_mask, n_links)
    codes = np.zeros((len(words), N_COMPONENTS), dtype=np.int64)
    place = _CODE_PLACE + padding
    for number, lowest, width in runs:
        codes[:, number] |= read_field(columns, place, width) << lowest
        place += width
    sum_codes = read_field(columns, HEADER_BITS, MODULE_SUM.bits)
    return {
        "header": read_field(columns, 0, HEADER_BITS),
        "sum_codes": sum_codes,
        "sum": decoded(sum_codes, MODULE_SUM, half_lsb=half_lsb),
        "codes": codes,
    }


def _layout(keep_mask, n_links):
    """Return the zeros in front, and runs of bits as (number, lowest bit, width)."""
    kept = [
        divmod(bit, CODE_BITS)
        for bit in reversed(range(N_COMPONENTS * CODE_BITS))
        if keep_mask >> bit & 1
    ]
    room = room_for_code(min(n_links, _MOST_LINKS))
    kept = kept[-room:]
    runs = []
    for number, bit in kept:
        if runs and runs[-1][:2] == (number, bit + 1):
            runs[-1] = (number, bit, runs[-1][2] + 1)
        else:
            runs.append((number, bit, 1))
    return room - len(kept), runs
