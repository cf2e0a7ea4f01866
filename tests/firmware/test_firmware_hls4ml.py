"""The hls4ml project, compiled by g++ on this machine, against the integer encoder."""

import shutil
import sys

import pytest
from encoders import random_encoder, try_images

from skemd.firmware import FixedPoint, export_hls4ml
from skemd.firmware._hls4ml import hls_type

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="there is no g++ on this machine"
)


@needs_compiler
@pytest.mark.parametrize(
    ("formats", "options"),
    [
        ("chip", {}),
        ("chip", {"latent_bits": 3, "rounding": "floor"}),
        ("six bits", {"latent_bits": 5}),
        ("five bits", {"latent_bits": 7, "layout": "4x4x3"}),
    ],
)
def test_not_one_of_10_000_codes_differs(formats, options, tmp_path, capfd):
    encoder = random_encoder(formats, **options)
    images = try_images(10_000, encoder)
    project = export_hls4ml(encoder, tmp_path)
    assert capfd.readouterr().out == ""
    project.compile()
    codes = project.predict(images)
    assert (codes != encoder.transform(images)).sum() == 0


def test_the_project_states_every_format(tmp_path):
    export_hls4ml(random_encoder(), tmp_path)
    types = (tmp_path / "firmware" / "defines.h").read_text()
    for line in (
        "typedef ap_ufixed<8,1,AP_RND_CONV,AP_SAT,0> input_t;",
        "typedef ap_fixed<6,1> conv_weight_t;",
        "typedef ap_fixed<11,4,AP_RND_CONV,AP_SAT,0> layer2_t;",
        "typedef ap_fixed<6,1> code_bias_t;",
        "typedef ap_ufixed<9,1,AP_RND_CONV,AP_SAT,0> result_t;",
    ):
        assert line in types
    assert (tmp_path / "firmware" / "encoder.cpp").exists()


@pytest.mark.parametrize(
    ("number_format", "rounding", "name"),
    [
        (FixedPoint(6, 0), None, "fixed<6,1>"),
        (FixedPoint(9, 1, signed=False), None, "ufixed<9,1>"),
        (FixedPoint(11, 3), "half_even", "fixed<11,4,RND_CONV,SAT>"),
        (FixedPoint(11, 3), "floor", "fixed<11,4,TRN,SAT>"),
    ],
)
def test_hls_counts_the_sign_among_integer_bits(number_format, rounding, name):
    assert hls_type(number_format, rounding) == name


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "hls4ml", None)
    with pytest.raises(ImportError, match=r"needs hls4ml, .*\"skemd\[firmware\]\""):
        export_hls4ml(random_encoder(), tmp_path)
    assert list(tmp_path.iterdir()) == []
