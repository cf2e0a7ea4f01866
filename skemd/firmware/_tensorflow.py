"""Encoder and decoder as frozen TensorFlow graphs, for CMSSW's concentrator code.

That code feeds the first node of a graph and reads the last one. Graphs are built from
the weights, operator by operator, so it does not matter with which backend Keras has
trained them. All weights are constants. Rounding is part of the encoder's graph, and
exact in single precision, as in :mod:`skemd.firmware._onnx`.
"""

import numpy as np

from skemd._extras import import_extra
from skemd._io._files import check_replaceable, replace_file
from skemd._number_formats._links import (
    CONV_FRACTION_BITS,
    DENSE_FRACTION_BITS,
    SPREAD_LOG2,
    TYPICAL_LOG2,
)
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._graph_meaning import has_softmax, placement_of
from skemd.firmware._onnx import check_is_exact

__all__ = ["export_tensorflow"]

# Powers of two up to the largest sum that the chip sends.
_POWERS = 2.0 ** np.arange(40)


def export_tensorflow(model, path, *, part="encoder"):
    """Write an encoder or a decoder as a frozen TensorFlow graph.

    Parameters
    ----------
    model : IntegerEncoder or EMDAutoencoder
        What to write. An autoencoder must be fitted and, if its encoder is written,
        fitted for the chip, as required by `IntegerEncoder.from_estimator`.
    path : str or path
        The file, usually with the ending ``.pb``. One of the same name is replaced in
        one step; a link is refused.
    part : {"encoder", "decoder"}, default="encoder"
        The encoder goes from node "image", shape (n, height, width, channels), to node
        "code", shape (n, n_components), with all its roundings; the decoder from "code"
        to "image", in floating point. Only an autoencoder has a decoder. If that is
        told the sum, its "code" has one more column, the sum in counts, as
        `EMDAutoencoder.transform` and `EconT.unpack` return it. All numbers are
        float32.

    Raises
    ------
    ImportError
        If tensorflow is not installed.
    ValueError
        If there is no such part, a sum may not be exact in single precision, or `path`
        is a link or anything else that is not a plain file.
    OSError
        If the file cannot be written. What was there before stays.
    """
    if part == "encoder":
        fitted = not isinstance(model, IntegerEncoder)
        encoder = IntegerEncoder.from_estimator(model) if fitted else model
        check_is_exact(encoder)
        add, ends = _add_encoder, ("image", encoder.image_shape, "code")
        arguments = (encoder,)
    elif part == "decoder" and not isinstance(model, IntegerEncoder):
        inputs = model._inputs
        if inputs.n_given:
            raise ValueError(
                "CMSSW's concentrator code tells decoders the code alone, but this one "
                "was fitted with conditions. Fit one without."
            )
        n_numbers = model.n_components + inputs.tells_sum
        add, ends = _add_decoder, ("code", (n_numbers,), "image")
        arguments = (model.decoder_, inputs)
    else:
        raise ValueError(
            "part must be 'encoder', or 'decoder' of a fitted EMDAutoencoder; got "
            f"{part!r} of {type(model).__name__}."
        )
    tf = import_extra("tensorflow", "cmssw")
    name, shape, output = ends
    with tf.Graph().as_default():
        # First and last, which is how CMSSW finds them.
        given = tf.compat.v1.placeholder(tf.float32, (None, *shape), name=name)
        tf.identity(add(tf, given, *arguments), name=output)
        # Older versions refuse attributes that they do not know, even if they have
        # their defaults.
        whole = tf.compat.v1.train.export_meta_graph(strip_default_attrs=True)
    for node in whole.graph_def.node:
        node.attr.pop("_output_shapes", None)
    check_replaceable(path)
    replace_file(path, whole.graph_def.SerializeToString(deterministic=True))


