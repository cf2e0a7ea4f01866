"""Files of link words: comma-separated hexadecimal numbers, a crossing a line.

The first line names the columns: ``RX_DATA_0`` to ``RX_DATA_11`` for the twelve input
links, ``TX_DATA_0`` to ``TX_DATA_12`` for the thirteen output links. Each word has
eight digits. Files whose name ends in ``.gz`` are packed.
"""

import io
from pathlib import Path

import numpy as np

from skemd.firmware._chip._bit_fields import N_OUTPUT_WORDS
from skemd.firmware._chip._files import check_place, read_bounded, write_whole
from skemd.firmware._chip._front_end import N_INPUT_LINKS

__all__ = ["as_words", "read_words", "write_words"]

_DIGITS = 8
# Five million crossings of output words.
_MOST_BYTES = 2**29
_ROWS_AT_ONCE = 10_000
_COLUMNS = {N_INPUT_LINKS: "RX_DATA_", N_OUTPUT_WORDS: "TX_DATA_"}
_NOT_HEX = 255
_VALUES = np.full(256, _NOT_HEX, dtype=np.uint8)
for _value, _digit in enumerate(b"0123456789abcdef"):
    _VALUES[_digit] = _value
    _VALUES[ord(chr(_digit).upper())] = _value


def read_words(path):
    """Read link words from a file.

    Parameters
    ----------
    path : str or path-like
        A ``.csv`` or ``.csv.gz``, with 12 or 13 named columns of eight hexadecimal
        digits.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 12) or (n_crossings, 13)
        Input or output words, 32 bits each.

    Raises
    ------
    ValueError
        Naming the line, if there are other columns, or words that are cut or not
        hexadecimal.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skemd.firmware import read_words, write_words
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "testInput.csv"
    ...     write_words(path, [[0x90000000] + 11 * [0xA0000000]])
    ...     read_words(path).shape
    (1, 12)
    """
    path = Path(path)
    content = read_bounded(path, _MOST_BYTES).replace(b"\r\n", b"\n")
    # A spreadsheet's byte order mark, blanks, and empty lines at the end.
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b" ", b"").rstrip(b"\n")
    content += b"\n"
    start = content.index(b"\n") + 1
    n_columns = _n_columns(path, content[: start - 1])
    if start == len(content):
        raise ValueError(f"{path} names its columns but holds no words.")
    # Views of the content, which may be large.
    characters = np.frombuffer(content, dtype=np.uint8, offset=start)
    if len(characters) % (n_columns * (_DIGITS + 1)):
        raise ValueError(_first_fault(path, content, n_columns))
    fields = characters.reshape(-1, n_columns, _DIGITS + 1)
    words = np.empty(fields.shape[:2], dtype=np.uint32)
    for first in range(0, len(words), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        some = _words_of(fields[rows])
        if some is None:
            raise ValueError(_first_fault(path, content, n_columns))
        words[rows] = some
    return words


def write_words(path, words):
    """Write link words to a file.

    Parameters
    ----------
    path : str or path-like
        Packed if it ends in ``.gz``. What was there before is replaced when all is
        written.
    words : array-like of int of shape (n_crossings, 12) or (n_crossings, 13)
        Input or output words, 32 bits each.

    Raises
    ------
    ValueError
        If these are no such words, or there is no place for the file.
    """
    words = as_words(words, "words", tuple(_COLUMNS))
    check_place(path)
    n_columns = words.shape[1]
    names = ",".join(f"{_COLUMNS[n_columns]}{column}" for column in range(n_columns))
    row = ",".join([f"%0{_DIGITS}x"] * n_columns)
    lines = [names, *(row % tuple(crossing) for crossing in words.tolist())]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def as_words(words, name, n_columns):
    """Check an array of link words.

    Parameters
    ----------
    words : array-like of int of shape (n_crossings, n_columns)
        32 bits each.
    name : str
        What they are called, for messages.
    n_columns : tuple of int
        How many columns they may have.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, n_columns)
        The same words.

    Raises
    ------
    ValueError
        If they have another shape, or are no whole numbers of 32 bits.
    """
    words = np.asarray(words)
    if words.ndim != 2 or words.shape[1] not in n_columns:
        columns = " or ".join(map(str, n_columns))
        raise ValueError(
            f"{name} must have shape (n_crossings, {columns}), a word for each link; "
            f"got {words.shape}."
        )
    if words.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must hold whole numbers of 32 bits; got dtype {words.dtype}. Read "
            "hexadecimal words with skemd.firmware.read_words."
        )
    outside = (words < 0) | (words > 2**32 - 1)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ValueError(
            f"{name} must hold whole numbers of 32 bits; crossing {row}, link {column} "
            f"has {words[row, column]}."
        )
    return words.astype(np.uint32)


def _words_of(fields):
    """Return the words of some lines, None if one of them is not as it should be."""
    values = _VALUES[fields[:, :, :_DIGITS]]
    ends = fields[:, :, _DIGITS]
    right = (ends[:, :-1] == ord(",")).all() and (ends[:, -1] == ord("\n")).all()
    if not right or (values == _NOT_HEX).any():
        return None
    pairs = values[:, :, ::2] << 4 | values[:, :, 1::2]
    return np.ascontiguousarray(pairs).view(">u4")[:, :, 0]


def _n_columns(path, names):
    """Return how many columns a file has, by their names."""
    for n_columns, prefix in _COLUMNS.items():
        expected = ",".join(f"{prefix}{column}" for column in range(n_columns))
        if names == expected.encode():
            return n_columns
    shown = names[:60].decode("ascii", "replace")
    raise ValueError(
        f"{path} must begin with the names RX_DATA_0 to RX_DATA_11 of the 12 input "
        f"links, or TX_DATA_0 to TX_DATA_12 of the 13 output links; it begins with "
        f"{shown!r}, {names.count(b',') + 1} columns."
    )


def _first_fault(path, content, n_columns):
    """Say what is wrong with the first line that is not as it should be."""
    digits = set(b"0123456789abcdefABCDEF")
    lines = enumerate(io.BytesIO(content), start=1)
    # Its names.
    next(lines)
    for number, line in lines:
        fields = line.removesuffix(b"\n").split(b",")
        if len(fields) != n_columns:
            return (
                f"{path}, line {number}: expected {n_columns} words, as the first line "
                f"names them; got {len(fields)}."
            )
        for column, field in enumerate(fields):
            if len(field) != _DIGITS or not set(field) <= digits:
                shown = field[:20].decode("ascii", "replace")
                return (
                    f"{path}, line {number}, column {column}: expected a word of "
                    f"{_DIGITS} hexadecimal digits; got {shown!r}."
                )
    raise AssertionError(f"{path} has no fault")
