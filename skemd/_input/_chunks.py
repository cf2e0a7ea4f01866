"""Rows that are made when they are needed, so that the data may stay on disk.

What scikit-learn hands on may be a memory map larger than the memory. Networks see a
batch at a time and estimators answer row by row, so no step needs a copy of the whole:
training draws its batches from :class:`LazyRows`, everything else goes through
:func:`map_chunks`.
"""

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["CHUNK", "map_chunks"]

# Rows that are worked on at once: some ten megabytes, and a multiple of the batches in
# which networks run, which are padded otherwise.
CHUNK = 20_000


def map_chunks(function, n_rows, out=None):
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
