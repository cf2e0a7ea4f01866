"""load_wafers on CSV of other programs: read, or refused for the right reason."""

import csv
import threading
import warnings

import numpy as np
import pandas as pd
import pytest

from skemd.datasets import load_wafers

NAMES = [f"CALQ_{cell}" for cell in range(48)]


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.integers(0, 200, (12, 48)) * (rng.random((12, 48)) < 0.5)


@pytest.fixture
def table(X):
    return pd.DataFrame(X, columns=NAMES)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("header", [True, False])
def test_every_dialect_reads(tmp_path, table, delimiter, quoting, encoding, header):
    table["kind"] = 'low, "dense"; left\tZürich'
    options = {"sep": delimiter, "quoting": quoting, "encoding": encoding}
    path = tmp_path / "w.csv"
    table.to_csv(path, index=False, header=header, lineterminator="\r\n", **options)
    assert (load_wafers(path) == table[NAMES]).all(axis=None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_at_the_ends_of_lines_do_no_harm(tmp_path, table, delimiter):
    path = tmp_path / "w.csv"
    table.to_csv(path, index=False, sep=delimiter)
    header, *rows = path.read_text().splitlines()
    rows = [row + delimiter for row in rows]
    for lines in ([header, *rows], [header + delimiter, *rows], rows):
        path.write_text("\n".join(lines))
        assert (load_wafers(path) == table).all(axis=None)


def test_a_header_that_numpy_writes_as_a_comment_is_one(tmp_path, X):
    path = tmp_path / "w.csv"
    np.savetxt(path, X[:, ::-1], delimiter=",", header=",".join(NAMES[::-1]))
    assert (load_wafers(path) == X).all()


def test_a_header_may_hold_a_number(tmp_path, table):
    table["2023"] = 1
    table.to_csv(tmp_path / "w.csv", index=False)
    assert (load_wafers(tmp_path / "w.csv") == table[NAMES]).all(axis=None)


def test_spaces_between_entries_are_named(tmp_path, X):
    np.savetxt(tmp_path / "w.csv", X)
    with pytest.raises(ValueError, match="line 1 separates its entries by spaces"):
        load_wafers(tmp_path / "w.csv")


@pytest.mark.parametrize("first", [0, 1, 5_000])
@pytest.mark.parametrize("n_rows", [3, 12])
def test_row_numbers_are_not_read_as_charges(tmp_path, table, first, n_rows):
    table = table[:n_rows]
    table.index += first
    table.to_csv(tmp_path / "w.csv", header=False)
    numbers = f"{first}, {first + 1}, {first + 2}"
    message = rf"line 1: .* 49 columns, .* counts {numbers}, \.\.\. like row .*index="
    with pytest.raises(ValueError, match=message):
        load_wafers(tmp_path / "w.csv")


def test_row_numbers_with_gaps_are_not_read_as_charges(tmp_path, table):
    table.index = table.index**2 + 7
    table.to_csv(tmp_path / "w.csv", header=False)
    with pytest.raises(ValueError, match=r"counts 7, 8, 11, \.\.\. like row numbers"):
        load_wafers(tmp_path / "w.csv")
    # A few rows may rise by chance, and one or two may count.
    table[:9].to_csv(tmp_path / "w.csv", header=False)
    assert load_wafers(tmp_path / "w.csv")[:, 0].tolist() == table.index[:9].tolist()
    table[:2].to_csv(tmp_path / "w.csv", header=False)
    assert len(load_wafers(tmp_path / "w.csv")) == 2


def test_a_first_cell_that_counts_is_read_among_48_columns(tmp_path, table):
    table["CALQ_0"] = np.arange(12)
    table.to_csv(tmp_path / "w.csv", header=False, index=False)
    assert (load_wafers(tmp_path / "w.csv") == table).all(axis=None)


@pytest.mark.parametrize(("first", "index"), [(0, False), (0, True), (1, False)])
def test_a_header_of_bare_numbers_is_named_with_its_cure(tmp_path, X, first, index):
    table = pd.DataFrame(X, columns=range(first, first + 48))
    table.to_csv(tmp_path / "w.csv", index=index)
    message = rf"line 1 counts {first}, {first + 1}, .*header=False, index=False"
    with pytest.raises(ValueError, match=message):
        load_wafers(tmp_path / "w.csv")
    table.to_csv(tmp_path / "w.csv", header=False, index=False)
    assert (load_wafers(tmp_path / "w.csv") == X).all()


def test_row_names_without_a_column_name_are_named(tmp_path, table):
    # As R writes them.
    table.to_csv(tmp_path / "w.csv", header=False)
    rows = (tmp_path / "w.csv").read_text()
    (tmp_path / "w.csv").write_text(",".join(NAMES) + "\n" + rows)
    with pytest.raises(ValueError, match=r"line 2 has 49 .* have 48\. Are there row"):
        load_wafers(tmp_path / "w.csv")


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    ("entry", "delimiter"),
    [("1,5", ";"), ("1,5", "\t"), ('"1,234"', ","), ("1 234", ","), ("1'234", ",")],
)
def test_decimal_commas_and_thousands_are_named(
    tmp_path, table, header, entry, delimiter
):
    lines = [delimiter.join(NAMES)] * header + [delimiter.join([entry] * 48)] * 3
    (tmp_path / "w.csv").write_text("\n".join(lines))
    message = rf"line {1 + header}, column CALQ_0 holds .*{entry[1:4]}.* with a decimal"
    with pytest.raises(ValueError, match=message):
        load_wafers(tmp_path / "w.csv")


