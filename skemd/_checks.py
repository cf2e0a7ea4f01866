"""Checks of parameters and arrays, with messages that say how to fix them.

They run before any work starts. A message says what was passed, what was expected,
where the first offending entry is, and what to do about it.
"""

import numbers
import re

import numpy as np


def check_choice(value, name, choices):
    """Check that a parameter is one of a few names."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {expected}; got {value!r}.")


def check_flag(value, name):
    """Check that a parameter is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False; got {value!r}.")


def check_number(value, name, *, low, high=np.inf, integer=False, open_ends=False):
    """Check that a parameter is a number between two bounds.

    Parameters
    ----------
    value : object
        The parameter's value.
    name : str
        The parameter's name.
    low, high : float
        The bounds, which belong to the range unless `open_ends`.
    integer : bool, default=False
        Whether the number must be whole.
    open_ends : bool, default=False
        Whether the range excludes its bounds.
    """
    kind = numbers.Integral if integer else numbers.Real
    right_kind = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    inside = right_kind and (
        low < value < high if open_ends else low <= value <= high and value < np.inf
    )
    if not inside:
        ends = "()" if open_ends else "[]"
        raise ValueError(
            f"{name} must be {'an integer' if integer else 'a number'} in "
            f"{ends[0]}{low}, {high}{ends[1]}; got {value!r}."
        )


_MAX_ROWS_SHOWN = 5


def format_rows(offends):
    """Return the rows of a mask for a message: the first few, then how many more."""
    rows = np.flatnonzero(offends)
    named = ", ".join(str(row) for row in rows[:_MAX_ROWS_SHOWN])
    more = len(rows) - _MAX_ROWS_SHOWN
    return f"{'row' if len(rows) == 1 else 'rows'} {named}" + (
        f" and {more} more" if more > 0 else ""
    )


def check_container(X, name):
    """Refuse data whose meaning would change when it becomes a plain array.

    Parameters
    ----------
    X : object
        The caller's argument.
    name : str
        Its name in messages.

    Raises
    ------
    ValueError
        If entries are masked or are times, if rows are lost in double precision, or
        if numbered columns of a table, such as CALQ_0 to CALQ_47, are out of order.
    """
    if np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(X)} entries masked. "
            "Drop these wafers, or give the entries a value: X.filled(0)."
        )
    if getattr(getattr(X, "dtype", None), "kind", "f") in "mM":
        raise ValueError(f"{name} must hold numbers, not times; got dtype {X.dtype}.")
    _check_double_holds(X, name)
    last_of = {}
    for column in map(str, getattr(X, "columns", ())):
        prefix, number = re.fullmatch(r"(.*?)(\d*)", column, re.DOTALL).groups()
        if number and int(number) < last_of.get(prefix, 0):
            raise ValueError(
                f"The columns of {name} are not in the order of the cells: {column!r} "
                f"comes after '{prefix}{last_of[prefix]}'. Columns are taken in the "
                "order of the table; sort them by their numbers first."
            )
        if number:
            last_of[prefix] = int(number)


def _check_double_holds(X, name):
    """Refuse long doubles that become zero or infinite in double precision."""
    if getattr(X, "dtype", None) != np.longdouble or X.dtype == np.float64:
        return
    double = np.finfo(np.float64)
    rows = np.abs(np.reshape(X, (len(X), -1) if np.ndim(X) > 1 else (1, -1)))
    largest = rows.max(axis=1, initial=0)
    lost = (largest > double.max) & np.isfinite(largest)
    lost |= (largest > 0) & (largest < double.tiny)
    if lost.any():
        raise ValueError(
            f"Long doubles were passed for {name} that double precision, to which they "
            f"are converted, cannot hold: {largest[lost][0]!s} in {format_rows(lost)}. "
            "Choose another unit."
        )


def as_numbers(X, name, dtype=np.float64):
    """Check that an argument is an array of real numbers, or can become one.

    Parameters
    ----------
    X : array-like
        The caller's argument.
    name : str
        Its name in messages.
    dtype : data-type or None, default=float64
        Type to convert to; None keeps real numbers as they are and saves the copy.

    Returns
    -------
    X : ndarray
        Of the same shape; objects become float64.
    """
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense data is required. Use "
            f"{name}.toarray()."
        )
    check_container(X, name)
    X = np.asarray(X)
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {X.dtype}.")
    if X.dtype.kind not in "biufO":
        raise ValueError(
            f"{name} must hold numbers; got dtype {X.dtype}. Convert it first, for "
            "instance with skemd.datasets.load_wafers for CSV files."
        )
    if dtype is None:
        dtype = np.float64 if X.dtype.kind == "O" else X.dtype
    try:
        return X.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}.") from error


def check_out(out, shape, caller):
    """Check that results can be written to the caller's array.

    Parameters
    ----------
    out : object
        The caller's argument; None for a new array.
    shape : tuple of int
        Shape of the results.
    caller : str
        Name of the caller in messages.
    """
    if out is None:
        return
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        kind = getattr(out, "dtype", type(out).__name__)
        raise TypeError(
            f"out of {caller} must be an array of floating-point numbers, such as "
            f"numpy.lib.format.open_memmap returns; got {kind}."
        )
    if out.shape != shape:
        raise ValueError(
            f"out of {caller} must have the shape of the results, {shape}; got "
            f"{out.shape}."
        )
    if not out.flags.writeable:
        raise ValueError(
            f"out of {caller} is read-only. Open a memory map with mode='r+' or 'w+'."
        )


def as_whole_numbers(values, name, *, low, high):
    """Check that an array holds whole numbers of a range.

    Parameters
    ----------
    values : array-like
        Integers, or floats that are whole numbers.
    name : str
        Their name in messages.
    low, high : int
        The smallest and the largest number allowed.

    Returns
    -------
    values : ndarray of int64
        Of the same shape.

    Raises
    ------
    ValueError
        If a number is not finite, not whole, or outside.
    """
    check_container(values, name)
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} must hold whole numbers; got dtype {values.dtype}. Convert it "
            "to integers first."
        )
    if values.dtype.kind == "f":
        broken = ~(values == np.floor(values)) | np.isinf(values)
        if broken.any():
            raise ValueError(
                f"{name} must hold whole numbers; got {values[broken].flat[0]}. Round "
                "it first."
            )
        # Half precision cannot hold numbers as large as the limits.
        values = values.astype(np.float64)
    outside = (values < low) | (values > high)
    if outside.any():
        raise ValueError(
            f"{name} must hold whole numbers in [{low}, {high}]; got "
            f"{values[outside].flat[0]}."
        )
    return values.astype(np.int64)
