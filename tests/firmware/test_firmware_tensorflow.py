"""Frozen graphs in TensorFlow: the encoder bit by bit, the decoder to rounding."""

import copy
import sys

import numpy as np
import pytest
from encoders import (
    FORMATS,
    fitted_for_the_chip,
    random_chip_encoder,
    random_encoder,
    try_images,
)
from frozen_graphs import (
    imported_tensorflow,
    needs_tensorflow,
    read_graph,
    run_graph,
)
from small_data import small_wafers, tiny_autoencoder

from skemd.datasets import make_wafers
from skemd.firmware import EconT, export_tensorflow


def with_a_decoder_that_decides(fitted, scale=0.3):
    """Return an autoencoder whose decoder makes images that differ."""
    fitted = copy.deepcopy(fitted)
    rng = np.random.default_rng(2)
    for place in range(4, 10):
        weight = fitted.network_.weights[place]
        noise = rng.normal(scale=scale, size=weight.shape).astype(np.float32)
        fitted.network_.weights[place] = weight + noise
    # A copy builds its networks anew.
    return copy.deepcopy(fitted)


@needs_tensorflow
@pytest.mark.parametrize("latent_bits", [9, 3])
def test_not_one_of_10_000_codes_of_the_chip_differs(latent_bits, tmp_path):
    encoder = random_chip_encoder(latent_bits=latent_bits)
    images = try_images(10_000, encoder)
    export_tensorflow(encoder, tmp_path / "encoder.pb")
    codes = run_graph(tmp_path / "encoder.pb", images)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, encoder.transform(images))
    assert len(np.unique(codes)) == 2**latent_bits


@needs_tensorflow
@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("rounding", ["half_even", "floor"])
@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_not_one_code_of_exact_sums_differs(formats, rounding, layout, tmp_path):
    encoder = random_encoder(formats, rounding=rounding, layout=layout)
    images = try_images(3_000, encoder)
    export_tensorflow(encoder, tmp_path / "encoder.pb")
    codes = run_graph(tmp_path / "encoder.pb", images)
    assert (codes != encoder.transform(images)).sum() == 0


@needs_tensorflow
@pytest.mark.parametrize("links", [2, 5])
def test_the_decoder_takes_rows_of_codes_and_sums(links, tmp_path):
    fitted = with_a_decoder_that_decides(fitted_for_the_chip(links))
    X = make_wafers(500, random_state=0)
    X[0] = 0
    chip = EconT.from_autoencoder(fitted)
    sent = chip.unpack(chip.run(chip.link_words(X)))
    rows = np.column_stack([sent["codes"] / 256, sent["sum"]]).astype(np.float32)
    export_tensorflow(fitted, tmp_path / "decoder.pb", part="decoder")
    images = run_graph(tmp_path / "decoder.pb", rows)
    assert (images.shape, images.dtype) == ((500, 8, 8, 1), np.float32)
    assert images.std() > 0.05
    # As the receiver scales them.
    found = fitted.layout_.invert(images)
    found /= found.sum(axis=1, keepdims=True)
    expected = fitted.inverse_transform(rows)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@needs_tensorflow
def test_sums_at_powers_of_two_and_of_zero_are_told_exactly(tmp_path):
    fitted = with_a_decoder_that_decides(fitted_for_the_chip(), scale=1)
    sums = np.array([0, 1, 2, 31, 32, 1023, 1024, 2**20, 2.0**35], dtype=np.float32)
    codes = np.full((len(sums), 16), 0.5, dtype=np.float32)
    told = np.zeros((len(sums), 2), dtype=np.float32)
    told[1:] = np.column_stack(
        [(np.log2(sums[1:]) - 10) / 4, sums[1:] / 2 ** np.floor(np.log2(sums[1:]))]
    )
    told[0, 0] = -10 / 4
    rows = np.column_stack([codes, told])
    expected = fitted.network_.predict(rows, submodel="decoder")
    export_tensorflow(fitted, tmp_path / "decoder.pb", part="decoder")
    images = run_graph(tmp_path / "decoder.pb", np.column_stack([codes, sums]))
    assert np.ptp(images, axis=0).max() > 0.1
    np.testing.assert_allclose(images, expected, atol=1e-5)


