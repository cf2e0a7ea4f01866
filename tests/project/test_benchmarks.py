"""The benchmarks run, at sizes that take seconds, and say what they measured."""

import functools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from engines import skip_without_simplex
from processes import run
from repository import ROOT

from benchmarks import (
    __main__,
    chip_cost,
    chip_epoch,
    chip_training,
    decoders,
    defaults,
    exactness,
    links,
    loss_table,
    other_geometries,
    ready_encoders,
    receivers,
)
from benchmarks._compare import Comparison, in_turns
from skemd.distance import paired_emd
from skemd.metrics import emd_per_wafer


def test_rivals_are_timed_in_turns_printed_and_written(tmp_path, monkeypatch, capsys):
    calls = []

    def compare(n_turns):
        rivals = {name: functools.partial(calls.append, name) for name in ("a", "b")}
        seconds = in_turns(rivals, n_turns)
        return [Comparison("some work", "pairs", 100, seconds, "a", {"b": 5})]

    path = tmp_path / "folder" / "speed.json"
    monkeypatch.setitem(__main__.SPEED, "exact", compare)
    words = ["exact", "--turns", "2", "--output", str(path)]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    __main__.main()
    # The first turn does not count.
    assert calls == ["a", "b"] * 3
    assert "skemd is faster by" in capsys.readouterr().out
    (comparison,) = json.loads(path.read_text())["speed"]
    assert comparison["n_items"] == 100
    assert {name: len(turns) for name, turns in comparison["seconds"].items()} == {
        "a": 2,
        "b": 2,
    }


@pytest.mark.exhaustive
def test_other_geometries_have_a_row_for_each_head(monkeypatch):
    table, results = other_geometries.report(
        n_histograms=300, n_pairs=1_000, epochs=2, n_test_pairs=50
    )
    assert len(results) == 4
    assert {name.rsplit(", ", 1)[1] for name in results} == {"bounded", "potential"}
    for found in results.values():
        assert 0 < found["std"] < 1
        assert f"{found['std']:.4f}" in table
        assert found["seconds"] > 0


@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
def test_the_loss_table_has_a_row_for_each_loss(monkeypatch):
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


@pytest.mark.exhaustive
def test_defaults_are_compared_with_settings_by_hand(monkeypatch):
    monkeypatch.setattr(defaults, "REAL_SAMPLE", Path("no-such-file"))
    monkeypatch.setattr(defaults, "N_TEST", 50)
    monkeypatch.setattr(defaults, "BY_HAND", {"few": (250, 0.01, 2)})
    monkeypatch.setattr("skemd._autoencoder._fit.N_STEPS", 2)
    table, results = defaults.report(losses=("mse",), sizes=(60, 80), seeds=(0, 1))
    assert [*results] == ["60 generated, mse", "80 generated, mse"]
    for row in results.values():
        assert np.shape([row["defaults"], row["few"]]) == (2, 2)
        assert np.isfinite([*row.values()]).all()
    best = min(np.mean(row["defaults"]), np.mean(row["few"]))
    assert f"{np.mean(row['defaults']) / best:.2f}" in table.splitlines()[-2]


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.* dead:UserWarning")
def test_the_encoder_is_compared_with_the_chips_algorithms(monkeypatch):
    monkeypatch.setattr(links, "REAL_SAMPLE", Path("no-such-file"))
    table, results = links.report(links=(2, 5), n_generated=300, seed=0, epochs=1)
    found = results["generated"]
    assert found.keys() == {*links.ENCODERS, links.READY, *links.ALGORITHMS}
    assert all(means.keys() == {2, 5} for means in found.values())
    # With more links Best Choice sends more cells.
    best = found["Best Choice, rest dropped"]
    assert best[5] < best[2]
    (row,) = [line for line in table.splitlines() if line.startswith("encoder  ")]
    assert row.split()[1:] == [f"{found['encoder'][n]:.3f}" for n in (2, 5)]


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.* dead:UserWarning")
def test_decoders_are_compared_by_weights_and_products(monkeypatch):
    monkeypatch.setattr(decoders, "REAL_SAMPLE", Path("no-such-file"))
    monkeypatch.setattr(decoders, "N_TEST", 50)
    names = ("mirror", "320 units")
    table, results = decoders.report(
        links=(3,), seeds=(0, 1), decoders=names, n_generated=300, n_steps=2
    )
    mirror, residual = (results[name][3] for name in names)
    assert mirror["weights"][0] == 18 * 128 + 128 + 9 * 64 + 8 + 9 * 8 + 1
    # Each of 4 x 4 pixels has eight numbers, and each of 8 x 8 as many before the last.
    assert mirror["products"][0] == 18 * 128 + 16 * 9 * 64 + 64 * 9 * 8
    assert residual["weights"][0] > 2 * mirror["weights"][0]
    assert np.shape([residual["generated"], residual["pile-up x 10"]]) == (2, 2)
    assert f"{np.mean(residual['generated']):.3f}" in table.splitlines()[-2]


