"""Short floating-point codes of charges and sums, as the front-end chips send them."""

from dataclasses import dataclass

import numpy as np

from skemd._checks import as_whole_numbers, check_number

__all__ = ["FloatCode"]

# Every value then is exact in float64, and its code is found in the bits of that.
_MOST_VALUE_BITS = 52
_DOUBLE_MANTISSA_BITS = 52
_DOUBLE_EXPONENT_OF_HALF = 1022


@dataclass(frozen=True)
class FloatCode:
    """An unsigned floating-point code of whole numbers, such as 5E4M.

    A code is the bits of the exponent followed by those of the mantissa. With exponent
    0 the value is the mantissa; with a larger one, a leading one is put before the
    mantissa and the result is shifted left by the exponent minus one.

    Parameters
    ----------
    exponent_bits : int
        Bits of the exponent: 5 for 5E4M.
    mantissa_bits : int
        Bits of the mantissa: 4 for 5E4M.

    Examples
    --------
    >>> from skemd.firmware import FloatCode
    >>> module_sum = FloatCode(5, 4)
    >>> codes = module_sum.encode([7, 1000])
    >>> module_sum.decode(codes)
    array([  7, 992])
    """

    exponent_bits: int
    mantissa_bits: int

    def __post_init__(self):
        """Check that the values fit integers."""
        check_number(self.exponent_bits, "exponent_bits", low=1, high=5, integer=True)
        room = _MOST_VALUE_BITS + 1 - 2**self.exponent_bits
        check_number(
            self.mantissa_bits, "mantissa_bits", low=1, high=room, integer=True
        )

    @property
    def bits(self):
        """Number of bits of a code."""
        return self.exponent_bits + self.mantissa_bits

    @property
    def highest(self):
        """The highest value; larger ones saturate."""
        ones = 2 ** (self.mantissa_bits + 1) - 1
        return ones << (2**self.exponent_bits - 2)

    def encode(self, integers):
        """Encode whole numbers, dropping the bits that the mantissa has no room for.

        Parameters
        ----------
        integers : array-like of shape (...)
            Not negative.

        Returns
        -------
        codes : ndarray of int64 of shape (...)
            Below ``2**bits``.

        Raises
        ------
        ValueError
            If a number is negative or not whole.
        """
        values = as_whole_numbers(integers, "integers", low=0, high=2**62)
        return self.encode_unchecked(np.minimum(values, self.highest))

    def encode_unchecked(self, integers):
        """Encode numbers that are known to be good, many times faster.

        Parameters
        ----------
        integers : ndarray of int of shape (...)
            Not negative, at most 2**62.

        Returns
        -------
        codes : ndarray of int64 of shape (...)
            As `encode` gives them.
        """
        # A double holds its exponent above its mantissa, as a code does: what is left
        # is to drop bits and to count exponents from the mantissa's length.
        bits = integers.astype(np.float64).view(np.int64)
        codes = bits >> (_DOUBLE_MANTISSA_BITS - self.mantissa_bits)
        codes -= (_DOUBLE_EXPONENT_OF_HALF + self.mantissa_bits) << self.mantissa_bits
        codes = np.where(integers < 2**self.mantissa_bits, integers, codes)
        return np.minimum(codes, 2**self.bits - 1)

    def decode(self, codes, *, half_lsb=False):
        """Decode to whole numbers.

        Parameters
        ----------
        codes : array-like of int of shape (...)
            As returned by `encode`.
        half_lsb : bool, default=False
            Whether to add half of the value of the mantissa's last bit, which gives the
            middle of the numbers with this code, where bits have been dropped.

        Returns
        -------
        integers : ndarray of int64 of shape (...)
            The lowest number with this code, or the middle one.

        Raises
        ------
        ValueError
            If there is no such code.
        """
        codes = as_whole_numbers(codes, "codes", low=0, high=2**self.bits - 1)
        exponents = codes >> self.mantissa_bits
        mantissas = codes & (2**self.mantissa_bits - 1)
        shift = np.maximum(exponents - 1, 0)
        leading = np.where(exponents > 0, 2**self.mantissa_bits, 0)
        integers = (leading + mantissas) << shift
        if half_lsb:
            integers += np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
        return integers
