"""Whole numbers as NumPy integers, and their bits."""

import numpy as np

__all__ = ["as_whole_numbers", "bits_of", "from_bits"]


def as_whole_numbers(values, name, *, low, high):
    """Check that an array holds whole numbers of a range.

    Parameters
    ----------
    values : array-like
        Integers, or floats that are whole numbers.
    name : str
        What they are called, for messages.
    low, high : int
        The smallest and the largest that may come.

    Returns
    -------
    values : ndarray of int64
        Of the same shape.

    Raises
    ------
    ValueError
        If a number is not finite, not whole, or outside.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} must hold whole numbers; got dtype {values.dtype}. Convert it "
            "to integers first."
        )
    if values.dtype.kind == "f":
        broken = ~(values == np.floor(values)) | np.isinf(values)
        if broken.any():
            raise ValueError(
                f"{name} must hold whole numbers; got {values[broken].flat[0]}. Round "
                "it first."
            )
    outside = (values < low) | (values > high)
    if outside.any():
        raise ValueError(
            f"{name} must hold whole numbers in [{low}, {high}]; got "
            f"{values[outside].flat[0]}."
        )
    return values.astype(np.int64)


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
        What `bits_of` has written.
    """
    shape = (*bits.shape[:-1], bits.shape[-1] // n_bits, n_bits)
    weights = np.int64(1) << np.arange(n_bits - 1, -1, -1)
    return bits.reshape(shape).astype(np.int64) @ weights
