"""Rows that are made when they are needed, so that the data may stay on disk.

What scikit-learn hands on may be a memory map larger than the memory. Networks see a
batch at a time and estimators answer row by row, so no step needs a copy of the whole:
training draws its batches from :class:`MadeRows`, everything else goes through
:func:`by_chunks`.
"""

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["CHUNK", "MadeRows", "by_chunks", "rows_at"]

# Rows that are worked on at once: some ten megabytes, and a multiple of the batches in
# which networks run, which are padded otherwise.
CHUNK = 20_000


class MadeRows:
    """An array whose rows are made of others each time they are looked at.

    Parameters
    ----------
    make : callable
        ``make(rows)`` -> ndarray with a row for each.
    X : ndarray of shape (n_samples, ...)
        What rows are made of; a memory map is read where rows are asked for.
    rows : ndarray of int or None, default=None
        Which rows of `X` there are; None for all.
    """

    def __init__(self, make, X, rows=None):
        self._make = make
        self._X = X
        self._rows = rows

    def __len__(self):
        return len(self._X) if self._rows is None else len(self._rows)

    def __getitem__(self, chosen):
        if self._rows is not None:
            chosen = self._rows[chosen]
        return self._make(self._X[chosen])

    def at(self, rows):
        """Return some of the rows, still to be made."""
        return MadeRows(self._make, self._X, rows)


def rows_at(array, rows):
    """Return rows of an array, or of :class:`MadeRows` without making them."""
    return array.at(rows) if isinstance(array, MadeRows) else array[rows]


def by_chunks(function, n_rows, out=None):
    """Put results together that a function gives chunk by chunk.

    Parameters
    ----------
    function : callable
        ``function(chunk)`` -> ndarray with the results for a slice of rows.
    n_rows : int
        How many rows there are, at least one.
    out : ndarray or None, default=None
        Where to put the results; None for a new array.

    Returns
    -------
    results : ndarray of shape (n_rows, ...)
        `out`, if there is one.
    """
    for chunk in gen_batches(n_rows, CHUNK):
        found = function(chunk)
        if out is None:
            out = np.empty((n_rows, *found.shape[1:]), dtype=found.dtype)
        out[chunk] = found
    return out
