"""Write files in one step: each is complete, or what was there before stays."""

import errno
import os
import re
import secrets
import stat
from pathlib import Path

__all__ = [
    "check_printable",
    "check_replaceable",
    "check_same_folder",
    "left_behind_by",
    "replace_file",
]

# A name may have 255 bytes, and a character takes up to four of them.
_LONGEST_START = 40


def replace_file(path, content):
    """Write a file under another name, and rename it when it is on the disk.

    Parameters
    ----------
    path : str or path-like
        The file. An existing one is replaced; the new one has its permissions. Of a
        file with several names (hard links), only this name refers to the new content.
        A link is replaced itself and never followed.
    content : bytes
        The content of the file.

    Raises
    ------
    OSError
        If the file cannot be written. What was there has not changed.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name[:_LONGEST_START]}.{secrets.token_hex(8)}.tmp")
    try:
        mode = _mode_of(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        # What others may not read later they may not read now either.
        with open(
            os.open(beside, flags, 0o666 if mode is None else 0o600), "wb"
        ) as file:
            try:
                if mode is not None and hasattr(os, "fchmod"):
                    os.fchmod(file.fileno(), mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                os.replace(beside, path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)
    except OSError as error:
        # The name of the temporary file tells the user nothing.
        reason = error.strerror or str(error)
        raise OSError(error.errno, reason, os.fspath(path)) from error


def check_replaceable(path):
    """Check that nothing, or a plain file, is where a file will be written.

    Parameters
    ----------
    path : str or path-like
        The place. The folders that lead to it may be links.

    Raises
    ------
    ValueError
        If something else is there. A link is refused because following it would change
        a file elsewhere, and replacing it would leave that file out of date.
    """
    check_printable(path)
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        # Writing will say what is wrong.
        return
    if stat.S_ISLNK(mode):
        raise ValueError(
            f"{path} is a link to {os.readlink(path)!r}, and files are not written "
            "through links. Pass the path of the file itself, or remove the link."
        )
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise ValueError(
            f"{path} is {kind} and will not be replaced. Pass another path."
        )


def check_printable(path):
    """Check that messages can quote a path without breaking lines or the terminal.

    Parameters
    ----------
    path : str or path-like
        A path, or the name of a file.

    Raises
    ------
    ValueError
        If it has line breaks or control characters.
    """
    path = os.fspath(path)
    if re.search(r"[\x00-\x1f\x7f-\x9f]", str(path)):
        raise ValueError(
            f"The path {path!r} has line breaks or control characters. Rename the "
            "file or the folder."
        )


def check_same_folder(folder, status):
    """Check that a path still leads to the folder that it led to before.

    Parameters
    ----------
    folder : path-like
        The path.
    status : os.stat_result
        What ``os.stat`` returned for it then.

    Raises
    ------
    OSError
        If another folder or nothing is there.
    """
    if not os.path.samestat(os.stat(folder), status):
        raise OSError(
            errno.ENOTDIR, "another folder or a link has taken its place", folder
        )


def left_behind_by(path):
    """Return the temporary files of a writer that was killed.

    Parameters
    ----------
    path : str or path-like
        The file that was to be written, with a name of at most 40 characters.

    Returns
    -------
    paths : list of pathlib.Path
        Plain files whose whole names are those of :func:`replace_file`.
    """
    path = Path(path)
    # Earlier versions drew eight digits.
    pattern = re.compile(rf"{re.escape(path.name)}\.([0-9a-f]{{8}}){{1,2}}\.tmp")
    with os.scandir(path.parent) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]


def _mode_of(path):
    """Return the permissions of an existing plain file, else None."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    return stat.S_IMODE(mode) & 0o777 if stat.S_ISREG(mode) else None


def _sync_folder(folder):
    """Write the new name to the disk, too, on systems that can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
