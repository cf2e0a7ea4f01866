"""Bit fields in the words of a link, the most significant bit first.

Arrays hold one crossing a column here, so that a field of all crossings is one
contiguous row. Frames have few fields, and a loop over them costs less than arrays of
single bits.
"""

import numpy as np

from skemd._number_formats._links import LINK_BITS

__all__ = ["N_OUTPUT_WORDS", "pack", "read_field", "read_fields"]

# The chip has 13 output links of one word a crossing each.
N_OUTPUT_WORDS = 13
_ONES = 2**LINK_BITS - 1


def pack(fields, n_crossings):
    """Write fields one after the other into the output words, zeros after them.

    Parameters
    ----------
    fields : iterable of (ndarray of int of shape (n_crossings,), int)
        Values and how many bits each takes, at most 32. Values must fit.
    n_crossings : int
        How many crossings there are.

    Returns
    -------
    words : ndarray of uint32 of shape (n_crossings, 13)
        A row a crossing.
    """
    words = np.zeros((N_OUTPUT_WORDS, n_crossings), dtype=np.int64)
    place = 0
    for values, width in fields:
        word, offset = divmod(place, LINK_BITS)
        room = LINK_BITS - offset - width
        values = np.asarray(values, dtype=np.int64)
        if room >= 0:
            words[word] |= values << room
        else:
            words[word] |= values >> -room
            words[word + 1] |= (values << (LINK_BITS + room)) & _ONES
        place += width
    return np.ascontiguousarray(words.T.astype(np.uint32))


def read_field(columns, place, width):
    """Read one field of every crossing.

    Parameters
    ----------
    columns : ndarray of int64 of shape (n_words, n_crossings)
        Words of 32 bits, a column a crossing.
    place : int
        Where the field begins, in bits.
    width : int
        How many bits it has, at most 32.

    Returns
    -------
    values : ndarray of int64 of shape (n_crossings,)
        What `pack` has written there.
    """
    word, offset = divmod(place, LINK_BITS)
    room = LINK_BITS - offset - width
    values = columns[word] << -room if room < 0 else columns[word] >> room
    if room < 0:
        values |= columns[word + 1] >> (LINK_BITS + room)
    return values & (2**width - 1)


def read_fields(columns, place, width, n_fields):
    """Read fields of one width that follow each other.

    Parameters
    ----------
    columns : ndarray of int64 of shape (n_words, n_crossings)
        Words of 32 bits, a column a crossing.
    place : int
        Where the first field begins, in bits.
    width : int
        How many bits each has.
    n_fields : int
        How many there are.

    Returns
    -------
    values : ndarray of int64 of shape (n_crossings, n_fields)
        A row a crossing.
    """
    values = np.empty((columns.shape[1], n_fields), dtype=np.int64)
    for field in range(n_fields):
        values[:, field] = read_field(columns, place + field * width, width)
    return values
