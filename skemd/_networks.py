"""The networks: the learned EMD, the encoder and the decoder, as pure builders.

A builder turns a configuration of plain values into an untrained Keras model. A
:class:`FittedNetwork` is such a configuration with its weights as arrays: it pickles
small and the same each time, and builds the live model when it is first used.
"""

import threading

import numpy as np

from skemd import layers
from skemd._backend import keras
from skemd._potentials import LearnedPotentials, with_potentials_as_gradient
from skemd._stepping import compiled_forward
from skemd._training import fixed_batches, weights_of

__all__ = ["FittedNetwork", "build_autoencoder", "build_emd_network", "seeds_from"]

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
# Units of the hidden layer that refines potentials.
_REFINING_UNITS = 128
# Beyond this, distances near the geometry's limits have next to no gradient.
_CLOSEST_TO_LIMIT = 1e-3
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
    n_refinements,
    head,
    positions,
    min_distance,
    max_distance,
    seeds,
):
    r"""Build the network that approximates the EMD between two wafers.

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

    It is zero for equal wafers and never outside what the geometry allows. The head
    "potential" is the same, but for x, which starts from the distance that learned
    potentials give, see :class:`skemd._potentials.LearnedPotentials`, and for the
    gradient, which is these potentials.

    Parameters
    ----------
    n_cells : int
        Cells of a wafer.
    image_shape : (int, int, int)
        Shape of the layout.
    cell_to_pixel : sequence of int
        The layout's, see :class:`skemd.geometry.Layout`.
    n_filters, kernel_size, n_conv_layers, n_dense_layers, n_dense_units : int
        The architecture; without convolutions the dense layers see cells.
    n_refinements : int
        Refinements of the potentials, for the head "potential".
    head : {"bounded", "linear", "potential"}
        How the number becomes the EMD.
    positions : array-like of shape (n_cells, n_dimensions)
        Positions of the cells, for the head "potential".
    min_distance, max_distance : float
        Smallest and largest distance of two cells, for all heads but "linear".
    seeds : iterator of int
        Seeds of the initialisers.

    Returns
    -------
    network : keras.Model
        Takes pairs of wafers of unit sum, shape (n_pairs, 2 * n_cells), and gives
        distances of shape (n_pairs,) in the unit of the geometry. With the head
        "potential" its layer "solver" is a model itself, the one to train: it gives a
        column of distances and n_cells of potentials.
    """
    pairs = keras.Input((2 * n_cells,), name="pairs", **_FLOAT32)
    if head == "linear":
        x = pairs
    else:
        x, variation = _what_moves(pairs, n_cells)
    # Both orders run side by side through one trunk, as a batch of twice the size.
    both = keras.ops.concatenate([x, keras.ops.roll(x, n_cells, axis=1)], axis=0)
    x = _pair_images(both, image_shape, cell_to_pixel) if n_conv_layers else both
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
    number = _dense(1, next(seeds), "output")(x)[:, 0]
    if head == "linear":
        return keras.Model(pairs, _mean_of_both(number), name="emd_cnn")
    limits = min_distance, max_distance
    if head == "bounded":
        output = variation * _between(limits, _mean_of_both(number))
        return keras.Model(pairs, output, name="emd_cnn")

    potentials, distance, correction = LearnedPotentials(
        positions,
        n_refinements,
        _REFINING_UNITS,
        next(seeds),
        name="refine",
        **_FLOAT32,
    )(x, both * (2 / n_cells))
    number = number + correction + _place_between(limits, distance)
    output = variation * _between(limits, _mean_of_both(number))
    columns = keras.ops.concatenate([output[:, None], potentials], axis=1)
    solver = keras.Model(pairs, columns, name="solver")
    columns = solver(pairs)
    output = with_potentials_as_gradient(columns[:, 0], columns[:, 1:], pairs)
    return keras.Model(pairs, output, name="emd_cnn")


def build_autoencoder(
    *,
    image_shape,
    cell_to_pixel,
    n_components,
    n_filters,
    kernel_size,
    strides,
    latent_bits,
    seeds,
):
    """Build the encoder for the chip and the decoder behind the link.

    With the defaults of :class:`skemd.EMDAutoencoder` these are the networks of the
    paper: 2,144 and 2,833 parameters for the layout "8x8", 2,288 and 2,979 for
    "4x4x3", where both encoders hand a 4 x 4 image to their dense layer.

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
    latent_bits : int or None
        Bits of a code's numbers, one of them before the binary point; None for
        floating point.
    seeds : iterator of int
        Seeds of the initialisers.

    Returns
    -------
    autoencoder : keras.Model
        Takes images, gives cells of shape (n_samples, n_cells). Its layers "encoder"
        (images to codes) and "decoder" (codes to images) are models themselves.
    """
    height, width, channels = image_shape
    steps = tuple(
        strides if side > _MIN_STRIDED_SIDE else 1 for side in (height, width)
    )
    small_shape = (-(-height // steps[0]), -(-width // steps[1]), n_filters)

    image = keras.Input(image_shape, name="image", **_FLOAT32)
    x = _conv("conv", layers.GridConv2D, n_filters, kernel_size, steps, "relu", seeds)(
        image
    )
    x = _flat(x)
    x = _dense(n_components, next(seeds), "code", activation="relu")(x)
    if latent_bits is not None:
        x = layers.StraightThroughQuantizer(
            latent_bits, name="quantized_code", **_FLOAT32
        )(x)
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


def _pair_images(pairs, image_shape, cell_to_pixel):
    """Lay both wafers of each pair out as images, stacked as channels."""
    wafers = keras.ops.reshape(pairs, (-1, len(cell_to_pixel)))
    layout = layers.CellsToImage(image_shape, cell_to_pixel, name="layout", **_FLOAT32)
    height, width, channels = image_shape
    x = keras.ops.reshape(layout(wafers), (-1, 2, height, width, channels))
    x = keras.ops.transpose(x, (0, 2, 3, 1, 4))
    return keras.ops.reshape(x, (-1, height, width, 2 * channels))


def _mean_of_both(numbers):
    """Average over both orders of the wafers."""
    return keras.ops.mean(keras.ops.reshape(numbers, (2, -1)), axis=0)


def _between(limits, number):
    low, high = limits
    return low + (high - low) * keras.ops.sigmoid(number)


def _place_between(limits, distance):
    """Return what `_between` turns into a distance, near enough at the ends."""
    low, high = limits
    place = (distance - low) / ((high - low) or 1.0)
    place = keras.ops.clip(place, _CLOSEST_TO_LIMIT, 1 - _CLOSEST_TO_LIMIT)
    return keras.ops.log(place / (1 - place))


def _dense(units, seed, name, activation=None, penalty=None):
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        kernel_regularizer=penalty,
        name=name,
        **_FLOAT32,
    )


def _conv(name, layer, filters, kernel_size, strides, activation, seeds, bias="zeros"):
    return layer(
        filters,
        kernel_size,
        strides,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        bias_initializer=bias,
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
