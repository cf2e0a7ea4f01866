"""Layers whose products are rounded down one by one, as the encoder on ECON-T does it.

All numbers are whole multiples of a step and far below 2**24 of them, so that single
precision holds them, and all sums, exactly. Roundings are in the forward pass only:
gradients are those of the layers without them.
"""

import math

from skemd._backend import keras
from skemd.layers._convolution import MAX_PIXELS, GridConv2D
from skemd.layers._quantizers import QuantizedDense, rounded_forward, straight_through

__all__ = ["TruncatingConv2D", "TruncatingDense"]


@keras.saving.register_keras_serializable("skemd")
class TruncatingConv2D(GridConv2D):
    """A convolution of an image of one channel whose products are each rounded down.

    Parameters
    ----------
    filters, kernel_size : int
        As in :class:`GridConv2D`.
    strides : int or (int, int), default=1
        As in :class:`GridConv2D`.
    fraction_bits : int
        Bits after the binary point that are left of a product.
    **kwargs
        Other parameters of :class:`GridConv2D`; `weight_format` is needed.
    """

    def __init__(self, filters, kernel_size, strides=1, *, fraction_bits, **kwargs):
        super().__init__(filters, kernel_size, strides, **kwargs)
        self.fraction_bits = fraction_bits

    def build(self, input_shape):
        """Create Conv2D's weights and find the pixels that each of them connects."""
        _, height, width, channels = input_shape
        if channels != 1 or height * width > MAX_PIXELS:
            raise ValueError(
                f"TruncatingConv2D takes images of one channel and {MAX_PIXELS} pixels "
                f"at most; got {height} x {width} x {channels}."
            )
        super().build(input_shape)

    @property
    def products_per_sample(self):
        """How many products are computed for each image."""
        return self._n_outputs * math.prod(self.kernel.shape)

    def call(self, inputs):
        """Round products down, add them and the bias, and apply the activation."""
        flat = keras.ops.reshape(inputs, (-1, self._n_inputs))
        # A product with the 0/1 matrix of the taps lays out what each output sees.
        taps = self._taps.reshape(self._n_inputs, -1)
        seen = keras.ops.reshape(
            keras.ops.matmul(flat, taps), (-1, self.kernel_size**2)
        )
        kernel = keras.ops.reshape(self._used_kernel(), (-1, self.filters))
        sums = sums_of_truncated(seen, kernel, self.fraction_bits)
        sums = sums + straight_through(self.bias, self.weight_format)
        return self.activation(keras.ops.reshape(sums, (-1, *self._output_shape)))

    def get_config(self):
        """Return the parameters of the constructor."""
        return {**super().get_config(), "fraction_bits": self.fraction_bits}


@keras.saving.register_keras_serializable("skemd")
class TruncatingDense(QuantizedDense):
    """A dense layer whose products are each rounded down.

    Parameters
    ----------
    units : int
        Number of outputs.
    weight_format : FixedPoint
        As in :class:`GridConv2D`.
    fraction_bits : int
        Bits after the binary point that are left of a product.
    **kwargs
        Options of ``keras.layers.Dense``, except for the constraints.
    """

    def __init__(self, units, weight_format, fraction_bits, **kwargs):
        super().__init__(units, weight_format, **kwargs)
        self.fraction_bits = fraction_bits

    @property
    def products_per_sample(self):
        """How many products are computed for each row."""
        return math.prod(self.kernel.shape)

    def call(self, inputs, training=None):
        """Round products down, add them and the bias, and apply the activation."""
        kernel = straight_through(self.kernel, self.weight_format)
        sums = sums_of_truncated(inputs, kernel, self.fraction_bits)
        return self.activation(sums + straight_through(self.bias, self.weight_format))

    def get_config(self):
        """Return the parameters of the constructor."""
        return {**super().get_config(), "fraction_bits": self.fraction_bits}


def sums_of_truncated(inputs, kernel, fraction_bits):
    """Multiply matrices, with each product of two numbers rounded down.

    Parameters
    ----------
    inputs : tensor of shape (n_samples, n_inputs)
        Pure numbers.
    kernel : tensor of shape (n_inputs, n_outputs)
        Pure numbers.
    fraction_bits : int
        Bits after the binary point that are left of a product.

    Returns
    -------
    sums : tensor of shape (n_samples, n_outputs)
        With the gradients of the matrix product.
    """
    steps = float(2**fraction_bits)
    # Outputs before inputs: the sum runs along neighbors in memory.
    columns = keras.ops.transpose(kernel * steps)
    products = keras.ops.floor(inputs[:, None, :] * columns[None])
    truncated = keras.ops.sum(products, axis=2) / steps
    return rounded_forward(keras.ops.matmul(inputs, kernel), truncated)
