"""Reading and writing of files that somebody else may have made."""

import gzip
import os
import stat
import zlib
from pathlib import Path

from skemd._io._files import replace_file

__all__ = ["check_place", "read_bounded", "write_whole"]


def read_bounded(path, most_bytes):
    """Read a file, unpacked if its name ends in .gz, unless it is too large.

    Parameters
    ----------
    path : str or path-like
        A regular file.
    most_bytes : int
        How many bytes it may have, unpacked.

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
    path = Path(path)
    # A pipe or a device would block, or never end.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path} is not a regular file. Pass the path of one.")
    packed = path.suffix == ".gz"
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            content = file.read(most_bytes + 1)
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
        If something else is there, or the folder is missing.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"The folder {path.parent} does not exist. Make it first.")
    if path.exists() and not path.is_file():
        raise ValueError(
            f"{path} is no regular file and will not be replaced. Pass another path."
        )


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
