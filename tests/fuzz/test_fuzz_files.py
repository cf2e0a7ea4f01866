"""The fuzzer of the readers: it finds nothing, and would find what is wrong."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from repository import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")


@pytest.mark.exhaustive
def test_nothing_is_found():
    kinds = ("csv", "gzip", "parquet", "root")
    command = [sys.executable, "-m", "tests.fuzz.fuzz_files", "--files", "100"]
    outcome = subprocess.run(
        [*command, "--kind", *kinds],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    for kind in kinds:
        assert f"no finding in 100 files ({kind})" in outcome.stderr


def undecodable(path):
    raise UnicodeDecodeError("utf-8", b"", 0, 1, str(path))


def unnamed(path):
    raise ValueError("something is wrong")


@pytest.mark.parametrize(
    ("reader", "what"),
    [
        (undecodable, "an error is a plain ValueError"),
        (unnamed, "the error names the file"),
        (lambda path: np.zeros((2, 47)), "48 charges a wafer"),
        (lambda path: np.full((2, 48), -1.0), "charges are not negative"),
        (lambda path: np.full((2, 48), np.nan), "charges are finite"),
        (lambda path: np.zeros((2, 48), dtype=int), "float64"),
        (lambda path: (np.zeros((2, 48)), [1]), "a row of metadata for each wafer"),
    ],
)
def test_a_wrong_answer_would_be_found(monkeypatch, tmp_path, reader, what):
    from tests.fuzz import fuzz_files

    monkeypatch.setattr(fuzz_files, "load_wafers", lambda path, **_: reader(path))
    # Other tests of this process may have had more.
    monkeypatch.setattr(fuzz_files, "MOST_BYTES", np.inf)
    with pytest.raises(fuzz_files.Finding, match=f"not so: {what}"):
        fuzz_files.read(np.random.default_rng(0), tmp_path / "mutated.csv")


def test_much_memory_would_be_found(monkeypatch, tmp_path):
    from tests.fuzz import fuzz_files

    monkeypatch.setattr(fuzz_files, "load_wafers", lambda path, **_: np.zeros((2, 48)))
    monkeypatch.setattr(fuzz_files, "MOST_BYTES", fuzz_files.peak_bytes() - 1)
    with pytest.raises(fuzz_files.Finding, match="1 GB is enough"):
        fuzz_files.read(np.random.default_rng(0), tmp_path / "mutated.csv")


def test_the_file_of_a_crash_is_kept(monkeypatch, tmp_path, capsys):
    from tests.fuzz import fuzz_files

    def crash(command):
        folder = Path(command[command.index("--folder") + 1])
        (folder / "mutated.csv").write_text("1,2,3")
        return SimpleNamespace(returncode=-11)

    monkeypatch.setattr(fuzz_files.subprocess, "run", crash)
    (tmp_path / "run").mkdir()
    options = SimpleNamespace(kind=["csv"], files=1, seed=5, keep=tmp_path / "kept")
    assert fuzz_files.run_child(tmp_path / "run", options) == 1
    assert (tmp_path / "kept" / "fuzz_5_mutated.csv").read_text() == "1,2,3"
    assert "exit status -11" in capsys.readouterr().err
