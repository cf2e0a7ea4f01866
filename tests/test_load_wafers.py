"""load_wafers: what it reads, and that each error says where the file is wrong."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from skemd.datasets import load_wafers

REAL_SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "real_wafer_sample.csv"
NAMES = [f"CALQ_{cell}" for cell in range(48)]


@pytest.fixture
def X():
    return np.random.default_rng(0).integers(0, 200, (6, 48)).astype(float)


def write(path, rows, header=None):
    lines = [] if header is None else [",".join(header)]
    lines += [",".join(f"{entry}" for entry in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_with_entry(path, X, entry):
    """Write a file whose line 4 has `entry` in column CALQ_7."""
    rows = X.tolist()
    rows[2][7] = entry
    return write(path, rows, NAMES)


def test_columns_are_found_by_name_in_any_order(tmp_path, X):
    order = np.random.default_rng(1).permutation(48)
    header = ["entry", *np.array(NAMES)[order], "tc_eta"]
    rows = np.column_stack([np.arange(6), X[:, order], np.full(6, 2.1)])
    path = write(tmp_path / "wafers.csv", rows, header)
    loaded = load_wafers(path)
    assert loaded.dtype == np.float64
    assert (loaded == X).all()


def test_other_columns_may_hold_text(tmp_path, X):
    rows = [["left", *row] for row in X.tolist()]
    path = write(tmp_path / "wafers.csv", rows, ["side", *NAMES])
    assert (load_wafers(path) == X).all()


def test_without_header_the_leading_columns_are_the_charges(tmp_path, X):
    rows = np.column_stack([X, np.full((6, 2), -7.0)])
    assert (load_wafers(write(tmp_path / "wafers.csv", rows)) == X).all()


def test_one_row_is_still_a_table(tmp_path, X):
    assert load_wafers(write(tmp_path / "one.csv", X[:1], NAMES)).shape == (1, 48)


def test_named_columns_come_along(tmp_path, X):
    eta, layer = np.linspace(1.6, 2.9, 6), np.arange(6.0)
    rows = np.column_stack([eta, X, layer])
    path = write(tmp_path / "wafers.csv", rows, ["tc_eta", *NAMES, "layer"])
    loaded, extra = load_wafers(path, columns=("layer", "tc_eta"))
    assert (loaded == X).all()
    assert list(extra) == ["layer", "tc_eta"]
    assert (extra["tc_eta"] == eta).all()
    assert (extra["layer"] == layer).all()


def test_files_of_a_folder_follow_each_other_by_name(tmp_path, X):
    write(tmp_path / "b.csv", X[3:], NAMES)
    write(tmp_path / "a.csv", X[:2])
    with gzip.open(tmp_path / "a2.csv.gz", "wt") as file:
        file.write(",".join(NAMES) + "\n" + ",".join(map(str, X[2])) + "\n")
    (tmp_path / "notes.md").write_text("not a wafer")
    assert (load_wafers(str(tmp_path)) == X).all()


def test_blank_lines_and_windows_files_do_no_harm(tmp_path, X):
    path = write(tmp_path / "wafers.csv", X, NAMES)
    text = "\n\n" + path.read_text().replace("\n", "\n\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert (load_wafers(path) == X).all()


def test_rows_without_charge_are_kept_unless_told_otherwise(tmp_path, X):
    X[3] = 0
    path = write(
        tmp_path / "w.csv", np.column_stack([X, np.arange(6)]), [*NAMES, "entry"]
    )
    assert len(load_wafers(path)) == 6
    kept, extra = load_wafers(path, columns=["entry"], drop_empty=True)
    assert (kept == np.delete(X, 3, axis=0)).all()
    assert extra["entry"].tolist() == [0, 1, 2, 4, 5]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv; check the path"):
        load_wafers(tmp_path / "nowhere.csv")


def test_a_folder_without_csv_is_named(tmp_path):
    (tmp_path / "wafers.root").write_text("")
    with pytest.raises(FileNotFoundError, match=r"holds no file that ends in \.csv"):
        load_wafers(tmp_path)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_named(tmp_path, text):
    (tmp_path / "empty.csv").write_text(text)
    with pytest.raises(ValueError, match=r"empty\.csv is empty"):
        load_wafers(tmp_path)


def test_a_header_without_rows_is_named(tmp_path):
    path = write(tmp_path / "bare.csv", [], NAMES)
    with pytest.raises(ValueError, match=r"bare\.csv has a header but no rows"):
        load_wafers(path)


def test_a_missing_column_is_named(tmp_path, X):
    path = write(tmp_path / "w.csv", X[:, 1:], NAMES[1:])
    with pytest.raises(ValueError, match=r"w\.csv, line 1: the header lacks CALQ_0\."):
        load_wafers(path)
    path = write(tmp_path / "w.csv", X, NAMES)
    with pytest.raises(ValueError, match=r"lacks tc_eta\."):
        load_wafers(path, columns="tc_eta")


def test_a_column_named_twice_is_named(tmp_path, X):
    path = write(tmp_path / "w.csv", np.column_stack([X, X[:, 5]]), [*NAMES, "CALQ_5"])
    with pytest.raises(ValueError, match=r"w\.csv, line 1.*names CALQ_5 2 times"):
        load_wafers(path)


def test_too_few_columns_without_header_are_counted(tmp_path, X):
    path = write(tmp_path / "w.csv", X[:, :47])
    with pytest.raises(ValueError, match=r"w\.csv, line 1 has 47 columns.*48 trigger"):
        load_wafers(path)


def test_named_columns_need_a_header(tmp_path, X):
    path = write(tmp_path / "w.csv", X)
    with pytest.raises(ValueError, match=r"w\.csv, line 1.*no header.*'tc_eta'"):
        load_wafers(path, columns=["tc_eta"])


@pytest.mark.parametrize("n_columns", [30, 49])
def test_a_ragged_row_is_named(tmp_path, X, n_columns):
    rows = X.tolist()
    rows[4] = [1.0] * n_columns
    path = write(tmp_path / "w.csv", rows, NAMES)
    message = rf"w\.csv, line 6 has {n_columns} columns, .* have 48"
    with pytest.raises(ValueError, match=message):
        load_wafers(path)


def test_a_row_cut_behind_its_charges_is_named(tmp_path, X):
    rows = np.column_stack([X, np.arange(6)]).tolist()
    rows[4] = rows[4][:48]
    path = write(tmp_path / "w.csv", rows, [*NAMES, "entry"])
    with pytest.raises(ValueError, match=r"w\.csv, line 6 has 48 columns, .* have 49"):
        load_wafers(path)


def test_a_header_of_bare_numbers_is_no_wafer(tmp_path, X):
    path = write(tmp_path / "w.csv", X, map(str, range(48)))
    with pytest.raises(ValueError, match=r"w\.csv, line 1 counts 0, 1, 2"):
        load_wafers(path)


def test_a_binary_file_is_named(tmp_path):
    (tmp_path / "w.csv").write_bytes(b"root\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"w\.csv is not a text file"):
        load_wafers(tmp_path / "w.csv")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("abc", "holds 'abc' where a number"),
        ("", "holds '' where a number"),
        ("nan", "holds nan, which is not finite"),
        ("inf", "holds inf, which is not finite"),
        ("-3.0", r"holds the negative charge -3\.0"),
    ],
)
def test_a_bad_entry_is_named_by_line_and_column(tmp_path, X, entry, message):
    path = write_with_entry(tmp_path / "w.csv", X, entry)
    with pytest.raises(ValueError, match=rf"w\.csv, line 4, column CALQ_7 {message}"):
        load_wafers(path)


def test_the_fault_is_named_behind_blank_lines_and_without_header(tmp_path, X):
    rows = X.tolist()
    rows[2][7] = "abc"
    path = write(tmp_path / "w.csv", rows)
    path.write_text("\n" + path.read_text())
    with pytest.raises(ValueError, match=r"w\.csv, line 4, column CALQ_7"):
        load_wafers(path)


def test_the_real_sample_reads():
    if not REAL_SAMPLE.exists():
        pytest.skip(f"no real sample at {REAL_SAMPLE}")
    X = load_wafers(REAL_SAMPLE)
    assert X.shape == (3000, 48)
    assert np.median((X > 0).sum(axis=1)) == 15
    assert X[X > 0].min() == 58
