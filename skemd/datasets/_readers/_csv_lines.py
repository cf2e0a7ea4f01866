"""The lines of a CSV file, plain or gzipped, within bounds, and their entries."""

import contextlib
import csv
import gzip
import io
import itertools
import re
import zlib

from skemd.datasets._readers._columns import CHARGES
from skemd.datasets._readers._limits import check_unpacked, most_unpacked_bytes

__all__ = ["blocks_of_lines", "find_delimiter", "numbered_lines", "open_text", "split"]

LINES_AT_ONCE = 5_000
CHARACTERS_AT_ONCE = 20_000_000
# No row of numbers is this long; a file without line ends must not fill the memory.
LONGEST_LINE = 1_000_000
# Blank lines may have as many characters as the rows, and this many more.
MOST_BLANK = 1_000_000
# The comma is last because it is also a decimal point between semicolons or tabs.
DELIMITERS = ("\t", ";", ",")


@contextlib.contextmanager
def open_text(file):
    """Open a file, and unpack it if its name ends in ``.gz``.

    Parameters
    ----------
    file : Path
        The file.

    Yields
    ------
    text : TextIOWrapper
        Its text.
    fraction_read : callable
        ``fraction_read()`` -> float, the fraction of the file read so far.
    """
    size = max(file.stat().st_size, 1)
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open(file, "rb"))
        plain = raw
        if is_packed(file):
            plain = stack.enter_context(gzip.GzipFile(fileobj=raw))
        # Spreadsheets start files with a byte-order mark, which utf-8-sig drops.
        text = stack.enter_context(io.TextIOWrapper(plain, encoding="utf-8-sig"))
        yield text, lambda: min(raw.tell() / size, 1.0)


def is_packed(file):
    """Return whether a file is gzipped, by its name."""
    return file.name.lower().endswith(".gz")


def numbered_lines(text, file):
    """Read line by line, and keep to the bounds on what gives no rows.

    Parameters
    ----------
    text : TextIOWrapper
        Text of the file.
    file : Path
        The file, for messages and for its size.

    Yields
    ------
    number : int
        Number of the line, from 1.
    line : str
        The line with its end; blank lines are left out.

    Raises
    ------
    ValueError
        If the file is not text or cannot be unpacked, if a line is too long, or if
        there are too many blank lines or too many unpacked characters.
    """
    most_read = most_unpacked_bytes(file) if is_packed(file) else float("inf")
    n_read, n_blank = 0, 0
    for number in itertools.count(1):
        line = _next_line(text, number, file)
        if not line:
            return
        n_read += len(line)
        if n_read > most_read:
            check_unpacked(n_read, file, "Unpack it first if it is sound (gunzip).")
        # A row of a table with tabs may be empty, but is no blank line.
        if line.strip() or line.count("\t") >= len(CHARGES) - 1:
            yield number, line
            continue
        n_blank += len(line)
        if 2 * n_blank > n_read + MOST_BLANK:
            raise ValueError(
                f"{file}, line {number}: the lines up to here are blank but for "
                f"{n_read - n_blank:,} characters. Export one line per wafer, without "
                "blank lines between them."
            )


def _next_line(text, number, file):
    try:
        line = text.readline(LONGEST_LINE + 1)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} is not a text file in UTF-8: {error}. Export the wafers as CSV in "
            "UTF-8 first."
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{file}, line {number} cannot be unpacked: {error}. The file is cut short "
            "or damaged; copy or pack it again."
        ) from error
    if len(line) > LONGEST_LINE:
        raise ValueError(
            f"{file}, line {number} is longer than {LONGEST_LINE:,} characters, so it "
            "is no row of charges. Export one line per wafer."
        )
    return line


def blocks_of_lines(lines):
    """Gather lines into blocks.

    Parameters
    ----------
    lines : iterable of (int, str)
        Numbers and texts.

    Yields
    ------
    block : list of (int, str)
        Some thousand lines, fewer if they are long.
    """
    block, n_characters = [], 0
    for number, line in lines:
        block.append((number, line))
        n_characters += len(line)
        if len(block) == LINES_AT_ONCE or n_characters > CHARACTERS_AT_ONCE:
            yield block
            block, n_characters = [], 0
    if block:
        yield block


def find_delimiter(line, where):
    r"""Find what separates the entries of a line.

    Parameters
    ----------
    line : str
        The first line of a table.
    where : str
        File and line for the message.

    Returns
    -------
    delimiter : {"\t", ";", ","}
        The first of them that separates enough entries for 48 charges, else the comma.

    Raises
    ------
    ValueError
        If only spaces separate as many.
    """
    bare = re.sub(r'"[^"]*"?', "", line)
    for delimiter in DELIMITERS:
        if bare.count(delimiter) >= len(CHARGES) - 1:
            return delimiter
    if len(bare.split()) >= len(CHARGES):
        raise ValueError(
            f"{where} separates its entries by spaces, but commas, semicolons or tabs "
            'were expected. Export it with commas (NumPy: delimiter=",").'
        )
    return ","


def split(line, delimiter, where):
    """Return the entries of a line.

    Parameters
    ----------
    line : str
        With its end.
    delimiter : str
        What separates entries, except inside double quotes.
    where : str
        File and line for the message.

    Returns
    -------
    entries : list of str
        Without quotes around them.

    Raises
    ------
    ValueError
        If a quote is not closed on the line, or text follows one that is closed.
    """
    line = line.rstrip("\r\n")
    if '"' not in line:
        return line.split(delimiter)
    reader = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        return next(reader)
    except csv.Error as error:
        raise ValueError(
            f"{where} cannot be split into columns at its quotes: {error}. Close each "
            "quote on its line, before a delimiter, or export without texts."
        ) from error
