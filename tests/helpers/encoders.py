"""Encoders of random weights in several formats, and wafers that try their rounding.

The reference computes with Python's fractions, number by number, and shares no code
with the package beyond the formats' parameters.
"""

import copy
import functools
import math
from fractions import Fraction

import numpy as np
from small_data import small_wafers, tiny_autoencoder

from skemd.firmware import LINK_FORMATS, FixedPoint, IntegerEncoder
from skemd.geometry import hgcal_wafer

# The published choices: the chip's, those of the 6-bit models, and of train.py.
FORMATS = {
    "chip": {
        "input_format": FixedPoint(8, 1, signed=False),
        "weight_format": FixedPoint(6, 0),
    },
    "six bits": {
        "input_format": FixedPoint(10, 3),
        "weight_format": FixedPoint(6, 1),
    },
    "five bits": {
        "input_format": FixedPoint(10, 3),
        "weight_format": FixedPoint(5, 1),
    },
}


def random_chip_encoder(*, latent_bits=9, seed=0, **more):
    """Return an encoder of the chip whose codes use all bits, and saturate at times."""
    rng = np.random.default_rng(seed)

    def weights(*shape, scale):
        return FixedPoint(6, 0).quantize(rng.normal(scale=scale, size=shape))

    more = {"latent_format": FixedPoint(latent_bits, 1, signed=False), **more}
    return IntegerEncoder(
        weights(3, 3, 1, 8, scale=0.6),
        weights(8, scale=0.3),
        weights(128, 16, scale=0.7),
        weights(16, scale=0.5),
        **more,
    )


def random_encoder(
    formats="chip", *, latent_bits=9, seed=0, layout="8x8", accumulator=(11, 3), **more
):
    """Return an encoder whose sums saturate now and then and whose codes use all bits.

    Kernels are drawn wide enough that some sums leave the accumulator's range.
    """
    rng = np.random.default_rng(seed)
    shape = hgcal_wafer().layout(layout).shape
    weight_format = FORMATS[formats]["weight_format"]

    def weights(*shape, scale):
        return weight_format.quantize(rng.normal(scale=scale, size=shape))

    if isinstance(accumulator, tuple):
        accumulator = FixedPoint(*accumulator)
    return IntegerEncoder(
        weights(3, 3, shape[2], 8, scale=2.0),
        weights(8, scale=0.5),
        weights(128, 16, scale=0.25),
        weights(16, scale=0.5),
        arithmetic="exact",
        **FORMATS[formats],
        accumulator_format=accumulator,
        latent_format=FixedPoint(latent_bits, 1, signed=False),
        strides=2 if layout == "8x8" else 1,
        **more,
    )


@functools.cache
def _fitted_network(layout):
    fitted = tiny_autoencoder(n_filters=8, n_components=16, layout=layout, epochs=1)
    return with_wide_weights(fitted.fit(small_wafers()))


def with_wide_weights(fitted, scale=0.4):
    """Return an autoencoder with noise on the encoder's weights, so that sums saturate.

    Some weights then lie outside the format, where the network saturates them.
    """
    # A copy builds its networks anew, from the weights.
    twin = copy.deepcopy(fitted)
    rng = np.random.default_rng(9)
    for place in range(4):
        weight = twin.network_.weights[place]
        noise = rng.normal(scale=scale, size=weight.shape).astype(np.float32)
        twin.network_.weights[place] = weight + noise
    return twin


@functools.cache
def _fitted_chip(links):
    fitted = tiny_autoencoder(
        n_filters=8, n_components=16, n_output_links=links, epochs=1
    )
    return with_wide_weights(fitted.fit(small_wafers()))


def fitted_for_the_chip(links=5):
    """Return an autoencoder that was fitted through the chip's arithmetic."""
    return copy.deepcopy(_fitted_chip(links))


def fitted_in_exact_sums(links=5, layout="8x8", **changed):
    """Return an autoencoder with the formats of a number of links, in exact sums."""
    return with_chip_formats(copy.deepcopy(_fitted_network(layout)), links, **changed)


def with_chip_formats(fitted, links=5, **changed):
    """Set the formats of a number of links on an autoencoder."""
    formats = {
        "input_format_": FixedPoint(8, 1, signed=False),
        "weight_format_": FixedPoint(6, 0),
        "accumulator_format_": FixedPoint(11, 3),
        "latent_format_": LINK_FORMATS[links],
    }
    for name, number_format in (formats | changed).items():
        setattr(fitted, name, number_format)
    return fitted


