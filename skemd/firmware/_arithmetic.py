"""Fixed-point arithmetic on int64: numbers of a format in units of its step.

An integer stands for ``integer * 2**-fraction``. Sums of products are exact. They are
rounded once, and saturate, when they are converted to a format.
"""

import numpy as np

from skemd._input._same_padding import output_grid, same_padding
from skemd._number_formats._fixed_point import FixedPoint

__all__ = [
    "ExactLayer",
    "check_room",
    "fraction_of",
    "patches",
    "to_format",
]

# Integers stay below this, so that neither sums nor shifts overflow int64.
_MOST_MAGNITUDE = 2**61


def fraction_of(number_format):
    """Return how many bits of a format are after the binary point."""
    return number_format.bits - number_format.integer_bits - bool(number_format.signed)


class ExactLayer:
    """The weights of a layer as integers, whose sums of products are exact.

    Parameters
    ----------
    kernel : ndarray of int64 of shape (n_inputs, n_outputs)
        In steps of the weights' format.
    bias : ndarray of int64 of shape (n_outputs,)
        In steps of the weights' format.
    weight_format : FixedPoint
        The weights' format.
    input_format : FixedPoint
        The format of the inputs.
    output_format : FixedPoint or None
        The format of the outputs; None leaves the sums as they are.

    Attributes
    ----------
    fraction : int
        Bits of the sums after the binary point.
    largest_sum : int
        No sum, partial sum or product is larger than this in magnitude.
    output_format : FixedPoint
        The format of the outputs.

    Raises
    ------
    ValueError
        If a sum might not fit into 64 bits.
    """

    def __init__(self, kernel, bias, weight_format, input_format, output_format):
        shift = fraction_of(input_format)
        # Python's integers do not overflow. Sums have the finer of the steps of the
        # bias and of the products.
        kernel = kernel.astype(object) << max(-shift, 0)
        bias = bias.astype(object) << max(shift, 0)
        largest_input = max(-input_format.lowest_integer, input_format.highest_integer)
        sums = np.abs(kernel).sum(axis=0) * largest_input + np.abs(bias)
        self.largest_sum = int(sums.max())
        self.fraction = fraction_of(weight_format) + max(shift, 0)
        self.output_format = output_format or self.sum_format
        check_room(self.largest_sum, self.fraction, self.output_format)
        self.kernel = kernel.astype(np.int64)
        self.bias = bias.astype(np.int64)

    @property
    def sum_format(self):
        """A format that holds every sum exactly."""
        bits = self.largest_sum.bit_length() + 1
        try:
            return FixedPoint(bits, bits - 1 - self.fraction)
        except ValueError as error:
            raise _no_room(self.largest_sum, self.fraction, "a format") from error

    def __call__(self, inputs, rounding):
        """Return the sums in the output format, with ReLU.

        Parameters
        ----------
        inputs : ndarray of int64 of shape (..., n_inputs)
            In steps of the input format.
        rounding : {"half_even", "floor"}
            How sums are rounded.

        Returns
        -------
        outputs : ndarray of int64 of shape (..., n_outputs)
            In steps of the output format, not negative.
        """
        sums = inputs @ self.kernel + self.bias
        return np.maximum(
            to_format(sums, self.fraction, self.output_format, rounding), 0
        )


def check_room(largest, fraction, number_format):
    """Check that integers can be converted to a format within 64 bits.

    Parameters
    ----------
    largest : int
        No integer is larger than this in magnitude.
    fraction : int
        Bits after their binary point.
    number_format : FixedPoint
        The format to convert to.

    Raises
    ------
    ValueError
        If they might overflow.
    """
    growth = max(fraction_of(number_format) - fraction, 0)
    if largest << growth >= _MOST_MAGNITUDE:
        raise _no_room(largest, fraction, number_format)


def _no_room(largest, fraction, number_format):
    return ValueError(
        f"Sums of {largest.bit_length()} bits, {fraction} of them after the binary "
        f"point, do not fit {number_format} within 64 bits. Choose shorter formats."
    )


def to_format(integers, fraction, number_format, rounding):
    """Round and saturate integers of one step to a format of another.

    Parameters
    ----------
    integers : ndarray of int64
        In steps of ``2**-fraction``.
    fraction : int
        Bits after the binary point.
    number_format : FixedPoint
        The format to convert to.
    rounding : {"half_even", "floor"}
        How they are rounded.

    Returns
    -------
    integers : ndarray of int64
        In steps of the format.
    """
    shift = fraction - fraction_of(number_format)
    if shift > 0:
        integers = _shifted_right(integers, shift, rounding)
    else:
        integers = integers << -shift
    return np.clip(
        integers, number_format.lowest_integer, number_format.highest_integer
    )


def patches(images, kernel_shape, strides):
    """Cut images into the patches that a 'same' convolution sees for each output.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width, channels)
        Any numbers.
    kernel_shape : (int, int)
        Height and width of the kernel.
    strides : (int, int)
        Step between outputs, down and across.

    Returns
    -------
    patches : ndarray of shape (n_samples, rows, columns, n_inputs)
        Zeros outside the image; inputs in the order of a Keras kernel.
    """
    n_samples, *sides, _ = images.shape
    grid = output_grid(sides, strides)
    padding = [
        same_padding(*axis) for axis in zip(sides, kernel_shape, strides, strict=True)
    ]
    padded = np.pad(images, [(0, 0), *padding, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_shape, (1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(n_samples, *grid, -1)


def _shifted_right(integers, shift, rounding):
    # Below _MOST_MAGNITUDE, longer shifts have the same result as this one.
    shift = min(shift, 62)
    floor = integers >> shift
    if rounding == "floor":
        return floor
    rest = integers - (floor << shift)
    half = 1 << (shift - 1)
    return floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))
