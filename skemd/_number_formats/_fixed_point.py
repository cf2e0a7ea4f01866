"""Fixed-point number formats, and those of the published encoders."""

from dataclasses import dataclass

import numpy as np

from skemd._checks import check_choice, check_number

__all__ = ["FixedPoint", "round_to_integers"]

# How numbers are rounded to a format: to the nearest one, ties to even, or down.
ROUNDINGS = ("half_even", "floor")
# Integers up to here are exact in float64.
_MOST_BITS = 52


@dataclass(frozen=True)
class FixedPoint:
    """A fixed-point format: its number of bits, and the place of the binary point.

    Numbers are multiples of ``step`` between ``lowest`` and ``highest``; others
    saturate.

    Parameters
    ----------
    bits : int
        Number of bits, including the sign.
    integer_bits : int
        Number of bits before the binary point, not counting the sign.
    signed : bool, default=True
        Whether one bit is the sign (two's complement).

    Notes
    -----
    QKeras counts bits in the same way. ``ap_fixed<W, I>`` of HLS and hls4ml counts the
    sign as one of the integer bits: ``FixedPoint(6, 0)`` is ``ap_fixed<6, 1>``.

    Examples
    --------
    >>> from skemd.firmware import FixedPoint
    >>> weight = FixedPoint(6, 0)
    >>> weight.lowest, weight.highest, weight.step
    (-1.0, 0.96875, 0.03125)
    """

    bits: int
    integer_bits: int
    signed: bool = True

    def __post_init__(self):
        """Check that the format exists."""
        check_number(
            self.bits, "bits", low=1 + self.signed, high=_MOST_BITS, integer=True
        )
        # A point outside the bits is allowed, as in QKeras.
        check_number(self.integer_bits, "integer_bits", low=-64, high=64, integer=True)

    @property
    def step(self):
        """Distance between neighboring numbers."""
        return 2.0 ** -(self.bits - self.integer_bits - self.signed)

    @property
    def lowest_integer(self):
        """The lowest number in units of the step."""
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def highest_integer(self):
        """The highest number in units of the step."""
        return 2 ** (self.bits - self.signed) - 1

    @property
    def lowest(self):
        """The lowest number."""
        return self.lowest_integer * self.step

    @property
    def highest(self):
        """The highest number."""
        return self.highest_integer * self.step

    def to_integers(self, values, rounding="half_even"):
        """Round values to the format, as integers in units of the step.

        Parameters
        ----------
        values : array-like of any shape
            Finite, pure numbers.
        rounding : {"half_even", "floor"}, default="half_even"
            To the nearest number, ties to the even one, or down.

        Returns
        -------
        integers : ndarray of int64 of the same shape
            Saturated at both ends of the format.
        """
        in_steps = np.asarray(values, dtype=np.float64) / self.step
        integers = round_to_integers(in_steps, rounding)
        return np.clip(integers, self.lowest_integer, self.highest_integer).astype(
            np.int64
        )

    def quantize(self, values, rounding="half_even"):
        """Round values to the format.

        Parameters
        ----------
        values : array-like of any shape
            Finite, pure numbers.
        rounding : {"half_even", "floor"}, default="half_even"
            As in `to_integers`.

        Returns
        -------
        values : ndarray of the same shape
            Pure numbers of the format, float64.
        """
        return self.to_integers(values, rounding) * self.step


def round_to_integers(values, rounding):
    """Round an array to whole numbers, still as floats.

    Parameters
    ----------
    values : ndarray of float
        Any numbers.
    rounding : {"half_even", "floor"}
        To the nearest whole number, ties to the even one, or down.

    Returns
    -------
    values : ndarray of float
        Whole numbers.

    Raises
    ------
    ValueError
        If there is no such rounding.
    """
    check_choice(rounding, "rounding", ROUNDINGS)
    return np.floor(values) if rounding == "floor" else np.rint(values)
