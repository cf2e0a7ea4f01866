"""A reader of wafers from CSV files that reports where a file is wrong."""

import dataclasses
import itertools
import math
import re
from pathlib import Path

import numpy as np

from skemd.datasets._readers._columns import CHARGES, requested_columns, shortened
from skemd.datasets._readers._csv_lines import (
    blocks_of_lines,
    find_delimiter,
    numbered_lines,
    open_text,
    split,
)
from skemd.datasets._readers._request import Part

__all__ = ["csv_parts"]

# Digits with decimal commas or with something between thousands: 1,5 or 12'345.
ALMOST_A_NUMBER = re.compile(r"[-+]?\d+([., '\u00a0\u2019\u202f]\d+)+")
# So many steps of one, or steps up, in a first column are not the charges of a cell.
STEPS_OF_ONE, STEPS_UP = 2, 9


@dataclasses.dataclass
class Form:
    """How the lines of a table look, and what to take from them.

    Parameters
    ----------
    file : Path
        The file, for messages.
    delimiter : str
        What separates the entries of a line.
    n_columns : int
        How many entries a line has.
    names : tuple of str
        Names of the columns to read, first those of the charges.
    places : list of int
        Their places on a line.
    """

    file: Path
    delimiter: str
    n_columns: int
    names: tuple
    places: list


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
    with open_text(file) as (text, fraction_read):
        lines = numbered_lines(text, file)
        first_line, line = _first_line(lines, file)
        where = f"{file}, line {first_line}"
        delimiter = find_delimiter(line, where)
        first = [entry.strip() for entry in split(line, delimiter, where)]
        form = Form(file, delimiter, len(first), CHARGES, list(range(len(CHARGES))))
        columns, has_header = {}, not _holds_numbers(first)
        if has_header:
            # NumPy writes a header as a comment.
            header = [first[0].lstrip("# "), *first[1:]]
            columns = requested_columns(header, request, where)
            form.names = (*CHARGES, *columns.values())
            form.places = [header.index(name) for name in form.names]
        else:
            _check_first_row(first, request, where)
            lines = itertools.chain([(first_line, line)], lines)
        empty = True
        for block in blocks_of_lines(lines):
            table = _quick_table(block, form)
            if table is None:
                table = _careful_table(block, form)
            if empty and not has_header:
                _check_not_numbered(table[:, 0], form.n_columns, where)
            empty = False
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


def _first_line(lines, file):
    """Return number and text of the first line."""
    for number, line in lines:
        return number, line
    raise ValueError(
        f"{file} is empty: expected a header or rows of at least {len(CHARGES)} "
        "charges. Export the file again, or leave it out."
    )


def _holds_numbers(first):
    """Return whether a line is a row of charges, though perhaps a faulty one."""
    entries = [entry for entry in first[: len(CHARGES)] if entry]
    n_numbers = sum(
        _value(entry) is not None or ALMOST_A_NUMBER.fullmatch(entry) is not None
        for entry in entries
    )
    return 2 * n_numbers > len(entries)


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
    # pandas leaves the place above the row numbers empty.
    numbers = [_value(entry) for entry in first[first[0] == "" :][: len(CHARGES)]]
    for start in (0, 1):
        if numbers == list(range(start, start + len(numbers))):
            raise ValueError(
                f"{where} counts {start}, {start + 1}, {start + 2}, ...: it looks like "
                "a header of bare column numbers. Name the columns CALQ_0, CALQ_1, "
                "..., or export without header and row numbers (pandas: header=False, "
                "index=False)."
            )


def _check_not_numbered(first_column, n_columns, where):
    """Check that a file without a header does not start its lines with row numbers."""
    steps = np.diff(first_column)
    counts = len(steps) >= STEPS_OF_ONE and (steps == 1).all()
    rises = len(steps) >= STEPS_UP and (steps > 0).all()
    if n_columns > len(CHARGES) and (counts or rises):
        numbers = ", ".join(f"{number:g}" for number in first_column[:3])
        raise ValueError(
            f"{where}: the file has no header and {n_columns} columns, and the first "
            f"counts {numbers}, ... like row numbers, not like the charges of a cell. "
            "Export without row numbers (pandas: index=False), or with a header that "
            f"names the charges CALQ_0 to {CHARGES[-1]}."
        )


def _quick_table(block, form):
    """Return the columns as NumPy reads them, None if anything looks wrong."""
    lines = [line for _, line in block]
    n_delimiters = form.n_columns - 1
    # NumPy accepts a row of any length that has the requested columns.
    if any(line.count(form.delimiter) != n_delimiters or '"' in line for line in lines):
        return None
    # It would warn of lines without data, but these lines have delimiters.
    try:
        table = np.loadtxt(
            lines,
            delimiter=form.delimiter,
            comments=None,
            usecols=form.places,
            ndmin=2,
        )
    except ValueError:
        return None
    sound = np.isfinite(table).all() and (table[:, : len(CHARGES)] >= 0).all()
    return table if sound and len(table) == len(block) else None


def _careful_table(block, form):
    """Read line by line, and report line and column of the first fault."""
    rows = []
    for number, line in block:
        where = f"{form.file}, line {number}"
        entries = split(line, form.delimiter, where)
        if len(entries) == form.n_columns + 1 and not entries[-1].strip():
            # A delimiter at the end of the line, which the header lacks.
            entries.pop()
        if len(entries) != form.n_columns:
            raise ValueError(
                f"{where} has {len(entries)} columns, but the lines above have "
                f"{form.n_columns}. {_why_uneven(len(entries) < form.n_columns)}"
            )
        columns = zip(form.names, form.places, strict=True)
        rows.append([_number(entries[at], name, where) for name, at in columns])
    return np.array(rows, dtype=np.float64)


def _why_uneven(is_short):
    if is_short:
        return "Is it cut short? Mend or delete the line."
    return (
        "Are there row names without a column name, decimal commas, or texts with "
        "delimiters but no quotes? Export the file without them."
    )


def _number(entry, name, where):
    """Return one entry as a finite number that its column allows."""
    value = _value(entry)
    if value is None:
        cure = "Mend or delete the line."
        if ALMOST_A_NUMBER.fullmatch(entry.strip()):
            cure = "Write numbers with a decimal point and nothing between thousands."
        raise ValueError(
            f"{where}, column {name} holds {shortened(entry)!r} where a number was "
            f"expected. {cure}"
        )
    if not math.isfinite(value):
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


def _value(entry):
    """Return the number that an entry stands for, None if it is none."""
    # Python also accepts 1_000 and the digits of other scripts, which no export writes.
    if "_" in entry or not entry.isascii():
        return None
    try:
        return float(entry)
    except ValueError:
        return None
