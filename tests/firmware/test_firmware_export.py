"""The folder for engineers: what each file says, read back from disk."""

import json
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from encoders import fitted_for_the_chip, with_chip_formats
from processes import run_python
from small_data import small_wafers, tiny_autoencoder

from skemd import EMDAutoencoder, WaferRemapper
from skemd.datasets import make_wafers
from skemd.firmware import (
    FixedPoint,
    IntegerEncoder,
    export,
    hex_to_bits,
    keep_mask,
    read_payload,
    read_registers,
    write_verification_vectors,
)
from skemd.geometry import Geometry, hgcal_wafer

VECTORS = {
    "verify_input_ae.csv",
    "verify_input_ae_abs.csv",
    "verify_input_calQ.csv",
    "verify_output.csv",
    "verify_decoded.csv",
    "verify_decoded_calQ.csv",
}
CHIP_FILES = {"AE_Input_weights_auto_encoder.csv", "keep_mask.txt", "payload.csv"}
FILES = VECTORS | CHIP_FILES
FILES |= {"encoder.onnx", "decoder.onnx", "hls4ml", "README.txt", "manifest.json"}


def wafers(n_samples=40):
    """Return wafers in counts, one of them without charge."""
    X = make_wafers(n_samples, random_state=4)
    X[3] = 0
    return X


def read_table(folder, name):
    return np.loadtxt(folder / name, delimiter=",")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "for" / "engineers"
    export(fitted_for_the_chip(links=3), folder, wafers())
    return folder


def test_the_folder_holds_every_file(folder):
    assert {path.name for path in folder.iterdir()} == FILES


def test_vectors_say_what_goes_in_and_comes_out(folder):
    X, fitted = wafers(), fitted_for_the_chip(links=3)
    encoder = IntegerEncoder.from_estimator(fitted)
    tables = {name: read_table(folder, name) for name in VECTORS}
    np.testing.assert_array_equal(tables["verify_input_calQ.csv"], X)
    remapper = WaferRemapper("8x8").fit(X[:3])
    images = remapper.transform(X).reshape(len(X), -1)
    np.testing.assert_array_equal(tables["verify_input_ae_abs.csv"], images)
    codes = encoder.transform(tables["verify_input_ae.csv"].reshape(-1, 8, 8, 1))
    np.testing.assert_array_equal(tables["verify_output.csv"], codes)
    charged = X.any(axis=1)
    np.testing.assert_array_equal(codes[charged], encoder.transform(X[charged]))
    decoded = fitted.network_.predict(codes.astype(np.float32), submodel="decoder")
    np.testing.assert_allclose(
        tables["verify_decoded.csv"], decoded.reshape(len(X), -1), atol=1e-6
    )
    cells = tables["verify_decoded_calQ.csv"]
    np.testing.assert_allclose(cells.sum(axis=1), X.sum(axis=1), rtol=1e-6)
    shares = remapper.inverse_transform(decoded)
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        cells, shares * X.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6
    )


def test_numbers_have_twelve_digits_and_there_is_no_header(folder):
    for name in VECTORS:
        lines = (folder / name).read_text().splitlines()
        assert len(lines) == len(wafers())
        for number in lines[0].split(","):
            assert len(number.split(".")[1]) == 12


def test_the_payload_holds_sums_and_codes(folder):
    X = wafers()
    words = (folder / "payload.csv").read_text().split()
    payload = read_payload(hex_to_bits(words, 96), n_output_links=3)
    codes = read_table(folder, "verify_output.csv")
    np.testing.assert_array_equal(payload.codes / 16, codes)
    assert (np.abs(payload.sums - X.sum(axis=1)) * 16 <= X.sum(axis=1)).all()
    assert (payload.sums > 0).sum() == len(X) - 1
    assert not payload.headers.any()


def test_registers_and_mask_are_those_of_the_encoder(folder):
    words = (folder / "AE_Input_weights_auto_encoder.csv").read_text().split()
    encoder = IntegerEncoder.from_estimator(fitted_for_the_chip(links=3))
    for found, name in zip(
        read_registers(words),
        ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias"),
        strict=True,
    ):
        np.testing.assert_array_equal(found, getattr(encoder, name))
    mask = (folder / "keep_mask.txt").read_text().strip()
    assert bytes.fromhex(mask) == keep_mask(3)


def test_onnx_files_give_the_vectors(folder):
    images = read_table(folder, "verify_input_ae.csv").reshape(-1, 8, 8, 1)
    session = onnxruntime.InferenceSession(folder / "encoder.onnx")
    (codes,) = session.run(None, {"image": images.astype(np.float32)})
    np.testing.assert_array_equal(codes, read_table(folder, "verify_output.csv"))
    session = onnxruntime.InferenceSession(folder / "decoder.onnx")
    (decoded,) = session.run(None, {"code": codes})
    np.testing.assert_allclose(
        decoded.reshape(len(codes), -1),
        read_table(folder, "verify_decoded.csv"),
        atol=1e-6,
    )