def test_unquoted_commas_in_a_text_or_in_numbers_are_named(tmp_path, table):
    table["kind"] = "low; dense"
    table.to_csv(tmp_path / "w.csv", index=False)
    text = (tmp_path / "w.csv").read_text().replace(";", ",")
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(ValueError, match=r"line 2 has 50 .* have 49\. .*but no quotes"):
        load_wafers(tmp_path / "w.csv")


@pytest.mark.parametrize("unit", [" [counts]", " (ADC)", "/ADC"])
def test_units_in_the_header_are_named(tmp_path, table, unit):
    table.columns += unit
    table.to_csv(tmp_path / "w.csv", index=False)
    with pytest.raises(ValueError, match=r"lacks CALQ_0.* it has CALQ_0 ?.*Rename"):
        load_wafers(tmp_path / "w.csv")


@pytest.mark.parametrize("text", ['"left', '"left" side', '"left\nright"'])
def test_an_odd_quote_is_named(tmp_path, table, text):
    lines = [",".join(["kind", *NAMES]), ",".join([text, *["1"] * 48])]
    (tmp_path / "w.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"line 2 cannot be split .* at its quotes: "):
        load_wafers(tmp_path / "w.csv")


def test_a_quoted_entry_is_checked_like_any_other(tmp_path, table):
    table = table.astype(str)
    table.loc[2, "CALQ_7"] = "-3"
    table.to_csv(tmp_path / "w.csv", index=False, quoting=csv.QUOTE_ALL)
    message = r"line 4, column CALQ_7 holds the negative charge -3\."
    with pytest.raises(ValueError, match=message):
        load_wafers(tmp_path / "w.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named(tmp_path, table, encoding):
    table["kind"] = "Zürich"
    table.to_csv(tmp_path / "w.csv", index=False, encoding=encoding)
    with pytest.raises(ValueError, match=r"not a text file in UTF-8: .*CSV in UTF-8"):
        load_wafers(tmp_path / "w.csv")


def test_reading_in_threads_leaves_the_warnings_of_others_alone(tmp_path, table):
    pd.concat([table] * 300).to_csv(tmp_path / "w.csv", index=False)
    before, raised = list(warnings.filters), []
    done = threading.Event()

    def warn():
        while not done.is_set():
            try:
                warnings.warn("harmless", ResourceWarning, stacklevel=1)
            except ResourceWarning as warning:
                raised.append(warning)

    def read():
        for _ in range(5):
            load_wafers(tmp_path / "w.csv")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inside = list(warnings.filters)
        threads = [threading.Thread(target=read) for _ in range(4)]
        other = threading.Thread(target=warn)
        other.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        other.join()
        assert list(warnings.filters) == inside
    assert raised == []
    assert list(warnings.filters) == before
