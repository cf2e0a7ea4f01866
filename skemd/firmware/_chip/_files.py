"""Reading and writing of files that somebody else may have made."""

import gzip
import os
import stat
import zlib
from pathlib import Path

from skemd._io._files import check_printable, check_replaceable, replace_file

__all__ = ["check_place", "read_bounded", "write_whole"]

# How many bytes a packed file may unpack to: in any case, and for each of its own.
# Words pack to a third of their size, and idle ones to less.
_UNPACKED_OF_ANY_FILE = 100_000_000
_UNPACKED_PER_BYTE = 50


def read_bounded(path, most_bytes):
    """Read a file, unpacked if its name ends in .gz, unless it is too large.

    Parameters
    ----------
    path : str or path-like
        A regular file.
    most_bytes : int
        How many bytes it may have, unpacked. A packed file may not have more than 100
        MB and 50 times its size, either.

    Returns
    -------
    content : bytes
        All of it.

    Raises
    ------
    ValueError
        If it is no regular file, too large, or damaged.
    FileNotFoundError
        If it is missing.
    """
    check_printable(path)
    path = Path(path)
    # A pipe or a device would block, or never end.
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is not a regular file. Pass the path of one.")
    packed = path.suffix == ".gz"
    if packed:
        most_packed = _UNPACKED_OF_ANY_FILE + _UNPACKED_PER_BYTE * status.st_size
        most_bytes = min(most_bytes, most_packed)
    # read() allocates as many bytes as it may return.
    n_bytes = most_bytes if packed else min(most_bytes, status.st_size)
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            content = file.read(n_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged, or no gzip file: {error}. Fetch it again, or take .gz "
            "off its name if it is not packed."
        ) from error
    if len(content) > most_bytes:
        raise ValueError(
            f"{path} holds more than {most_bytes:,} bytes. Look whether it is the "
            "right file, or split it."
        )
    return content


def check_place(path):
    """Check that a file can be written, before there is anything to write.

    Parameters
    ----------
    path : str or path-like
        The place; a regular file there will be replaced.

    Raises
    ------
    ValueError
        If a link or something else is there, or the folder is missing.
    """
    check_replaceable(path)
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"The folder {path.parent} does not exist. Make it first.")


def write_whole(path, content):
    """Write a file in one go, packed if its name ends in .gz.

    Parameters
    ----------
    path : str or path-like
        Where to.
    content : bytes
        All of it, unpacked.
    """
    if Path(path).suffix == ".gz":
        # Without the time, equal content gives equal files.
        content = gzip.compress(content, compresslevel=6, mtime=0)
    replace_file(path, content)
