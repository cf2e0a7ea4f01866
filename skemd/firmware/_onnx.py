"""Encoder and decoder as ONNX graphs, written from their weights.

Rounding is part of the encoder's graph: numbers are scaled to steps of their format,
rounded, clipped and scaled back. All of this, and every sum, is exact in single
precision, so ONNX Runtime returns the integer encoder's codes bit for bit.
"""

import numpy as np

from skemd import __version__
from skemd._extras import import_extra
from skemd._input._same_padding import same_padding
from skemd._io._files import check_replaceable, replace_file
from skemd._number_formats._links import CONV_FRACTION_BITS, DENSE_FRACTION_BITS
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._graph_meaning import (
    decoder_meaning,
    encoder_meaning,
    has_softmax,
    placement_of,
)

__all__ = ["check_is_exact", "export_onnx"]

# Old enough for the runtimes in use, and new enough for the operators used here.
_OPSET = 17
_IR_VERSION = 8
# Whole numbers up to here are exact in single precision.
_EXACT_IN_FLOAT32 = 2**24


def export_onnx(model, path, *, part="encoder"):
    """Write an encoder or a decoder as an ONNX file.

    Parameters
    ----------
    model : IntegerEncoder or EMDAutoencoder
        What to write. An autoencoder must be fitted and, if its encoder is written,
        fitted for the chip, as required by `IntegerEncoder.from_estimator`.
    path : str or path
        The file. One of the same name is replaced in one step; a link is refused.
    part : {"encoder", "decoder"}, default="encoder"
        The encoder takes "image", shape (n, height, width, channels), and returns
        "code", shape (n, n_components), with all its roundings; the decoder takes
        "code" and returns "image", in floating point. Only an autoencoder has a
        decoder, whose "code" ends with what it is told of the sum, if it is told. All
        numbers are float32. What they mean stands in the file's metadata.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If there is no such part, a sum may not be exact in single precision, or `path`
        is a link or anything else that is not a plain file.
    OSError
        If the file cannot be written. What was there before stays.
    """
    onnx = import_extra("onnx", "firmware")
    if part == "encoder":
        fitted = not isinstance(model, IntegerEncoder)
        encoder = IntegerEncoder.from_estimator(model) if fitted else model
        graph, meaning = _encoder_graph(onnx, encoder), encoder_meaning(encoder)
    elif part == "decoder" and not isinstance(model, IntegerEncoder):
        graph = _decoder_graph(onnx, model.decoder_, model.layout_)
        meaning = decoder_meaning(model.n_components, model._inputs)
    else:
        raise ValueError(
            "part must be 'encoder', or 'decoder' of a fitted EMDAutoencoder; got "
            f"{part!r} of {type(model).__name__}."
        )
    written = graph.model()
    onnx.helper.set_model_props(written, meaning)
    onnx.checker.check_model(written, full_check=True)
    check_replaceable(path)
    replace_file(path, written.SerializeToString())


