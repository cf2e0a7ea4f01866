"""The examples that the README names run, at sizes that take seconds."""

import json

import numpy as np
import pytest
from processes import run
from repository import ROOT

from benchmarks import links
from skemd.datasets import make_wafers
from skemd.study import read_csv


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "wafers.csv"
    header = ",".join(f"CALQ_{cell}" for cell in range(48))
    X = make_wafers(300, random_state=5)
    np.savetxt(path, X, delimiter=",", header=header, comments="", fmt="%d")
    return path


@pytest.mark.exhaustive
@pytest.mark.parametrize("source", ["generated", "file"])
def test_the_example_prints_a_table_and_draws_wafers(source, tmp_path, csv_file):
    data = ["--data", csv_file] if source == "file" else ["--wafers", "300"]
    outcome = run(
        ROOT / "examples" / "compress_wafers.py",
        *data,
        *("--epochs", 1, "--losses", "emd", "mse", "--seeds", 1000, 1001),
        *("--output", tmp_path / "out"),
        folder=tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr
    first, second, _, _, *rows, _ = outcome.stdout.splitlines()
    assert first == "240 wafers to train on, 60 set aside; seed 1000"
    assert second.endswith("seed 1001")
    found = {}
    for row in rows:
        *name, mean, seeds, median, low, high, bits = row.split()
        of_seeds = [float(value) for value in seeds.strip("()").split("-")]
        found[" ".join(name)] = of_seeds
        assert np.mean(of_seeds) == pytest.approx(float(mean), abs=1e-3)
        assert 0 <= float(low) <= float(median) <= float(high)
        # Three links carry 96 bits; Threshold Sum fits them on average, in training.
        assert 0 < float(bits) < 100
    encoders = {"encoder, emd", "encoder, mse"}
    assert encoders < found.keys()
    # Progress goes to stderr.
    assert "EMDAutoencoder(mse)" in outcome.stderr
    assert (tmp_path / "out" / "compress_wafers.png").stat().st_size > 10_000
    if source == "file":
        return
    # The table of README.rst is that of the benchmark.
    _, results = links.report(links=(3,), n_generated=300, epochs=1)
    expected = {name: means[3] for name, means in results["generated"].items()}
    expected["encoder, emd"] = expected["encoder"]
    for name in found.keys() - {"encoder, mse"}:
        of_first_seed = pytest.approx(expected[name], abs=6e-4)
        assert any(value == of_first_seed for value in found[name]), name


def test_the_example_names_a_missing_file(tmp_path):
    outcome = run(
        ROOT / "examples" / "compress_wafers.py", "--data", "no.csv", folder=tmp_path
    )
    assert outcome.returncode != 0
    assert "There is no file or folder no.csv" in outcome.stderr


@pytest.mark.exhaustive
def test_the_search_prints_its_best_and_draws_all(tmp_path):
    sizes = {"--wafers": 100, "--pairs": 300, "--candidates": 3, "--epochs": 3}
    outcome = run(
        ROOT / "examples" / "search_regressor.py",
        *(word for option in sizes.items() for word in option),
        *("--output", tmp_path),
        folder=tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr
    results = json.loads((tmp_path / "search_regressor.json").read_text())
    # Three candidates for one epoch, and the best of them for three.
    assert sorted(row["epochs"] for row in results) == [1, 1, 1, 3]
    errors = [row["error"] for row in results]
    assert errors == sorted(errors)
    chosen = ", ".join(f"{name}={v!r}" for name, v in results[0]["chosen"].items())
    assert f"best: EMDRegressor(head='linear', {chosen})" in outcome.stdout
    assert (tmp_path / "search_regressor.png").stat().st_size > 10_000


@pytest.mark.exhaustive
def test_the_learned_emd_is_drawn_for_all_heads(tmp_path):
    outcome = run(
        ROOT / "examples" / "learned_emd.py",
        *("--wafers", 200, "--pairs", 300, "--output", tmp_path),
        folder=tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr
    title, *rows, _ = outcome.stdout.splitlines()
    assert "of 50 wafers and reconstructions" in title
    spreads = {row.split()[0]: float(row.split()[-1]) for row in rows}
    assert spreads.keys() == {"linear", "bounded", "potential"}
    # The two limited heads need more than 300 pairs to be told apart.
    assert 0 < spreads["bounded"] < spreads["linear"]
    assert 0 < spreads["potential"] < spreads["linear"]
    assert (tmp_path / "learned_emd.png").stat().st_size > 10_000


REPRODUCE = ROOT / "examples" / "reproduce_paper.py"


@pytest.mark.exhaustive
def test_the_papers_comparison_is_printed_drawn_and_written(tmp_path):
    options = {"--seeds": 0, "--links": 2, "--cache": tmp_path / "cache"}
    sizes = {"--wafers": 100, "--test-wafers": 300, "--steps": 2}
    words = [word for option in {**options, **sizes}.items() for word in option]
    for name in ("one", "two"):
        outcome = run(
            *(REPRODUCE, "--losses", "emd", "telescope", *words),
            *("--output", tmp_path / name),
            folder=tmp_path,
        )
        assert outcome.returncode == 0, outcome.stderr
        assert "compare [########" in outcome.stderr
    rows = read_csv(tmp_path / "one" / "links.csv")
    bits = {
        (row["algorithm"], row["n_output_links"]): row["payload_bits_max"]
        for row in rows
    }
    assert bits["exact EMD", 2] == bits["telescope", 2] == 62
    assert bits["exact EMD", None] is bits["telescope", None] is None
    assert 0 < bits["Best Choice", 2] <= 64
    # Autoencoders keep each wafer's sum.
    assert rows[0]["energy_response_mean"] == 1
    assert rows[0]["center_shift_half_pitches_mean"] <= rows[0]["emd_half_pitches_mean"]
    written = {path.name: path for path in (tmp_path / "one").iterdir()}
    profiles = {name for name in written if name.startswith("profile_")}
    properties = ("occupancy_cells", "abs_eta", "charge_mip")
    assert profiles == {f"profile_{name}.csv" for name in properties}
    ratios = read_csv(written["ratios_occupancy_cells.csv"])
    assert len(ratios) == 10
    assert ratios[0]["paper_ratio"] == pytest.approx(0.953 / 1.34, rel=1e-5)
    for name in ("profiles.png", "links.png"):
        assert written[name].stat().st_size > 10_000
    # The result from the cache is the same, byte by byte.
    for name in written.keys() - {"profiles.png", "links.png"}:
        again = (tmp_path / "two" / name).read_bytes()
        assert again == written[name].read_bytes(), name


@pytest.mark.exhaustive
def test_the_papers_comparison_takes_a_file_and_a_single_loss(tmp_path, csv_file):
    outcome = run(
        *(REPRODUCE, "--data", csv_file, "--losses", "mse", "--steps", 2),
        *("--seeds", 0, "--links", 5, "--output", tmp_path / "out"),
        folder=tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr
    settings = read_csv(tmp_path / "out" / "settings.csv")
    values = {row["setting"]: row["value"] for row in settings}
    assert (values["wafers"], values["n_train"], values["n_test"]) == (
        *("wafers.csv", 240, 60),
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}
    # It carries no eta, and there is nothing to divide by.
    assert {name for name in names if name.startswith(("profile_", "ratios_"))} == {
        "profile_occupancy_cells.csv",
        "profile_charge_mip.csv",
    }
    (row,) = [line for line in outcome.stdout.splitlines() if "5      MSE" in line]
    assert row.split()[4:6] == ["158.0", "158"]
