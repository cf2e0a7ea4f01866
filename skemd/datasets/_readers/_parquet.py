"""A reader of wafers from Parquet files, batch by batch."""

import contextlib

import numpy as np

from skemd._extras import import_extra
from skemd.datasets._readers._columns import CHARGES, requested_columns, shortened
from skemd.datasets._readers._limits import check_unpacked
from skemd.datasets._readers._request import Part

__all__ = ["parquet_parts"]

ROWS_AT_ONCE = 10_000
BYTES_PER_WAFER = 8 * len(CHARGES)
# Columns, row groups, and anything else that the description of a file lists.
MOST_LISTED = 100_000
MOST_BYTES_OF_A_COLUMN = 100_000_000


def parquet_parts(file, request):
    """Read a Parquet file part by part.

    Parameters
    ----------
    file : Path
        With a column for each trigger cell, CALQ_0 to CALQ_47.
    request : Request
        The options of the call, such as the columns.

    Yields
    ------
    part : Part
        Wafers in the order of the rows.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If the file is damaged, unpacks to more than it may, lacks a column, or holds a
        negative charge or anything but finite numbers. The message names file, row
        (from 0) and column.
    """
    parquet = import_extra("pyarrow.parquet", "data")
    with contextlib.ExitStack() as stack:
        with _named_damage(file):
            table = stack.enter_context(
                parquet.ParquetFile(file, thrift_container_size_limit=MOST_LISTED)
            )
            schema = table.schema_arrow
            n_rows = table.metadata.num_rows
        columns = requested_columns(schema.names, request, f"{file}")
        _check_types(schema, (*CHARGES, *columns.values()), file)
        names = list(dict.fromkeys((*CHARGES, *columns.values())))
        _check_sizes(table.metadata, names, file)
        start = 0
        for batch in _batches(table, names, file):
            part = {name: _numbers(batch, name, start, file) for name in names}
            start += batch.num_rows
            X = np.column_stack([part[name] for name in CHARGES])
            extra = {name: part[place] for name, place in columns.items()}
            done = min(start / max(n_rows, 1), 1.0)
            yield Part(X.astype(np.float64, copy=False), extra, done)
    if start == 0:
        raise ValueError(
            f"{file} has columns but no rows: expected one row per wafer. Export the "
            "file again, or leave it out."
        )


@contextlib.contextmanager
def _named_damage(file):
    # The errors of pyarrow for damaged files have no common class: its own, OSError,
    # OverflowError, MemoryError for sizes that make no sense.
    try:
        yield
    except Exception as error:
        said = shortened(str(error), 200) or type(error).__name__
        raise ValueError(
            f"{file} cannot be read as Parquet: {said}. It is cut short, damaged or "
            "of another kind; copy or export it again."
        ) from error


def _batches(table, names, file):
    with _named_damage(file):
        batches = table.iter_batches(batch_size=ROWS_AT_ONCE, columns=names)
    while True:
        with _named_damage(file):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _check_sizes(metadata, names, file):
    """Check what the file says that it unpacks to."""
    cure = "Is it damaged? If not, write it without packing and dictionaries."
    # A run of equal numbers takes a few bytes, but as many rows as it is long.
    check_unpacked(metadata.num_rows * BYTES_PER_WAFER, file, cure)
    with _named_damage(file):
        sizes = _column_bytes(metadata, names)
    if max(sizes, default=0) > MOST_BYTES_OF_A_COLUMN:
        raise ValueError(
            f"{file}: a row group has {max(sizes) / 1e6:,.0f} MB in one column, but at "
            f"most {MOST_BYTES_OF_A_COLUMN // 10**6} MB are read. Write smaller row "
            "groups."
        )
    check_unpacked(sum(sizes), file, cure)


def _column_bytes(metadata, names):
    """Return what each row group says that each column in it unpacks to."""
    places = range(metadata.num_columns)
    places = [at for at in places if metadata.schema.column(at).path in names]
    sizes = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        sizes += [group.column(at).total_uncompressed_size for at in places]
    return sizes


def _check_types(schema, names, file):
    for name in names:
        kind = schema.field(name).type
        try:
            numeric = np.dtype(kind.to_pandas_dtype()).kind in "iuf"
        except NotImplementedError:
            numeric = False
        if not numeric:
            raise ValueError(
                f"{file}: the column {name} holds values of type {kind} where numbers "
                "were expected. Convert it before you export."
            )


def _numbers(batch, name, start, file):
    """Return a column as numbers that are finite and, if charges, not negative."""
    column = batch.column(batch.schema.get_field_index(name))
    with _named_damage(file):
        column.validate(full=True)
        values = column.to_numpy(zero_copy_only=False)
    wrong = ~np.isfinite(values)
    if name in CHARGES:
        wrong |= values < 0
    if not wrong.any():
        return values
    row = int(wrong.argmax())
    value = values[row]
    if not np.isfinite(value):
        fault = f"holds {value}, which is not finite"
        fault = fault if column[row].is_valid else "holds no value"
        cure = "Mend or drop the row."
    else:
        fault = f"holds the negative charge {value}"
        cure = "Subtract pedestals and clip at zero first."
    raise ValueError(f"{file}, row {start + row}, column {name} {fault}. {cure}")