class _Graph:
    """A chain of ONNX operators, each applied to the output of the one before it.

    Parameters
    ----------
    onnx : module
        The package.
    name : str
        Name of the graph.
    input, output : (str, tuple of int)
        Name and shape of the input and the output, without the number of samples.
    """

    def __init__(self, onnx, name, input, output):
        self._onnx = onnx
        self._name = name
        self._input, self._output = input, output
        self._last = input[0]
        self._nodes, self._constants = [], []

    def add(self, operator, *constants, name, **attributes):
        """Append an operator; further inputs are arrays, or names of outputs before."""
        inputs = [self._last]
        for number, values in enumerate(constants):
            if isinstance(values, str):
                inputs.append(values)
                continue
            inputs.append(f"{name}_{operator}_{number}")
            array = self._onnx.numpy_helper.from_array(values, inputs[-1])
            self._constants.append(array)
        self._last = f"{name}_{operator}"
        node = self._onnx.helper.make_node(
            operator, inputs, [self._last], name=self._last, **attributes
        )
        self._nodes.append(node)

    @property
    def last(self):
        """The name of the last operator's output."""
        return self._last

    def quantize(self, number_format, rounding, name):
        """Round and saturate to a format."""
        self.add("Mul", _float32(1 / number_format.step), name=f"{name}_steps")
        self.add("Round" if rounding == "half_even" else "Floor", name=name)
        ends = number_format.lowest_integer, number_format.highest_integer
        self.add("Clip", *map(_float32, ends), name=name)
        self.add("Mul", _float32(number_format.step), name=name)

    def model(self):
        """Return the graph as a model."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        self._nodes[-1].output[0] = self._output[0]
        ends = [
            helper.make_tensor_value_info(name, kind, ["n", *shape])
            for name, shape in (self._input, self._output)
        ]
        graph = helper.make_graph(
            self._nodes, self._name, ends[:1], ends[1:], self._constants
        )
        return helper.make_model(
            graph,
            producer_name="skemd",
            producer_version=__version__,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )


def _encoder_graph(onnx, encoder):
    check_is_exact(encoder)
    shape = encoder.image_shape
    n_components = encoder.dense_kernel.shape[1]
    graph = _Graph(onnx, "encoder", ("image", shape), ("code", (n_components,)))
    graph.quantize(encoder.input_format, encoder.rounding, "input")
    graph.add("Transpose", name="to_channels_first", perm=[0, 3, 1, 2])
    if encoder.arithmetic == "chip":
        _add_truncating_layers(graph, encoder)
    else:
        _add_exact_layers(graph, encoder)
    graph.quantize(encoder.latent_format, encoder.rounding, "latent")
    return graph


def _add_exact_layers(graph, encoder):
    after_conv, after_code = encoder.accumulator_formats
    graph.add(
        "Conv",
        _float32(encoder.conv_kernel.transpose(3, 2, 0, 1)),
        _float32(encoder.conv_bias),
        name="conv",
        **_conv_attributes(encoder),
    )
    if after_conv is not None:
        graph.quantize(after_conv, encoder.rounding, "conv")
    graph.add("Relu", name="conv")
    graph.add("Transpose", name="to_channels_last", perm=[0, 2, 3, 1])
    graph.add("Reshape", np.array([-1, len(encoder.dense_kernel)]), name="flatten")
    graph.add(
        "Gemm",
        _float32(encoder.dense_kernel),
        _float32(encoder.dense_bias),
        name="code",
    )
    if after_code is not None:
        graph.quantize(after_code, encoder.rounding, "code")
    graph.add("Relu", name="code")


def _add_truncating_layers(graph, encoder):
    """Append the chip's layers: products as an array of their own, rounded down."""
    rows, columns, _, n_filters = encoder.conv_kernel.shape
    # A filter for each place of the kernel lays out what an output sees.
    n_seen = rows * columns
    places = np.eye(n_seen).reshape(n_seen, 1, rows, columns)
    graph.add("Conv", _float32(places), name="seen", **_conv_attributes(encoder))
    graph.add("Transpose", name="to_channels_last", perm=[0, 2, 3, 1])
    kernel = encoder.conv_kernel.reshape(n_seen, n_filters)
    steps = 2.0**CONV_FRACTION_BITS
    graph.add("Reshape", np.array([-1, n_seen, 1]), name="seen")
    _add_truncating_layer(graph, kernel, encoder.conv_bias, steps, "conv")
    n_inputs = len(encoder.dense_kernel)
    graph.add("Reshape", np.array([-1, n_inputs, 1]), name="flatten")
    steps = 2.0**DENSE_FRACTION_BITS
    _add_truncating_layer(
        graph, encoder.dense_kernel, encoder.dense_bias, steps, "code"
    )


def _add_truncating_layer(graph, kernel, bias, steps, name):
    graph.add("Mul", _float32(kernel * steps), name=f"{name}_products")
    graph.add("Floor", name=name)
    graph.add("ReduceSum", np.array([1]), name=name, keepdims=0)
    graph.add("Add", _float32(bias * steps), name=name)
    graph.add("Mul", _float32(1 / steps), name=name)
    graph.add("Relu", name=name)


def _conv_attributes(encoder):
    sides = encoder.image_shape[:2], encoder.conv_kernel.shape[:2], encoder.strides
    pads = [same_padding(*axis) for axis in zip(*sides, strict=True)]
    return {"strides": encoder.strides, "pads": _onnx_pads(pads)}


