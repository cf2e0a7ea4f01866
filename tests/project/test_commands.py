"""The commands that the README names run, at sizes that take seconds."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from engines import skip_without_simplex
from repository import ROOT

from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.study import read_csv


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=None,
    )


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "wafers.csv"
    header = ",".join(f"CALQ_{cell}" for cell in range(48))
    X = make_wafers(300, random_state=5)
    np.savetxt(path, X, delimiter=",", header=header, comments="", fmt="%d")
    return path


@pytest.mark.parametrize("source", ["generated", "file"])
def test_the_example_prints_a_table_and_draws_wafers(source, tmp_path, csv_file):
    data = ["--data", csv_file] if source == "file" else ["--wafers", "300"]
    outcome = run(
        ROOT / "examples" / "compress_wafers.py",
        *data,
        *("--epochs", 1, "--output", tmp_path / "out"),
        folder=tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("240 wafers to train on, 60 set aside; 1 epochs")
    for loss in ("mse", "weighted_mse", "telescope", "emdcnn"):
        (row,) = [line.split() for line in lines if line.split()[0] == loss]
        mean, median, low, high, seconds = map(float, row[1:])
        assert 0 < low < median < high
        assert mean > 0
        assert seconds > 0
        # Progress goes to stderr.
        assert f"EMDAutoencoder({loss})" in outcome.stderr
    assert (tmp_path / "out" / "compress_wafers.png").stat().st_size > 10_000


def test_the_example_names_a_missing_file(tmp_path):
    outcome = run(
        ROOT / "examples" / "compress_wafers.py", "--data", "no.csv", folder=tmp_path
    )
    assert outcome.returncode != 0
    assert "There is no file or folder no.csv" in outcome.stderr


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
    # What came from the cache is the same, byte by byte.
    for name in written.keys() - {"profiles.png", "links.png"}:
        again = (tmp_path / "two" / name).read_bytes()
        assert again == written[name].read_bytes(), name


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


def test_other_geometries_have_a_row_for_each_head(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import other_geometries

    table, results = other_geometries.report(
        n_histograms=300, n_pairs=1_000, epochs=2, n_test_pairs=50
    )
    assert len(results) == 4
    assert {name.rsplit(", ", 1)[1] for name in results} == {"bounded", "potential"}
    for found in results.values():
        assert 0 < found["std"] < 1
        assert f"{found['std']:.4f}" in table
        assert found["seconds"] > 0


def test_benchmarks_print_a_table_and_write_json(tmp_path):
    path = tmp_path / "speed.json"
    outcome = run(
        "-m", "benchmarks", "exact", "--turns", 1, "--output", path, folder=ROOT
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "loop over ot.emd2" in outcome.stdout
    comparison, *_ = json.loads(path.read_text())["speed"]
    assert comparison["n_items"] > 0
    assert all(len(turns) == 1 for turns in comparison["seconds"].values())


def test_the_loss_table_has_a_row_for_each_loss(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import loss_table

    monkeypatch.setattr(loss_table, "REAL_SAMPLE", Path("no-such-file"))
    table, results = loss_table.report(n_steps=4, n_generated=300, seeds=(0,))
    rows = {line.split()[0]: line for line in table.splitlines() if line}
    assert {*rows} >= {*loss_table.LOSSES}
    for loss, (run_of_loss,) in results["generated"].items():
        # The curve was taken by the same network that predicts.
        differences = np.subtract(run_of_loss["curve"], run_of_loss["mean"])
        assert np.abs(differences).min() < 1e-5, loss
        assert run_of_loss["seconds_per_epoch"] > 0
    (telescope,) = results["generated"]["telescope"]
    reached = loss_table.time_to_reach(telescope, telescope["curve"][-1])
    n_epochs = len(telescope["curve"])
    assert reached <= n_epochs * telescope["seconds_per_epoch"]
    assert np.isnan(loss_table.time_to_reach(telescope, 0.0))


def test_the_table_of_the_chips_cost_has_a_row_for_each_format(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import chip_cost

    monkeypatch.setattr(chip_cost, "REAL_SAMPLE", Path("no-such-file"))
    monkeypatch.setattr(chip_cost, "LOSSES", ("mse", "telescope"))
    asked = []

    class Autoencoder(chip_cost.EMDAutoencoder):
        def fit(self, X, y=None):
            asked.append((self.n_output_links, self.loss, self.random_state))
            return super().fit(X)

    monkeypatch.setattr(chip_cost, "EMDAutoencoder", Autoencoder)
    with warnings.catch_warnings():
        # So short a training leaves dead components.
        warnings.filterwarnings("ignore", ".* dead", UserWarning)
        table, results = chip_cost.report(n_steps=2, n_generated=100, seeds=(0,))
    assert len(set(asked)) == 10
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line}
    assert rows.keys() >= {"3", "5", "7", "9", "float"}
    for loss, means in results["generated"].items():
        assert means.keys() == {"3", "5", "7", "9", "float"}, loss
        assert np.isfinite([*means.values()]).all()
        assert np.shape([*means.values()]) == (5, 1)
    # The row's entries: a mean and a range for each loss, and against floats.
    expected = np.mean(results["generated"]["telescope"]["3"])
    assert float(rows["3"][3]) == pytest.approx(expected, abs=1e-3)
    assert rows["float"][-2:] == ["1.00", "(1.00-1.00)"]


def test_an_unknown_benchmark_is_answered_with_the_known_ones(tmp_path):
    outcome = run("-m", "benchmarks", "all", folder=ROOT)
    assert outcome.returncode != 0
    assert "learned-emd" in outcome.stderr


def test_the_exactness_benchmark_compares_every_kind_of_pairs(monkeypatch):
    skip_without_simplex()
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import exactness

    table, results = exactness.report(n_pairs=10_000)
    by_pot = [name for name in results if "closed form" not in name]
    n_pairs = sum(results[name]["pot"]["n_pairs"] for name in by_pot)
    assert n_pairs == 10_000 + exactness.N_PROGRAMS
    for kind in ("generated", "all single cells", "line(64)", "grid(8, 8)"):
        assert results[kind]["simplex"]["n_outside"] == 0
        assert kind in table


def test_the_exactness_benchmark_fails_where_an_engine_is_off(monkeypatch):
    skip_without_simplex()
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import exactness

    def off(A, B, **options):
        return 1.00001 * paired_emd(A, B, **options)

    monkeypatch.setattr(exactness, "paired_emd", off)
    with pytest.raises(AssertionError, match=r"generated, simplex: .* worst in row"):
        exactness.report(n_pairs=10_000)


@pytest.mark.skipif(sys.platform != "linux", reason="needs sanitizers to preload")
def test_the_fuzzer_finds_nothing():
    skip_without_simplex()
    outcome = run("-m", "tests.fuzz.fuzz", "--pairs", 20_000, folder=ROOT)
    assert outcome.returncode == 0, outcome.stderr
    assert "no finding in 20,000 pairs" in outcome.stderr