def test_the_manifest_and_the_readme_name_every_file_and_format(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == FILES - {"README.txt", "manifest.json"}
    assert manifest["left_out"] == {}
    assert manifest["formats"]["weight_format"] == {
        "bits": 6,
        "integer_bits": 0,
        "signed": True,
        "step": 1 / 32,
        "lowest": -1,
        "highest": 31 / 32,
    }
    assert manifest["n_wafers"] == 40
    assert set(manifest["versions"]) == {"numpy", "keras", "onnx", "hls4ml"}
    readme = (folder / "README.txt").read_text()
    for name in manifest["files"]:
        assert name in readme
    for name in ("ufixed<8,1>", "fixed<6,1>", "fixed<11,4>", "ufixed<5,1>"):
        assert name in readme


def test_formats_may_count_in_numpy_integers(tmp_path):
    weight_format = FixedPoint(np.int64(6), np.int8(0), signed=np.True_)
    fitted = fitted_for_the_chip(weight_format_=weight_format)
    manifest = export(fitted, tmp_path, wafers())
    assert (
        json.loads((tmp_path / "manifest.json").read_text())["formats"]
        == (manifest["formats"])
    )


def test_what_is_not_the_chips_is_left_out_with_the_reason(tmp_path):
    fitted = fitted_for_the_chip(
        weight_format_=FixedPoint(6, 1), latent_format_=FixedPoint(4, 1, signed=False)
    )
    with pytest.warns(UserWarning, match="export leaves files out. AE_Input"):
        manifest = export(fitted, tmp_path, wafers())
    assert {path.name for path in tmp_path.iterdir()} == FILES - CHIP_FILES
    assert (
        "weight_integer_bits=0"
        in manifest["left_out"]["AE_Input_weights_auto_encoder.csv"]
    )
    assert "No number of links" in manifest["left_out"]["payload.csv"]
    assert "left out: keep_mask.txt" in (tmp_path / "README.txt").read_text()


def test_an_encoder_of_another_size_has_none_of_the_chips_files(tmp_path):
    fitted = with_chip_formats(tiny_autoencoder(epochs=1).fit(small_wafers()))
    with pytest.warns(UserWarning, match="codes of 16 numbers; this encoder's have 8"):
        manifest = export(fitted, tmp_path, wafers())
    assert set(manifest["left_out"]) == CHIP_FILES
    assert {path.name for path in tmp_path.iterdir()} == FILES - CHIP_FILES


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((2, 47)), "X has 47 columns"),
        (np.full((2, 48), 0.3), "sums of X must hold whole numbers"),
        (np.full((2, 48), np.nan), "X found NaN"),
    ],
)
def test_nothing_is_written_of_bad_wafers(X, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(fitted_for_the_chip(), tmp_path / "new", X)
    assert not (tmp_path / "new").exists()


def test_an_autoencoder_in_floating_point_is_refused(tmp_path):
    fitted = fitted_for_the_chip(latent_format_=None)
    for write in (export, write_verification_vectors):
        with pytest.raises(
            ValueError, match=r"has no latent_format_\. Set latent_bits"
        ):
            write(fitted, tmp_path / "new", wafers())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("package", ["onnx", "hls4ml"])
def test_the_missing_extra_is_named_before_anything_is_written(
    package, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}, .*skemd\[firmware\]"):
        export(fitted_for_the_chip(), tmp_path / "new", wafers())
    assert not (tmp_path / "new").exists()


def test_the_room_opens_without_the_extra_and_without_keras():
    script = """
import sys
for name in ("onnx", "onnxruntime", "hls4ml", "keras"):
    sys.modules[name] = None
import numpy as np
import skemd.firmware as firmware
print(firmware.keep_mask(5).hex(), firmware.normalize_on_chip([[1, 2]]))
"""
    outcome = run_python(script)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("ff" * 18)


def test_no_name_of_an_object_gets_into_the_files(tmp_path):
    hostile = 'MARKED"; exec touch FILE; $(touch FILE) set z "\n'
    wafer = hgcal_wafer()
    geometry = Geometry(wafer.positions, {hostile: wafer.layout("8x8")}, name=hostile)
    autoencoder = tiny_autoencoder(
        geometry=geometry, layout=hostile, epochs=1, n_filters=8, n_components=16
    )
    fitted = with_chip_formats(autoencoder.fit(small_wafers()))
    fitted.__class__ = type(hostile, (EMDAutoencoder,), {})
    X = pd.DataFrame(
        wafers(4),
        columns=[f"{hostile}{cell}" for cell in range(48)],
        index=[hostile] * 4,
    )
    export(fitted, tmp_path, X)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if b"MARKED" in path.read_bytes()]
