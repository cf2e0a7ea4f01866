"""The folder for engineers: what each file says, read back from disk."""

import json
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from encoders import fitted_for_the_chip, fitted_in_exact_sums
from processes import run_python
from small_data import small_wafers, tiny_autoencoder

from skemd import EMDAutoencoder, WaferRemapper
from skemd.datasets import make_wafers
from skemd.firmware import (
    EconT,
    FixedPoint,
    IntegerEncoder,
    export,
    read_words,
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
REGISTERS = {"registers_production.yaml", "registers_prototype.yaml"}
CHIP_FILES = REGISTERS | {"testInput.csv", "testOutput.csv"}
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
    np.testing.assert_array_equal(codes, encoder.transform(X))
    # What the receiver makes of codes and sums, each wafer with its own sum.
    decoded = fitted.inverse_transform(fitted.transform(X))
    decoded = remapper.transform(decoded / decoded.sum(axis=1, keepdims=True))
    images = tables["verify_decoded.csv"].reshape(decoded.shape)
    cells = remapper.inverse_transform(images)
    images *= 1 / cells.sum(axis=1)[:, None, None, None]
    on_cells = remapper.inverse_transform(images)
    np.testing.assert_allclose(on_cells, remapper.inverse_transform(decoded), atol=1e-6)
    found = tables["verify_decoded_calQ.csv"]
    np.testing.assert_allclose(found.sum(axis=1), X.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        found, on_cells * X.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6
    )


def test_numbers_have_twelve_digits_and_there_is_no_header(folder):
    for name in VECTORS:
        lines = (folder / name).read_text().splitlines()
        assert len(lines) == len(wafers())
        for number in lines[0].split(","):
            assert len(number.split(".")[1]) == 12


def test_words_go_in_and_codes_and_sums_come_out(folder):
    X, fitted = wafers(), fitted_for_the_chip(links=3)
    words = read_words(folder / "testInput.csv")
    expected = read_words(folder / "testOutput.csv")
    codes = read_table(folder, "verify_output.csv")
    assert len(np.unique(codes)) > 10
    for name in REGISTERS:
        chip = EconT.from_registers(folder / name)
        assert chip.settings.version == name.split("_")[1].removesuffix(".yaml")
        np.testing.assert_array_equal(chip.run(words), expected)
        # The chip from the file lays out wafers like the one that wrote it.
        np.testing.assert_array_equal(chip.link_words(X), words)
        sent = chip.unpack(expected)
        np.testing.assert_array_equal(sent["codes"] / 256, codes)
        np.testing.assert_array_equal(sent["sum"], fitted.transform(X)[:, -1])
    assert expected[:, :3].any(axis=0).all()
    assert not expected[:, 3:].any()


def test_registers_hold_the_weights_and_the_mask(folder):
    encoder = IntegerEncoder.from_estimator(fitted_for_the_chip(links=3))
    for name in REGISTERS:
        settings = EconT.from_registers(folder / name).settings
        for found, expected in zip(settings.weights, encoder.weights, strict=True):
            np.testing.assert_array_equal(found, expected)
        assert f"{settings.keep_mask:0144b}" == 16 * "111110000"
        assert not settings.high_density


def test_onnx_files_give_the_vectors(folder):
    images = read_table(folder, "verify_input_ae.csv").reshape(-1, 8, 8, 1)
    session = onnxruntime.InferenceSession(folder / "encoder.onnx")
    (codes,) = session.run(None, {"image": images.astype(np.float32)})
    np.testing.assert_array_equal(codes, read_table(folder, "verify_output.csv"))
    session = onnxruntime.InferenceSession(folder / "decoder.onnx")
    fitted = fitted_for_the_chip(links=3)
    sums = fitted.transform(wafers())[:, -1]
    told = np.column_stack(
        [(np.log2(sums) - 10) / 4, sums / 2 ** np.floor(np.log2(sums))]
    )
    rows = np.column_stack([codes, told]).astype(np.float32)
    (decoded,) = session.run(None, {"code": rows})
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
    for name in ("ufixed<8,1>", "fixed<6,1>", "down to 0.00390625", "ufixed<5,1>"):
        assert name in readme
    assert (manifest["arithmetic"], manifest["front_end"]) == ("chip", "LD")
    assert manifest["formats"]["accumulator_format"] is None


def test_formats_may_count_in_numpy_integers(tmp_path):
    fitted = fitted_for_the_chip()
    fitted.weight_format_ = FixedPoint(np.int64(6), np.int8(0), signed=np.True_)
    manifest = export(fitted, tmp_path, wafers())
    assert (
        json.loads((tmp_path / "manifest.json").read_text())["formats"]
        == (manifest["formats"])
    )


def test_what_no_chip_sends_is_left_out_with_the_reason(tmp_path):
    fitted = fitted_in_exact_sums(weight_format_=FixedPoint(6, 1))
    with pytest.warns(UserWarning, match="export leaves out registers_.*'chip'"):
        manifest = export(fitted, tmp_path, wafers())
    assert {path.name for path in tmp_path.iterdir()} == FILES - CHIP_FILES
    assert set(manifest["left_out"]) == CHIP_FILES
    assert "front_end='LD' or 'HD'" in manifest["left_out"]["testInput.csv"]
    assert manifest["formats"]["accumulator_format"]["bits"] == 11
    readme = (tmp_path / "README.txt").read_text()
    assert "left out: testOutput.csv" in readme
    assert "exact, then rounded to fixed<11,4>" in readme


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((2, 47)), "X has 47 columns"),
        (np.full((2, 48), 2**22 + 1), "Charges must be counts from 0 to 2..22"),
        (np.full((2, 48), np.nan), "X found NaN"),
    ],
)
def test_nothing_is_written_of_bad_wafers(X, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(fitted_for_the_chip(), tmp_path / "new", X)
    assert not (tmp_path / "new").exists()


def test_an_autoencoder_in_floating_point_is_refused(tmp_path):
    fitted = fitted_in_exact_sums(latent_format_=None)
    for write in (export, write_verification_vectors):
        with pytest.raises(
            ValueError, match=r"has no latent_format_\. Set latent_bits"
        ):
            write(fitted, tmp_path / "new", wafers())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("package", ["onnx", "hls4ml", "yaml"])
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
for name in ("onnx", "onnxruntime", "hls4ml", "yaml", "keras"):
    sys.modules[name] = None
import numpy as np
import skemd.firmware as firmware
print(firmware.LINK_FORMATS[5].bits, firmware.normalize_on_chip([[1, 2]]))
"""
    outcome = run_python(script)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("9 ")


def test_no_name_of_an_object_gets_into_the_files(tmp_path):
    hostile = 'MARKED"; exec touch FILE; $(touch FILE) set z "\n'
    wafer = hgcal_wafer()
    geometry = Geometry(wafer.positions, {hostile: wafer.layout("8x8")}, name=hostile)
    autoencoder = tiny_autoencoder(
        geometry=geometry,
        layout=hostile,
        epochs=1,
        n_filters=8,
        n_components=16,
        n_output_links=5,
    )
    fitted = autoencoder.fit(small_wafers())
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
