"""The folder for engineers: what each file says, read back from disk."""

import hashlib
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from encoders import fitted_for_the_chip, fitted_in_exact_sums, with_wide_weights
from exhaustive import rarely
from frozen_graphs import needs_tensorflow, run_graph
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
from skemd.firmware._chip._front_end import seen_charges
from skemd.firmware._provenance import provenance_of
from skemd.geometry import Geometry, hgcal_wafer
from skemd.losses import SinkhornDivergence

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
FILES |= {"example_onnx.py"}


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
    packages = {"numpy", "scikit-learn", "keras", "onnx", "hls4ml"}
    assert set(manifest["versions"]) == {"skemd", "python"} | packages
    readme = (folder / "README.txt").read_text()
    for name in manifest["files"]:
        assert name in readme
    for name in ("ufixed<8,1>", "fixed<6,1>", "down to 0.00390625", "ufixed<5,1>"):
        assert name in readme
    assert (manifest["arithmetic"], manifest["front_end"]) == ("chip", "LD")
    assert manifest["formats"]["accumulator_format"] is None


def test_the_manifest_says_what_made_the_files(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    fitted, X = fitted_for_the_chip(links=3), wafers()
    found = manifest["parameters"]
    assert found.keys() == fitted.get_params(deep=False).keys() - {
        "checkpoint_dir",
        "n_jobs",
        "verbose",
    }
    assert (found["loss"], found["n_output_links"], found["epochs"]) == ("mse", 3, 1)
    data = small_wafers().astype("<f8")
    assert manifest["training_data"] == {
        "n_wafers": len(data),
        "sha256": hashlib.sha256(data.tobytes()).hexdigest(),
    }
    charged = X[X.any(axis=1)]
    score = {"mean_emd": pytest.approx(-fitted.score(charged), rel=1e-5)}
    assert manifest["score"] == {"n_wafers": 39, **score}
    losses = fitted.history_
    assert manifest["training"]["epochs"] == len(losses["loss"])
    assert manifest["training"]["lowest"]["val_loss"] == min(losses["val_loss"])
    # From the registers to the hash of the weights.
    weights = EconT.from_registers(folder / "registers_production.yaml")
    steps = b"".join(array.tobytes() for array in weights.settings.weights)
    digest = hashlib.sha256(steps).hexdigest()
    assert manifest["sha256"]["encoder"] == digest
    readme = (folder / "README.txt").read_text()
    for words in (digest, manifest["training_data"]["sha256"], "mean exact EMD"):
        assert words in readme
    other = fitted_for_the_chip(links=3)
    other.network_.weights[9] = other.network_.weights[9] + np.float32(1)
    record = provenance_of(other, IntegerEncoder.from_estimator(other), X, None)
    assert record["sha256"]["encoder"] == digest
    assert record["sha256"]["network"] != manifest["sha256"]["network"]


def test_losses_and_formats_are_recorded_by_their_parameters(tmp_path):
    fitted = fitted_for_the_chip()
    fitted.set_params(
        loss=SinkhornDivergence(epsilon=0.25), latent_bits=FixedPoint(9, 1)
    )
    encoder = IntegerEncoder.from_estimator(fitted)
    parameters = provenance_of(fitted, encoder, wafers(), None)["parameters"]
    assert parameters["loss"]["class"] == "SinkhornDivergence"
    assert parameters["loss"]["epsilon"] == 0.25
    assert parameters["latent_bits"] == {"bits": 9, "integer_bits": 1, "signed": True}
    json.dumps(parameters)


def test_without_wafers_random_charges_are_verified(tmp_path):
    manifest = export(fitted_for_the_chip(), tmp_path)
    assert manifest["n_wafers"] == 1000
    assert manifest["score"]["mean_emd"] is None
    chip = EconT.from_registers(tmp_path / "registers_production.yaml")
    words = chip.run(read_words(tmp_path / "testInput.csv"))
    np.testing.assert_array_equal(words, read_words(tmp_path / "testOutput.csv"))
    assert len(np.unique(chip.unpack(words)["codes"])) > 100
    assert "random or empty" in (tmp_path / "README.txt").read_text()


def test_multiplexer_and_calibration_of_a_detector(tmp_path):
    X, fitted = wafers(), fitted_for_the_chip(links=3)
    own = EconT.from_autoencoder(fitted)
    # Which input cell each trigger cell comes on, and back.
    input_cell_of = np.random.default_rng(1).permutation(48)
    mux = input_cell_of[own.trigger_cells]
    manifest = export(fitted, tmp_path, X, mux=mux.tolist())
    words = read_words(tmp_path / "testInput.csv")
    np.testing.assert_array_equal(
        read_words(tmp_path / "testOutput.csv"), own.run(own.link_words(X))
    )
    # Production chip: cell k of a word is its k-th group of seven bits.
    on_links = (words[:, :, None] >> np.array([21, 14, 7, 0], np.uint32)) & 127
    in_order = (own.link_words(X)[:, :, None] >> np.array([21, 14, 7, 0])) & 127
    np.testing.assert_array_equal(
        on_links.reshape(len(X), 48)[:, input_cell_of], in_order.reshape(len(X), 48)
    )
    for name in REGISTERS:
        chip = EconT.from_registers(
            tmp_path / name, trigger_cells=manifest["trigger_cells"]
        )
        np.testing.assert_array_equal(chip.link_words(X), words)
        np.testing.assert_array_equal(
            chip.run(words), read_words(tmp_path / "testOutput.csv")
        )
    assert manifest["mux"] == mux.tolist()
    assert "multiplexer was passed" in (tmp_path / "README.txt").read_text()


def test_the_chip_encodes_calibrated_charges(tmp_path):
    X, fitted = wafers(), fitted_for_the_chip(links=5)
    factors = np.random.default_rng(2).integers(500, 4096, size=48)
    export(fitted, tmp_path, X, calibration=factors)
    chip = EconT.from_registers(tmp_path / "registers_prototype.yaml")
    sent = chip.unpack(read_words(tmp_path / "testOutput.csv"))
    # Cell by cell behind the multiplexer.
    seen = seen_charges(X, "LD")[:, chip.trigger_cells].astype(np.int64)
    calibrated = (seen * factors) >> 11
    cells = np.empty_like(calibrated)
    cells[:, chip.trigger_cells] = calibrated
    encoder = IntegerEncoder.from_estimator(fitted)
    twin = IntegerEncoder(
        encoder.conv_kernel, encoder.conv_bias, encoder.dense_kernel, encoder.dense_bias
    )
    np.testing.assert_array_equal(sent["codes"], twin.transform_integers(cells))
    readme = " ".join((tmp_path / "README.txt").read_text().split())
    assert "of charges times the calibration" in readme


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mux": range(47)}, "mux must have 48 values.*got 47"),
        ({"mux": [48, *range(47)]}, "mux must be a whole number from 0 to 47; got 48"),
        ({"mux": [0, *range(47)]}, "reads some input cells twice"),
        ({"calibration": 48 * [4096]}, "calibration must be a whole .* 4095; got 4096"),
        ({"cmssw": "../x"}, "cmssw must be a name of letters.*got '../x'"),
        ({"cmssw": 5}, "cmssw must be a name of letters.*got 5"),
    ],
)
def test_nothing_is_written_for_bad_settings(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(fitted_for_the_chip(), tmp_path / "new", wafers(), **settings)
    assert not (tmp_path / "new").exists()


def test_a_multiplexer_needs_a_chip(tmp_path):
    with pytest.raises(ValueError, match="There is no chip for mux and calibration"):
        export(fitted_in_exact_sums(), tmp_path / "new", wafers(), mux=range(48))
    assert not (tmp_path / "new").exists()


@needs_tensorflow
def test_graphs_for_cmssw_are_written_when_asked_for(tmp_path):
    fitted, X = fitted_for_the_chip(links=3), wafers()
    with pytest.warns(UserWarning, match=r"decoder_3eLinks.pb takes the code and the"):
        manifest = export(fitted, tmp_path, X, cmssw="3eLinks")
    images = read_table(tmp_path, "verify_input_ae.csv").reshape(-1, 8, 8, 1)
    codes = run_graph(tmp_path / "encoder_3eLinks.pb", images)
    np.testing.assert_array_equal(codes, read_table(tmp_path, "verify_output.csv"))
    rows = fitted.transform(X)
    decoded = run_graph(tmp_path / "decoder_3eLinks.pb", rows).reshape(len(X), -1)
    expected = read_table(tmp_path, "verify_decoded.csv")
    np.testing.assert_allclose(decoded, expected, atol=1e-6)
    assert "tensorflow" in manifest["versions"]
    readme = (tmp_path / "README.txt").read_text()
    assert "decoderShape = [1, 17]" in readme
    assert manifest["files"].keys() >= {"encoder_3eLinks.pb", "decoder_3eLinks.pb"}


@needs_tensorflow
def test_cmssw_feeds_codes_alone_without_a_front_end(tmp_path):
    fitted = tiny_autoencoder(
        n_filters=8, n_components=16, n_output_links=5, front_end=None, epochs=1
    ).fit(small_wafers())
    with pytest.warns(UserWarning, match="leaves out registers") as warned:
        export(fitted, tmp_path, wafers(), cmssw="5")
    assert len(warned) == 1
    codes = read_table(tmp_path, "verify_output.csv").astype(np.float32)
    assert run_graph(tmp_path / "decoder_5.pb", codes).shape == (40, 8, 8, 1)
    assert "decoderShape = [1, 16]" in (tmp_path / "README.txt").read_text()


def test_tensorflow_is_asked_for_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"needs tensorflow, .*skemd\[cmssw\]"):
        export(fitted_for_the_chip(), tmp_path / "new", wafers(), cmssw="x")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        *rarely(
            {"front_end": "HD"},
            {"front_end": None},
            {"front_end": None, "encode_sum": True},
            {"encode_sum": False},
            {"arithmetic": "exact", "layout": "4x4x3"},
        ),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:export leaves out:UserWarning")
