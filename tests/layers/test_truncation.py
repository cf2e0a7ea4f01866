"""Layers that round each product down, against integers; gradients against products."""

import numpy as np
import pytest
from gradients import numbers, with_gradients

from skemd import layers
from skemd._backend import keras
from skemd._number_formats._fixed_point import FixedPoint
from skemd.layers._quantizers import truncated

WEIGHTS = FixedPoint(6, 0)
CODE = FixedPoint(3, 1, signed=False)


def truncating_layers():
    return {
        "conv": layers.TruncatingConv2D(
            8, 3, 2, weight_format=WEIGHTS, fraction_bits=7
        ),
        "dense": layers.TruncatingDense(16, WEIGHTS, fraction_bits=8),
    }


def built(name, shape, seed=0):
    """Return a layer with weights of which some are no numbers of their format."""
    layer = truncating_layers()[name]
    layer.build((None, *shape))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(-1.2, 1.2, size=w.shape) for w in layer.weights])
    return layer


def arrays_of(layer):
    return [numbers(weight.value) for weight in layer.weights]


def integers(values, number_format=WEIGHTS):
    return number_format.to_integers(values)


def test_a_dense_product_by_hand():
    layer = layers.TruncatingDense(1, WEIGHTS, fraction_bits=8)
    layer.build((None, 3))
    layer.set_weights([np.array([[-3], [5], [-32]]) / 32, np.array([2 / 32])])
    x = np.array([[3, 3, 1], [0, 0, 0]], dtype=np.float32) / 128
    # In steps of 1/256: -9/16 is -1, 15/16 is 0, -2 stays, and the bias is 16.
    assert (256 * numbers(layer(x))).tolist() == [[16 - 1 + 0 - 2], [16]]


@pytest.mark.parametrize("largest", [3, 100, 2000])
def test_dense_sums_are_those_of_integers(largest):
    layer = built("dense", (128,))
    x = np.random.default_rng(1).integers(0, largest + 1, size=(200, 128))
    kernel, bias = map(integers, arrays_of(layer))
    expected = (8 * bias) + (x[:, :, None] * kernel >> 4).sum(axis=1)
    found = 256 * numbers(layer((x / 128).astype(np.float32)))
    np.testing.assert_array_equal(found, expected)
    assert (expected != (8 * bias) + (x @ kernel >> 4)).any()


def test_convolutions_are_those_of_integers():
    layer = built("conv", (8, 8, 1))
    images = np.random.default_rng(2).integers(0, 256, size=(50, 8, 8))
    kernel, bias = map(integers, arrays_of(layer))
    padded = np.pad(images, [(0, 0), (0, 1), (0, 1)])
    expected = np.zeros((50, 4, 4, 8), dtype=int) + 4 * bias
    for row, column in np.ndindex(3, 3):
        window = padded[:, row : row + 8 : 2, column : column + 8 : 2, None]
        expected += window * kernel[row, column, 0] >> 5
    found = 128 * numbers(layer((images[..., None] / 128).astype(np.float32)))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "shape", "twin"),
    [
        ("conv", (8, 8, 1), layers.GridConv2D(8, 3, 2, weight_format=WEIGHTS)),
        ("dense", (128,), layers.QuantizedDense(16, WEIGHTS)),
    ],
)
def test_gradients_are_those_of_the_products(name, shape, twin):
    layer = built(name, shape)
    twin.build((None, *shape))
    x = np.random.default_rng(3).integers(0, 100, size=(5, *shape)) / 128
    x = keras.ops.convert_to_tensor(x.astype(np.float32))
    values = [weight.astype(np.float32) for weight in arrays_of(layer)]

    def run(layer):
        def outputs(values):
            result, _ = layer.stateless_call(values, [], x)
            return result

        return with_gradients(outputs, values)

    (found, gradients), (exact, expected) = run(layer), run(twin)
    # Rounding down loses less than a step with each product.
    assert 0 < (exact - found).max() < np.prod(shape) / 128
    if gradients is None:
        pytest.skip("takes jax's gradients")
    for gradient, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-4, atol=1e-5)
        assert np.abs(gradient).max() > 0


def test_truncated_codes_saturate_with_the_gradient_of_a_clip():
    values = np.array([-1, -0.01, 0.1, 0.25, 0.49, 1.7, 1.9, 2.1, 1e9], np.float32)
    found, gradients = with_gradients(lambda one: truncated(one[0], CODE), [values])
    assert found.tolist() == [0, 0, 0, 0.25, 0.25, 1.5, 1.75, 1.75, 1.75]
    layer = layers.StraightThroughQuantizer(3, rounding="floor")
    np.testing.assert_array_equal(numbers(layer(values)), found)
    if gradients is None:
        pytest.skip("takes jax's gradients")
    passed = (gradients[0] != 0).tolist()
    # What is cut to the top bits has not saturated.
    assert passed == [False, False, True, True, True, True, True, False, False]
    expected = np.cos(np.arange(9))
    np.testing.assert_allclose(gradients[0][2:7], expected[2:7], rtol=1e-6)


@pytest.mark.parametrize(("name", "shape"), [("conv", (8, 8, 1)), ("dense", (128,))])
def test_layers_survive_serialization(name, shape):
    layer = built(name, shape)
    x = np.random.default_rng(4).integers(0, 9, size=(3, *shape)) / 128
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    again(x)
    again.set_weights(arrays_of(layer))
    np.testing.assert_array_equal(numbers(again(x)), numbers(layer(x)))
    quantizer = layers.StraightThroughQuantizer(3, rounding="floor")
    config = keras.saving.serialize_keras_object(quantizer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == quantizer.get_config()


@pytest.mark.parametrize("shape", [(8, 8, 3), (9, 9, 1)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="one channel and 64 pixels at most; got"):
        built("conv", shape)


def test_an_unknown_rounding_is_refused():
    with pytest.raises(ValueError, match="rounding must be one of"):
        layers.StraightThroughQuantizer(3, rounding="up")
