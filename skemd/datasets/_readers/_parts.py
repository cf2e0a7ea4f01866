"""From a path to the selected wafers of its files, part by part."""

import numpy as np

from skemd._extras import import_extra
from skemd._progress import ProgressBar
from skemd.datasets._readers._columns import METADATA, metadata_column
from skemd.datasets._readers._csv import csv_parts
from skemd.datasets._readers._files import find_files
from skemd.datasets._readers._parquet import parquet_parts
from skemd.datasets._readers._request import make_request
from skemd.datasets._readers._root import root_parts

__all__ = ["as_returned", "joined", "start_reading"]

READERS = {"csv": csv_parts, "parquet": parquet_parts, "root": root_parts}
BYTES_PER_MB = 1_000_000


def start_reading(path, *, verbose, **options):
    """Check everything that can be checked before reading, and return the parts.

    Parameters
    ----------
    path : str or path-like
        A file or folder.
    verbose : int
        1 for a progress bar.
    **options
        The other options of :func:`iter_wafers`.

    Returns
    -------
    parts : iterator of (ndarray of shape (n_wafers, 48), dict of str to ndarray)
        The selected wafers, and the columns beside them.
    request : Request
        The options, checked.
    """
    files, kind = find_files(path)
    request = make_request(kind=kind, **options)
    if request.return_metadata:
        import_extra("pandas", "data")
    return _selected_parts(path, files, READERS[kind], request, verbose), request


def as_returned(X, columns, request):
    """Return charges alone, or with the columns in the requested form.

    Parameters
    ----------
    X : ndarray of shape (n_wafers, 48)
        Charges.
    columns : dict of str to ndarray of shape (n_wafers,)
        Columns beside them.
    request : Request
        The options.

    Returns
    -------
    X : ndarray of shape (n_wafers, 48)
        The same.
    extra : dict or DataFrame
        Only if the request has columns or metadata.
    """
    if request.return_metadata:
        return X, import_extra("pandas", "data").DataFrame(columns)
    if request.columns:
        return X, columns
    return X


def joined(pieces):
    """Join consecutive pieces, freeing each as soon as it is copied.

    Parameters
    ----------
    pieces : list of (ndarray of shape (n_wafers, 48), dict of str to ndarray)
        At least one; empty afterwards.

    Returns
    -------
    X : ndarray of shape (n_wafers, 48)
        All charges.
    columns : dict of str to ndarray of shape (n_wafers,)
        All columns.
    """
    if len(pieces) == 1:
        return pieces.pop()
    names = list(pieces[0][1])
    columns = {
        name: np.concatenate([part[name] for _, part in pieces]) for name in names
    }
    # The memory of an empty array is claimed while it is filled, so the whole is never
    # in memory twice.
    X = np.empty((sum(len(part) for part, _ in pieces), pieces[0][0].shape[1]))
    start = 0
    pieces.reverse()
    while pieces:
        part, _ = pieces.pop()
        X[start : start + len(part)] = part
        start += len(part)
    return X, columns


def _selected_parts(path, files, reader, request, verbose):
    """Yield the selected wafers and columns of each part of each file."""
    sizes = [file.stat().st_size for file in files]
    bar = ProgressBar(-(-sum(sizes) // BYTES_PER_MB), "load wafers", verbose)
    n_wafers, names = 0, None
    for number, file in enumerate(files):
        for part in reader(file, request):
            columns = _kept_columns(part, request, file)
            names = names or (file, list(columns))
            _check_same_columns(names, list(columns), file)
            kept = request.mask(part.columns)
            if request.drop_empty:
                kept = _where(kept, (part.X > 0).any(axis=1))
            X = part.X[kept]
            n_wafers += len(X)
            read = sum(sizes[:number]) + part.done * sizes[number]
            bar.update(int(read) // BYTES_PER_MB, f"{n_wafers:,} wafers")
            yield X, {name: column[kept] for name, column in columns.items()}
    request.check_kept(path)
    bar.update(bar.total, f"{n_wafers:,} wafers")
    bar.close()


def _where(kept, charged):
    return charged if isinstance(kept, slice) else kept & charged


def _kept_columns(part, request, file):
    """Return the requested columns, without those that only select wafers."""
    columns = {name: part.columns[name].astype(float) for name in request.columns}
    if request.return_metadata:
        for name in [name for name in METADATA if name in part.columns]:
            columns[name] = metadata_column(name, part.columns[name], file)
    return columns


def _check_same_columns(first, names, file):
    first_file, expected = first
    if names != expected:
        differing = sorted(set(names) ^ set(expected))
        raise ValueError(
            f"{file} and {first_file} do not have the same metadata: only one of them "
            f"has {', '.join(differing)}. Load them apart, or without return_metadata."
        )
