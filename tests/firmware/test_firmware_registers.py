"""The register image: every bit of every weight, there and back."""

import numpy as np
import pytest
from encoders import random_encoder, try_images

from skemd.firmware import FixedPoint, IntegerEncoder, read_registers, write_registers

FORMATS = {
    "input_format": FixedPoint(8, 1, signed=False),
    "weight_format": FixedPoint(6, 0),
    "accumulator_format": FixedPoint(11, 3),
    "latent_format": FixedPoint(9, 1, signed=False),
}


def bits_of_words(words):
    return "".join(f"{int(word, 16):01072b}" for word in words)


def test_an_encoder_read_back_is_the_same():
    encoder = random_encoder(seed=5)
    words = write_registers(encoder)
    twin = IntegerEncoder(*read_registers(words), **FORMATS)
    for name in ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(encoder, name))
    assert write_registers(twin) == words
    images = try_images(1000, encoder)
    np.testing.assert_array_equal(twin.transform(images), encoder.transform(images))


def test_the_image_has_12_words_of_1072_bits():
    words = write_registers(random_encoder())
    assert [len(word) * 4 for word in words] == [1072] * 12


def test_tensors_stand_in_order_most_significant_bits_first():
    encoder = random_encoder(seed=6)
    bits = bits_of_words(write_registers(encoder))
    starts = {"conv_kernel": 0, "conv_bias": 432, "dense_kernel": 480}
    starts["dense_bias"] = 480 + 12288
    for name, start in starts.items():
        for place, weight in enumerate(getattr(encoder, name).ravel()):
            found = bits[start + 6 * place : start + 6 * place + 6]
            assert found == f"{int(weight * 32) % 64:06b}"
    assert len(bits) == start + 6 * 16


def test_every_weight_of_the_format_survives():
    weights = np.arange(-32, 32) / 32
    kernel = np.resize(weights, (128, 16))
    encoder = IntegerEncoder(
        np.resize(weights, (3, 3, 1, 8)), weights[:8], kernel, weights[-16:], **FORMATS
    )
    read = read_registers(write_registers(encoder))
    np.testing.assert_array_equal(read[0].ravel()[:64], weights)
    np.testing.assert_array_equal(read[2], kernel)
    np.testing.assert_array_equal(read[3], weights[-16:])


def test_weights_of_another_format_are_told_what_to_do():
    message = r"registers hold weights of FixedPoint\(bits=6.*weight_integer_bits=0"
    with pytest.raises(ValueError, match=message):
        write_registers(random_encoder("six bits"))


def test_an_encoder_of_another_shape_is_refused():
    message = r"conv_kernel of shape \(3, 3, 1, 8\); this encoder's has \(3, 3, 3, 8\)"
    with pytest.raises(ValueError, match=message):
        write_registers(random_encoder(layout="4x4x3"))


def test_words_that_are_no_image_are_refused():
    words = write_registers(random_encoder())
    with pytest.raises(ValueError, match="The chip has 12 registers; got 11"):
        read_registers(words[:11])
    with pytest.raises(ValueError, match="268 hexadecimal digits; word 3"):
        read_registers([*words[:3], words[3][1:], *words[4:]])
