"""The fuzzers find nothing, and would find what is wrong."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from engines import skip_without_simplex
from processes import run
from repository import ROOT

if sys.platform == "win32":
    pytest.skip("needs resource limits", allow_module_level=True)

from tests.fuzz import fuzz_readers, fuzz_saved, harness

KINDS = ("csv", "gzip", "parquet", "root")


def fuzzed(module, *arguments):
    """Run a fuzzer as its page says; return what it counted."""
    outcome = run("-m", f"tests.fuzz.{module}", *arguments, folder=ROOT)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stderr


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="needs sanitizers to preload")
def test_nothing_is_found_in_the_solver():
    skip_without_simplex()
    said = fuzzed("fuzz_solver", "--pairs", 20_000)
    assert "no finding in 20,480 pairs (solver)" in said
    said = fuzzed("fuzz_solver", "--large", "--pairs", 800)
    assert "no finding in 800 pairs (large solver)" in said


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="needs sanitizers to preload")
def test_nothing_is_found_in_the_solver_while_arrays_change():
    skip_without_simplex()
    said = fuzzed("fuzz_changing", "--seconds", 5)
    assert "no finding in 5 seconds (arrays)" in said


@pytest.mark.exhaustive
def test_nothing_is_found_in_the_readers():
    said = fuzzed("fuzz_readers", "--files", 100, "--kind", *KINDS)
    for kind in KINDS:
        assert f"no finding in 100 files ({kind})" in said


@pytest.mark.exhaustive
def test_nothing_is_found_in_saved_estimators():
    said = fuzzed("fuzz_saved", "--files", 3_000, "--seed", 1)
    assert "no finding in 3,000 files (saved estimators)" in said
    # Some files must make sense after their change.
    (n_loaded,) = [
        int(part.split()[-2]) for part in said.split(",") if part.endswith(" loaded")
    ]
    assert n_loaded > 50


# What would be found


def run_in_this_process(case, n_items=5):
    fuzzer = harness.Fuzzer("tests.fuzz.x", "files", n_items, make_cases=None)
    options = harness.parsed(fuzzer, [])
    return harness.run(fuzzer, "x", case, options)


@pytest.fixture(autouse=True)
def without_a_limit_of_memory(monkeypatch):
    # Other tests of this process may have had more.
    monkeypatch.setattr(harness, "MOST_BYTES", np.inf)


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
def test_a_wrong_answer_of_a_reader_is_found(monkeypatch, tmp_path, reader, what):
    monkeypatch.setattr(fuzz_readers, "load_wafers", lambda path, **_: reader(path))
    with pytest.raises(harness.Finding, match=f"not so.*: {what}"):
        fuzz_readers.read(np.random.default_rng(0), tmp_path / "case.csv")


def test_an_error_of_another_kind_is_found(tmp_path, monkeypatch, capsys):
    def fail(path):
        raise KeyError("no such key")

    monkeypatch.setattr("skemd.load", fail, raising=False)
    assert run_in_this_process(lambda rng: fuzz_saved.outcome(tmp_path)) == 1
    said = capsys.readouterr().err
    assert "finding with --seed 0 in case 0 of x: KeyError: 'no such key'" in said


def test_a_case_comes_back_with_its_seed_and_number():
    drawn = []

    def case(rng):
        drawn.append(rng.random())
        return "drawn"

    assert run_in_this_process(case) == run_in_this_process(case) == 0
    assert drawn[:5] == drawn[5:]
    assert len(set(drawn)) == 5


def test_much_memory_is_found(monkeypatch, capsys):
    monkeypatch.setattr(harness, "MOST_BYTES", harness.peak_bytes() - 1)
    assert run_in_this_process(lambda rng: "read") == 1
    assert "1 GB is enough" in capsys.readouterr().err


HANGING = """
import itertools, sys
from tests.fuzz import harness

def hang(rng):
    for _ in itertools.count():
        pass

harness.SECONDS_OF_WORK = 0.1
make_cases = lambda folder, options: {"hanging": hang}
fuzzer = harness.Fuzzer("x", "files", 1, make_cases)
sys.exit(harness.main(fuzzer, ["--folder", "."]))
"""


def test_a_case_that_hangs_ends_the_process_and_shows_where(tmp_path):
    outcome = run("-c", HANGING, folder=tmp_path, PYTHONPATH=str(ROOT))
    assert outcome.returncode != 0
    assert "in hang" in outcome.stderr


def test_the_file_of_a_crash_is_kept(monkeypatch, tmp_path, capsys):
    def crash(command, env):
        folder = harness.Path(command[command.index("--folder") + 1])
        (folder / "case.csv").write_text("1,2,3")
        return SimpleNamespace(returncode=-11)

    monkeypatch.setattr(subprocess, "run", crash)
    arguments = ["--seed", "5", "--keep", str(tmp_path / "kept")]
    assert harness.main(fuzz_readers.FUZZER, arguments) == 1
    kept = tmp_path / "kept" / "fuzz_readers_5_case.csv"
    assert kept.read_text() == "1,2,3"
    assert "exit status -11" in capsys.readouterr().err
