"""The chip's own normalization: shifts of integers."""

import numpy as np

from skemd._checks import as_whole_numbers

__all__ = ["normalize_on_chip"]

# The leading bit of the module sum is brought here, the one of 8 bits that stands
# before the binary point.
_LEADING_BIT = 7
# Sums of this many bits are far beyond those of a wafer.
_MOST_CHARGE = 2**40


def normalize_on_chip(charges):
    """Divide charges by the power of two at or below their sum, by shifting.

    The module sum is shifted until its most significant bit is bit 7, and every charge
    by as much. A shift to the right drops bits. What is left are 8 bits, one of them
    before the binary point.

    Parameters
    ----------
    charges : array-like of int of shape (n_samples, n_cells)
        Charges in CALQ counts, not negative.

    Returns
    -------
    cells : ndarray of float64 of shape (n_samples, n_cells)
        Pure numbers, multiples of 1/128 below 2. A wafer without charge gives zeros.

    Raises
    ------
    ValueError
        If a charge is negative or not whole.

    Notes
    -----
    ``WaferRemapper(normalize="msb")`` divides by the same power of two but keeps all
    bits. What an encoder with an input format of 8 bits, one of them integer, then
    makes of them differs by up to one step, 1/128: it rounds to the nearest number
    (with ``rounding="floor"`` it drops bits as here, and nothing differs).

    Examples
    --------
    >>> from skemd.firmware import normalize_on_chip
    >>> normalize_on_chip([[300, 3, 0]])
    array([[1.171875 , 0.0078125, 0.       ]])
    """
    charges = as_whole_numbers(charges, "charges", low=0, high=_MOST_CHARGE)
    if charges.ndim != 2:
        raise ValueError(
            "charges must have one row a wafer, shape (n_samples, n_cells); got shape "
            f"{charges.shape}. A single wafer is charges.reshape(1, -1)."
        )
    # frexp is exact for sums of this size.
    _, length = np.frexp(charges.sum(axis=1, keepdims=True).astype(np.float64))
    shift = length.astype(np.int64) - 1 - _LEADING_BIT
    shifted = (charges << np.maximum(-shift, 0)) >> np.maximum(shift, 0)
    return shifted / 2**_LEADING_BIT
