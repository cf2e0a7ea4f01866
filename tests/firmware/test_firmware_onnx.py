"""ONNX files in ONNX Runtime: the encoder bit by bit, the decoder to rounding."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from encoders import (
    FORMATS,
    fitted_for_the_chip,
    random_chip_encoder,
    random_encoder,
    try_images,
)
from exhaustive import rarely
from small_data import small_wafers, tiny_autoencoder

from skemd.firmware import FixedPoint, IntegerEncoder, export_onnx


def run(path, name, values):
    session = onnxruntime.InferenceSession(path)
    (outputs,) = session.run(None, {name: values})
    return outputs


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("rounding", ["half_even", "floor"])
@pytest.mark.parametrize(
    ("layout", "latent_bits"), [("8x8", 9), ("8x8", 3), ("4x4x3", 7)]
)
def test_not_one_of_10_000_codes_differs(
    formats, rounding, layout, latent_bits, tmp_path
):
    encoder = random_encoder(
        formats, rounding=rounding, layout=layout, latent_bits=latent_bits
    )
    images = try_images(10_000, encoder)
    export_onnx(encoder, tmp_path / "encoder.onnx")
    codes = run(tmp_path / "encoder.onnx", "image", images)
    assert codes.dtype == np.float32
    assert (codes != encoder.transform(images)).sum() == 0


@pytest.mark.parametrize("latent_bits", [9, 3])
def test_the_chips_arithmetic_is_in_the_graph(latent_bits, tmp_path):
    encoder = random_chip_encoder(latent_bits=latent_bits)
    images = try_images(2_000, encoder)
    export_onnx(encoder, tmp_path / "encoder.onnx")
    codes = run(tmp_path / "encoder.onnx", "image", images)
    np.testing.assert_array_equal(codes, encoder.transform(images))
    assert len(np.unique(codes)) == 2**latent_bits


def test_the_encoder_of_an_autoencoder_gives_its_codes(tmp_path):
    fitted = fitted_for_the_chip()
    export_onnx(fitted, tmp_path / "encoder.onnx")
    encoder = IntegerEncoder.from_estimator(fitted)
    images = try_images(1000, encoder)
    codes = run(tmp_path / "encoder.onnx", "image", images)
    np.testing.assert_array_equal(codes, encoder.transform(images))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"layout": "4x4x3"},
        *rarely(*({"kernel_size": size} for size in (1, 2, 4, 5))),
        {"strides": 3},
        {"geometry": "line"},
        {"decoder": "residual", "decoder_units": 40, "decoder_layers": 3},
        {"decoder": "residual", "layout": "4x4x3"},
        {"decoder": "residual", "geometry": "line"},
    ],
    ids=str,
)
def test_the_decoder_gives_keras_images(parameters, tmp_path):
    # Seven cells on a line come back as eight.
    X = small_wafers(n_cells=7 if "geometry" in parameters else 48)
    fitted = tiny_autoencoder(**{**parameters, "epochs": 1}).fit(X)
    path = tmp_path / "decoder.onnx"
    export_onnx(fitted, path, part="decoder")
    codes = np.random.default_rng(0).random((50, 8), dtype=np.float32)
    images = fitted.network_.predict(codes, submodel="decoder")
    assert images.std() > 1e-3
    np.testing.assert_allclose(run(path, "code", codes), images, atol=1e-6)


def test_names_and_shapes_are_in_the_file(tmp_path):
    export_onnx(random_encoder(), tmp_path / "encoder.onnx")
    graph = onnx.load(tmp_path / "encoder.onnx").graph

    def described(value):
        sides = value.type.tensor_type.shape.dim
        return value.name, [side.dim_param or side.dim_value for side in sides]

    assert described(graph.input[0]) == ("image", ["n", 8, 8, 1])
    assert described(graph.output[0]) == ("code", ["n", 16])


def test_an_encoder_has_no_decoder(tmp_path):
    with pytest.raises(ValueError, match="'decoder' of a fitted EMDAutoencoder; got"):
        export_onnx(random_encoder(), tmp_path / "decoder.onnx", part="decoder")
    with pytest.raises(ValueError, match=r"part must be .*got 'x'"):
        export_onnx(fitted_for_the_chip(), tmp_path / "x.onnx", part="x")


def test_sums_that_single_precision_cannot_hold_are_refused(tmp_path):
    wide = random_encoder(accumulator=(20, 3))
    with pytest.raises(ValueError, match="holds 24 bits, but the dense layer's sums"):
        export_onnx(wide, tmp_path / "encoder.onnx")
    assert not (tmp_path / "encoder.onnx").exists()


def test_a_layout_is_needed(tmp_path):
    wafer = random_encoder()
    encoder = IntegerEncoder(
        wafer.conv_kernel,
        wafer.conv_bias,
        np.zeros((72, 16)),
        wafer.dense_bias,
        arithmetic="exact",
        input_format=FixedPoint(8, 1, signed=False),
        weight_format=FixedPoint(6, 0),
        accumulator_format=FixedPoint(11, 3),
        latent_format=FixedPoint(9, 1, signed=False),
    )
    with pytest.raises(ValueError, match="No layout of the wafer fits"):
        export_onnx(encoder, tmp_path / "encoder.onnx")


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"needs onnx, .*\"skemd\[firmware\]\""):
        export_onnx(random_encoder(), tmp_path / "encoder.onnx")
