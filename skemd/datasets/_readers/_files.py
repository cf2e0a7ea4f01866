"""The files that a path stands for, their order, and their kind."""

import itertools
import os
from pathlib import Path

from skemd._io._files import check_printable

__all__ = ["SUFFIXES", "find_files"]

# The kind of a file by the end of its name; a single file with any other name is CSV.
SUFFIXES = {
    "csv": (".csv", ".csv.gz"),
    "parquet": (".parquet", ".pq"),
    "root": (".root",),
}
MOST_FILES = 100_000


def find_files(path):
    """Return the files that a path stands for, and their kind.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder, whose own folders are not searched.

    Returns
    -------
    files : list of Path
        Sorted by name, character by character: ``10.csv`` comes before ``2.csv``.
        Hidden files of a folder are left out.
    kind : {"csv", "parquet", "root"}
        The kind of all of them.

    Raises
    ------
    FileNotFoundError
        If there is no such path, or no file of a known kind in the folder.
    ValueError
        If the folder mixes kinds or is too large, the path is that of a pipe or a
        device, or a name has characters that move the cursor.
    """
    path = Path(path)
    check_printable(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file or folder {path}; check the path. The working directory "
            f"is {Path.cwd()}."
        )
    # A pipe would block, and a device may never end.
    if not path.is_dir() and not path.is_file():
        raise ValueError(
            f"{path} is neither a regular file nor a folder. Write what it gives to a "
            "file, and pass the path of that."
        )
    if not path.is_dir():
        return [path], _kind(path) or "csv"
    files = sorted(file for file in _content(path) if file.is_file())
    files = [file for file in files if _kind(file) and not file.name.startswith(".")]
    for file in files:
        check_printable(file)
    if not files:
        known = ", ".join(sum(SUFFIXES.values(), ()))
        raise FileNotFoundError(
            f"The folder {path} holds no file that ends in {known}. "
            "Pass the folder that holds the files themselves, or a single file."
        )
    first_of = {}
    for file in files:
        first_of.setdefault(_kind(file), file.name)
    if len(first_of) > 1:
        raise ValueError(
            f"The folder {path} mixes kinds of files: {', '.join(first_of.values())}. "
            "Keep each kind in its own folder, so that no wafer is read twice."
        )
    return files, _kind(files[0])


def _content(folder):
    with os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, MOST_FILES + 1)]
    if len(names) > MOST_FILES:
        raise ValueError(
            f"The folder {folder} holds more than {MOST_FILES:,} files. Join them, or "
            "divide them among several folders and read these one by one."
        )
    return [folder / name for name in names]


def _kind(file):
    name = file.name.lower()
    for kind, suffixes in SUFFIXES.items():
        if name.endswith(suffixes):
            return kind
    return None