@pytest.mark.filterwarnings("ignore:.*components of the code are dead:UserWarning")
def test_the_example_beside_the_graphs_runs_without_skemd(parameters, tmp_path):
    fitted = tiny_autoencoder(
        n_filters=8, n_components=16, n_output_links=4, epochs=1, **parameters
    ).fit(small_wafers())
    X = wafers(200)
    X[:20] *= [[2**place] for place in range(20)]
    X[4] = 0
    X[4, 9] = 2**21
    export(with_wide_weights(fitted), tmp_path, np.minimum(X, 2**22))
    script = """
import runpy
import sys
sys.modules["skemd"] = None
runpy.run_path(sys.argv[1])
"""
    outcome = run_python(script, tmp_path / "example_onnx.py")
    assert outcome.returncode == 0, outcome.stderr
    codes, pixels, images = outcome.stdout.splitlines()
    assert codes == "numbers of codes that differ: 0"
    assert float(pixels.split()[-1]) < 1e-6
    assert float(images.split()[-1]) < 1e-5


def test_metadata_of_onnx_says_what_goes_in_and_comes_out(folder):
    meaning = {
        part: {
            entry.key: entry.value
            for entry in onnx.load(folder / f"{part}.onnx").metadata_props
        }
        for part in ("encoder", "decoder")
    }
    said = meaning["encoder"]
    assert said["input"].startswith("image: float32, (n, 8, 8, 1); charges in counts")
    assert "power of two at or below its sum" in said["normalization"]
    assert "saturate" in said["normalization"]
    assert (said["front_end"], said["arithmetic"]) == ("LD", "chip")
    layout = hgcal_wafer().layout("8x8")
    for of_part in meaning.values():
        assert json.loads(of_part["cell_to_pixel"]) == layout.cell_to_pixel.tolist()
    assert "multiples of 0.0625 from 0 to 1.9375" in said["output"]
    assert meaning["decoder"]["input"].startswith("code: float32, (n, 18); 16 numbers")


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