def _decoder_graph(onnx, decoder, layout):
    # Keras takes seconds to import, and encoders do not need it.
    from skemd._backend import layers_with_weights, weights_of

    dense, *residual, deconv, pixels = layers_with_weights(decoder)
    image_shape, small_shape = layout.shape, deconv.input.shape[1:]
    code_shape = weights_of(dense)[0].shape[:1]
    graph = _Graph(onnx, "decoder", ("code", code_shape), ("image", image_shape))
    graph.add("Gemm", *map(_float32, weights_of(dense)), name="dense")
    graph.add("Relu", name="dense")
    for layer in residual:
        before = graph.last
        graph.add("Gemm", *map(_float32, weights_of(layer)), name=layer.name)
        graph.add("Relu", name=layer.name)
        graph.add("Add", before, name=layer.name)
    graph.add("Reshape", np.array([-1, *small_shape]), name="reshape")
    graph.add("Transpose", name="to_channels_first", perm=[0, 3, 1, 2])
    _add_transposed(graph, deconv.strides, *weights_of(deconv), "deconv")
    graph.add("Relu", name="deconv")
    sides = np.array(image_shape[:2])
    if (np.array(small_shape[:2]) * deconv.strides != sides).any():
        # An odd side comes back one pixel too long.
        graph.add("Slice", np.zeros(2, int), sides, np.array([2, 3]), name="crop")
    _add_transposed(graph, pixels.strides, *weights_of(pixels), "pixels")
    if not has_softmax(decoder):
        graph.add("Sigmoid", name="pixels")
    graph.add("Transpose", name="to_channels_last", perm=[0, 2, 3, 1])
    if has_softmax(decoder):
        placement = _float32(placement_of(layout))
        graph.add("Reshape", np.array([-1, placement.shape[1]]), name="pixels")
        graph.add("MatMul", placement.T, name="cells")
        graph.add("Softmax", name="cells", axis=1)
        graph.add("MatMul", placement, name="image")
        graph.add("Reshape", np.array([-1, *image_shape]), name="image")
    return graph


def _add_transposed(graph, strides, kernel, bias, name):
    """Append a 'same' transposed convolution.

    It runs the convolution of its output backwards, with the padding of the latter.
    """
    # For sides that are multiples of the step, the padding does not depend on them.
    pads = [
        same_padding(step, kernel_side, step)
        for kernel_side, step in zip(kernel.shape[:2], strides, strict=True)
    ]
    # A kernel that is shorter than its step leaves the last pixels to the bias.
    left_over = [
        max(step - kernel_side, 0)
        for kernel_side, step in zip(kernel.shape[:2], strides, strict=True)
    ]
    graph.add(
        "ConvTranspose",
        _float32(kernel.transpose(3, 2, 0, 1)),
        _float32(bias),
        name=name,
        strides=strides,
        pads=_onnx_pads(pads),
        output_padding=left_over,
    )


def _onnx_pads(pads):
    front, back = zip(*pads, strict=True)
    return [*front, *back]


def _float32(values):
    return np.asarray(values, dtype=np.float32)


def check_is_exact(encoder):
    """Check that an encoder's sums are exact in single precision.

    Parameters
    ----------
    encoder : IntegerEncoder
        Of any formats.

    Raises
    ------
    ValueError
        If a number may need more than 24 bits.
    """
    largest = dict(
        zip(
            ("the convolution's sums", "the dense layer's sums"),
            (number_format.highest_integer for number_format in encoder.sum_formats),
            strict=True,
        )
    )
    for name in ("input_format", "latent_format"):
        largest[name] = getattr(encoder, name).highest_integer
    for number_format in filter(None, encoder.accumulator_formats):
        largest["accumulator_format"] = number_format.highest_integer
    for name, number in largest.items():
        if number >= _EXACT_IN_FLOAT32:
            raise ValueError(
                f"Graphs compute in single precision, which holds 24 bits, but {name} "
                f"may take {number.bit_length()}. Choose shorter formats."
            )
