"""One code, four ways: Keras, the words of the chip, compiled C++ and TensorFlow."""

import functools
import shutil

import numpy as np
import pytest
from encoders import fitted_for_the_chip
from frozen_graphs import needs_tensorflow, run_graph

from skemd.datasets import make_wafers
from skemd.firmware import (
    LINK_FORMATS,
    EconT,
    IntegerEncoder,
    export_hls4ml,
    export_tensorflow,
)

N_WAFERS = 10_000
each_link_count = pytest.mark.parametrize("links", LINK_FORMATS)
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="there is no g++ on this machine"
)
pytestmark = pytest.mark.exhaustive


def wafers():
    """Return wafers from empty ones up to the largest charges of the links."""
    X = make_wafers(N_WAFERS, random_state=7)
    scales = np.random.default_rng(7).choice([0, 0.2, 1, 1, 1, 40, 3000], len(X))
    return np.minimum(np.floor(X * scales[:, None]), 2**19 - 1)


@functools.cache
def codes_of_keras(links):
    codes = fitted_for_the_chip(links).transform(wafers())
    bits = LINK_FORMATS[links].bits
    # They use nearly all numbers, those at both ends among them.
    assert len(np.unique(codes[:, :16])) > 0.9 * 2**bits
    assert (codes[:, :16].min(), codes[:, :16].max()) == (0, 2 - 2.0 ** (1 - bits))
    return codes


@each_link_count
def test_the_words_of_the_chip_carry_the_codes_of_keras(links):
    chip = EconT.from_autoencoder(fitted_for_the_chip(links))
    sent = chip.unpack(chip.run(chip.link_words(wafers())))
    codes = codes_of_keras(links)
    assert (sent["codes"] != 256 * codes[:, :16]).sum() == 0
    assert (sent["sum"] != codes[:, 16]).sum() == 0


@needs_compiler
@each_link_count
def test_the_compiled_project_has_the_codes_of_keras(links, tmp_path):
    encoder = IntegerEncoder.from_estimator(fitted_for_the_chip(links))
    project = export_hls4ml(encoder, tmp_path)
    project.compile()
    codes = project.predict(encoder.images(wafers()))
    assert (codes != codes_of_keras(links)[:, :16]).sum() == 0


@needs_tensorflow
@each_link_count
def test_the_graph_of_tensorflow_has_the_codes_of_keras(links, tmp_path):
    fitted = fitted_for_the_chip(links)
    export_tensorflow(fitted, tmp_path / "encoder.pb")
    images = IntegerEncoder.from_estimator(fitted).images(wafers())
    codes = run_graph(tmp_path / "encoder.pb", images)
    assert (codes != codes_of_keras(links)[:, :16]).sum() == 0
