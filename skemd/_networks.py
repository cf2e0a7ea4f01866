"""The networks: the EMD CNN, the encoder and the decoder, as pure builders.

A builder turns a configuration of plain values into an untrained Keras model. A
:class:`FittedNetwork` is such a configuration with its weights as arrays: it pickles
small and the same each time, and builds the live model when it is first used.
"""

import dataclasses
import functools
import threading

import numpy as np

from skemd import layers
from skemd._backend import keras
from skemd._stepping import compiled_forward
from skemd._training import fixed_batches, weights_of

__all__ = [
    "FittedNetwork",
    "build_autoencoder",
    "build_emd_network",
    "seeds_from",
    "small_image",
]

# The penalty on the weights of the paper's EMD CNN.
_PAPER_L2 = 1e-4
# Keras's default of 0.99 is too slow for trainings of a few hundred steps.
_BATCH_NORM_MOMENTUM = 0.95
# Below four pixels there is nothing left to stride over.
_MIN_STRIDED_SIDE = 4
# Far below what float32 can tell apart in wafers of unit sum.
_SMALLEST_VARIATION = 1e-12
# Mean sum of wafers that are normalised to their leading bit.
_TYPICAL_SUM = 1.5
# Whatever the user's own networks are set to, these compute in single precision.
_FLOAT32 = {"dtype": "float32"}
_PREDICT_BATCH = 500
_BUILD_LOCK = threading.RLock()


def seeds_from(rng):
    """Return an endless iterator of seeds for initialisers."""
    while True:
        yield int(rng.randint(np.iinfo(np.int32).max))


