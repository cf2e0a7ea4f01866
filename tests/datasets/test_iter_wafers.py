"""iter_wafers: the chunks, put together, are what load_wafers returns."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from skemd.datasets import iter_wafers, load_wafers

NAMES = [f"CALQ_{cell}" for cell in range(48)]


def written(path, n_wafers, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(0, 200, (n_wafers, 48)), columns=NAMES)
    frame["layer"] = rng.choice([7, 9], n_wafers)
    frame["entry"] = np.arange(n_wafers)
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("skemd.datasets._readers._csv_lines.LINES_AT_ONCE", 3)
    for number, n_wafers in enumerate([5, 1, 7]):
        written(tmp_path / f"{number}.csv", n_wafers, seed=number)
    return tmp_path


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 13, 100])
def test_chunks_put_together_are_the_whole(folder, chunk_size):
    X, metadata = load_wafers(folder, return_metadata=True)
    chunks = list(iter_wafers(folder, chunk_size=chunk_size, return_metadata=True))
    assert {len(part) for part, _ in chunks[:-1]} <= {chunk_size}
    assert 0 < len(chunks[-1][0]) <= chunk_size
    assert (np.concatenate([part for part, _ in chunks]) == X).all()
    together = pd.concat([part for _, part in chunks], ignore_index=True)
    pd.testing.assert_frame_equal(together, metadata)
    assert metadata["event"].tolist() == [*range(5), 0, *range(7)]
    assert metadata["layer"].dtype == np.int64


def test_selections_hold_in_chunks(folder):
    options = {"layers": 9, "columns": ("entry",)}
    X, extra = load_wafers(folder, **options)
    chunks = list(iter_wafers(folder, chunk_size=2, **options))
    assert 2 < len(X) < 13
    assert (np.concatenate([part for part, _ in chunks]) == X).all()
    entries = np.concatenate([part["entry"] for _, part in chunks])
    assert entries.tolist() == extra["entry"].tolist()


def test_a_chunk_does_not_keep_the_rest_alive(folder):
    first = next(iter_wafers(folder, chunk_size=2))
    assert first.base is None


def test_the_whole_is_never_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("skemd.datasets._readers._csv_lines.LINES_AT_ONCE", 500)
    path = tmp_path / "wafers.csv"
    path.write_text((",".join(["1"] * 48) + "\n") * 20_000)
    tracemalloc.start()
    n_wafers = sum(len(X) for X in iter_wafers(path, chunk_size=1_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_wafers == 20_000
    # All charges take 7.7 MB.
    assert peak < 3e6


def test_the_bar_counts_wafers_on_stderr(folder, capsys):
    list(iter_wafers(folder, verbose=1))
    shown = capsys.readouterr()
    assert "load wafers [####" in shown.err
    assert "13 wafers" in shown.err
    assert shown.out == ""
    load_wafers(folder)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("chunk_size", [0, -1, 2.5, "many"])
def test_options_are_checked_before_reading(folder, chunk_size):
    with pytest.raises(ValueError, match="chunk_size must be a whole number"):
        iter_wafers(folder, chunk_size=chunk_size)


def test_a_missing_folder_is_named_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        iter_wafers(tmp_path / "nowhere")


def test_the_fault_of_a_later_file_comes_when_it_is_reached(folder):
    (folder / "3.csv").write_text("nonsense")
    chunks = iter_wafers(folder, chunk_size=4)
    assert len(next(chunks)) == 4
    with pytest.raises(ValueError, match=r"3\.csv, line 1"):
        list(chunks)


def test_files_with_different_metadata_are_named(folder):
    frame = pd.read_csv(folder / "1.csv")
    frame.drop(columns="layer").to_csv(folder / "1.csv", index=False)
    message = r"1\.csv and .*0\.csv do not have the same metadata: .* has layer\."
    with pytest.raises(ValueError, match=message):
        load_wafers(folder, return_metadata=True)
    assert len(load_wafers(folder)) == 13
