"""The encoder for the chip and the decoder behind the link, as a pure builder."""

import dataclasses

import numpy as np

from skemd import layers
from skemd._backend import keras
from skemd._same_padding import output_grid
from skemd.layers._blocks import FLOAT32, conv_layer, dense_layer, flattened

__all__ = ["build_autoencoder", "small_image"]

# Below four pixels there is nothing left to stride over.
_MIN_STRIDED_SIDE = 4
# Mean sum of wafers that are normalized to their leading bit.
_TYPICAL_SUM = 1.5


def build_autoencoder(
    *,
    image_shape,
    cell_to_pixel,
    n_components,
    n_filters,
    kernel_size,
    strides,
    seeds,
    input_format=None,
    weight_format=None,
    accumulator_format=None,
    latent_format=None,
):
    """Build the encoder for the chip and the decoder behind the link.

    With the defaults of :class:`skemd.EMDAutoencoder` these are the networks of the
    paper: 2,144 and 2,833 parameters for the layout "8x8", 2,288 and 2,979 for
    "4x4x3", where both encoders hand a 4 x 4 image to their dense layer. The formats
    make the encoder round as the chip does, in this order: the image; kernel and bias
    of each layer; each layer's sums, before ReLU; the code.

    Parameters
    ----------
    image_shape : (int, int, int)
        Shape of the layout.
    cell_to_pixel : sequence of int
        The layout's, see :class:`skemd.geometry.Layout`.
    n_components : int
        Numbers in a code.
    n_filters, kernel_size : int
        Of the convolutions.
    strides : int
        Step of the convolution along sides of more than four pixels.
    seeds : iterator of int
        Seeds of the initializers.
    input_format, weight_format, accumulator_format, latent_format : FixedPoint or \
            None, default=None
        What the encoder rounds to; None for floating point.

    Returns
    -------
    autoencoder : keras.Model
        Takes images, gives cells of shape (n_samples, n_cells). Its layers "encoder"
        (images to codes) and "decoder" (codes to images) are models themselves.

    Raises
    ------
    ValueError
        If there is one cell only, whose share of a wafer is always the same.
    """
    if len(cell_to_pixel) < 2:
        raise ValueError(f"an autoencoder needs two cells; got {len(cell_to_pixel)}")
    height, width, channels = image_shape
    steps, small_shape = small_image(image_shape, strides, n_filters)

    image = keras.Input(image_shape, name="image", **FLOAT32)
    x = _rounded(image, input_format, "quantized_image")
    # Sums are rounded before ReLU, which then is a step of its own.
    activation = "relu" if accumulator_format is None else None
    conv = layers.GridConv2D
    like_conv2d = (n_filters, kernel_size, steps, activation, seeds)
    x = conv_layer("conv", conv, *like_conv2d, weight_format=weight_format)(x)
    x = flattened(_rounded_relu(x, accumulator_format, "conv"))
    x = dense_layer(n_components, next(seeds), "code", activation, None, weight_format)(
        x
    )
    x = _rounded_relu(x, accumulator_format, "code")
    x = _rounded(x, latent_format, "quantized_code")
    encoder = keras.Model(image, x, name="encoder")

    code = keras.Input((n_components,), name="code", **FLOAT32)
    x = dense_layer(int(np.prod(small_shape)), next(seeds), "dense", activation="relu")(
        code
    )
    x = keras.layers.Reshape(small_shape, name="reshape", **FLOAT32)(x)
    transpose = layers.GridConv2DTranspose
    x = conv_layer("deconv", transpose, n_filters, kernel_size, steps, "relu", seeds)(x)
    # An odd side comes back one pixel too long.
    x = x[:, :height, :width, :]
    # A wafer divided by the power of two below its sum has a sum of about 1.5. Starting
    # there keeps the first steps from driving units into ReLU's dead side.
    share = _TYPICAL_SUM / len(cell_to_pixel)
    x = conv_layer(
        "pixels",
        transpose,
        channels,
        kernel_size,
        1,
        "sigmoid",
        seeds,
        bias=keras.initializers.Constant(np.log(share / (1 - share))),
    )(x)
    decoder = keras.Model(code, x, name="decoder")

    to_cells = layers.ImageToCells(image_shape, cell_to_pixel, name="cells", **FLOAT32)
    return keras.Model(image, to_cells(decoder(encoder(image))), name="autoencoder")


def small_image(image_shape, strides, n_filters):
    """Return the encoder's steps along both sides, and what its convolution gives.

    Parameters
    ----------
    image_shape : (int, int, int)
        Shape of the layout.
    strides, n_filters : int
        As in :func:`build_autoencoder`.

    Returns
    -------
    steps : (int, int)
        1 along sides that are too short to stride over.
    shape : (int, int, int)
        Height, width and filters.
    """
    height, width, _ = image_shape
    steps = tuple(
        strides if side > _MIN_STRIDED_SIDE else 1 for side in (height, width)
    )
    return steps, (*output_grid((height, width), steps), n_filters)


def _rounded(x, number_format, name):
    if number_format is None:
        return x
    return layers.StraightThroughQuantizer(
        **dataclasses.asdict(number_format), name=name, **FLOAT32
    )(x)


def _rounded_relu(x, accumulator_format, name):
    if accumulator_format is None:
        return x
    x = _rounded(x, accumulator_format, f"{name}_accumulator")
    return keras.layers.Activation("relu", name=f"{name}_relu", **FLOAT32)(x)
