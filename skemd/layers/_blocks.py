"""Building blocks of the networks: layers whose initializers have their own seeds."""

import functools

import numpy as np

from skemd import layers
from skemd._backend import keras

__all__ = ["FLOAT32", "conv_layer", "dense_layer", "flattened", "seeds_from"]

# These networks compute in single precision, even if Keras is set to another one.
FLOAT32 = {"dtype": "float32"}


def seeds_from(rng):
    """Return an endless iterator of seeds for initializers."""
    while True:
        yield int(rng.randint(np.iinfo(np.int32).max))


def dense_layer(
    units,
    seed,
    name,
    activation=None,
    penalty=None,
    weight_format=None,
    fraction_bits=None,
):
    """Return a dense layer, with rounded weights or products if they have a format."""
    layer = keras.layers.Dense
    if fraction_bits is not None:
        layer = functools.partial(
            layers.TruncatingDense,
            weight_format=weight_format,
            fraction_bits=fraction_bits,
        )
    elif weight_format is not None:
        layer = functools.partial(layers.QuantizedDense, weight_format=weight_format)
    return layer(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        kernel_regularizer=penalty,
        name=name,
        **FLOAT32,
    )


def conv_layer(
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
    """Return a convolution of the given class."""
    return layer(
        filters,
        kernel_size,
        strides,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        bias_initializer=bias,
        weight_format=weight_format,
        name=name,
        **FLOAT32,
    )


def flattened(x):
    """Flatten images by rows, columns and channels."""
    return keras.layers.Flatten("channels_last", name="flatten", **FLOAT32)(x)