@pytest.mark.exhaustive
def test_ready_encoders_are_judged_as_they_are(monkeypatch):
    monkeypatch.setattr(decoders, "REAL_SAMPLE", Path("no-such-file"))
    monkeypatch.setattr(decoders, "N_TEST", 300)
    table, results = ready_encoders.report(links=(2, 4))
    assert 0.5 < results[4]["generated"] < results[2]["generated"] < 0.9
    assert f"{results[4]['pile-up x 10']:.3f}" in table.splitlines()[-2]


@pytest.mark.exhaustive
def test_receivers_are_compared_with_and_without_a_decoder(monkeypatch):
    monkeypatch.setattr(receivers, "REAL_SAMPLE", Path("no-such-file"))
    table, results = receivers.report(
        names=("CTC4_7",), links=(2, 3), n_generated=300, n_steps=2, seeds=(0, 1)
    )
    found = results["generated"]
    names = ["CTC4_7", "CTC4_7, EMDDecoder"]
    assert [*found] == [receivers.READY, *names]
    means = {
        (name, n): [run["mean"] for run in found[name][n]]
        for name in found
        for n in (2, 3)
    }
    assert np.shape([*means.values()]) == (6, 2)
    # With two links a third of the wafer is not sent.
    assert np.mean(means["CTC4_7", 2]) > np.mean(means["CTC4_7", 3])
    rows = [line for line in table.splitlines() if line.startswith("CTC4_7")]
    # One table of means, and one by occupancy for each number of links.
    assert len(rows) == 6
    for name, row in zip(names, rows, strict=False):
        for n in (2, 3):
            assert f" {np.mean(means[name, n]):.3f} (" in row
    by_bin = np.mean([run["by occupancy"] for run in found["CTC4_7"][3]], axis=0)
    assert rows[-2].split()[-4:] == [f"{mean:.3f}" for mean in by_bin]


@pytest.mark.exhaustive
def test_the_table_of_the_chips_cost_has_a_row_for_each_format(monkeypatch):
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


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.* dead:UserWarning")
def test_training_through_the_chip_is_judged_by_what_is_received(monkeypatch):
    monkeypatch.setattr(chip_training, "REAL_SAMPLE", Path("no-such-file"))
    table, results = chip_training.report(
        links=(2,), seeds=(0,), n_generated=300, epochs=1
    )
    rows = {name: by_links[2][0] for name, by_links in results["generated"].items()}
    assert rows.keys() == chip_training.ROWS.keys()
    X = chip_training.make_wafers(300, random_state=0)
    train, test = chip_training.set_aside(X, 0)
    fitted = chip_training.EMDAutoencoder(
        "emd", n_output_links=2, random_state=0, epochs=1, decoder="mirror"
    ).fit(train)
    # What the receiver makes of the emulator's words is what predict returns.
    assert rows["through the front end"]["mean"] == pytest.approx(-fitted.score(test))
    assert len({row["mean"] for row in rows.values()}) == len(rows)
    occupied = (test > 0).sum(axis=1)
    few = emd_per_wafer(test, fitted.predict(test))[occupied < 4]
    found = rows["through the front end"]["by occupancy"]
    assert found[0] == pytest.approx(few.mean())
    assert f"{found[0]:.3f}" in table


def test_options_of_the_command_leave_rows_out(monkeypatch, tmp_path, capsys):
    def report(links=(2, 3), n_generated=10):
        return f"{links} {n_generated}", {}

    monkeypatch.setitem(__main__.REPORTS, "links", report)
    words = ["links", "--links", "5", "--seeds", "7", "--output", f"{tmp_path}/x"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    __main__.main()
    assert capsys.readouterr().out == "[5] 10\n"


@pytest.mark.exhaustive
def test_the_cost_of_an_epoch_is_a_ratio_to_exact_arithmetic():
    with warnings.catch_warnings():
        # So short a training leaves dead components.
        warnings.filterwarnings("ignore", ".* dead", UserWarning)
        table, results = chip_epoch.report(
            n_wafers=1_000, n_epochs=1, n_turns=1, losses=("mse",)
        )
    seconds = results["mse"]
    assert seconds.keys() == {"exact", "chip", "chip, front end"}
    assert table.splitlines()[3].split()[-1] == "1.00"


def test_an_unknown_benchmark_is_answered_with_the_known_ones(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "all"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert "learned-emd" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_the_exactness_benchmark_compares_every_kind_of_pairs(monkeypatch):
    skip_without_simplex()
    table, results = exactness.report(n_pairs=10_000)
    by_pot = [name for name in results if "closed form" not in name]
    n_pairs = sum(results[name]["pot"]["n_pairs"] for name in by_pot)
    assert n_pairs == 10_000 + exactness.N_PROGRAMS
    for kind in ("generated", "all single cells", "line(64)", "grid(8, 8)"):
        assert results[kind]["simplex"]["n_outside"] == 0
        assert kind in table


@pytest.mark.exhaustive
def test_the_exactness_benchmark_fails_where_an_engine_is_off(monkeypatch):
    skip_without_simplex()

    def off(A, B, **options):
        return 1.00001 * paired_emd(A, B, **options)

    monkeypatch.setattr(exactness, "paired_emd", off)
    with pytest.raises(AssertionError, match=r"generated, simplex: .* worst in row"):
        exactness.report(n_pairs=10_000)
