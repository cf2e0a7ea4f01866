"""The payload of the links: a header, the module sum and the kept bits of a code."""

from typing import NamedTuple

import numpy as np

from skemd._checks import as_whole_numbers
from skemd._number_formats._bits import bits_of, from_bits
from skemd._number_formats._links import (
    CODE_BITS,
    HEADER_BITS,
    LINK_BITS,
    LINK_FORMATS,
    MODULE_SUM,
    N_COMPONENTS,
)

__all__ = [
    "MODULE_SUM",
    "Payload",
    "apply_keep_mask",
    "keep_mask",
    "read_payload",
    "write_payload",
]

MASK_BYTES = N_COMPONENTS * CODE_BITS // 8


class Payload(NamedTuple):
    """The data that each wafer sends in one bunch crossing.

    Attributes
    ----------
    headers : ndarray of int64 of shape (n_samples,)
        5 bits each.
    sums : ndarray of int64 of shape (n_samples,)
        Module sums in CALQ counts, with the precision of 5E4M.
    codes : ndarray of int64 of shape (n_samples, 16)
        In steps of ``LINK_FORMATS[n_output_links]``.
    """

    headers: np.ndarray
    sums: np.ndarray
    codes: np.ndarray


def keep_mask(n_output_links):
    """Build the mask that cuts 9-bit codes to the bits that fit on a number of links.

    Parameters
    ----------
    n_output_links : {2, 3, 4, 5}
        They have room for the top 3, 5, 7 or 9 bits of each number.

    Returns
    -------
    mask : bytes of length 18
        144 bits: the 9 bits of each of the 16 numbers in order, most significant bit
        first. A one keeps the bit.

    Raises
    ------
    ValueError
        If `n_output_links` is none of these.

    Examples
    --------
    >>> from skemd.firmware import keep_mask
    >>> keep_mask(2).hex()[:9]
    'e070381c0'
    """
    kept = _code_bits(n_output_links)
    of_one = np.arange(CODE_BITS) < kept
    return np.packbits(np.tile(of_one, N_COMPONENTS)).tobytes()


def apply_keep_mask(codes, mask):
    """Cut codes to the bits that a mask keeps.

    Parameters
    ----------
    codes : array-like of int of shape (n_samples, 16)
        9 bits each.
    mask : bytes of length 18
        A mask as returned by `keep_mask`, or one that keeps other bits.

    Returns
    -------
    codes : ndarray of int64 of shape (n_samples, 16)
        The kept bits of each number, moved together. If these are the top bits, numbers
        are rounded down, unlike those of an encoder that was trained with fewer bits.

    Raises
    ------
    ValueError
        If `codes` are not 9-bit codes, or `mask` is not 18 bytes long.
    """
    codes = _checked_codes(codes, CODE_BITS)
    if not isinstance(mask, (bytes, bytearray)) or len(mask) != MASK_BYTES:
        raise ValueError(
            f"mask must be {MASK_BYTES} bytes, such as keep_mask returns; got {mask!r}."
        )
    kept = np.unpackbits(np.frombuffer(mask, dtype=np.uint8))
    kept = kept.reshape(N_COMPONENTS, CODE_BITS)
    bits = bits_of(codes, CODE_BITS).reshape(len(codes), N_COMPONENTS, CODE_BITS)
    cut = np.zeros_like(codes)
    for place in range(CODE_BITS):
        moved = (cut << 1) | bits[:, :, place]
        cut = np.where(kept[:, place], moved, cut)
    return cut


def write_payload(codes, sums, *, n_output_links, headers=0):
    """Write the bits that the links carry for each wafer.

    They are a header of 5 bits, the module sum as 5E4M in 9 bits, and the numbers of
    the code in order, each most significant bit first. A link carries 32 bits; the last
    two bits of the last link are left over and zero.

    Parameters
    ----------
    codes : array-like of int of shape (n_samples, 16)
        In steps of ``LINK_FORMATS[n_output_links]``, as returned by
        `IntegerEncoder.transform_integers` or `apply_keep_mask`.
    sums : array-like of int of shape (n_samples,)
        Module sums in CALQ counts.
    n_output_links : {2, 3, 4, 5}
        Number of links that carry them.
    headers : int or array-like of int of shape (n_samples,), default=0
        The headers, 5 bits each.

    Returns
    -------
    bits : ndarray of uint8 of shape (n_samples, 32 * n_output_links)
        Zeros and ones in the order in which the links send them.

    Raises
    ------
    ValueError
        If a number does not fit its bits.
    """
    code_bits = _code_bits(n_output_links)
    codes = _checked_codes(codes, code_bits)
    sums = MODULE_SUM.encode(sums)
    headers = as_whole_numbers(headers, "headers", low=0, high=2**HEADER_BITS - 1)
    if sums.shape != (len(codes),) or headers.shape not in ((), sums.shape):
        raise ValueError(
            f"sums and headers must have shape ({len(codes)},), one for each code; got "
            f"{sums.shape} and {headers.shape}."
        )
    headers = np.broadcast_to(headers, sums.shape)
    bits = np.zeros((len(codes), LINK_BITS * n_output_links), dtype=np.uint8)
    parts = [
        bits_of(headers[:, None], HEADER_BITS),
        bits_of(sums[:, None], MODULE_SUM.bits),
        bits_of(codes, code_bits),
    ]
    written = np.concatenate(parts, axis=1)
    bits[:, : written.shape[1]] = written
    return bits


def read_payload(bits, *, n_output_links):
    """Read headers, module sums and codes from the bits that the links carry.

    Parameters
    ----------
    bits : array-like of shape (n_samples, 32 * n_output_links)
        Bits as returned by `write_payload`.
    n_output_links : {2, 3, 4, 5}
        Number of links that carry them.

    Returns
    -------
    payload : Payload
        Headers, module sums and codes.

    Raises
    ------
    ValueError
        If the number of bits is not that of the links.
    """
    code_bits = _code_bits(n_output_links)
    bits = as_whole_numbers(bits, "bits", low=0, high=1)
    if bits.ndim != 2 or bits.shape[1] != LINK_BITS * n_output_links:
        raise ValueError(
            f"{n_output_links} links carry bits of shape (n_samples, "
            f"{LINK_BITS * n_output_links}); got {bits.shape}."
        )
    ends = np.cumsum([HEADER_BITS, MODULE_SUM.bits, N_COMPONENTS * code_bits])
    header, module_sum, codes, _ = np.split(bits, ends, axis=1)
    return Payload(
        from_bits(header, HEADER_BITS)[:, 0],
        MODULE_SUM.decode(from_bits(module_sum, MODULE_SUM.bits)[:, 0]),
        from_bits(codes, code_bits),
    )


def _code_bits(n_output_links):
    if n_output_links not in LINK_FORMATS:
        raise ValueError(
            f"n_output_links must be one of {list(LINK_FORMATS)}; got "
            f"{n_output_links!r}."
        )
    return LINK_FORMATS[n_output_links].bits


def _checked_codes(codes, code_bits):
    codes = as_whole_numbers(codes, "codes", low=0, high=2**code_bits - 1)
    if codes.ndim != 2 or codes.shape[1] != N_COMPONENTS:
        raise ValueError(
            f"codes must have shape (n_samples, {N_COMPONENTS}), as on the chip; got "
            f"{codes.shape}."
        )
    return codes
