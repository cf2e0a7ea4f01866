"""Layers against Keras's own, and quantizers against numbers set by hand."""

import numpy as np
import pytest
from exhaustive import rarely
from gradients import numbers, with_gradients

from skemd import layers
from skemd._backend import keras
from skemd._number_formats._fixed_point import FixedPoint
from skemd.geometry import grid, hgcal_wafer
from skemd.layers._convolution import MAX_PIXELS

KERAS_TWIN = {
    layers.GridConv2D: keras.layers.Conv2D,
    layers.GridConv2DTranspose: keras.layers.Conv2DTranspose,
}
# Height, width, channels, filters, kernel size, strides.
CASES = [
    (4, 4, 6, 5, 5, 1),
    (8, 8, 1, 4, 3, 2),
    (5, 7, 2, 3, 4, 2),
    (3, 3, 2, 2, 7, (2, 1)),
    # These do not fit a small matrix.
    (9, 9, 2, 2, 4, 2),
    (5, 13, 1, 2, 3, (2, 1)),
]
RARE_CASES = [
    (1, 9, 1, 2, 3, (1, 2)),
    (6, 4, 2, 2, 3, (3, 1)),
    (7, 8, 1, 2, 2, 3),
]
each_layer = pytest.mark.parametrize(
    "layer_type", KERAS_TWIN, ids=lambda layer: layer.__name__
)


def arrays_of(layer):
    return [numbers(weight.value) for weight in layer.weights]


@each_layer
@pytest.mark.parametrize(
    "case",
    [*CASES, *rarely(*RARE_CASES)],
    ids=str,
)
def test_grid_convolutions_and_their_gradients_equal_those_of_keras(layer_type, case):
    height, width, channels, filters, kernel_size, strides = case
    shape = (None, height, width, channels)
    options = {"activation": "tanh"}
    ours = layer_type(filters, kernel_size, strides, **options)
    options |= {"padding": "same", "data_format": "channels_last"}
    twin = KERAS_TWIN[layer_type](filters, kernel_size, strides, **options)
    for layer in (ours, twin):
        layer.build(shape)
    rng = np.random.RandomState(0)
    shapes = [*(weight.shape for weight in ours.weights), (2, height, width, channels)]
    values = [rng.normal(scale=0.3, size=s).astype(np.float32) for s in shapes]
    assert [w.shape for w in twin.weights] == [w.shape for w in ours.weights]

    def outputs_of(layer):
        return lambda values: layer.stateless_call(values[:-1], [], values[-1])[0]

    found, gradients = with_gradients(outputs_of(ours), values)
    expected, expected_gradients = with_gradients(outputs_of(twin), values)
    assert ours.compute_output_shape(shape)[1:] == expected.shape[1:]
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if gradients is None:
        return
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert np.abs(expected_gradient).max() > 0.1
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-4)


def test_both_ways_of_computing_are_among_the_cases():
    taken = set()
    for height, width, channels, filters, kernel_size, strides in CASES + RARE_CASES:
        layer = layers.GridConv2D(filters, kernel_size, strides)
        layer.build((None, height, width, channels))
        taken.add(layer._taps is None)
        n_inputs = height * width
        n_outputs = np.prod(layer.compute_output_shape((1, height, width, 1))[1:3])
        assert (layer._taps is None) == (max(n_inputs, n_outputs) > MAX_PIXELS)
    assert taken == {True, False}


