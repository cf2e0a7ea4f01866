"""Whole numbers as rows of bits and as hexadecimal words, and back."""

import numpy as np

from skemd._checks import as_whole_numbers

__all__ = ["bits_of", "bits_to_hex", "from_bits", "hex_to_bits"]


def bits_of(integers, n_bits):
    """Write non-negative integers as bits, the most significant first.

    Parameters
    ----------
    integers : ndarray of int64 of shape (..., n)
        Below ``2**n_bits``.
    n_bits : int
        Bits of each.

    Returns
    -------
    bits : ndarray of uint8 of shape (..., n * n_bits)
        Zeros and ones.
    """
    weights = np.arange(n_bits - 1, -1, -1)
    bits = (integers[..., None] >> weights) & 1
    shape = (*integers.shape[:-1], integers.shape[-1] * n_bits)
    return bits.reshape(shape).astype(np.uint8)


def from_bits(bits, n_bits):
    """Read non-negative integers from bits, the most significant first.

    Parameters
    ----------
    bits : ndarray of shape (..., n * n_bits)
        Zeros and ones.
    n_bits : int
        Bits of each integer.

    Returns
    -------
    integers : ndarray of int64 of shape (..., n)
        The integers that `bits_of` wrote.
    """
    shape = (*bits.shape[:-1], bits.shape[-1] // n_bits, n_bits)
    weights = np.int64(1) << np.arange(n_bits - 1, -1, -1)
    return bits.reshape(shape).astype(np.int64) @ weights


def bits_to_hex(bits):
    """Write rows of bits as hexadecimal words.

    Parameters
    ----------
    bits : array-like of shape (n_words, n_bits)
        Zeros and ones; the first of a row is the most significant.

    Returns
    -------
    words : list of str of length n_words
        A digit for every four bits, leading zeros included.

    Raises
    ------
    ValueError
        If these are not bits, or a row is not a multiple of four.
    """
    bits = as_whole_numbers(bits, "bits", low=0, high=1)
    if bits.ndim != 2 or bits.shape[1] % 4:
        raise ValueError(
            "bits must have shape (n_words, n_bits) with a multiple of four bits per "
            f"row; got shape {bits.shape}."
        )
    return ["".join(f"{digit:x}" for digit in row) for row in from_bits(bits, 4)]


def hex_to_bits(words, n_bits):
    """Read rows of bits from hexadecimal words.

    Parameters
    ----------
    words : sequence of str
        As `bits_to_hex` writes them.
    n_bits : int
        Bits of a word, a multiple of four.

    Returns
    -------
    bits : ndarray of uint8 of shape (n_words, n_bits)
        The most significant first.

    Raises
    ------
    ValueError
        If a word has another number of digits, or other characters. The message names
        the word.
    """
    words = list(words)
    for row, word in enumerate(words):
        digits = isinstance(word, str) and set(word.lower()) <= set("0123456789abcdef")
        if not digits or len(word) != n_bits // 4:
            raise ValueError(
                f"A word must be {n_bits // 4} hexadecimal digits; word {row} is "
                f"{word!r}."
            )
    digits = np.array([[int(digit, 16) for digit in word] for word in words])
    return bits_of(digits.reshape(len(words), n_bits // 4), 4)
