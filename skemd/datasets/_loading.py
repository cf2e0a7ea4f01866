"""A reader of wafers from CSV files that says where a file is wrong."""

import gzip
import itertools
import warnings
from pathlib import Path

import numpy as np

from skemd.geometry import hgcal_wafer

__all__ = ["load_wafers"]

SUFFIXES = (".csv", ".csv.gz")


def load_wafers(path, *, columns=(), drop_empty=False):
    """Load wafers of trigger-cell charges from a CSV file or a folder of them.

    Charges are found by the header's names CALQ_0 to CALQ_47, in any order among any
    other columns. Without a header they are the first 48 columns.

    Parameters
    ----------
    path : str or path-like
        A comma-separated file, gzipped if its name ends in ``.gz``, or a folder, whose
        ``*.csv`` and ``*.csv.gz`` files are read in the order of their names.
    columns : sequence of str, default=()
        Names of further numeric columns to return, for instance ``("tc_eta",)``. They
        need a header.
    drop_empty : bool, default=False
        Whether to drop wafers without any charge. They are data and kept by default,
        but no earth mover's distance exists for them and the estimators' ``fit``
        refuses them; ``X[X.sum(axis=1) > 0]`` drops them later.

    Returns
    -------
    X : ndarray of shape (n_samples, 48)
        Charges in the file's unit, usually CALQ counts (35.1 counts = 1 transverse
        MIP), in trigger-cell order, float64; rows in the order of the file or files.
    extra : dict of str to ndarray of shape (n_samples,)
        Only with `columns`: those columns, float64, row by row with `X`.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or no CSV file in the folder.
    ValueError
        If a file is empty, lacks a column, names one twice, or holds anything but
        finite numbers, or a negative charge. The message names file, line and column.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from skemd.datasets import load_wafers, make_wafers
    >>> X = make_wafers(5, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "wafers.csv"
    ...     np.savetxt(path, X, delimiter=",")
    ...     bool((load_wafers(path) == X).all())
    True
    """
    if isinstance(columns, str):
        columns = (columns,)
    names = _charge_names()
    tables = [_read_file(file, (*names, *columns)) for file in _files(Path(path))]
    table = np.concatenate(tables)
    if drop_empty:
        table = table[table[:, : len(names)].sum(axis=1) > 0]
    X = np.ascontiguousarray(table[:, : len(names)])
    if not columns:
        return X
    extra = table[:, len(names) :]
    return X, {name: extra[:, i].copy() for i, name in enumerate(columns)}


def _charge_names():
    return tuple(f"CALQ_{cell}" for cell in range(hgcal_wafer().n_cells))


def _files(path):
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file or folder {path}; check the path. The working directory "
            f"is {Path.cwd()}."
        )
    if path.is_file():
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
    if not files:
        raise FileNotFoundError(
            f"The folder {path} holds no file that ends in {' or '.join(SUFFIXES)}. "
            "Pass the folder with the CSV files, or one file by its own name."
        )
    return files


def _read_file(file, names):
    """Read the named columns of one file, and look for the fault if there is one."""
    try:
        with _open(file) as lines:
            first_line, first = _first_row(lines, file)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} is not a text file: {error}. Export the wafers as CSV first."
        ) from error
    has_header = not any(_is_number(entry) for entry in first)
    places = _places(first, names, has_header, f"{file}, line {first_line}")
    skipped = first_line if has_header else first_line - 1
    table = _quick_table(file, skipped, places, len(first))
    if table is None:
        table = _careful_table(file, skipped, names, places, len(first))
    if len(table) == 0:
        raise ValueError(
            f"{file} has a header but no rows: expected one row a wafer below line "
            f"{first_line}. Export the file again, or leave it out."
        )
    return table


