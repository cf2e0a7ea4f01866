"""The autoencoder's network: its size, and its numbers by slow loops in NumPy."""

import numpy as np
import pytest
from networks_by_hand import (
    WAFER,
    arrays_of,
    autoencoder_config,
    seeds,
    weights_by_hand,
)
from slow_layers import relu, sigmoid, slow_conv, slow_transposed_conv

from skemd._autoencoder._network import build_autoencoder
from skemd._number_formats._fixed_point import FixedPoint
from skemd._training._network import Network
from skemd.geometry import grid


@pytest.mark.parametrize(
    ("name", "encoder", "decoder"), [("8x8", 2144, 2833), ("4x4x3", 2288, 2979)]
)
def test_autoencoders_have_the_parameters_of_the_paper(name, encoder, decoder):
    # Of arXiv:2105.01683 and arXiv:2306.04712.
    model = build_autoencoder(**autoencoder_config(name=name), seeds=seeds())
    assert model.get_layer("encoder").count_params() == encoder
    assert model.get_layer("decoder").count_params() == decoder


def test_an_autoencoder_of_one_cell_is_refused():
    config = autoencoder_config() | {"image_shape": (1, 1, 1), "cell_to_pixel": [0]}
    with pytest.raises(ValueError, match="needs two cells; got 1"):
        build_autoencoder(**config, seeds=seeds())


@pytest.mark.parametrize(
    ("geometry", "name", "latent_bits"),
    [(WAFER, "8x8", None), (WAFER, "4x4x3", 3), (grid(5, 6), None, None)],
    ids=["8x8", "4x4x3 of three bits", "odd side"],
)
def test_autoencoders_equal_slow_networks(geometry, name, latent_bits, unit_wafers):
    config = autoencoder_config(
        geometry,
        name,
        n_components=5,
        n_filters=3,
        latent_format=latent_bits and FixedPoint(latent_bits, 1, signed=False),
    )
    network = Network.untrained(build_autoencoder, config, seeds())
    weights_by_hand(network, seed=3)
    layout = geometry.layout(name)
    # The stride is left out where a side has no more than four pixels.
    stride = 1 if name == "4x4x3" else 2
    side = -(-layout.shape[0] // stride), -(-layout.shape[1] // stride)
    X = unit_wafers(3, n_cells=geometry.n_cells, n_charged=geometry.n_cells) * 40
    images = layout.apply(X).astype(np.float32)

    codes = network.predict(images, submodel="encoder")
    decoded = network.predict(codes, submodel="decoder")
    encoder, decoder = (network.submodel(part) for part in ("encoder", "decoder"))
    for image, code, pixels in zip(images, codes, decoded, strict=True):
        x = relu(slow_conv(image, *arrays_of(encoder.get_layer("conv")), stride))
        kernel, bias = arrays_of(encoder.get_layer("code"))
        expected = relu(x.ravel() @ kernel + bias)
        if latent_bits:
            step = 2.0 ** (1 - latent_bits)
            expected = np.round(np.clip(expected, 0, 2 - step) / step) * step
        np.testing.assert_allclose(code, expected, rtol=1e-4, atol=1e-5)
        kernel, bias = arrays_of(decoder.get_layer("dense"))
        x = relu(code @ kernel + bias).reshape(*side, 3)
        deconv = arrays_of(decoder.get_layer("deconv"))
        x = relu(slow_transposed_conv(x, *deconv, stride))
        x = x[: layout.shape[0], : layout.shape[1]]
        x = sigmoid(slow_transposed_conv(x, *arrays_of(decoder.get_layer("pixels"))))
        np.testing.assert_allclose(pixels, x, rtol=1e-4, atol=1e-5)
    assert np.ptp(codes) > 0.5
    np.testing.assert_allclose(
        network.predict(images), layout.invert(decoded), rtol=1e-5
    )


def test_equal_seeds_give_equal_weights_and_others_do_not():
    first, again, other = (
        arrays_of(build_autoencoder(**autoencoder_config(), seeds=seeds(seed)))
        for seed in (1, 1, 2)
    )
    for weight, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(weight, same)
        # Biases start at zero.
        assert weight.ndim == 1 or (weight != different).all()
