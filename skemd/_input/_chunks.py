"""Work on long tables chunk by chunk, so that the data may stay on disk.

The input may be a memory map larger than the memory. No step needs a copy of the whole:
training draws its batches from :class:`skemd._training._lazy_rows.LazyRows`, and
everything else that works row by row goes through :func:`map_chunks`.
"""

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["CHUNK", "map_chunks"]

# Rows in a chunk: some ten megabytes, and a multiple of the batches in which networks
# run, so that none of these needs padding.
CHUNK = 20_000


def map_chunks(function, n_rows, out=None):
    """Apply a function chunk by chunk and join its results.

    Parameters
    ----------
    function : callable
        ``function(chunk)`` -> ndarray with the results for a slice of rows.
    n_rows : int
        How many rows there are, at least one.
    out : ndarray or None, default=None
        Array for the results; None for a new one.

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
