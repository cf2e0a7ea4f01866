"""The decoders behind the link: the encoder in reverse, or residual layers.

The chip fixes the encoder, but nothing fixes the receiver. Both kinds of decoder go
from a code, and what else the receiver is told, to the image of a layout.
"""

import numpy as np

from skemd import layers
from skemd._backend import keras
from skemd.layers._blocks import FLOAT32, conv_layer, dense_layer

__all__ = ["mirror_decoder", "residual_decoder", "residual_layers"]

# Mean sum of wafers divided by the power of two at or below their sum.
_TYPICAL_SUM = 1.5


def mirror_decoder(code, image_shape, small_shape, n_cells, kernel_size, steps, seeds):
    """Return the image of a code by the encoder's layers in reverse, as in the paper.

    Parameters
    ----------
    code : keras.KerasTensor of shape (n_samples, n_inputs)
        Codes, and what else the decoder is told.
    image_shape, small_shape : (int, int, int)
        Shapes of the image, and of what the encoder's convolution makes of it.
    n_cells : int
        Number of cells.
    kernel_size : int
        Height and width of the filters.
    steps : (int, int)
        The encoder's steps along both sides.
    seeds : iterator of int
        Seeds of the initializers.

    Returns
    -------
    image : keras.KerasTensor of shape (n_samples, height, width, channels)
        Pixels between 0 and 1.
    """
    x = dense_layer(int(np.prod(small_shape)), next(seeds), "dense", "relu")(code)
    x = _pixels(x, image_shape, small_shape, n_cells, kernel_size, steps, seeds)
    return keras.layers.Activation("sigmoid", name="sigmoid", **FLOAT32)(x)


def residual_decoder(
    code,
    image_shape,
    small_shape,
    cell_to_pixel,
    kernel_size,
    steps,
    n_layers,
    seeds,
):
    """Return the image of a code by a wider mirror, whose cells share one charge.

    A dense layer is followed by residual ones, x + relu(W x + b), by the convolutions
    of the mirror with more filters, and by a softmax over the cells.

    Parameters
    ----------
    code : keras.KerasTensor of shape (n_samples, n_inputs)
        Codes, and what else the decoder is told.
    image_shape, small_shape : (int, int, int)
        Shapes of the image, and of what the dense layers make; the latter has as many
        numbers as each of them has units.
    cell_to_pixel : sequence of int
        The attribute of the layout, see :class:`skemd.geometry.Layout`.
    kernel_size : int
        Height and width of the filters.
    steps : (int, int)
        The encoder's steps along both sides.
    n_layers : int
        Number of dense layers, the first one included.
    seeds : iterator of int
        Seeds of the initializers.

    Returns
    -------
    image : keras.KerasTensor of shape (n_samples, height, width, channels)
        Positive pixels where there are cells, of unit sum; others are 0.
    """
    n_units, n_cells = int(np.prod(small_shape)), len(cell_to_pixel)
    x = residual_layers(code, n_units, n_layers, seeds)
    x = _pixels(x, image_shape, small_shape, n_cells, kernel_size, steps, seeds)
    of_layout = {"shape": image_shape, "cell_to_pixel": cell_to_pixel, **FLOAT32}
    x = layers.ImageToCells(**of_layout, name="exponents")(x)
    x = keras.layers.Activation("softmax", name="softmax", **FLOAT32)(x)
    return layers.CellsToImage(**of_layout, name="pixels_of_cells")(x)


def _pixels(x, image_shape, small_shape, n_cells, kernel_size, steps, seeds):
    """Return an image by the encoder's convolution in reverse and another one."""
    height, width, channels = image_shape
    mean_charge = _TYPICAL_SUM / n_cells
    x = keras.layers.Reshape(small_shape, name="reshape", **FLOAT32)(x)
    x = conv_layer(
        "deconv",
        layers.GridConv2DTranspose,
        small_shape[2],
        kernel_size,
        steps,
        "relu",
        seeds,
    )(x)
    # An odd side comes back one pixel too long.
    x = x[:, :height, :width, :]
    return conv_layer(
        "pixels",
        layers.GridConv2DTranspose,
        channels,
        kernel_size,
        1,
        None,
        seeds,
        # Pixels that start at the mean charge of a cell keep the first steps from
        # driving units into ReLU's dead side.
        bias=keras.initializers.Constant(np.log(mean_charge / (1 - mean_charge))),
    )(x)


def residual_layers(x, units, n_layers, seeds):
    """Return what a dense layer and residual ones, x + relu(W x + b), make of inputs.

    Parameters
    ----------
    x : keras.KerasTensor of shape (n_samples, n_inputs)
        What the decoder is told.
    units, n_layers : int
        Width, and number of layers, the first one included.
    seeds : iterator of int
        Seeds of the initializers.

    Returns
    -------
    x : keras.KerasTensor of shape (n_samples, units)
        Not negative.
    """
    x = dense_layer(units, next(seeds), "dense", "relu")(x)
    for number in range(1, n_layers):
        x = x + dense_layer(units, next(seeds), f"residual_{number}", "relu")(x)
    return x
