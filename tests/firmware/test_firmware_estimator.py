"""The network in Keras, with its roundings, against the integer encoder."""

import subprocess
import sys

import numpy as np
import pytest
from encoders import try_images, with_wide_weights
from exhaustive import rarely
from repository import ROOT
from small_data import small_wafers, tiny_autoencoder

from skemd.datasets import make_wafers
from skemd.firmware import LINK_FORMATS, FixedPoint, IntegerEncoder, read_words

# Trainings of two epochs leave some.
pytestmark = pytest.mark.filterwarnings("ignore:.*components of the code are dead")
CHIP = {"n_filters": 8, "n_components": 16}


@pytest.mark.exhaustive
@pytest.mark.parametrize("links", LINK_FORMATS)
def test_not_one_of_100_000_wafers_differs_in_exact_sums(links):
    fitted = tiny_autoencoder(**CHIP, n_output_links=links, arithmetic="exact")
    fitted = with_wide_weights(fitted.fit(small_wafers(300)))
    encoder = IntegerEncoder.from_estimator(fitted)
    X = make_wafers(100_000, random_state=links)
    # A wafer without charge gives zeros.
    X[0] = 0
    codes = encoder.transform(X)
    assert len(np.unique(codes)) >= 2 ** (LINK_FORMATS[links].bits - 1)
    assert (fitted.transform(X) != codes).sum() == 0


@pytest.mark.parametrize(
    "formats",
    [
        {"latent_bits": 9, "weight_bits": 6, "weight_integer_bits": 1},
        *rarely({"latent_bits": 4, "weight_bits": 5, "weight_integer_bits": 1}),
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_images_give_the_codes_of_the_network(formats, layout):
    fitted = tiny_autoencoder(
        **CHIP,
        **formats,
        layout=layout,
        input_bits=FixedPoint(10, 3),
        accumulator_bits=11,
    ).fit(small_wafers(300))
    fitted = with_wide_weights(fitted)
    encoder = IntegerEncoder.from_estimator(fitted)
    images = try_images(10_000, encoder)
    codes = fitted.network_.predict(images, submodel="encoder")
    assert (codes != encoder.transform(images)).sum() == 0


def test_other_geometries_have_their_own_layout():
    X = small_wafers(n_cells=7)
    fitted = tiny_autoencoder(geometry="line", n_output_links=2, arithmetic="exact")
    fitted.fit(X)
    encoder = IntegerEncoder.from_estimator(fitted)
    assert encoder.strides == (1, 2)
    np.testing.assert_array_equal(encoder.transform(X), fitted.transform(X))


@pytest.mark.exhaustive
def test_the_example_writes_the_folder(tmp_path):
    example = ROOT / "examples" / "chip.py"
    sizes = {"--wafers": 300, "--epochs": 1, "--links": 2, "--loss": "mse"}
    outcome = subprocess.run(
        [sys.executable, example, *(str(x) for pair in sizes.items() for x in pair)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "240 wafers to train on, 60 set aside" in outcome.stdout
    assert outcome.stdout.count("that differ: 0 of 960") == 2
    words = read_words(tmp_path / "output" / "chip" / "testOutput.csv")
    assert words.shape == (60, 13)
    assert words[:, :2].any(axis=0).all()
    assert not words[:, 2:].any()
