"""The commands that the README names run, at sizes that take seconds."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skemd.datasets import make_wafers

ROOT = Path(__file__).parents[1]


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


def test_an_unknown_benchmark_is_answered_with_the_known_ones(tmp_path):
    outcome = run("-m", "benchmarks", "all", folder=ROOT)
    assert outcome.returncode != 0
    assert "learned-emd" in outcome.stderr