def build_emd_network(
    *,
    n_cells,
    image_shape,
    cell_to_pixel,
    n_filters,
    kernel_size,
    n_conv_layers,
    n_dense_layers,
    n_dense_units,
    head,
    min_distance,
    max_distance,
    seeds,
):
    r"""Build the CNN that approximates the EMD between two wafers.

    Both wafers are laid out as images, stacked as channels, and go through
    convolutions and dense layers, each followed by ReLU, to one number. These numbers
    are averaged over both orders of the wafers.

    With the head "linear" that average is the EMD, and every layer has batch
    normalisation and a penalty on its weights; with three convolutions of 32 5 x 5
    filters and a dense layer of 256 units this is the network of the paper. With the
    head "bounded" the network sees only the charge that has to move, since the EMD
    depends on nothing else, and the average x gives the mean distance that it moves;
    the part of the charge that has to move, the total variation, multiplies it:

    .. math:: \tfrac12 \sum_i |a_i - b_i| \;
        \bigl(d_{min} + (d_{max} - d_{min}) \, \sigma(x)\bigr).

    It is zero for equal wafers and never outside what the geometry allows.

    Parameters
    ----------
    n_cells : int
        Cells of a wafer.
    image_shape : (int, int, int)
        Shape of the layout.
    cell_to_pixel : sequence of int
        The layout's, see :class:`skemd.geometry.Layout`.
    n_filters, kernel_size, n_conv_layers, n_dense_layers, n_dense_units : int
        The architecture.
    head : {"bounded", "linear"}
        How the number becomes the EMD.
    min_distance, max_distance : float
        Smallest and largest distance of two cells, for the bounded head.
    seeds : iterator of int
        Seeds of the initialisers.

    Returns
    -------
    network : keras.Model
        Takes pairs of wafers of unit sum, shape (n_pairs, 2 * n_cells), and gives
        distances of shape (n_pairs,) in the unit of the geometry.
    """
    pairs = keras.Input((2 * n_cells,), name="pairs", **_FLOAT32)
    if head == "bounded":
        x, variation = _what_moves(pairs, n_cells)
    else:
        x = pairs
    # Both orders run side by side through one trunk, as a batch of twice the size.
    both = keras.ops.concatenate([x, keras.ops.roll(x, n_cells, axis=1)], axis=0)
    wafers = keras.ops.reshape(both, (-1, n_cells))
    images = layers.CellsToImage(image_shape, cell_to_pixel, name="layout", **_FLOAT32)(
        wafers
    )
    height, width, channels = image_shape
    x = keras.ops.reshape(images, (-1, 2, height, width, channels))
    x = keras.ops.transpose(x, (0, 2, 3, 1, 4))
    x = keras.ops.reshape(x, (-1, height, width, 2 * channels))
    penalty = keras.regularizers.L2(_PAPER_L2) if head == "linear" else None
    for number in range(1, n_conv_layers + 1):
        convolution = layers.GridConv2D(
            n_filters,
            kernel_size,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            kernel_regularizer=penalty,
            name=f"conv_{number}",
            **_FLOAT32,
        )
        x = _activated(convolution(x), head, f"conv_{number}")
    x = _flat(x)
    for number in range(1, n_dense_layers + 1):
        dense = _dense(n_dense_units, next(seeds), f"dense_{number}", penalty=penalty)
        x = _activated(dense(x), head, f"dense_{number}")
    x = _dense(1, next(seeds), "output")(x)
    one_order, other_order = keras.ops.split(keras.ops.reshape(x, (2, -1)), 2, axis=0)
    output = keras.ops.reshape((one_order + other_order) / 2, (-1,))
    if head == "bounded":
        span = max_distance - min_distance
        output = variation * (min_distance + span * keras.ops.sigmoid(output))
    return keras.Model(pairs, output, name="emd_cnn")


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
        Seeds of the initialisers.
    input_format, weight_format, accumulator_format, latent_format : FixedPoint or \
            None, default=None
        What the encoder rounds to; None for floating point.

    Returns
    -------
    autoencoder : keras.Model
        Takes images, gives cells of shape (n_samples, n_cells). Its layers "encoder"
        (images to codes) and "decoder" (codes to images) are models themselves.
    """
    height, width, channels = image_shape
    steps, small_shape = small_image(image_shape, strides, n_filters)

    image = keras.Input(image_shape, name="image", **_FLOAT32)
    x = _rounded(image, input_format, "quantized_image")
    # Sums are rounded before ReLU, which then is a step of its own.
    activation = "relu" if accumulator_format is None else None
    conv = layers.GridConv2D
    like_conv2d = (n_filters, kernel_size, steps, activation, seeds)
    x = _conv("conv", conv, *like_conv2d, weight_format=weight_format)(x)
    x = _flat(_rounded_relu(x, accumulator_format, "conv"))
    x = _dense(n_components, next(seeds), "code", activation, None, weight_format)(x)
    x = _rounded_relu(x, accumulator_format, "code")
    x = _rounded(x, latent_format, "quantized_code")
    encoder = keras.Model(image, x, name="encoder")

    code = keras.Input((n_components,), name="code", **_FLOAT32)
    x = _dense(int(np.prod(small_shape)), next(seeds), "dense", activation="relu")(code)
    x = keras.layers.Reshape(small_shape, name="reshape", **_FLOAT32)(x)
    transpose = layers.GridConv2DTranspose
    x = _conv("deconv", transpose, n_filters, kernel_size, steps, "relu", seeds)(x)
    # An odd side comes back one pixel too long.
    x = x[:, :height, :width, :]
    # A wafer divided by the power of two below its sum has a sum of about 1.5. Starting
    # there keeps the first steps from driving units into ReLU's dead side.
    share = _TYPICAL_SUM / len(cell_to_pixel)
    x = _conv(
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

    to_cells = layers.ImageToCells(image_shape, cell_to_pixel, name="cells", **_FLOAT32)
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
    return steps, (-(-height // steps[0]), -(-width // steps[1]), n_filters)


BUILDERS = {"emd": build_emd_network, "autoencoder": build_autoencoder}


class FittedNetwork:
    """A network as plain values: what to build, and the weights.

    Parameters
    ----------
    builder : {"emd", "autoencoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray or None, default=None
        As ``keras.Model.get_weights`` gives them; None for the initialisers'.
    seeds : iterator of int or None, default=None
        Seeds of the initialisers, needed where there are no weights.
    """

    def __init__(self, builder, config, weights=None, seeds=None):
        self.builder = builder
        self.config = config
        self.weights = weights
        self._live = {}
        if weights is None:
            self._live["model"] = self._built(seeds)

    @property
    def model(self):
        """The live Keras model."""
        with _BUILD_LOCK:
            if "model" not in self._live:
                model = self._built(seeds_from(np.random.RandomState(0)))
                # Weights may be read-only memory maps; Keras wants arrays of its own.
                model.set_weights([np.array(weight) for weight in self.weights])
                self._live["model"] = model
        return self._live["model"]

    def store(self):
        """Take the live model's present weights over."""
        self.weights = weights_of(self.model)
        return self

    def copy(self):
        """Return a network of its own with the same weights."""
        return FittedNetwork(self.builder, self.config, self.weights)

    def part(self, name):
        """Return a model that is a layer of the live model, such as "encoder"."""
        return self.model.get_layer(name)

    def run(self, inputs, part=None):
        """Run the model, or a part of it, in batches of one size.

        Parameters
        ----------
        inputs : ndarray of shape (n_samples, ...)
            What the model or the part takes.
        part : str or None, default=None
            Name of a layer that is a model itself; None for the whole.

        Returns
        -------
        outputs : ndarray of shape (n_samples, ...)
            A row for each sample, float32.
        """
        with _BUILD_LOCK:
            if ("run", part) not in self._live:
                model = self.model if part is None else self.part(part)
                self._live["run", part] = compiled_forward(model)
        run = self._live["run", part]
        return fixed_batches(run, len(inputs), _PREDICT_BATCH, inputs)

    def __getstate__(self):
        return {
            "builder": self.builder,
            "config": self.config,
            "weights": self.weights,
            "_live": {},
        }

    def _built(self, seeds):
        with _BUILD_LOCK:
            return BUILDERS[self.builder](**self.config, seeds=seeds)


def _what_moves(pairs, n_cells):
    """Cancel the charge that both wafers share and bring the rest to one scale.

    The EMD depends on nothing but the difference of the two wafers, and grows with it
    in proportion. The network need not learn that if it sees just the surplus and the
    deficit, each of the same sum, and the total variation multiplies what it says.

    Returns
    -------
    moving : tensor of shape (n_pairs, 2 * n_cells)
        Surplus and deficit.
    variation : tensor of shape (n_pairs,)
        The part of the charge that has to move.
    """
    difference = pairs[:, :n_cells] - pairs[:, n_cells:]
    both_ways = keras.ops.concatenate([difference, -difference], axis=1)
    charge = keras.ops.relu(both_ways)
    variation = keras.ops.sum(charge, axis=1, keepdims=True) / 2
    moving = charge / keras.ops.maximum(variation, _SMALLEST_VARIATION)
    # Numbers around one are what initialisers are made for.
    return moving * (n_cells / 2), variation[:, 0]


def _rounded(x, number_format, name):
    if number_format is None:
        return x
    return layers.StraightThroughQuantizer(
        **dataclasses.asdict(number_format), name=name, **_FLOAT32
    )(x)


def _rounded_relu(x, accumulator_format, name):
    if accumulator_format is None:
        return x
    x = _rounded(x, accumulator_format, f"{name}_accumulator")
    return keras.layers.Activation("relu", name=f"{name}_relu", **_FLOAT32)(x)


def _dense(units, seed, name, activation=None, penalty=None, weight_format=None):
    layer = keras.layers.Dense
    if weight_format is not None:
        layer = functools.partial(layers.QuantizedDense, weight_format=weight_format)
    return layer(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        kernel_regularizer=penalty,
        name=name,
        **_FLOAT32,
    )


def _conv(
    name,
    layer,
    filters,
    kernel_size,
    strides,
    activation,
    seeds,
    bias="zeros",
    weight_format=None,
):
    return layer(
        filters,
        kernel_size,
        strides,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        bias_initializer=bias,
        weight_format=weight_format,
        name=name,
        **_FLOAT32,
    )


def _flat(x):
    return keras.layers.Flatten("channels_last", name="flatten", **_FLOAT32)(x)


def _activated(x, head, name):
    # The statistics of batch normalisation differ between training and prediction;
    # for the bounded head, whose inputs have one scale, doing without is more accurate.
    if head == "linear":
        x = keras.layers.BatchNormalization(
            momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_norm", **_FLOAT32
        )(x)
    return keras.layers.Activation("relu", name=f"{name}_relu", **_FLOAT32)(x)