@each_layer
def test_grid_convolutions_survive_serialization(layer_type):
    layer = layer_type(
        3,
        3,
        (2, 1),
        activation="relu",
        kernel_initializer=keras.initializers.GlorotUniform(3),
        kernel_regularizer=keras.regularizers.L2(0.5),
        name="conv",
    )
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is layer_type
    assert again.get_config() == layer.get_config()
    assert (again.filters, again.kernel_size, again.strides) == (3, 3, (2, 1))
    x = np.ones((1, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(numbers(again(x)), numbers(layer(x)))
    kernel = arrays_of(layer)[0]
    assert float(again.losses[0]) == pytest.approx(0.5 * (kernel**2).sum(), rel=1e-5)


@each_layer
def test_grid_convolutions_start_with_zero_biases_and_keras_kernels(layer_type):
    seed = keras.initializers.GlorotUniform(3)
    ours = layer_type(4, 3, kernel_initializer=seed)
    twin = KERAS_TWIN[layer_type](4, 3, padding="same", kernel_initializer=seed)
    for layer in (ours, twin):
        layer.build((None, 4, 4, 2))
    for found, expected in zip(arrays_of(ours), arrays_of(twin), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (arrays_of(ours)[1] == 0).all()


# Cells and images

LAYOUTS = {
    "8x8": hgcal_wafer().layout("8x8"),
    "4x4x3": hgcal_wafer().layout("4x4x3"),
    "3x5": grid(3, 5).layout(),
}
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))


@each_layout
def test_cells_go_to_the_pixels_of_the_layout_and_back(layout):
    X = np.random.RandomState(0).rand(3, layout.n_cells).astype(np.float32)
    to_image = layers.CellsToImage(layout.shape, layout.cell_to_pixel)
    to_cells = layers.ImageToCells(layout.shape, layout.cell_to_pixel)
    images = numbers(to_image(X))
    np.testing.assert_array_equal(images, layout.apply(X))
    np.testing.assert_array_equal(numbers(to_cells(images)), X)
    assert to_image.compute_output_shape(X.shape) == images.shape
    assert to_cells.compute_output_shape(images.shape) == X.shape


def test_pixels_without_a_cell_are_dropped():
    layout = LAYOUTS["8x8"]
    images = np.ones((2, 8, 8, 1), np.float32)
    images[:, :4], images[:, 4:, :4] = 0, 0
    to_cells = layers.ImageToCells(layout.shape, layout.cell_to_pixel)
    assert (numbers(to_cells(images)) == 0).all()


@pytest.mark.parametrize("layer_type", [layers.CellsToImage, layers.ImageToCells])
def test_layout_layers_survive_serialization(layer_type):
    layout = LAYOUTS["8x8"]
    layer = layer_type(layout.shape, layout.cell_to_pixel, name="layout")
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is layer_type
    assert again.get_config() == layer.get_config()
    assert again.shape == (8, 8, 1)
    assert again.cell_to_pixel == layout.cell_to_pixel.tolist()


# Quantizers


def test_codes_round_half_to_even_and_saturate():
    # Three bits, one before the point: 0, 0.25, ..., 1.75.
    values = [-1, 0, 0.1, 0.125, 0.1251, 0.3, 0.375, 0.625, 1.6, 1.75, 1.9, 50]
    expected = [0, 0, 0, 0, 0.25, 0.25, 0.5, 0.5, 1.5, 1.75, 1.75, 1.75]
    quantizer = layers.StraightThroughQuantizer(3)
    found = numbers(quantizer(np.array([values], np.float32)))
    np.testing.assert_array_equal(found, np.array([expected], np.float32))


@pytest.mark.parametrize(("bits", "integer_bits"), [(2, 1), (9, 1), (4, 2), (3, 0)])
def test_codes_take_every_value_of_the_format_and_no_other(bits, integer_bits):
    quantizer = layers.StraightThroughQuantizer(bits, integer_bits)
    many = np.linspace(-1, 2.0**integer_bits + 1, 20_001, dtype=np.float32)
    found = np.unique(numbers(quantizer(many[None])))
    expected = np.arange(2**bits) * 2.0 ** (integer_bits - bits)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="takes jax's gradients")
def test_gradients_pass_the_rounding_but_not_the_ends():
    quantizer = layers.StraightThroughQuantizer(3)
    values = np.array([-0.5, 0.1, 0.9, 1.3, 1.7, 1.76, 3.0], np.float32)
    codes, (found,) = with_gradients(lambda values: quantizer(values[0]), [values])
    passed = np.array([0, 1, 1, 1, 1, 0, 0], np.float32)
    expected = passed * np.cos(np.arange(7)).astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(codes, [0, 0, 1, 1.25, 1.75, 1.75, 1.75])


def test_quantizers_survive_serialization():
    quantizer = layers.StraightThroughQuantizer(5, 2, name="codes")
    config = keras.saving.serialize_keras_object(quantizer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is layers.StraightThroughQuantizer
    assert (again.format, again.name) == (FixedPoint(5, 2, signed=False), "codes")
    assert again.compute_output_shape((None, 16)) == (None, 16)
