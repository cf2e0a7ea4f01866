"""Fixed-point arithmetic on int64: numbers of a format in units of its step.

An integer stands for ``integer * 2**-fraction``. Sums of products are exact; they are
rounded and saturated once, when they are converted to a format.
"""

import numpy as np

__all__ = [
    "ExactLayer",
    "check_room",
    "fraction_of",
    "output_grid",
    "patches",
    "same_padding",
    "to_format",
]

# Integers stay below this, so that neither sums nor shifts overflow int64.
_MOST_MAGNITUDE = 2**61


def fraction_of(number_format):
    """Return how many of a format's bits are after the binary point."""
    return number_format.bits - number_format.integer_bits - bool(number_format.signed)


class ExactLayer:
    """A layer with integer weights, whose sums of products are exact.

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
    output_format : FixedPoint
        The format to which sums are converted.

    Attributes
    ----------
    fraction : int
        Bits of the sums after the binary point.
    largest_sum : int
        Bound on the magnitude of every sum, partial sum and product.

    Raises
    ------
    ValueError
        If a sum may not fit 64 bits.
    """

    def __init__(self, kernel, bias, weight_format, input_format, output_format):
        shift = fraction_of(input_format)
        # Python's integers do not overflow. If inputs have steps above 1, products have
        # coarser steps than the bias, so the kernel is scaled.
        kernel = kernel.astype(object) << max(-shift, 0)
        bias = bias.astype(object) << max(shift, 0)
        largest_input = max(-input_format.lowest_integer, input_format.highest_integer)
        sums = np.abs(kernel).sum(axis=0) * largest_input + np.abs(bias)
        self.largest_sum = int(sums.max())
        self.fraction = fraction_of(weight_format) + max(shift, 0)
        self.output_format = output_format
        check_room(self.largest_sum, self.fraction, output_format)
        self.kernel = kernel.astype(np.int64)
        self.bias = bias.astype(np.int64)

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
        Bound on the magnitude of the integers.
    fraction : int
        Their bits after the binary point.
    number_format : FixedPoint
        The format to which they are converted.

    Raises
    ------
    ValueError
        If they may overflow.
    """
    growth = max(fraction_of(number_format) - fraction, 0)
    if largest << growth >= _MOST_MAGNITUDE:
        raise ValueError(
            f"Sums of {largest.bit_length()} bits, {fraction} of them after the "
            f"binary point, cannot be converted to {number_format} within 64 bits. "
            "Choose shorter formats."
        )


def to_format(integers, fraction, number_format, rounding):
    """Convert integers to the steps of a format, rounded and saturated.

    Parameters
    ----------
    integers : ndarray of int64
        In steps of ``2**-fraction``.
    fraction : int
        Bits after the binary point.
    number_format : FixedPoint
        The format to which they are converted.
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
    """Cut images into the patches that the outputs of a 'same' convolution see.

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
        same_padding(*axis)
        for axis in zip(sides, grid, kernel_shape, strides, strict=True)
    ]
    padded = np.pad(images, [(0, 0), *padding, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_shape, (1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(n_samples, *grid, -1)


def output_grid(sides, strides):
    """Return the rows and columns of the output of a 'same' convolution."""
    return [-(-side // step) for side, step in zip(sides, strides, strict=True)]


def same_padding(side, n_outputs, kernel_side, step):
    """Return how many pixels of padding go before a side and after it."""
    # TensorFlow's rule: an odd pixel of padding goes to the end.
    total = max((n_outputs - 1) * step + kernel_side - side, 0)
    return total // 2, total - total // 2


def _shifted_right(integers, shift, rounding):
    # For numbers below _MOST_MAGNITUDE, longer shifts give the same result.
    shift = min(shift, 62)
    floor = integers >> shift
    if rounding == "floor":
        return floor
    rest = integers - (floor << shift)
    half = 1 << (shift - 1)
    return floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))
