"""Files of arrays and JSON, which hold no code and are checked before they are read.

A file is a plain NPZ, a ZIP archive of arrays that ``numpy.load`` opens as well, with a
member ``header.json``. It is not compressed, so nothing in it can be larger than the
file itself. Its last 64 bytes, the comment of the archive, are the SHA-256 of all bytes
before them, so the whole file is checked before any of it is interpreted.
"""

import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import stat
import zipfile
from pathlib import Path

import numpy as np

__all__ = ["FORMAT", "MOST_BYTES", "read_archive", "replace_file", "write_archive"]

# Goes up when older versions can no longer read what newer ones write.
FORMAT = 1
# Weights take a few million bytes, so a larger file was not written here.
MOST_BYTES = 2**28
_DIGEST_LENGTH = 64
_HEADER = "header.json"
# The header that NumPy writes before an array in C order, see numpy.lib.format.
_NPY_START = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][biuf][1248])', 'fortran_order': False, "
    rb"'shape': \(([0-9, ]{0,200})\), \} *\n",
    re.DOTALL,
)


def write_archive(path, header, arrays, *, most_bytes=MOST_BYTES):
    """Write a file as a whole, or leave an existing one as it was.

    Parameters
    ----------
    path : str or path-like
        Where to write.
    header : dict
        Values that JSON can hold.
    arrays : sequence of ndarray
        Arrays of numbers or truth values.
    most_bytes : int, default=MOST_BYTES
        How large the file may become.

    Raises
    ------
    OSError
        If the file cannot be written, or would be too large.
    """
    content = _sealed(_zipped({"format": FORMAT, **header}, arrays))
    if len(content) > most_bytes:
        raise OSError(
            errno.EFBIG,
            f"{path} would take {len(content)} bytes, more than the {most_bytes} that "
            "a file of skemd may have",
        )
    replace_file(path, content)


def read_archive(path, kind, *, most_bytes=MOST_BYTES):
    """Read what :func:`write_archive` wrote.

    Parameters
    ----------
    path : str or path-like
        The file to read.
    kind : str
        The value that ``header["kind"]`` must have.
    most_bytes : int, default=MOST_BYTES
        How large the file may be.

    Returns
    -------
    header : dict
        The header as it was written.
    arrays : list of ndarray
        The arrays as they were written, read-only.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is damaged, too large, of a newer format, or was not written by
        :func:`write_archive`.
    """
    content = _checked(path, _bytes_of(path, most_bytes))
    try:
        header, arrays = _unzipped(content)
        written_in, found = header["format"], header["kind"]
    # The checksum can be forged, so any error may be the fault of the file.
    except Exception as error:
        raise ValueError(f"{path} is damaged: {error!r}.") from error
    if type(written_in) is not int or written_in > FORMAT:
        raise ValueError(
            f"{path} is of format {written_in!r}; this version of skemd reads formats "
            f"up to {FORMAT}. Install a newer skemd."
        )
    if found != kind:
        raise ValueError(f"{path} holds a {found!r}, where a {kind!r} was expected.")
    return header, arrays


def replace_file(path, content):
    """Write a file under another name, and rename it when it is on the disk.

    Parameters
    ----------
    path : str or path-like
        The file; an existing one is replaced.
    content : bytes
        The content of the file.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder):
    """Write the new name to the disk, too, on systems that can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _zipped(header, arrays):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER), json.dumps(header))
        for number, array in enumerate(arrays):
            member = io.BytesIO()
            array = np.asarray(array, order="C")
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{number}.npy"), member.getvalue())
        archive.comment = bytes(_DIGEST_LENGTH)
    return stream.getvalue()


def _sealed(content):
    content = content[:-_DIGEST_LENGTH]
    return content + hashlib.sha256(content).hexdigest().encode()


def _bytes_of(path, most_bytes):
    status = os.stat(path)
    # Reading a pipe may wait forever, and a device may never end.
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is no file of skemd: it is not a regular file.")
    if status.st_size > most_bytes:
        raise ValueError(
            f"{path} has {status.st_size} bytes; a file of skemd has at most "
            f"{most_bytes}."
        )
    with open(path, "rb") as file:
        # read() allocates as many bytes as it may return.
        return file.read(status.st_size)


def _checked(path, content):
    """Return the content of a file if its checksum is right."""
    if not content.startswith(b"PK\x03\x04"):
        raise ValueError(
            f"{path} is no file of skemd: it does not begin as one. Such files are "
            "written by skemd.save."
        )
    digest = hashlib.sha256(content[:-_DIGEST_LENGTH]).hexdigest().encode()
    if content[-_DIGEST_LENGTH:] != digest:
        raise ValueError(
            f"{path} is damaged or no file of skemd: its checksum is not that of its "
            "content. Copy it again from where it was saved."
        )
    return content


def _unzipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if any(
            member.compress_type != zipfile.ZIP_STORED
            or member.file_size != member.compress_size
            for member in members
        ):
            raise ValueError("members are compressed, which skemd never does")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("members are larger than the file")
        names = [_HEADER, *(f"{number}.npy" for number in range(len(members) - 1))]
        if [member.filename for member in members] != names:
            raise ValueError("members are not the expected ones")
        first, *others = (archive.read(member) for member in members)
    header = json.loads(first)
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header, [_array(member) for member in others]


def _array(member):
    start = _NPY_START.match(member)
    if start is None:
        raise ValueError("a member is no array of numbers")
    dtype = np.dtype(start[1].decode())
    shape = tuple(int(side) for side in start[2].decode().split(",") if side.strip())
    if math.prod(shape) * dtype.itemsize != len(member) - start.end():
        raise ValueError(f"an array of shape {shape} is not that long")
    return np.frombuffer(member, dtype, offset=start.end()).reshape(shape)
