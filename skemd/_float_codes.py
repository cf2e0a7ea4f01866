"""Floating-point codes of sums: few bits for charges over many orders of magnitude."""

from dataclasses import dataclass

import numpy as np

from skemd._validation import check_number

__all__ = ["FloatCode"]


@dataclass(frozen=True)
class FloatCode:
    """A code of an exponent and a mantissa for integers that are not negative.

    The exponent e and the mantissa m stand for m where e is 0, and for
    ``(2**mantissa_bits + m) << (e - 1)`` elsewhere.

    Parameters
    ----------
    exponent_bits, mantissa_bits : int
        The chip's sum of a module has 5 and 4 of them.

    Examples
    --------
    >>> from skemd._float_codes import FloatCode
    >>> code = FloatCode(5, 4)
    >>> code.decode(code.encode([7, 100, 1000])).tolist()
    [7, 100, 992]
    """

    exponent_bits: int
    mantissa_bits: int

    def __post_init__(self):
        """Check that there is such a code, and that its values are 64-bit integers."""
        check_number(self.exponent_bits, "exponent_bits", low=1, high=5, integer=True)
        check_number(self.mantissa_bits, "mantissa_bits", low=1, high=16, integer=True)

    @property
    def highest(self):
        """The highest value, at which the code saturates."""
        return (2 ** (self.mantissa_bits + 1) - 1) << (2**self.exponent_bits - 2)

    def encode(self, values):
        """Turn integers into codes, dropping the bits that the mantissa cannot hold.

        Parameters
        ----------
        values : array-like of int
            Not negative.

        Returns
        -------
        codes : ndarray of int64
            The exponent's bits above those of the mantissa.
        """
        values = np.minimum(np.asarray(values, dtype=np.int64), self.highest)
        # frexp's exponent is the number of bits; exact for all integers that occur.
        _, n_bits = np.frexp(values.astype(np.float64))
        exponent = np.maximum(n_bits - self.mantissa_bits, 0).astype(np.int64)
        mantissa = values >> np.maximum(exponent - 1, 0)
        mantissa &= 2**self.mantissa_bits - 1
        return (exponent << self.mantissa_bits) | mantissa

    def decode(self, codes):
        """Turn codes into the integers that they stand for.

        Parameters
        ----------
        codes : array-like of int
            As `encode` gives them.

        Returns
        -------
        values : ndarray of int64
            Never above what was encoded.
        """
        codes = np.asarray(codes, dtype=np.int64)
        exponent = codes >> self.mantissa_bits
        mantissa = codes & (2**self.mantissa_bits - 1)
        leading = np.where(exponent > 0, 2**self.mantissa_bits, 0)
        return (leading + mantissa) << np.maximum(exponent - 1, 0)
