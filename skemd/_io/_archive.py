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
import stat
import struct
import zipfile

import numpy as np

from skemd._io._files import check_replaceable, replace_file

__all__ = ["FORMAT", "MOST_BYTES", "brief", "read_archive", "write_archive"]

# Goes up when older versions can no longer read what newer ones write.
FORMAT = 1
# Weights take a few million bytes, so a larger file was not written here.
MOST_BYTES = 2**28
_DIGEST_LENGTH = 64
_HEADER = "header.json"
# A network has some ten arrays; a checkpoint has a few times as many.
_MOST_MEMBERS = 2**12
# Parsing JSON takes up to a hundred times its size in memory, so that its size, its
# values, its lists and objects and their nesting are limited before it is parsed.
_MOST_HEADER_BYTES = 2**23
_MOST_VALUES = 2**19
_MOST_CONTAINERS = 2**17
_MOST_NESTING = 100
# The record at the end of a ZIP archive: signature, members of the directory, its size,
# its place, and the length of the comment.
_ZIP_END = struct.Struct("<4s4xHHIIH")
# Of a member in the directory, besides its name.
_ZIP_ENTRY_BYTES = 46
# What stands before that record if another one (ZIP64) is to be read in its place.
_ZIP64_LOCATOR, _ZIP64_LOCATOR_BYTES = b"PK\x06\x07", 20
_LONGEST_NAME = 16
_MOST_QUOTED = 300
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
    ValueError
        If a link, a folder or another thing that is no plain file is there.
    """
    check_replaceable(path)
    header = {"format": FORMAT, **header}
    try:
        _check_header(json.dumps(header).encode())
        _check_members(1 + len(arrays))
    except ValueError as error:
        raise OSError(errno.EFBIG, f"{path} cannot be written: {error}") from error
    content = _sealed(_zipped(header, arrays))
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
        raise ValueError(f"{path} is damaged: {brief(error)}.") from error
    if type(written_in) is not int or written_in > FORMAT:
        raise ValueError(
            f"{path} is of format {brief(written_in)}; this version of skemd reads "
            f"formats up to {FORMAT}. Install a newer skemd."
        )
    if found != kind:
        raise ValueError(
            f"{path} holds a {brief(found)}, where a {kind!r} was expected."
        )
    return header, arrays


def brief(value):
    """Return the repr of something from a file, cut off where it is long."""
    text = repr(value)
    if len(text) <= _MOST_QUOTED:
        return text
    return f"{text[:_MOST_QUOTED]}... ({len(text)} characters)"


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
    sealed = memoryview(content)[:-_DIGEST_LENGTH]
    digest = hashlib.sha256(sealed).hexdigest().encode()
    if content[-_DIGEST_LENGTH:] != digest:
        raise ValueError(
            f"{path} is damaged or no file of skemd: its checksum is not that of its "
            "content. Copy it again from where it was saved."
        )
    return content


def _check_members(n_members):
    if n_members > _MOST_MEMBERS:
        raise ValueError(
            f"it has {n_members} members; a file of skemd has at most {_MOST_MEMBERS}"
        )


def _check_directory(content):
    """Check the directory of an archive, of which zipfile makes an object a member."""
    end = content[-_DIGEST_LENGTH - _ZIP_END.size : -_DIGEST_LENGTH]
    signature, _, n_members, size, place, comment = _ZIP_END.unpack(end)
    if signature != b"PK\x05\x06" or comment != _DIGEST_LENGTH:
        raise ValueError("its directory does not end where it should")
    before = len(content) - _DIGEST_LENGTH - _ZIP_END.size - _ZIP64_LOCATOR_BYTES
    if content[before:].startswith(_ZIP64_LOCATOR):
        raise ValueError("it has a second directory (ZIP64), which skemd never writes")
    _check_members(n_members)
    # zipfile reads as many members as its size has room for.
    if place + size != len(content) - _DIGEST_LENGTH - _ZIP_END.size:
        raise ValueError("its directory is not at its end")
    if size > n_members * (_ZIP_ENTRY_BYTES + _LONGEST_NAME):
        raise ValueError(f"its directory of {n_members} members takes {size} bytes")


def _check_header(header):
    """Check that parsing a header takes little memory.

    Parameters
    ----------
    header : bytes
        JSON, or anything else.

    Raises
    ------
    ValueError
        If the header is too large, has too many values or is nested too deeply.
    """
    if len(header) > _MOST_HEADER_BYTES:
        raise ValueError(
            f"its header has {len(header)} bytes, more than {_MOST_HEADER_BYTES}"
        )
    # Without text, in which brackets and commas mean nothing.
    without_escapes = re.sub(rb"\\.", b"", header, flags=re.DOTALL)
    structure = b"".join(without_escapes.split(b'"')[::2])
    brackets = np.frombuffer(structure, np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    closing = (brackets == ord("]")) | (brackets == ord("}"))
    n_containers = int(opening.sum())
    n_values = structure.count(b",") + n_containers
    if n_values > _MOST_VALUES or n_containers > _MOST_CONTAINERS:
        raise ValueError(f"its header has {n_values} values, which are too many")
    depth = np.cumsum(opening.astype(np.int8) - closing, dtype=np.int32)
    if depth.max(initial=0) > _MOST_NESTING:
        raise ValueError("its header is nested too deeply")


def _unzipped(content):
    _check_directory(content)
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
    _check_header(first)
    # From bytes, json would also read UTF-16, in which the check sees nothing.
    header = json.loads(first.decode("utf-8"))
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
