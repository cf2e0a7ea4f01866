"""The chip's own normalization, by shifts of integers."""

import numpy as np

from skemd._checks import as_whole_numbers

__all__ = ["normalize_on_chip"]

# The leading bit of the module sum is moved to this bit, the only one of 8 that is
# before the binary point.
_LEADING_BIT = 7
# Far above the charge of any cell.
_MOST_CHARGE = 2**40


def normalize_on_chip(charges):
    """Divide charges by the power of two at or below their sum, by shifting.

    The module sum is shifted until its most significant bit is bit 7, and every charge
    is shifted by the same number of bits. A shift to the right drops bits. The results
    have 8 bits, one of them before the binary point.

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
        If a charge is negative or not a whole number.

    Notes
    -----
    ``WaferRemapper(normalize="msb")`` divides by the same power of two but keeps all
    bits. In the arithmetic of the chip encoders drop them as here. In exact arithmetic
    an input format of 8 bits, one of them an integer bit, rounds to the nearest number,
    which differs by up to one step, 1/128.

    Examples
    --------
    >>> from skemd.firmware import normalize_on_chip
    >>> normalize_on_chip([[300, 3, 0]])
    array([[1.171875 , 0.0078125, 0.       ]])
    """
    charges = as_whole_numbers(charges, "charges", low=0, high=_MOST_CHARGE)
    if charges.ndim != 2:
        raise ValueError(
            "charges must have one row per wafer, shape (n_samples, n_cells); got "
            f"shape {charges.shape}. A single wafer is charges.reshape(1, -1)."
        )
    # Sums of this size are exact in float64.
    _, length = np.frexp(charges.sum(axis=1, keepdims=True).astype(np.float64))
    shift = length.astype(np.int64) - 1 - _LEADING_BIT
    shifted = (charges << np.maximum(-shift, 0)) >> np.maximum(shift, 0)
    return shifted / 2**_LEADING_BIT