def _quick_table(file, skipped, places, n_columns):
    """Return the columns as NumPy reads them, None if anything looks wrong."""
    with _open(file) as lines, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")
        try:
            table = np.loadtxt(
                _even_lines(lines, skipped, n_columns),
                delimiter=",",
                comments=None,
                usecols=places,
                ndmin=2,
            )
        except ValueError:
            return None
    charges = table[:, : hgcal_wafer().n_cells]
    sound = np.isfinite(table).all() and (charges >= 0).all()
    return table if sound else None


def _even_lines(lines, skipped, n_columns):
    """Yield the lines; stop at one that is longer or shorter than the first.

    NumPy itself lets a row pass whose wanted columns are there.
    """
    for line in itertools.islice(lines, skipped, None):
        if line.count(",") != n_columns - 1 and line.strip():
            raise ValueError("ragged")
        yield line


def _careful_table(file, skipped, names, places, n_columns):
    """Read line by line, and name line and column of the first fault."""
    rows = []
    with _open(file) as lines:
        for number, line in enumerate(lines, start=1):
            if number <= skipped or not line.strip():
                continue
            entries = line.rstrip("\r\n").split(",")
            where = f"{file}, line {number}"
            if len(entries) != n_columns:
                raise ValueError(
                    f"{where} has {len(entries)} columns, but the lines above have "
                    f"{n_columns}. Is it cut short? Mend or delete the line."
                )
            columns = zip(names, places, strict=True)
            rows.append([_number(entries[at], name, where) for name, at in columns])
    return np.array(rows, dtype=np.float64).reshape(-1, len(places))


def _number(entry, name, where):
    """Return one entry as a finite number that its column allows."""
    if not _is_number(entry):
        raise ValueError(
            f"{where}, column {name} holds {entry.strip()!r} where a number was "
            "expected. Mend or delete the line."
        )
    value = float(entry)
    if not np.isfinite(value):
        raise ValueError(
            f"{where}, column {name} holds {entry.strip()}, which is not finite. Mend "
            "or delete the line."
        )
    if value < 0 and name in _charge_names():
        raise ValueError(
            f"{where}, column {name} holds the negative charge {entry.strip()}. "
            "Charges are not negative; subtract pedestals and clip at zero first."
        )
    return value


def _places(first, names, has_header, where):
    """Return the place of each named column in a row."""
    n_cells = len(_charge_names())
    if not has_header:
        if len(names) > n_cells:
            raise ValueError(
                f"{where} holds numbers, so the file has no header to find the columns "
                f"{list(names[n_cells:])} by. Add a header line, or ask for no columns."
            )
        if len(first) < n_cells:
            raise ValueError(
                f"{where} has {len(first)} columns, but a file without a header starts "
                f"each line with the charges of {n_cells} trigger cells."
            )
        if [entry.strip() for entry in first] == list(map(str, range(len(first)))):
            raise ValueError(
                f"{where} counts 0, 1, 2, ...: it looks like a header of bare column "
                "numbers. Delete the line, or name the columns CALQ_0, CALQ_1, ..."
            )
        return list(range(n_cells))
    header = [entry.strip().strip('"') for entry in first]
    missing = [name for name in names if name not in header]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"{where}: the header lacks {', '.join(missing[:5])}{more}. Expected "
            f"CALQ_0 to CALQ_{n_cells - 1} and the columns asked for; it has "
            f"{', '.join(header[:5])}, ... ({len(header)} columns)."
        )
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise ValueError(
            f"{where}: the header names {twice[0]} {header.count(twice[0])} times. "
            "Rename or delete all but one of these columns."
        )
    return [header.index(name) for name in names]


def _first_row(lines, file):
    """Return number and entries of the first line that is not blank."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            return number, line.rstrip("\r\n").split(",")
    raise ValueError(
        f"{file} is empty: expected a header or rows of at least 48 charges. Export "
        "the file again, or leave it out."
    )


def _open(file):
    # Spreadsheets put a byte-order mark in front, which utf-8-sig drops.
    opener = gzip.open if file.name.endswith(".gz") else open
    return opener(file, "rt", encoding="utf-8-sig")


def _is_number(entry):
    try:
        float(entry)
    except ValueError:
        return False
    return True
