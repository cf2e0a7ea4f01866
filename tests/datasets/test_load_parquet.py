"""load_wafers on Parquet: exactly what was written, or which fault."""

import sys

import numpy as np
import pandas as pd
import pytest

from skemd.datasets import load_wafers

NAMES = [f"CALQ_{cell}" for cell in range(48)]


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 200, (6, 48)), columns=NAMES)
    frame["tc_eta"] = rng.uniform(1.6, 2.9, 6)
    frame["layer"] = [5, 7, 9, 9, 7, 5]
    return frame.assign(kind="LD")


def written(frame, path):
    frame.to_parquet(path)
    return path


def test_columns_are_found_by_name_in_any_order(tmp_path, frame):
    path = written(frame[frame.columns[::-1]], tmp_path / "w.parquet")
    loaded = load_wafers(path)
    assert loaded.dtype == np.float64
    assert (loaded == frame[NAMES]).all(axis=None)


def test_floats_come_back_exactly(tmp_path, frame):
    frame[NAMES] = np.random.default_rng(1).exponential(size=(6, 48))
    assert (load_wafers(written(frame, tmp_path / "w.pq")) == frame[NAMES]).all(
        axis=None
    )


def test_metadata_and_columns_come_along(tmp_path, frame):
    path = written(frame, tmp_path / "w.parquet")
    _, metadata = load_wafers(path, return_metadata=True)
    expected = pd.DataFrame({"layer": frame["layer"], "eta": frame["tc_eta"]})
    pd.testing.assert_frame_equal(metadata, expected)
    _, extra = load_wafers(path, columns="layer")
    assert extra["layer"].tolist() == frame["layer"].tolist()
    assert extra["layer"].dtype == np.float64


def test_batches_and_files_follow_each_other(tmp_path, frame, monkeypatch):
    monkeypatch.setattr("skemd.datasets._readers._parquet.ROWS_AT_ONCE", 2)
    written(frame[:5], tmp_path / "a.parquet")
    written(frame[5:], tmp_path / "b.parquet")
    assert (load_wafers(tmp_path) == frame[NAMES]).all(axis=None)


def test_chosen_layers(tmp_path, frame):
    path = written(frame, tmp_path / "w.parquet")
    loaded = load_wafers(path, layers=[9])
    assert (loaded == frame.loc[frame["layer"] == 9, NAMES]).all(axis=None)
    with pytest.raises(ValueError, match=r"the header lacks zside, which wafers are"):
        load_wafers(path, zside=1)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (-3.0, r"holds the negative charge -3\.0"),
        (np.nan, "holds no value"),
        (np.inf, "holds inf, which is not finite"),
    ],
)
def test_a_bad_value_is_named(tmp_path, frame, monkeypatch, value, fault):
    monkeypatch.setattr("skemd.datasets._readers._parquet.ROWS_AT_ONCE", 3)
    frame["CALQ_7"] = frame["CALQ_7"].astype(float)
    frame.loc[4, "CALQ_7"] = value
    path = written(frame, tmp_path / "w.parquet")
    with pytest.raises(ValueError, match=rf"w\.parquet, row 4, column CALQ_7 {fault}"):
        load_wafers(path)


def test_missing_renamed_and_further_charges_are_named(tmp_path, frame):
    path = tmp_path / "w.parquet"
    written(frame.rename(columns={"CALQ_0": "calq_0"}), path)
    with pytest.raises(
        ValueError, match=r"w\.parquet: the header lacks CALQ_0\. .*calq"
    ):
        load_wafers(path)
    written(frame.assign(CALQ_48=0), path)
    with pytest.raises(ValueError, match=r"names CALQ_48, but a wafer has 48"):
        load_wafers(path)


def test_a_column_of_text_is_named(tmp_path, frame):
    path = written(frame, tmp_path / "w.parquet")
    with pytest.raises(ValueError, match=r"column kind holds values of type .*string"):
        load_wafers(path, columns="kind")


def test_a_file_without_rows_is_named(tmp_path, frame):
    path = written(frame[:0], tmp_path / "w.parquet")
    with pytest.raises(ValueError, match=r"w\.parquet has columns but no rows"):
        load_wafers(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path, frame, share):
    path = written(frame, tmp_path / "cut.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"cut\.parquet cannot be read as Parquet: "):
        load_wafers(path)


def test_a_missing_extra_is_named(tmp_path, frame, monkeypatch):
    path = written(frame, tmp_path / "w.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    message = r'needs pyarrow, .* python -m pip install "skemd\[data\]"'
    with pytest.raises(ImportError, match=message):
        load_wafers(path)


def test_units_and_trees_are_for_root(tmp_path, frame):
    path = written(frame, tmp_path / "w.parquet")
    with pytest.raises(ValueError, match=r"unit='adc' is for ROOT files"):
        load_wafers(path, unit="adc")
    with pytest.raises(ValueError, match=r"tree='t' is for ROOT files"):
        load_wafers(path, tree="t")