def try_images(n, encoder, seed=1):
    """Return images with many pixels on ties of the input format.

    Some are far brighter than normalized ones, so that inputs and sums saturate; some
    pixels are negative, which only a signed input format keeps.
    """
    rng = np.random.default_rng(seed)
    cells = rng.exponential(size=(n, 48)) ** 2 * (rng.random((n, 48)) < 0.3)
    cells[:, 0] += 0.1
    images = encoder.images(cells)
    images[::4] *= 16
    images[::5] *= rng.choice([-1, 1], size=images[::5].shape)
    # Odd multiples of half a step.
    step = encoder.input_format.step
    ties = (np.floor(images / step) + 0.5) * step
    odd = (rng.random(images.shape) < 0.5) & (images != 0)
    images[odd] = ties[odd]
    return images.astype(np.float32)


def reference_codes(encoder, images):
    """Encode a few images in exact fractions, number by number."""
    return [_reference_code(encoder, image) for image in np.asarray(images)]


def _reference_code(encoder, image):
    height, width, channels = image.shape
    rows, columns, _, n_filters = encoder.conv_kernel.shape
    (down, across), mode = encoder.strides, encoder.rounding
    after_conv, after_code = encoder.accumulator_formats
    top = max((-(-height // down) - 1) * down + rows - height, 0) // 2
    left = max((-(-width // across) - 1) * across + columns - width, 0) // 2
    features = []
    for y in range(-(-height // down)):
        for x in range(-(-width // across)):
            for f in range(n_filters):
                total = Fraction(float(encoder.conv_bias[f]))
                for i in range(rows):
                    for j in range(columns):
                        v, u = y * down + i - top, x * across + j - left
                        if not (0 <= v < height and 0 <= u < width):
                            continue
                        for c in range(channels):
                            pixel = _rounded(image[v, u, c], encoder.input_format, mode)
                            weight = Fraction(float(encoder.conv_kernel[i, j, c, f]))
                            total += pixel * weight
                features.append(max(_rounded(total, after_conv, mode), Fraction(0)))
    code = []
    for k in range(encoder.dense_kernel.shape[1]):
        total = Fraction(float(encoder.dense_bias[k]))
        for feature, weight in zip(features, encoder.dense_kernel[:, k], strict=True):
            total += feature * Fraction(float(weight))
        total = max(_rounded(total, after_code, mode), Fraction(0))
        code.append(float(_rounded(total, encoder.latent_format, mode)))
    return code


def _rounded(value, number_format, mode):
    if number_format is None:
        return value
    fraction = number_format.bits - number_format.integer_bits - number_format.signed
    step = Fraction(1, 2**fraction)
    steps = (Fraction(float(value)) if isinstance(value, np.floating) else value) / step
    # Python rounds fractions half to even.
    whole = math.floor(steps) if mode == "floor" else round(steps)
    span = 2 ** (number_format.bits - number_format.signed)
    return min(max(whole, -span if number_format.signed else 0), span - 1) * step


def float_codes(encoder, images):
    """Encode images in double precision, where every sum is exact."""
    round_ = np.rint if encoder.rounding == "half_even" else np.floor

    def rounded(values, number_format):
        if number_format is None:
            return values
        steps = round_(values / number_format.step)
        low, high = number_format.lowest, number_format.highest
        return np.clip(steps * number_format.step, low, high)

    rows, columns = encoder.conv_kernel.shape[:2]
    down, across = encoder.strides
    pixels = rounded(np.asarray(images, dtype=np.float64), encoder.input_format)
    # A kernel of 3 x 3 on even sides: one pixel behind, and one in front at a step of
    # one.
    front = (int(down == 1), int(across == 1))
    pixels = np.pad(pixels, [(0, 0), (front[0], 1), (front[1], 1), (0, 0)])
    height, width = images.shape[1:3]
    sums = sum(
        pixels[:, i : i + height : down, j : j + width : across]
        @ encoder.conv_kernel[i, j]
        for i in range(rows)
        for j in range(columns)
    )
    after_conv, after_code = encoder.accumulator_formats
    features = np.maximum(rounded(sums + encoder.conv_bias, after_conv), 0)
    sums = features.reshape(len(images), -1) @ encoder.dense_kernel
    outputs = np.maximum(rounded(sums + encoder.dense_bias, after_code), 0)
    return rounded(outputs, encoder.latent_format)
