"""The hls4ml project, compiled by g++ on this machine, against the integer encoder."""

import shutil
import sys
import warnings

import numpy as np
import pytest
from encoders import (
    fitted_for_the_chip,
    random_chip_encoder,
    random_encoder,
    try_images,
)

from skemd.datasets import make_wafers
from skemd.firmware import FixedPoint, export, export_hls4ml
from skemd.firmware._hls4ml import hls_type

needs_posix = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows refuses such names itself"
)
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="there is no g++ on this machine"
)


@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
@needs_compiler
@pytest.mark.parametrize("latent_bits", [3, 5, 7, 9])
def test_not_one_of_10_000_codes_of_the_chip_differs(latent_bits, tmp_path):
    encoder = random_chip_encoder(latent_bits=latent_bits)
    images = try_images(10_000, encoder)
    project = export_hls4ml(encoder, tmp_path)
    project.compile()
    assert (project.predict(images) != encoder.transform(images)).sum() == 0


def test_sums_of_the_chip_have_the_bits_that_are_left_of_products(tmp_path):
    export_hls4ml(random_chip_encoder(), tmp_path)
    types = (tmp_path / "firmware" / "defines.h").read_text()
    for line in (
        "typedef ap_ufixed<8,1,AP_TRN,AP_SAT,0> input_t;",
        "typedef ap_fixed<13,6> conv_accum_t;",
        "typedef ap_fixed<13,6> layer2_t;",
        "typedef ap_fixed<21,13> code_accum_t;",
        "typedef ap_ufixed<9,1,AP_TRN,AP_SAT,0> result_t;",
    ):
        assert line in types


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


@pytest.mark.parametrize(
    ("backend", "part", "file", "line"),
    [
        ("Vitis", "xc7z020clg400-1", "project.tcl", 'set part "xc7z020clg400-1"'),
        ("vivado", "xcvu9p_CIV-flga2577", "project.tcl", '"xcvu9p_CIV-flga2577"'),
        ("Quartus", "10AX115N2F40E2LG", "Makefile", ":= 10AX115N2F40E2LG"),
        ("oneAPI", "bsp_a10:pac.a10+", "CMakeLists.txt", '"bsp_a10:pac.a10+"'),
    ],
)
def test_the_part_is_in_the_project(backend, part, file, line, tmp_path):
    export_hls4ml(random_encoder(), tmp_path, backend=backend, part=part)
    assert line in (tmp_path / file).read_text()


@pytest.mark.parametrize(
    "part",
    [
        'x"; exec touch FILE; set z "',
        "[exec touch FILE]",
        "$env(HOME)",
        "$(shell touch FILE)",
        "`touch FILE`",
        "x}; exec touch FILE; {",
        "x; touch FILE",
        "x\nexec touch FILE",
        "x\n",
        "x\\",
        "x'",
        "x y",
        "x#",
        "x\0",
        "x\u2028",
        "é",
        "-tclargs",
        "",
        "x" * 101,
        b"x",
        3,
    ],
)
def test_a_part_that_is_no_name_is_refused(part, tmp_path):
    with pytest.raises(ValueError, match=r"part must be the name of a device, .* got"):
        export_hls4ml(random_encoder(), tmp_path / "new", part=part)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("backend", ["x", "Vitis\n", 'Vitis"; exec x', "", None, 3, []])
def test_a_backend_that_hls4ml_does_not_know_is_refused(backend, tmp_path):
    with pytest.raises(ValueError, match=r"backend must be one of .*'vitis'.*; got"):
        export_hls4ml(random_encoder(), tmp_path / "new", backend=backend)
    assert not (tmp_path / "new").exists()


def test_only_an_integer_encoder_is_written(tmp_path):
    message = "must be an IntegerEncoder; got EMDAutoencoder. Make"
    with pytest.raises(ValueError, match=message):
        export_hls4ml(fitted_for_the_chip(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


HOSTILE_NAMES = [
    'x"; exec touch FILE; set z "',
    'x" << system("touch FILE") << "',
    "$(touch FILE)",
    "${HOME}",
    "`touch FILE`",
    "x;touch FILE",
    "x|touch FILE",
    "x&touch FILE",
    "[exec touch FILE]",
    "{x}",
    "x\ntouch FILE",
    "x\r",
    "x\t",
    "x\\",
    "x'",
    "<x>",
    "x#",
    "x!",
    "x*?",
    "x\u202e",
    "x\udcff",
]


@needs_posix
@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("place", ["{}", "{}/chip", "link"])
@pytest.mark.parametrize("write", [export, export_hls4ml])
def test_a_folder_whose_name_could_be_code_is_refused(write, place, name, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / name)
    arguments = {
        export: (
            fitted_for_the_chip(),
            tmp_path / place.format(name),
            np.ones((2, 48)),
        ),
        export_hls4ml: (random_encoder(), tmp_path / place.format(name)),
    }
    with pytest.raises(ValueError, match="folder must have a path of letters, digits"):
        write(*arguments[write])
    assert list((tmp_path / name).iterdir()) == []


@needs_posix
def test_a_link_whose_name_could_be_code_is_refused(tmp_path):
    (tmp_path / "chip").mkdir()
    (tmp_path / "x$").symlink_to(tmp_path / "chip")
    with pytest.raises(ValueError, match=r"got '\$' in "):
        export_hls4ml(random_encoder(), tmp_path / "x$")
    assert list((tmp_path / "chip").iterdir()) == []


@needs_compiler
def test_a_folder_with_a_plain_name_works(tmp_path, monkeypatch):
    encoder = random_encoder()
    folder = tmp_path / "Größe (1), 50% e\u0301 ~a=b+c@d:e_f-g.h"
    folder.mkdir()
    monkeypatch.chdir(folder)
    project = export_hls4ml(encoder, "chip")
    project.compile()
    images = try_images(100, encoder)
    np.testing.assert_array_equal(project.predict(images), encoder.transform(images))


def test_filters_of_warnings_are_left_alone(tmp_path, monkeypatch):
    # Other threads may issue warnings at the same time.
    def refuse(*args, **kwargs):
        raise AssertionError("filters would change")

    fitted, encoder = fitted_for_the_chip(), random_encoder()
    with monkeypatch.context() as patched:
        for name in ("catch_warnings", "simplefilter", "filterwarnings"):
            patched.setattr(warnings, name, refuse)
        export_hls4ml(encoder, tmp_path)
        export(fitted, tmp_path / "all", make_wafers(2, random_state=0))
