"""Wafers from files, all at once."""

import numbers

from skemd.datasets._readers._parts import as_returned, joined, start_reading

__all__ = ["load_wafers"]


def load_wafers(
    path,
    *,
    columns=(),
    drop_empty=False,
    return_metadata=False,
    layers=None,
    zside=None,
    unit=None,
    tree=None,
    verbose=0,
):
    """Load wafers of trigger-cell charges from a CSV, Parquet or ROOT file or a folder.

    In CSV and Parquet files a row is a wafer. Its charges are in columns named CALQ_0
    to CALQ_47, in any order and among any other columns. A CSV file without a header
    starts each line with the 48 charges. ROOT files are trigger ntuples, which list
    trigger cells; cells that are not listed have no charge. For data larger than the
    memory use :func:`skemd.datasets.iter_wafers`.

    Parameters
    ----------
    path : str or path-like
        A file or a folder of files of one kind, which are read in the order of their
        names: ``*.csv`` and ``*.csv.gz``, or ``*.parquet`` and ``*.pq``, or
        ``*.root``. A file with any other name is read as CSV. Parquet and ROOT need
        ``python -m pip install "skemd[data]"``.
    columns : sequence of str, default=()
        Names of further numeric columns to return, for instance ``("tc_eta",)``. A CSV
        file needs a header for them; a ROOT file has only those of the metadata.
    drop_empty : bool, default=False
        Whether to drop wafers without any charge. They are data and are kept by
        default, but they have no earth mover's distance, and the estimators' ``fit``
        refuses them; ``X[X.sum(axis=1) > 0]`` drops them later.
    return_metadata : bool, default=False
        Whether to return a DataFrame that describes each wafer. Needs pandas and, in a
        CSV file, a header.
    layers : int or sequence of int, default=None
        Layers of the detector to keep; all by default.
    zside : {-1, 1}, default=None
        Endcap to keep; both by default.
    unit : {"calq", "adc", "mipt"}, default=None
        Unit of the charges from a ROOT file: transverse CALQ counts, as for None
        (35.1 counts = 1 transverse MIP), ADC counts as recorded, or transverse MIP.
    tree : str, default=None
        Path of the tree in a ROOT file; by default
        "hgcalTriggerNtuplizer/HGCalTriggerNtuple".
    verbose : int, default=0
        1 shows a progress bar in MB of the files on stderr.

    Returns
    -------
    X : ndarray of shape (n_samples, 48)
        Charges in trigger-cell order, float64; from CSV and Parquet files in the file's
        unit, usually CALQ counts. Rows are in the order of the files and their rows;
        those of a ROOT file are sorted by entry, zside, layer, wafer u and v.
    extra : dict of str to ndarray of shape (n_samples,)
        Only with `columns` and without `return_metadata`: those columns, float64, row
        by row with `X`.
    metadata : DataFrame of shape (n_samples, n_columns)
        Only with `return_metadata`: the `columns`, and those of the following that the
        files have: event, zside, layer, waferu, waferv (whole numbers), eta, phi (rad)
        and simenergy (GeV). From ROOT, eta and phi are means over the cells with a
        charge, and simenergy is the sum over these.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or nothing to read in the folder.
    ImportError
        If the files need a package that is not installed.
    ValueError
        If a file is empty or damaged, lacks a column, tree or branch, names a column or
        lists a cell twice, or holds a negative charge or anything but finite numbers;
        if a folder mixes kinds of files; if no wafer is on the layers and side. The
        message names the file and the place in it.

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
    parts, request = start_reading(
        path,
        columns=columns,
        drop_empty=drop_empty,
        return_metadata=return_metadata,
        layers=layers,
        zside=zside,
        unit=unit,
        tree=tree,
        verbose=verbose,
    )
    return as_returned(*joined(list(parts)), request)


def iter_wafers(
    path,
    *,
    chunk_size=100_000,
    columns=(),
    drop_empty=False,
    return_metadata=False,
    layers=None,
    zside=None,
    unit=None,
    tree=None,
    verbose=0,
):
    """Read wafers chunk by chunk, so that files may be larger than the memory.

    All chunks together are what :func:`skemd.datasets.load_wafers` returns, in the same
    order, and the same files are refused.

    Parameters
    ----------
    path : str or path-like
        A file or a folder of files of one kind: CSV, Parquet or ROOT.
    chunk_size : int, default=100_000
        Wafers in each chunk; the last one may have fewer. A wafer takes 384 bytes.
    columns : sequence of str, default=()
        Names of further numeric columns to return. This parameter and those below are
        those of :func:`skemd.datasets.load_wafers`.
    drop_empty : bool, default=False
        Whether to drop wafers without any charge.
    return_metadata : bool, default=False
        Whether to return a DataFrame that describes each wafer.
    layers : int or sequence of int, default=None
        Layers of the detector to keep; all by default.
    zside : {-1, 1}, default=None
        Endcap to keep; both by default.
    unit : {"calq", "adc", "mipt"}, default=None
        Unit of the charges from a ROOT file.
    tree : str, default=None
        Path of the tree in a ROOT file.
    verbose : int, default=0
        1 shows a progress bar in MB of the files on stderr.

    Returns
    -------
    chunks : iterator of ndarray of shape (chunk_size, 48)
        Charges in trigger-cell order, float64, in the unit of the file or in `unit`.
        With `columns` each chunk is a pair with a dict of str to ndarray of shape
        (chunk_size,), with `return_metadata` a pair with a DataFrame of shape
        (chunk_size, n_columns).

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or nothing to read in the folder.
    ImportError
        If the files need a package that is not installed.
    ValueError
        If an option is wrong, before anything is read, or if a file is, when the
        reading reaches it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from skemd.datasets import iter_wafers, make_wafers
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "wafers.csv"
    ...     np.savetxt(path, make_wafers(5, random_state=0), delimiter=",")
    ...     [len(X) for X in iter_wafers(path, chunk_size=2)]
    [2, 2, 1]
    """
    if not isinstance(chunk_size, numbers.Integral) or chunk_size < 1:
        raise ValueError(
            f"chunk_size must be a whole number of at least 1; got {chunk_size!r}."
        )
    parts, request = start_reading(
        path,
        columns=columns,
        drop_empty=drop_empty,
        return_metadata=return_metadata,
        layers=layers,
        zside=zside,
        unit=unit,
        tree=tree,
        verbose=verbose,
    )
    return _chunks(parts, request, int(chunk_size))


def _chunks(parts, request, chunk_size):
    held, n_held = [], 0
    for part in parts:
        held.append(part)
        n_held += len(part[0])
        while n_held >= chunk_size:
            X, columns = joined(held)
            first = {name: column[:chunk_size] for name, column in columns.items()}
            yield as_returned(X[:chunk_size].copy(), first, request)
            rest = {name: column[chunk_size:] for name, column in columns.items()}
            held, n_held = [(X[chunk_size:], rest)], n_held - chunk_size
    if n_held:
        yield as_returned(*joined(held), request)