@needs_tensorflow
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"layout": "4x4x3"},
        {"kernel_size": 1},
        {"strides": 3},
        {"geometry": "line"},
        {"decoder": "residual", "decoder_units": 40, "decoder_layers": 3},
        {"decoder": "residual", "layout": "4x4x3"},
        {"decoder": "residual", "geometry": "line"},
    ],
    ids=str,
)
def test_decoders_of_other_shapes_give_keras_images(parameters, tmp_path):
    # Seven cells on a line come back as eight.
    X = small_wafers(n_cells=7 if "geometry" in parameters else 48)
    fitted = tiny_autoencoder(**{**parameters, "epochs": 1}).fit(X)
    fitted = with_a_decoder_that_decides(fitted)
    codes = np.random.default_rng(0).random((50, 8), dtype=np.float32)
    images = fitted.network_.predict(codes, submodel="decoder")
    export_tensorflow(fitted, tmp_path / "decoder.pb", part="decoder")
    assert images.std() > 5e-3
    found = run_graph(tmp_path / "decoder.pb", codes)
    np.testing.assert_allclose(found, images, atol=1e-5)


@needs_tensorflow
@pytest.mark.parametrize("told", [True, False])
def test_the_first_node_is_the_input_and_the_last_the_output(told, tmp_path):
    fitted = fitted_for_the_chip()
    if not told:
        fitted = tiny_autoencoder(
            n_filters=8, n_components=16, n_output_links=5, front_end=None, epochs=1
        ).fit(small_wafers())
    for part, first, shape, last in (
        ("encoder", "image", [8, 8, 1], "code"),
        ("decoder", "code", [16 + told], "image"),
    ):
        path = tmp_path / f"{part}.pb"
        export_tensorflow(fitted, path, part=part)
        nodes = read_graph(path).node
        assert (nodes[0].op, nodes[0].name) == ("Placeholder", first)
        sides = [side.size for side in nodes[0].attr["shape"].shape.dim]
        assert sides == [-1, *shape]
        assert nodes[-1].name == last
        # Frozen: constants, no variables, and nothing that reads files.
        assert not [it.op for it in nodes if "Var" in it.op or "File" in it.op]
        # Attributes that older versions do not know are left out.
        attributes = {name for it in nodes for name in it.attr}
        assert not attributes & {"grad_a", "grad_b", "_output_shapes"}


@needs_tensorflow
def test_a_decoder_that_is_told_the_sum_refuses_codes_alone(tmp_path):
    tf = imported_tensorflow()
    export_tensorflow(fitted_for_the_chip(), tmp_path / "decoder.pb", part="decoder")
    definition = read_graph(tmp_path / "decoder.pb")
    # As in C++, where the shape of the placeholder is not looked at.
    definition.node[0].attr["shape"].Clear()
    with tf.Graph().as_default() as graph:
        with pytest.raises(
            ValueError, match="Dimensions must be equal, but are 17 and 18"
        ):
            tf.import_graph_def(definition, {"code:0": tf.zeros([1, 16])}, name="")
    del graph


def test_an_encoder_has_no_decoder(tmp_path):
    with pytest.raises(ValueError, match="'decoder' of a fitted EMDAutoencoder; got"):
        export_tensorflow(random_encoder(), tmp_path / "x.pb", part="decoder")


def test_sums_that_single_precision_cannot_hold_are_refused(tmp_path):
    wide = random_encoder(accumulator=(20, 3))
    with pytest.raises(ValueError, match="holds 24 bits, but the dense layer's sums"):
        export_tensorflow(wide, tmp_path / "x.pb")


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"needs tensorflow, .*\"skemd\[cmssw\]\""):
        export_tensorflow(random_encoder(), tmp_path / "x.pb")
    assert list(tmp_path.iterdir()) == []
