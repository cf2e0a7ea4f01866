"""The builder of the networks: the encoder on the chip, the decoder behind the link."""

import dataclasses
import functools

import numpy as np

from skemd import layers
from skemd._autoencoder._decoders import mirror_decoder, residual_decoder
from skemd._backend import keras
from skemd._input._same_padding import output_grid
from skemd._number_formats._links import CONV_FRACTION_BITS, DENSE_FRACTION_BITS
from skemd.layers._blocks import FLOAT32, conv_layer, dense_layer, flattened

__all__ = [
    "DECODER",
    "ENCODER",
    "build_autoencoder",
    "products_per_sum",
    "small_image",
    "wide_image",
]

# The names of the two models within the autoencoder.
ENCODER, DECODER = "encoder", "decoder"
# Sides of so many pixels or fewer are not strided over.
_MIN_STRIDED_SIDE = 4


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
    arithmetic="exact",
    n_conditions=0,
    decoder="mirror",
    decoder_units=None,
    decoder_layers=None,
):
    """Build the encoder for the chip and the decoder behind the link.

    With the defaults of :class:`skemd.EMDAutoencoder` these are the networks of the
    paper: 2,144 and 2,833 parameters for the layout "8x8", 2,288 and 2,979 for
    "4x4x3", where both encoders pass a 4 x 4 image to their dense layer. With formats
    the encoder rounds, in this order: the image; kernel and bias of each layer; each
    layer's sums, before ReLU; the code.

    Parameters
    ----------
    image_shape : (int, int, int)
        Shape of the layout.
    cell_to_pixel : sequence of int
        The attribute of the layout, see :class:`skemd.geometry.Layout`.
    n_components : int
        Numbers in a code.
    n_filters, kernel_size : int
        Number of filters of the convolutions, and their height and width.
    strides : int
        Step of the convolution along sides of more than four pixels.
    seeds : iterator of int
        Seeds of the initializers.
    input_format, weight_format, accumulator_format, latent_format : FixedPoint or \
            None, default=None
        Formats of the encoder's stages; None for floating point.
    arithmetic : {"exact", "chip"}, default="exact"
        With "chip" the encoder rounds down what ECON-T rounds down: the image, every
        product by itself, and the code. Sums are not rounded, and all formats but that
        of the sums are needed.
    n_conditions : int, default=0
        Numbers that the decoder is told beside the code.
    decoder : {"mirror", "residual"}, default="mirror"
        The encoder's layers in reverse, or residual layers and a softmax.
    decoder_units, decoder_layers : int or None, default=None
        The size of the residual one.

    Returns
    -------
    autoencoder : keras.Model
        Takes images and gives cells of shape (n_samples, n_cells). Its submodels
        `ENCODER` and `DECODER` go from images to codes and from codes to images. With
        conditions the decoder takes rows of a code and its conditions, and the
        autoencoder rows of a flattened image and its conditions.

    Raises
    ------
    ValueError
        If there is only one cell, whose share of a wafer is always the same.
    """
    if len(cell_to_pixel) < 2:
        raise ValueError(f"an autoencoder needs two cells; got {len(cell_to_pixel)}")
    steps, small_shape = small_image(image_shape, strides, n_filters)
    encoder = _encoder(
        image_shape,
        n_components,
        n_filters,
        kernel_size,
        steps,
        seeds,
        input_format=input_format,
        weight_format=weight_format,
        accumulator_format=accumulator_format,
        latent_format=latent_format,
        arithmetic=arithmetic,
    )
    code = keras.Input((n_components + n_conditions,), name="code", **FLOAT32)
    options = {"kernel_size": kernel_size, "steps": steps, "seeds": seeds}
    if decoder == "residual":
        small_shape = wide_image(small_shape, decoder_units)
        options |= {"n_layers": decoder_layers, "cell_to_pixel": cell_to_pixel}
        image = residual_decoder(code, image_shape, small_shape, **options)
    else:
        n_cells = len(cell_to_pixel)
        image = mirror_decoder(code, image_shape, small_shape, n_cells, **options)
    decoder = keras.Model(code, image, name=DECODER)
    to_cells = layers.ImageToCells(image_shape, cell_to_pixel, name="cells", **FLOAT32)
    if n_conditions == 0:
        wafer = keras.Input(image_shape, name="image", **FLOAT32)
        code = encoder(wafer)
    else:
        n_pixels = int(np.prod(image_shape))
        wafer = keras.Input((n_pixels + n_conditions,), name="wafer", **FLOAT32)
        to_image = keras.layers.Reshape(image_shape, name="image", **FLOAT32)
        code = keras.ops.concatenate(
            [encoder(to_image(wafer[:, :n_pixels])), wafer[:, n_pixels:]], axis=1
        )
    return keras.Model(wafer, to_cells(decoder(code)), name="autoencoder")


