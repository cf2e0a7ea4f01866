"""A reader of wafers from CSV files that reports where a file is wrong."""

import contextlib
import gzip
import io
import itertools
import warnings
import zlib

import numpy as np

from skemd.datasets._readers._columns import CHARGES, requested_columns, shortened
from skemd.datasets._readers._request import Part

__all__ = ["csv_parts"]

LINES_AT_ONCE = 5_000
CHARACTERS_AT_ONCE = 20_000_000
# No row of numbers is this long; a file without line ends must not fill the memory.
LONGEST_LINE = 1_000_000


def csv_parts(file, request):
    """Read a CSV file part by part.

    Parameters
    ----------
    file : Path
        Gzipped if its name ends in ``.gz``.
    request : Request
        The options of the call, such as the columns.

    Yields
    ------
    part : Part
        Wafers in the order of the lines.

    Raises
    ------
    ValueError
        If the file cannot be read or has a fault. The message names file, line and
        column.
    """
    with _open(file) as (text, fraction_read):
        lines = _numbered_lines(text, file)
        first_line, first = _first_row(lines, file)
        where = f"{file}, line {first_line}"
        has_header = not any(_is_number(entry) for entry in first)
        if has_header:
            header = [entry.strip().strip('"') for entry in first]
            columns = requested_columns(header, request, where)
            names = (*CHARGES, *columns.values())
            places = [header.index(name) for name in names]
        else:
            _check_first_row(first, request, where)
            columns, names, places = {}, CHARGES, list(range(len(CHARGES)))
            line = (first_line, ",".join(first))
            lines = itertools.chain([line], lines)
        empty = True
        for block in _blocks(lines):
            empty = False
            table = _quick_table(block, places, len(first))
            if table is None:
                table = _careful_table(block, names, places, len(first), file)
            yield _part(table, columns, fraction_read())
    if empty:
        raise ValueError(
            f"{file} has a header but no rows: expected one row per wafer below line "
            f"{first_line}. Export the file again, or leave it out."
        )


def _part(table, columns, done):
    n_cells = len(CHARGES)
    extra = table[:, n_cells:].T
    by_name = {name: extra[i].copy() for i, name in enumerate(columns)}
    return Part(np.ascontiguousarray(table[:, :n_cells]), by_name, done)


@contextlib.contextmanager
def _open(file):
    """Yield the text of a file, and a function that returns the fraction read."""
    size = max(file.stat().st_size, 1)
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open(file, "rb"))
        plain = raw
        if file.name.lower().endswith(".gz"):
            plain = stack.enter_context(gzip.GzipFile(fileobj=raw))
        # Spreadsheets start files with a byte-order mark, which utf-8-sig drops.
        text = stack.enter_context(io.TextIOWrapper(plain, encoding="utf-8-sig"))
        yield text, lambda: min(raw.tell() / size, 1.0)


def _numbered_lines(text, file):
    """Yield number and text of each line that is not blank."""
    for number in itertools.count(1):
        try:
            line = text.readline(LONGEST_LINE + 1)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{file} is not a text file: {error}. Export the wafers as CSV first."
            ) from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"{file}, line {number} cannot be unpacked: {error}. The file is cut "
                "short or damaged; copy or pack it again."
            ) from error
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise ValueError(
                f"{file}, line {number} is longer than {LONGEST_LINE:,} characters, so "
                "it is no row of charges. Export one line per wafer."
            )
        if line.strip():
            yield number, line


def _first_row(lines, file):
    """Return number and entries of the first line."""
    for number, line in lines:
        return number, line.rstrip("\r\n").split(",")
    raise ValueError(
        f"{file} is empty: expected a header or rows of at least {len(CHARGES)} "
        "charges. Export the file again, or leave it out."
    )


def _blocks(lines):
    block, n_characters = [], 0
    for number, line in lines:
        block.append((number, line))
        n_characters += len(line)
        if len(block) == LINES_AT_ONCE or n_characters > CHARACTERS_AT_ONCE:
            yield block
            block, n_characters = [], 0
    if block:
        yield block


def _check_first_row(first, request, where):
    """Check that a file without a header can hold the requested columns."""
    wanted = [*request.columns, *request.selects]
    if wanted or request.return_metadata:
        raise ValueError(
            f"{where} holds numbers, so the file has no header to find the columns "
            f"{wanted or 'of metadata'} by. Add a header line, or ask for no columns."
        )
    if len(first) < len(CHARGES):
        raise ValueError(
            f"{where} has {len(first)} columns, but a file without a header starts "
            f"each line with the charges of {len(CHARGES)} trigger cells."
        )
    if [entry.strip() for entry in first] == list(map(str, range(len(first)))):
        raise ValueError(
            f"{where} counts 0, 1, 2, ...: it looks like a header of bare column "
            "numbers. Delete the line, or name the columns CALQ_0, CALQ_1, ..."
        )


def _quick_table(block, places, n_columns):
    """Return the columns as NumPy reads them, None if anything looks wrong."""
    lines = [line for _, line in block]
    # NumPy accepts a row of any length that has the requested columns.
    if any(line.count(",") != n_columns - 1 for line in lines):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            table = np.loadtxt(
                lines, delimiter=",", comments=None, usecols=places, ndmin=2
            )
        except (ValueError, UserWarning):
            return None
    sound = np.isfinite(table).all() and (table[:, : len(CHARGES)] >= 0).all()
    return table if sound and len(table) == len(block) else None


def _careful_table(block, names, places, n_columns, file):
    """Read line by line, and report line and column of the first fault."""
    rows = []
    for number, line in block:
        entries = line.rstrip("\r\n").split(",")
        where = f"{file}, line {number}"
        if len(entries) != n_columns:
            raise ValueError(
                f"{where} has {len(entries)} columns, but the lines above have "
                f"{n_columns}. Is it cut short? Mend or delete the line."
            )
        columns = zip(names, places, strict=True)
        rows.append([_number(entries[at], name, where) for name, at in columns])
    return np.array(rows, dtype=np.float64)


def _number(entry, name, where):
    """Return one entry as a finite number that its column allows."""
    if not _is_number(entry):
        raise ValueError(
            f"{where}, column {name} holds {shortened(entry)!r} where a number was "
            "expected. Mend or delete the line."
        )
    value = float(entry)
    if not np.isfinite(value):
        raise ValueError(
            f"{where}, column {name} holds {shortened(entry)}, which is not finite. "
            "Mend or delete the line."
        )
    if value < 0 and name in CHARGES:
        raise ValueError(
            f"{where}, column {name} holds the negative charge {shortened(entry)}. "
            "Charges are not negative; subtract pedestals and clip at zero first."
        )
    return value


def _is_number(entry):
    # Python also accepts 1_000 and the digits of other scripts, which no export writes.
    if "_" in entry or not entry.isascii():
        return False
    try:
        float(entry)
    except ValueError:
        return False
    return True