def _add_encoder(tf, images, encoder):
    pixels = _quantized(tf, images, encoder.input_format, encoder.rounding)
    rows, columns, channels, n_filters = encoder.conv_kernel.shape
    n_seen, n_inputs = rows * columns * channels, len(encoder.dense_kernel)
    seen = tf.image.extract_patches(
        pixels,
        sizes=[1, rows, columns, 1],
        strides=[1, *encoder.strides, 1],
        rates=[1, 1, 1, 1],
        padding="SAME",
    )
    seen = tf.reshape(seen, [-1, n_seen])
    kernel = encoder.conv_kernel.reshape(n_seen, n_filters)
    features = _added_layer(tf, seen, kernel, encoder.conv_bias, encoder, 0)
    flat = tf.reshape(features, [-1, n_inputs])
    bias = encoder.dense_bias
    code = _added_layer(tf, flat, encoder.dense_kernel, bias, encoder, 1)
    return _quantized(tf, code, encoder.latent_format, encoder.rounding)


def _added_layer(tf, inputs, kernel, bias, encoder, number):
    """Return the first or the second layer's outputs, behind their ReLU."""
    if encoder.arithmetic == "chip":
        steps = 2.0 ** (CONV_FRACTION_BITS, DENSE_FRACTION_BITS)[number]
        # Every product by itself is rounded down. None of this is a product of
        # matrices, which a graphics processor may round.
        products = tf.floor(inputs[:, :, None] * _float32(kernel * steps))
        sums = tf.reduce_sum(products, axis=1) + _float32(bias * steps)
        return tf.nn.relu(sums * _float32(1 / steps))
    sums = tf.matmul(inputs, _float32(kernel)) + _float32(bias)
    if encoder.accumulator_formats[number] is not None:
        number_format = encoder.accumulator_formats[number]
        sums = _quantized(tf, sums, number_format, encoder.rounding)
    return tf.nn.relu(sums)


def _quantized(tf, values, number_format, rounding):
    """Round and saturate to a format."""
    nearest = tf.round if rounding == "half_even" else tf.floor
    steps = nearest(values * _float32(1 / number_format.step))
    lowest, highest = number_format.lowest_integer, number_format.highest_integer
    return tf.clip_by_value(steps, lowest, highest) * _float32(number_format.step)


def _add_decoder(tf, code, decoder, inputs):
    # Keras takes seconds to import, and encoders do not need it.
    from skemd._backend import layers_with_weights, weights_of

    dense, *residual, deconv, pixels = layers_with_weights(decoder)
    if inputs.tells_sum:
        code = tf.concat([code[:, :-1], _conditions(tf, code[:, -1:])], axis=1)

    def dense_relu(x, layer):
        kernel, bias = map(_float32, weights_of(layer))
        return tf.nn.relu(tf.matmul(x, kernel) + bias)

    small = dense_relu(code, dense)
    for layer in residual:
        small = small + dense_relu(small, layer)
    small = tf.reshape(small, [-1, *deconv.input.shape[1:]])
    image = tf.nn.relu(_transposed(tf, small, deconv))
    height, width, _ = inputs.layout.shape
    # An odd side comes back one pixel too long.
    image = _transposed(tf, image[:, :height, :width], pixels)
    if not has_softmax(decoder):
        return tf.sigmoid(image)
    placement = _float32(placement_of(inputs.layout))
    cells = tf.matmul(tf.reshape(image, [-1, placement.shape[1]]), placement.T)
    image = tf.matmul(tf.nn.softmax(cells), placement)
    return tf.reshape(image, [-1, *inputs.layout.shape])


def _transposed(tf, images, layer):
    """Return a 'same' transposed convolution."""
    from skemd._backend import weights_of

    kernel, bias = map(_float32, weights_of(layer))
    down, across = layer.strides
    _, height, width, _ = images.shape
    shape = [tf.shape(images)[0], height * down, width * across, kernel.shape[2]]
    return bias + tf.nn.conv2d_transpose(images, kernel, shape, (down, across), "SAME")


def _conditions(tf, sums):
    """Return what the decoder is told of the sums that were sent."""
    log2 = tf.math.log(tf.maximum(sums, 1)) * _float32(1 / np.log(2))
    powers = _float32(_POWERS)
    power = tf.reduce_max(tf.where(sums >= powers, powers, 1), axis=1, keepdims=True)
    scaled = (log2 - TYPICAL_LOG2) / SPREAD_LOG2
    return tf.concat([scaled, sums / power], axis=1)


def _float32(values):
    return np.asarray(values, dtype=np.float32)
