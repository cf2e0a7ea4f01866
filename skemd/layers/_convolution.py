"""'Same' convolutions of small grids, computed as matrix products.

The libraries behind Keras are made for large images. On a CPU their convolutions of a
few pixels, the transposed ones above all, take several times as long.
"""

import numpy as np

from skemd._backend import keras
from skemd._input._same_padding import output_grid, same_padding
from skemd.layers._quantizers import (
    WithinFormat,
    as_dict,
    as_format,
    straight_through,
)

__all__ = ["GridConv2D", "GridConv2DTranspose"]

# Beyond this many pixels the matrix outgrows the caches and saves nothing.
MAX_PIXELS = 64


@keras.saving.register_keras_serializable("skemd")
class GridConv2D(keras.layers.Layer):
    """A 'same' 2-D convolution of a small grid, computed as one matrix product.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int
        Height and width of the kernel.
    strides : int or (int, int), default=1
        Step between output pixels, down and across.
    activation : str or None, default=None
        Name of a Keras activation.
    kernel_initializer : str or keras.initializers.Initializer
        Initializer of the kernel.
    bias_initializer : str or keras.initializers.Initializer
        Initializer of the bias.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty on the kernel.
    weight_format : FixedPoint or None, default=None
        Format to which kernel and bias are rounded before they are used. The weights
        themselves keep their full precision, for the optimizer, but stay within the
        range of the format.
    **kwargs
        Options of ``keras.layers.Layer``.

    Notes
    -----
    Weights, padding ('same' as in TensorFlow, with an odd pixel of padding at the
    bottom and right) and result are those of ``keras.layers.Conv2D`` with
    ``padding="same"`` and ``data_format="channels_last"``.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        activation=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        weight_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = (
            (strides, strides) if isinstance(strides, int) else tuple(strides)
        )
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.weight_format = as_format(weight_format)

    def build(self, input_shape):
        """Create Conv2D's weights and find the pixels that each of them connects."""
        self._set_shapes(input_shape)
        constraint = self.weight_format and WithinFormat(self.weight_format)
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape(),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=constraint,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.filters,),
            initializer=self.bias_initializer,
            constraint=constraint,
        )

    def compute_output_shape(self, input_shape):
        """Return (batch, height, width, filters)."""
        height, width = self._output_grid(*input_shape[1:3])
        return (input_shape[0], height, width, self.filters)

    def call(self, inputs):
        """Convolve: one matrix product on a small grid, Keras's operation on others."""
        if self._taps is None:
            outputs = self._convolve(inputs)
        else:
            flat = keras.ops.reshape(inputs, (-1, self._n_inputs * self._channels))
            outputs = keras.ops.matmul(flat, self._matrix())
            outputs = keras.ops.reshape(outputs, (-1, *self._output_shape))
        return self.activation(
            outputs + straight_through(self.bias, self.weight_format)
        )

    def get_config(self):
        """Return the parameters of the constructor."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "weight_format": as_dict(self.weight_format),
        }

    def _set_shapes(self, input_shape):
        _, height, width, self._channels = input_shape
        self._output_shape = self.compute_output_shape(input_shape)[1:]
        self._n_inputs = height * width
        self._n_outputs = self._output_shape[0] * self._output_shape[1]
        small = max(self._n_inputs, self._n_outputs) <= MAX_PIXELS
        taps = _taps(height, width, self.kernel_size, self.strides) if small else None
        self._taps = taps

    def _kernel_shape(self):
        return (self.kernel_size, self.kernel_size, self._channels, self.filters)

    def _output_grid(self, height, width):
        return output_grid((height, width), self.strides)

    def _convolve(self, inputs):
        return keras.ops.conv(
            inputs,
            self._used_kernel(),
            self.strides,
            "same",
            data_format="channels_last",
        )

    def _used_kernel(self):
        return straight_through(self.kernel, self.weight_format)

    def _matrix(self):
        """Spread the kernel over a (pixels in x channels, pixels out x filters) matrix.

        The spreading is itself a product, with the 0/1 matrix of the taps: a gather
        would need a scatter for its gradient, which is slow on CPUs.
        """
        kernel = keras.ops.reshape(self._used_kernel(), (self.kernel_size**2, -1))
        matrix = keras.ops.matmul(self._taps, kernel)
        shape = (self._n_inputs, self._n_outputs, self._channels, self.filters)
        matrix = keras.ops.reshape(matrix, shape)
        matrix = keras.ops.transpose(matrix, (0, 2, 1, 3))
        return keras.ops.reshape(
            matrix, (self._n_inputs * self._channels, self._n_outputs * self.filters)
        )


@keras.saving.register_keras_serializable("skemd")
class GridConv2DTranspose(GridConv2D):
    """A 'same' transposed 2-D convolution of a grid, as one matrix product and sums.

    Weights and result are those of ``keras.layers.Conv2DTranspose`` with
    ``padding="same"``.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size : int
        Height and width of the kernel.
    strides : int or (int, int), default=1
        Output pixels for each input pixel, down and across.
    activation : str or None, default=None
        Name of a Keras activation.
    kernel_initializer : str or keras.initializers.Initializer
        Initializer of the kernel.
    bias_initializer : str or keras.initializers.Initializer
        Initializer of the bias.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty on the kernel.
    weight_format : FixedPoint or None, default=None
        Format to which kernel and bias are rounded before they are used. The weights
        themselves keep their full precision, for the optimizer, but stay within the
        range of the format.
    **kwargs
        Options of ``keras.layers.Layer``.
    """

    @property
    def products_per_sample(self):
        """How many numbers are added to the outputs of each image."""
        return self._n_inputs * self.kernel_size**2 * self.filters

    def call(self, inputs):
        """Multiply each pixel by the kernel, and add up what falls on one output."""
        _, height, width, channels = inputs.shape
        size, filters = self.kernel_size, self.filters
        kernel = keras.ops.transpose(self._used_kernel(), (3, 0, 1, 2))
        kernel = keras.ops.reshape(kernel, (channels, size**2 * filters))
        products = keras.ops.matmul(keras.ops.reshape(inputs, (-1, channels)), kernel)
        sides = (height, width, size, size, filters)
        products = keras.ops.reshape(products, (-1, *sides))
        rows = _overlaid(products, 1, 3, self.strides[0])
        outputs = _overlaid(rows, 2, 3, self.strides[1])
        return self.activation(
            outputs + straight_through(self.bias, self.weight_format)
        )

    def _set_shapes(self, input_shape):
        _, height, width, self._channels = input_shape
        self._n_inputs = height * width

    def _kernel_shape(self):
        return (self.kernel_size, self.kernel_size, self.filters, self._channels)

    def _output_grid(self, height, width):
        return height * self.strides[0], width * self.strides[1]


def _overlaid(x, axis, tap_axis, step):
    """Put the products of each pixel where they belong along one side, and add them.

    Parameters
    ----------
    x : tensor
        Products of pixels, along `axis`, with elements of the kernel, along `tap_axis`.
    axis, tap_axis : int
        The former comes first.
    step : int
        Outputs for each pixel.

    Returns
    -------
    sums : tensor
        With `step` times as many entries along `axis`, and without `tap_axis`.
    """
    side, n_taps = x.shape[axis], x.shape[tap_axis]
    before, _ = same_padding(side * step, n_taps, step)
    # Outputs that are `step` apart see the same elements, moved by whole pixels.
    phases = [0] * step
    for tap in range(n_taps):
        pixels, phase = divmod(tap - before, step)
        products = x[(slice(None),) * tap_axis + (tap,)]
        phases[phase] = phases[phase] + _moved(products, axis, pixels)
    nothing = keras.ops.zeros_like(phases[0])
    sums = keras.ops.stack([nothing + phase for phase in phases], axis=axis + 1)
    shape = list(sums.shape)
    shape[axis : axis + 2] = [side * step]
    return keras.ops.reshape(sums, (-1, *shape[1:]))


def _moved(x, axis, pixels):
    """Move a tensor along an axis; what leaves is lost, and zeros come in."""
    side = x.shape[axis]
    padding = [(0, 0)] * len(x.shape)
    padding[axis] = (max(pixels, 0), max(-pixels, 0))
    kept = slice(padding[axis][1], padding[axis][1] + side)
    return keras.ops.pad(x, padding)[(slice(None),) * axis + (kept,)]


def _taps(height, width, kernel_size, strides):
    """Return which kernel element connects which pixels of a 'same' convolution.

    Returns
    -------
    taps : ndarray of float32 of shape (pixels in * pixels out, kernel_size**2)
        1 where an input pixel reaches an output pixel through a kernel element.
    """
    rows = _taps_along_axis(height, kernel_size, strides[0])
    columns = _taps_along_axis(width, kernel_size, strides[1])
    taps = np.einsum("iak,jbl->ijabkl", rows, columns)
    return taps.reshape(-1, kernel_size**2)


def _taps_along_axis(side, kernel_size, step):
    (n_outputs,) = output_grid([side], [step])
    before, _ = same_padding(side, kernel_size, step)
    taps = np.zeros((side, n_outputs, kernel_size), dtype=np.float32)
    for output in range(n_outputs):
        for tap in range(kernel_size):
            pixel = output * step + tap - before
            if 0 <= pixel < side:
                taps[pixel, output, tap] = 1
    return taps
