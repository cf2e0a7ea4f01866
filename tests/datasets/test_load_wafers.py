"""load_wafers: what it reads, and that each error says where the file is wrong."""

import gzip
import os

import numpy as np
import pandas as pd
import pytest
from repository import REAL_SAMPLE

from skemd.datasets import load_wafers

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


def test_empty_wafers_are_dropped_among_those_of_a_layer(tmp_path):
    table = pd.DataFrame(
        np.eye(48)[[0, 1, 2, 3]], columns=[f"CALQ_{c}" for c in range(48)]
    )
    table.iloc[1] = 0
    table["layer"] = [9, 9, 7, 9]
    table.to_csv(tmp_path / "w.csv", index=False)
    X = load_wafers(tmp_path / "w.csv", layers=9, drop_empty=True)
    assert X.argmax(axis=1).tolist() == [0, 3]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["w.csv", "w.csv.gz", "w.parquet", "w.root"])
def test_a_pipe_is_refused(name, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / name).symlink_to(tmp_path / "pipe")
    with pytest.raises(ValueError, match=rf"{name} is neither a regular file nor"):
        load_wafers(tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="names with control characters")
def test_names_with_control_characters_are_refused(tmp_path, X):
    path = write(tmp_path / "x\n\x1b[31m.csv", X)
    for bad in (path, tmp_path, tmp_path / "missing\n.csv"):
        with pytest.raises(ValueError, match=r"\\n\S*' has line breaks or control"):
            load_wafers(bad)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv; check the path"):
        load_wafers(tmp_path / "nowhere.csv")


def test_a_folder_without_wafers_is_named(tmp_path):
    (tmp_path / "wafers.txt").write_text("1")
    (tmp_path / ".hidden.csv").write_text("1")
    (tmp_path / "below.csv").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file that ends in \.csv.* \.root"):
        load_wafers(tmp_path)


@pytest.mark.parametrize("other", ["b.parquet", "b.root"])
def test_a_folder_that_mixes_kinds_is_named(tmp_path, X, other):
    write(tmp_path / "a.csv", X)
    (tmp_path / other).write_text("")
    with pytest.raises(ValueError, match=rf"mixes kinds of files: a\.csv, {other}\."):
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


def test_a_name_of_any_length_leaves_the_message_short(tmp_path, X):
    path = write(tmp_path / "w.csv", X, ["x" * 5000, *NAMES[1:]])
    with pytest.raises(ValueError, match=r"lacks CALQ_0\. .* has x{40}\.\.\., CALQ_1,"):
        load_wafers(path)


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


def test_bytes_that_are_no_text_are_named_wherever_they_are(tmp_path, X):
    path = write(tmp_path / "w.csv", np.tile(X, (300, 1)), NAMES)
    path.write_bytes(path.read_bytes() + b"\xff")
    with pytest.raises(ValueError, match=r"w\.csv is not a text file"):
        load_wafers(path)


@pytest.mark.parametrize("damage", ["cut short", "overwritten", "not packed"])
def test_a_damaged_gzip_file_is_named(tmp_path, X, damage):
    path = write(tmp_path / "w.csv", np.tile(X, (300, 1)), NAMES)
    packed = bytearray(gzip.compress(path.read_bytes()))
    if damage == "cut short":
        del packed[-40:]
    elif damage == "overwritten":
        packed[40:60] = bytes(20)
    else:
        packed = path.read_bytes()
    packed_path = tmp_path / "w.csv.gz"
    packed_path.write_bytes(packed)
    message = r"w\.csv\.gz, line \d+ cannot be unpacked: .* damaged"
    with pytest.raises(ValueError, match=message):
        load_wafers(packed_path)


def test_a_file_without_line_ends_is_named(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("1," * 600_000)
    with pytest.raises(ValueError, match=r"line 1 is longer than 1,000,000 characters"):
        load_wafers(path)


def test_more_cells_than_a_wafer_has_are_named(tmp_path, X):
    header = [f"CALQ_{pixel}" for pixel in range(64)]
    path = write(tmp_path / "w.csv", np.tile(X, (1, 2))[:, :64], header)
    with pytest.raises(ValueError, match=r"line 1: the header names CALQ_48, but a "):
        load_wafers(path)


def test_metadata_come_under_their_own_names(tmp_path, X):
    header = [*NAMES, "entry", "zside", "layer", "waferu", "waferv", "tc_eta", "other"]
    about = np.column_stack([np.arange(6), np.ones(6), [7, 9] * 3, *np.ones((4, 6))])
    about[:, 5] = np.linspace(1.6, 2.9, 6)
    path = write(tmp_path / "w.csv", np.column_stack([X, about]), header)
    loaded, metadata = load_wafers(path, return_metadata=True, columns="other")
    assert (loaded == X).all()
    names = ["other", "event", "zside", "layer", "waferu", "waferv", "eta"]
    assert list(metadata) == names
    assert metadata["event"].tolist() == list(range(6))
    assert metadata["layer"].dtype == np.int64
    assert (metadata["eta"] == about[:, 5]).all()
    assert (load_wafers(path, layers=9) == X[1::2]).all()
    with pytest.raises(ValueError, match=r"no wafer on layers \[8\] and zside -1; it "):
        load_wafers(path, layers=8, zside=-1)


def test_metadata_that_are_not_there_are_named(tmp_path, X):
    path = write(tmp_path / "w.csv", X, NAMES)
    with pytest.raises(ValueError, match=r"names none of the metadata event, zside"):
        load_wafers(path, return_metadata=True)
    with pytest.raises(ValueError, match=r"lacks layer, which wafers are selected by"):
        load_wafers(path, layers=9)
    with pytest.raises(ValueError, match=r"no header to find the columns of metadata"):
        load_wafers(write(path, X), return_metadata=True)


def test_fractions_are_no_layers(tmp_path, X):
    path = write(
        tmp_path / "w.csv", np.column_stack([X, X[:, 0] + 0.5]), [*NAMES, "layer"]
    )
    with pytest.raises(ValueError, match=r"column layer holds \d+\.5 where whole"):
        load_wafers(path, return_metadata=True)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("1_0", "holds '1_0' where a number"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "holds '\N{ARABIC-INDIC DIGIT THREE}' where"),
        ("-" + "9" * 99, r"holds the negative charge -9{39}\.\.\."),
        ("9" * 999, r"holds 9{40}\.\.\., which is not finite"),
        ("x" * 99, r"holds 'x{40}\.\.\.' where a number"),
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
