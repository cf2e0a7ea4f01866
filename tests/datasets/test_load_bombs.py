"""load_wafers on files that unpack to far more than they are: refused in time."""

import gzip
import itertools
import time
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from ntuples import TREE, TYPES, known_wafers, listed_cells, write_ntuple

from skemd.datasets import iter_wafers, load_wafers, make_wafers
from skemd.datasets._readers import _limits
from skemd.datasets._readers._request import make_request
from skemd.datasets._readers._root import root_parts
from skemd.datasets._readers._root_bounds import find_tree

NAMES = [f"CALQ_{cell}" for cell in range(48)]
HEADER = (",".join([*NAMES, "text"]) + "\n").encode()
ROW = b"0," * 48 + b"\n"


@pytest.fixture
def small_limit(monkeypatch):
    """Let files unpack to 1 MB and 200 times their size."""
    monkeypatch.setattr(_limits, "UNPACKED_OF_ANY_FILE", 1_000_000)


def packed(path, *pieces):
    path.write_bytes(b"".join(map(gzip.compress, pieces)))
    return path


# CSV


@pytest.mark.parametrize("start", [b"", HEADER, HEADER + ROW])
@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n", b" " * 999 + b"\n"])
def test_blank_lines_are_bounded(tmp_path, start, blank):
    text = start + blank * (2_300_000 // len(blank))
    path = packed(tmp_path / "w.csv.gz", text)
    with pytest.raises(ValueError, match=r"w\.csv\.gz, line \d+: .* are blank but"):
        load_wafers(path)
    (tmp_path / "w.csv").write_bytes(text)
    with pytest.raises(ValueError, match="blank but for"):
        load_wafers(tmp_path / "w.csv")


def test_blank_lines_between_rows_are_read(tmp_path):
    path = tmp_path / "w.csv"
    path.write_bytes(HEADER + (b" " * 40 + b"\n" * 10 + ROW) * 30_000)
    assert len(load_wafers(path)) == 30_000


def test_300_mb_of_blank_lines_take_a_second(tmp_path):
    member = gzip.compress(b"\n" * 10_000_000)
    path = tmp_path / "w.csv.gz"
    path.write_bytes(gzip.compress(HEADER) + member * 30)
    assert path.stat().st_size < 300_000
    began = time.process_time()
    with pytest.raises(ValueError, match="blank"):
        load_wafers(path)
    assert time.process_time() - began < 5


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize(
    "piece", [ROW * 10_000, b"0," * 48 + b"x" * 900_000 + b"\n"], ids=["rows", "texts"]
)
@pytest.mark.parametrize("n_members", [1, 12])
def test_gzip_is_bounded_in_any_number_of_members(tmp_path, piece, n_members):
    pieces = [piece * (12 // n_members)] * n_members
    path = packed(tmp_path / "w.csv.gz", HEADER, *pieces)
    message = r"w\.csv\.gz unpacks to \d MB .* 200 times its size\)\. Unpack it first"
    with pytest.raises(ValueError, match=message):
        load_wafers(path)
    with pytest.raises(ValueError, match=message):
        list(iter_wafers(path))
    plain = tmp_path / "w.csv"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert len(load_wafers(plain)) == piece.count(b"\n") * 12


def test_a_line_without_end_is_bounded_in_memory(tmp_path):
    path = packed(tmp_path / "w.csv.gz", HEADER, b"0," * 10_000_000)
    tracemalloc.start()
    with pytest.raises(ValueError, match="line 2 is longer than"):
        load_wafers(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


def test_an_open_quote_does_not_take_the_rest_of_the_file(tmp_path):
    path = tmp_path / "w.csv"
    path.write_bytes(HEADER + b'"' + ROW * 10_000)
    with pytest.raises(ValueError, match="line 2 cannot be split"):
        load_wafers(path)


def test_a_hundred_thousand_columns_are_read(tmp_path):
    more = 100_000
    path = tmp_path / "w.csv"
    path.write_bytes(
        HEADER.strip() + b",x" * more + b"\n" + (ROW.strip() + b",1" * more + b"\n") * 3
    )
    assert len(load_wafers(path)) == 3


# Folders


def test_a_folder_of_too_many_files_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("skemd.datasets._readers._files.MOST_FILES", 3)
    for number in range(3):
        (tmp_path / f"{number}.csv").write_bytes(HEADER + ROW)
    assert len(load_wafers(tmp_path)) == 3
    (tmp_path / "3.csv").write_bytes(HEADER + ROW)
    with pytest.raises(ValueError, match="holds more than 3 files"):
        load_wafers(tmp_path)


# Parquet


def parquet(path, n_rows, **options):
    pd.DataFrame(np.zeros((n_rows, 48)), columns=NAMES).to_parquet(path, **options)
    return path


@pytest.mark.usefixtures("small_limit")
def test_runs_of_equal_numbers_are_bounded(tmp_path):
    path = parquet(tmp_path / "w.parquet", 100_000)
    with pytest.raises(ValueError, match=r"w\.parquet unpacks to 38 MB or more"):
        load_wafers(path)


def test_pages_are_bounded_before_they_are_unpacked(tmp_path, monkeypatch):
    plain = {"use_dictionary": False, "compression": "zstd", "data_page_size": 2**30}
    path = parquet(tmp_path / "w.parquet", 20_000, **plain)
    assert len(load_wafers(path)) == 20_000
    module = "skemd.datasets._readers._parquet"
    monkeypatch.setattr(f"{module}.MOST_BYTES_OF_A_COLUMN", 100_000)
    monkeypatch.setattr(f"{module}._batches", None)
    with pytest.raises(ValueError, match=r"w\.parquet: a row group has 0 MB in one"):
        load_wafers(path)


@pytest.mark.usefixtures("small_limit")
def test_all_pages_together_are_bounded(tmp_path, monkeypatch):
    path = parquet(tmp_path / "w.parquet", 20_000)
    monkeypatch.setattr(_limits, "UNPACKED_PER_BYTE", 0)
    monkeypatch.setattr("skemd.datasets._readers._parquet.BYTES_PER_WAFER", 0)
    assert len(load_wafers(path)) == 20_000
    monkeypatch.setattr(_limits, "UNPACKED_OF_ANY_FILE", 1_000)
    with pytest.raises(ValueError, match=r"w\.parquet unpacks to 0 MB or more"):
        load_wafers(path)


def test_too_many_columns_are_not_described(tmp_path, monkeypatch):
    path = parquet(tmp_path / "w.parquet", 3)
    monkeypatch.setattr("skemd.datasets._readers._parquet.MOST_LISTED", 40)
    with pytest.raises(ValueError, match=r"w\.parquet cannot be read.*size limit"):
        load_wafers(path)


# ROOT


def event_of(n_cells):
    """Return the branches of an event whose cells are on one wafer each."""
    number = np.arange(n_cells)
    ones = np.ones(n_cells)
    return dict.fromkeys(TYPES, ones) | {
        "tc_waferu": number // 1000,
        "tc_waferv": number % 1000,
        "tc_cellu": 7 * ones,
        "tc_cellv": 4 * ones,
    }


def test_an_event_larger_than_the_detector_is_refused_before_it_is_read(tmp_path):
    path = write_ntuple(tmp_path / "w.root", [event_of(10), event_of(1_500_001)])
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"entry 1: tc_zside lists 1,500,001 trigger"):
        load_wafers(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The charges of these wafers would take 576 MB.
    assert peak < 60e6


@pytest.mark.usefixtures("small_limit")
def test_all_baskets_together_are_bounded(tmp_path):
    path = write_ntuple(tmp_path / "w.root", [event_of(100_000)])
    assert len(load_wafers(path)) == 100_000
    size = path.stat().st_size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_limits, "UNPACKED_PER_BYTE", 2_000_000 / size)
        with pytest.raises(ValueError, match=r"w\.root unpacks to [34] MB or more"):
            load_wafers(path)


def test_a_basket_is_bounded(tmp_path, monkeypatch):
    module = "skemd.datasets._readers._root_bounds"
    path = write_ntuple(tmp_path / "w.root", [event_of(1_000)])
    monkeypatch.setattr(f"{module}.MOST_BYTES_OF_A_BASKET", 5_000)
    assert len(load_wafers(path)) == 1_000
    monkeypatch.setattr(f"{module}.MOST_BYTES_OF_A_BASKET", 3_000)
    with pytest.raises(ValueError, match=r"a basket of the branch tc_zside unpacks to"):
        load_wafers(path)


def test_the_description_of_a_tree_is_bounded(tmp_path, monkeypatch):
    path = write_ntuple(tmp_path / "w.root", [event_of(10)])
    module = "skemd.datasets._readers._root_bounds"
    monkeypatch.setattr(f"{module}.MOST_BYTES_OF_A_SMALL_TREE", -path.stat().st_size)
    with pytest.raises(ValueError, match=r"w\.root: the branches and baskets of the t"):
        load_wafers(path)


def test_large_events_among_empty_ones_are_read_one_by_one(tmp_path, monkeypatch):
    module = "skemd.datasets._readers._root_bounds"
    monkeypatch.setattr(f"{module}.CELLS_AT_ONCE", 1_000)
    events = [event_of(3)] * 500 + [event_of(900)] * 4 + [event_of(3)] * 500
    path = write_ntuple(tmp_path / "w.root", events)
    assert len(load_wafers(path)) == 6_600
    options = {"tree": None, "unit": None, "return_metadata": False, "zside": None}
    options |= {"columns": (), "drop_empty": False, "layers": None, "kind": "root"}
    parts = [len(part.X) for part in root_parts(path, make_request(**options))]
    # Each part has 1,000 cells and an event more at most.
    assert sum(parts) == 6_600
    assert max(parts) < 1_900


class Endless:
    """A folder of a ROOT file that contains itself."""

    fClassName = "TDirectory"

    def keys(self, **options):
        return ["d"]

    def key(self, name):
        return self

    def get(self):
        return self

    def iterclassnames(self, **options):
        return zip(itertools.repeat("d"), itertools.repeat("TDirectory"), strict=True)


def test_a_folder_that_contains_itself_does_no_harm(tmp_path):
    with pytest.raises(ValueError, match="has no tree 'd/d/t'; it has no tree at all"):
        find_tree(Endless(), "d/d/t", tmp_path / "w.root")


@pytest.mark.parametrize("path", [TREE, "t"])
def test_an_rntuple_is_named_with_its_cure(tmp_path, path):
    import uproot

    with uproot.recreate(tmp_path / "w.root") as file:
        file.mkrntuple(path, {"tc_zside": np.ones(3)})
    message = {
        TREE: "is an RNTuple, but a TTree was expected.* file.mktree",
        "t": "no TTree, only RNTuples: 't'. Write the data as a TTree, with",
    }[path]
    with pytest.raises(ValueError, match=message):
        load_wafers(tmp_path / "w.root")
    with pytest.raises(ValueError, match=r"'t' is an RNTuple|has no tree 't'"):
        load_wafers(tmp_path / "w.root", tree="t")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    X, metadata = known_wafers()
    whole = write_ntuple(tmp_path / "whole.root", listed_cells(X, metadata))
    data = whole.read_bytes()
    path = tmp_path / "cut.root"
    for share in np.linspace(0.05, 0.95, 30):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ValueError, match=r"cut\.root"):
            load_wafers(path, unit="adc")


def test_no_code_is_made_from_a_file(tmp_path, monkeypatch):
    import uproot.models.TTree

    path = write_ntuple(tmp_path / "w.root", [event_of(3)])
    made = []
    compile_class = uproot.deserialization.compile_class

    def note(file, classes, code, name):
        made.append(name)
        return compile_class(file, classes, code, name)

    monkeypatch.setattr("uproot.deserialization.compile_class", note)
    assert len(load_wafers(path)) == 3
    # As if the tree were of a version that uproot does not know.
    monkeypatch.delitem(uproot.models.TTree.Model_TTree.known_versions, 20)
    with pytest.raises(ValueError, match=r"w\.root cannot be read as ROOT"):
        load_wafers(path)
    assert made == []


# Files of wafers keep far from the limits.


def test_files_of_wafers_are_far_from_the_limits(tmp_path):
    X = make_wafers(3_000, random_state=0)
    table = pd.DataFrame(X, columns=NAMES)
    table.to_csv(tmp_path / "w.csv", index=False)
    text = (tmp_path / "w.csv").read_bytes()
    ratios = [len(text) / len(gzip.compress(text, 9))]
    table.to_parquet(tmp_path / "w.parquet", compression="zstd", compression_level=19)
    size = (tmp_path / "w.parquet").stat().st_size
    metadata = pyarrow.parquet.ParquetFile(tmp_path / "w.parquet").metadata
    ratios += [X.nbytes / size, metadata.row_group(0).total_byte_size / size]
    assert max(ratios) < 20
