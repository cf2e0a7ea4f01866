"""Rows of a study's results, and the files that hold them.

A row is a dict; its keys are the names of the columns and include the units. Missing
numbers are None here and empty in files.
"""

import csv
import io
import math
from pathlib import Path

import numpy as np

__all__ = [
    "profile_rows",
    "read_csv",
    "write_csv",
]

# Significant digits in files, few enough that files are equal on machines that round
# sums differently.
DIGITS = 6


def profile_rows(found, by, value, **columns):
    """Return a row for each bin of a profile or of ratios.

    Parameters
    ----------
    found : Profile or Ratios
        The bins to tabulate.
    by, value : str
        Names of the property and of the number, with their units.
    **columns : object
        Further columns, equal in all rows, which come first.

    Returns
    -------
    rows : list of dict
        `columns`, "{by}_from", "{by}_to", "n_wafers", and for the number
        "{value}_median", "_q16" and "_q84" for a Profile, or "_mean", "_lowest" and
        "_highest" for Ratios.
    """
    # Only a Profile counts wafers that are left out.
    names = ("median", "q16", "q84")
    if not hasattr(found, "n_left_out"):
        names = ("mean", "lowest", "highest")
    bins = zip(
        found.edges[:-1],
        found.edges[1:],
        found.n_wafers,
        *(found.middle, found.low, found.high),
        strict=True,
    )
    return [
        {
            **columns,
            f"{by}_from": low_edge,
            f"{by}_to": high_edge,
            "n_wafers": n_wafers,
            **{f"{value}_{name}": x for name, x in zip(names, numbers, strict=True)},
        }
        for low_edge, high_edge, n_wafers, *numbers in bins
    ]


def write_csv(path, rows):
    """Write rows as CSV: a header, commas, UTF-8, a line feed after each line.

    Parameters
    ----------
    path : str or path-like
        The file; its folder is made if needed.
    rows : sequence of dict
        All with the same keys in the same order. Floating-point numbers are written
        with six significant digits, NaN and None as empty entries.

    Raises
    ------
    ValueError
        If there are no rows, or their keys differ.
    """
    rows = list(rows)
    if not rows:
        raise ValueError(f"There are no rows to write to {path}.")
    names = list(rows[0])
    for number, row in enumerate(rows):
        if list(row) != names:
            raise ValueError(
                f"Row {number} has the columns {list(row)}, but the first has {names}. "
                "Write rows of different kinds to different files."
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_entry(value) for value in row.values()] for row in rows)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def _entry(value):
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return "" if math.isnan(value) else f"{value:.{DIGITS}g}"
    return str(value)


def read_csv(path):
    """Read rows that :func:`write_csv` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    rows : list of dict
        Entries that look like numbers are int or float, empty ones None. A whole
        floating-point number becomes an int.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    with Path(path).open(encoding="utf-8", newline="") as lines:
        return [
            {name: _value(entry) for name, entry in row.items()}
            for row in csv.DictReader(lines)
        ]


def _value(entry):
    if entry == "":
        return None
    for kind in (int, float):
        try:
            return kind(entry)
        except ValueError:
            continue
    return entry