def _encoder(
    image_shape,
    n_components,
    n_filters,
    kernel_size,
    steps,
    seeds,
    *,
    input_format,
    weight_format,
    accumulator_format,
    latent_format,
    arithmetic,
):
    """Return the model from images to codes: a convolution and a dense layer."""
    # Sums are rounded before ReLU, which then is a separate step.
    activation = "relu" if accumulator_format is None else None
    conv, fraction_bits, rounding = layers.GridConv2D, None, "half_even"
    if arithmetic == "chip":
        conv = functools.partial(
            layers.TruncatingConv2D, fraction_bits=CONV_FRACTION_BITS
        )
        fraction_bits, rounding = DENSE_FRACTION_BITS, "floor"
    image = keras.Input(image_shape, name="image", **FLOAT32)
    x = _rounded(image, input_format, "quantized_image", rounding)
    x = conv_layer(
        "conv",
        conv,
        n_filters,
        kernel_size,
        steps,
        activation,
        seeds,
        weight_format=weight_format,
    )(x)
    x = flattened(_rounded_relu(x, accumulator_format, "conv"))
    x = dense_layer(
        n_components,
        next(seeds),
        "code",
        activation,
        weight_format=weight_format,
        fraction_bits=fraction_bits,
    )(x)
    x = _rounded_relu(x, accumulator_format, "code")
    x = _rounded(x, latent_format, "quantized_code", rounding)
    return keras.Model(image, x, name=ENCODER)


def small_image(image_shape, strides, n_filters):
    """Return the encoder's steps along both sides, and the shape that results.

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
        Height, width and number of filters of the convolution's output.
    """
    height, width, _ = image_shape
    steps = tuple(
        strides if side > _MIN_STRIDED_SIDE else 1 for side in (height, width)
    )
    return steps, (*output_grid((height, width), steps), n_filters)


def wide_image(small_shape, n_units):
    """Return the shape with enough filters for at least so many numbers."""
    height, width, _ = small_shape
    return (height, width, -(-n_units // (height * width)))


def products_per_sum(image_shape, n_filters, kernel_size, strides):
    """Return how many products each sum of the encoder's two layers adds up.

    Parameters
    ----------
    image_shape : (int, int, int)
        Shape of the layout.
    n_filters, kernel_size, strides : int
        As in :func:`build_autoencoder`.

    Returns
    -------
    n_conv_products, n_dense_products : int
        For the convolution and for the dense layer.
    """
    _, small_shape = small_image(image_shape, strides, n_filters)
    return kernel_size**2 * image_shape[2], int(np.prod(small_shape))


def _rounded(x, number_format, name, rounding="half_even"):
    if number_format is None:
        return x
    return layers.StraightThroughQuantizer(
        **dataclasses.asdict(number_format), rounding=rounding, name=name, **FLOAT32
    )(x)


def _rounded_relu(x, accumulator_format, name):
    if accumulator_format is None:
        return x
    x = _rounded(x, accumulator_format, f"{name}_accumulator")
    return keras.layers.Activation("relu", name=f"{name}_relu", **FLOAT32)(x)
