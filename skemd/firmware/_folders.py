"""Export folders: files are written all at once or not at all, never through links.

Files are first written to a temporary folder on the same file system. They are moved to
their places only when all of them are complete, and if a move fails, the earlier ones
are undone. Other files in a folder stay as they are.
"""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

from skemd._io._files import check_same_folder

__all__ = ["staged_folder"]

# Short, so that it fits beside a name of any length.
_PREFIX = ".skemd-"
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder"}


@contextlib.contextmanager
def staged_folder(folder):
    """Open a temporary folder whose files move to another one at the end of the block.

    Parameters
    ----------
    folder : str or path
        Where the files go. It is created if it does not exist, with the folders above
        it, and may be reached through a link. Files of the same names are replaced and
        keep their permissions.

    Yields
    ------
    staging : pathlib.Path
        An empty folder for files and folders.

    Raises
    ------
    ValueError
        If a folder that files go to holds a link, or there is something other than a
        plain file or folder where one goes.
    OSError
        If the files cannot be written. Nothing in `folder` has changed then.
    """
    folder = Path(folder)
    with _temporary_folder(folder, folder) as temporary:
        status = temporary.parent.stat()
        _refuse_links(folder)
        staging, replaced = temporary / "new", temporary / "old"
        staging.mkdir()
        yield staging
        check_same_folder(temporary.parent, status)
        names = _contents(staging)
        for name in names:
            kind = stat.S_IFMT((staging / name).stat().st_mode)
            _check_place(folder / name, kind)
        replaced.mkdir()
        with contextlib.ExitStack() as stack:
            undo = stack.callback
            _make_folder(folder, undo)
            for number, name in enumerate(names):
                _move(staging / name, folder / name, replaced / str(number), undo)
            stack.pop_all()


@contextlib.contextmanager
def _temporary_folder(place, target):
    """Open a temporary folder inside `place`, or above it where that does not exist."""
    try:
        nearest = place
        while not _exists(nearest) and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{nearest} is not a folder")
        temporary = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=nearest))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        # If a file in this folder failed here too, only its cause is of interest.
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise OSError(
            cause.errno or errno.EIO,
            f"{target} could not be written, and nothing there has changed: "
            f"{_reason(cause)}",
        ) from cause


def _reason(error):
    if isinstance(error, shutil.Error):
        # It lists all files of a folder, each with source, target and reason.
        return error.args[0][0][-1]
    return error.strerror or error


def _exists(path):
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    # Other errors, such as that of a name that is too long, are raised.
    return True


def _contents(folder):
    """Return the paths of everything in a folder, each folder before what it holds."""
    paths = [
        Path(parent, name)
        for parent, folders, files in os.walk(folder)
        for name in [*folders, *files]
    ]
    return sorted(path.relative_to(folder) for path in paths)


def _check_place(place, kind):
    """Check that a plain file or folder may go to a place."""
    if not _exists(place):
        return
    if stat.S_IFMT(place.lstat().st_mode) != kind:
        raise ValueError(
            f"{place} is not a plain {_KINDS[kind]}, and one of this name must be "
            "written. Move it away, or choose another place."
        )
    if kind == stat.S_IFDIR:
        _refuse_links(place)


def _refuse_links(folder):
    if not folder.exists():
        return
    with os.scandir(folder) as entries:
        links = sorted(entry.name for entry in entries if entry.is_symlink())
    if links:
        raise ValueError(
            f"{folder} holds a symbolic link, {links[0]!r}, through which files "
            "elsewhere could be overwritten. Remove all links from this folder, or "
            "choose another one."
        )


def _move(staged, place, kept, undo):
    """Move a file to its place, or make a folder, and register how to undo that."""
    if staged.is_dir():
        _make_folder(place, undo)
    elif place.exists():
        shutil.copy2(place, kept)
        shutil.copymode(place, staged)
        undo(os.replace, kept, place)
        os.replace(staged, place)
    else:
        undo(place.unlink, missing_ok=True)
        os.replace(staged, place)


def _make_folder(folder, undo):
    if folder.is_dir():
        return
    _make_folder(folder.parent, undo)
    # A path such as "new/../chip" is there as soon as "new" is.
    if not folder.is_dir():
        folder.mkdir()
        undo(folder.rmdir)
