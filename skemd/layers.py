"""Keras layers of skemd: convolutions of small grids as matrix products, quantisers.

On a 4 x 4 grid a 5 x 5 convolution with 'same' padding touches almost every pixel
from every pixel. Written as one matrix it needs fewer multiplications than the
convolution, and matrix products are what every backend does best: on a CPU this is
many times faster than the backends' own convolutions. The layers hold the weights of
Keras's Conv2D and Conv2DTranspose, so they can be exchanged for these.
"""

import dataclasses

import numpy as np
from quantizers import get_fixed_quantizer

from skemd._backend import keras
from skemd._fixed_point import FixedPoint

__all__ = [
    "CellsToImage",
    "GridConv2D",
    "GridConv2DTranspose",
    "ImageToCells",
    "QuantizedDense",
    "StraightThroughQuantizer",
    "WithinFormat",
    "straight_through",
]

# Beyond this many pixels the matrix outgrows the caches and the savings.
MAX_PIXELS = 64
# To the nearest number, a tie to the even one; saturating.
_ROUND = get_fixed_quantizer("RND_CONV", "SAT")


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
        How the kernel starts.
    bias_initializer : str or keras.initializers.Initializer
        How the bias starts.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty on the kernel.
    weight_format : FixedPoint or None, default=None
        What kernel and bias are rounded to before they are used. The weights
        themselves keep their precision, for the optimiser, but not a range beyond
        the format's.
    **kwargs
        What every layer of Keras takes.

    Notes
    -----
    Weights, padding ('same' as in TensorFlow: what does not split evenly is padded at
    the bottom and right) and result are those of ``keras.layers.Conv2D`` with
    ``padding="same"`` and ``data_format="channels_last"``.
    """

    # Takes (pixels in, pixels out, channels, filters) to the matrix's order.
    _matrix_axes = (0, 2, 1, 3)

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
        self.weight_format = _as_format(weight_format)

    def build(self, input_shape):
        """Create Conv2D's weights and find which of them joins which pixels."""
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
            "weight_format": _as_dict(self.weight_format),
        }

    def _set_shapes(self, input_shape):
        _, height, width, self._channels = input_shape
        self._output_shape = self.compute_output_shape(input_shape)[1:]
        self._n_inputs = height * width
        self._n_outputs = self._output_shape[0] * self._output_shape[1]
        small = max(self._n_inputs, self._n_outputs) <= MAX_PIXELS
        self._taps = self._tap_matrix(height, width) if small else None

    def _kernel_shape(self):
        return (self.kernel_size, self.kernel_size, self._channels, self.filters)

    def _output_grid(self, height, width):
        return -(-height // self.strides[0]), -(-width // self.strides[1])

    def _tap_matrix(self, height, width):
        taps = _taps(height, width, self.kernel_size, self.strides)
        return taps.reshape(-1, self.kernel_size**2)

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
        shape = (self._n_inputs, self._n_outputs, *self._kernel_shape()[2:])
        matrix = keras.ops.reshape(matrix, shape)
        matrix = keras.ops.transpose(matrix, self._matrix_axes)
        return keras.ops.reshape(
            matrix, (self._n_inputs * self._channels, self._n_outputs * self.filters)
        )


@keras.saving.register_keras_serializable("skemd")
class GridConv2DTranspose(GridConv2D):
    """A 'same' transposed 2-D convolution of a small grid, as one matrix product.

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
        How the kernel starts.
    bias_initializer : str or keras.initializers.Initializer
        How the bias starts.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty on the kernel.
    weight_format : FixedPoint or None, default=None
        What kernel and bias are rounded to before they are used. The weights
        themselves keep their precision, for the optimiser, but not a range beyond
        the format's.
    **kwargs
        What every layer of Keras takes.
    """

    _matrix_axes = (0, 3, 1, 2)

    def _kernel_shape(self):
        return (self.kernel_size, self.kernel_size, self.filters, self._channels)

    def _output_grid(self, height, width):
        return height * self.strides[0], width * self.strides[1]

    def _tap_matrix(self, height, width):
        # The transposed convolution runs the convolution of its output backwards.
        grid = self._output_grid(height, width)
        taps = _taps(*grid, self.kernel_size, self.strides).swapaxes(0, 1)
        return taps.reshape(-1, self.kernel_size**2)

    def _convolve(self, inputs):
        return keras.ops.conv_transpose(
            inputs,
            self._used_kernel(),
            self.strides,
            "same",
            data_format="channels_last",
        )


@keras.saving.register_keras_serializable("skemd")
class CellsToImage(keras.layers.Layer):
    """Lay the cells of a wafer out as the image of a layout.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels of the image.
    cell_to_pixel : sequence of int of length n_cells
        For each cell its place in the flattened image, as in
        :class:`skemd.geometry.Layout`.
    **kwargs
        What every layer of Keras takes.
    """

    def __init__(self, shape, cell_to_pixel, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.cell_to_pixel = [int(pixel) for pixel in cell_to_pixel]
        n_cells = len(self.cell_to_pixel)
        # A product with a 0/1 matrix: gathering would be slower to differentiate.
        self._placement = np.zeros((n_cells, int(np.prod(shape))), dtype=np.float32)
        self._placement[np.arange(n_cells), self.cell_to_pixel] = 1

    def call(self, inputs):
        """Turn (batch, n_cells) into (batch, height, width, channels)."""
        images = keras.ops.matmul(inputs, self._placement)
        return keras.ops.reshape(images, (-1, *self.shape))

    def compute_output_shape(self, input_shape):
        """Return (batch, height, width, channels)."""
        return (input_shape[0], *self.shape)

    def get_config(self):
        """Return the parameters of the constructor."""
        return {
            **super().get_config(),
            "shape": self.shape,
            "cell_to_pixel": self.cell_to_pixel,
        }


@keras.saving.register_keras_serializable("skemd")
class ImageToCells(CellsToImage):
    """Read the cells of a wafer from the image of a layout, dropping empty pixels.

    It undoes what :class:`CellsToImage` does.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels of the image.
    cell_to_pixel : sequence of int of length n_cells
        For each cell its place in the flattened image, as in
        :class:`skemd.geometry.Layout`.
    **kwargs
        What every layer of Keras takes.
    """

    def call(self, inputs):
        """Turn (batch, height, width, channels) into (batch, n_cells)."""
        flat = keras.ops.reshape(inputs, (-1, self._placement.shape[1]))
        return keras.ops.matmul(flat, self._placement.T)

    def compute_output_shape(self, input_shape):
        """Return (batch, n_cells)."""
        return (input_shape[0], len(self.cell_to_pixel))


@keras.saving.register_keras_serializable("skemd")
class QuantizedDense(keras.layers.Dense):
    """Keras's dense layer, with kernel and bias rounded to a fixed-point format.

    Parameters
    ----------
    units : int
        Number of outputs.
    weight_format : FixedPoint
        As in :class:`GridConv2D`.
    **kwargs
        What ``keras.layers.Dense`` takes, but for the constraints.
    """

    def __init__(self, units, weight_format, **kwargs):
        self.weight_format = _as_format(weight_format)
        constraint = WithinFormat(self.weight_format)
        super().__init__(
            units, kernel_constraint=constraint, bias_constraint=constraint, **kwargs
        )

    def call(self, inputs, training=None):
        """Multiply with the rounded kernel and add the rounded bias."""
        kernel = straight_through(self.kernel, self.weight_format)
        bias = straight_through(self.bias, self.weight_format)
        return self.activation(keras.ops.matmul(inputs, kernel) + bias)

    def get_config(self):
        """Return the parameters of the constructor."""
        config = super().get_config()
        del config["kernel_constraint"], config["bias_constraint"]
        return {**config, "weight_format": _as_dict(self.weight_format)}


@keras.saving.register_keras_serializable("skemd")
class WithinFormat(keras.constraints.Constraint):
    """Keep weights in the range of a fixed-point format.

    Outside of it, where gradients are zero, they would be stuck.

    Parameters
    ----------
    weight_format : FixedPoint
        The format.
    """

    def __init__(self, weight_format):
        self.weight_format = _as_format(weight_format)

    def __call__(self, w):
        """Move each weight to the nearest number in the range."""
        return keras.ops.clip(w, self.weight_format.lowest, self.weight_format.highest)

    def get_config(self):
        """Return the parameters of the constructor."""
        return {"weight_format": _as_dict(self.weight_format)}


@keras.saving.register_keras_serializable("skemd")
class StraightThroughQuantizer(keras.layers.Layer):
    """Round to a fixed-point format; gradients pass as if nothing was rounded.

    Parameters
    ----------
    bits : int
        All bits of the format, the sign among them.
    integer_bits : int, default=1
        How many of them stand before the binary point, without the sign; the chip's
        codes have one, for a range of [0, 2).
    signed : bool, default=False
        Whether one bit is the sign.
    **kwargs
        What every layer of Keras takes.
    """

    def __init__(self, bits, integer_bits=1, signed=False, **kwargs):
        super().__init__(**kwargs)
        self.format = FixedPoint(bits, integer_bits, signed)

    def call(self, inputs):
        """Round and saturate."""
        return straight_through(inputs, self.format)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the parameters of the constructor."""
        return {**super().get_config(), **dataclasses.asdict(self.format)}


def straight_through(values, number_format):
    """Round to a fixed-point format; gradients pass as if nothing was rounded.

    Values are rounded to the nearest number of the format, a tie to the even one, and
    saturate at its ends; outside of these their gradient is zero. The rounding is that
    of the package ``quantizers``, as hls4ml has it.

    Parameters
    ----------
    values : tensor or keras.Variable of any shape
        Pure numbers, float32.
    number_format : FixedPoint or None
        Of at most 24 bits, more than which float32 does not hold; None leaves the
        values as they are.

    Returns
    -------
    values : tensor of the same shape
        Pure numbers, those of the format.
    """
    if number_format is None:
        return values
    sign = number_format.signed
    integer_bits = number_format.integer_bits
    fraction_bits = number_format.bits - sign - integer_bits
    # Not all backends take plain numbers here.
    parts = (
        keras.ops.convert_to_tensor(float(part), dtype="float32")
        for part in (sign, integer_bits, fraction_bits)
    )
    return _ROUND(keras.ops.convert_to_tensor(values), *parts)


def _as_format(weight_format):
    """Return a format that may come as a dict, from a layer's configuration."""
    if isinstance(weight_format, dict):
        return FixedPoint(**weight_format)
    return weight_format


def _as_dict(weight_format):
    return weight_format and dataclasses.asdict(weight_format)


def _taps(height, width, kernel_size, strides):
    """Say which kernel element joins which pixels of a 'same' convolution.

    Returns
    -------
    taps : ndarray of float32 of shape (pixels in, pixels out, kernel_size**2)
        1 where an input pixel reaches an output pixel through a kernel element.
    """
    rows = _taps_along_axis(height, kernel_size, strides[0])
    columns = _taps_along_axis(width, kernel_size, strides[1])
    taps = np.einsum("iak,jbl->ijabkl", rows, columns)
    return taps.reshape(height * width, -1, kernel_size**2)


def _taps_along_axis(size, kernel_size, strides):
    n_outputs = -(-size // strides)
    # TensorFlow's rule: the odd one of the padded pixels goes to the end.
    padding = max((n_outputs - 1) * strides + kernel_size - size, 0) // 2
    taps = np.zeros((size, n_outputs, kernel_size), dtype=np.float32)
    for output in range(n_outputs):
        for tap in range(kernel_size):
            pixel = output * strides + tap - padding
            if 0 <= pixel < size:
                taps[pixel, output, tap] = 1
    return taps
