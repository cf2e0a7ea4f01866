"""Rows that are computed when they are needed, so that the data may stay on disk."""


class LazyRows:
    """An array whose rows are computed from other rows each time they are read.

    Parameters
    ----------
    make : callable
        ``make(*rows)`` -> ndarray with a row for each, from rows of each array.
    *arrays : ndarray of shape (n_samples, ...)
        The rows to compute from. A memory map is read only where rows are needed.
    rows : ndarray of int or None, default=None
        Which rows of the arrays this one has; None for all.
    """

    def __init__(self, make, *arrays, rows=None):
        self._make = make
        self._arrays = arrays
        self._rows = rows

    def __len__(self):
        return len(self._arrays[0]) if self._rows is None else len(self._rows)

    def __getitem__(self, chosen):
        if self._rows is not None:
            chosen = self._rows[chosen]
        return self._make(*(array[chosen] for array in self._arrays))

    def take(self, rows):
        """Return some of the rows, which are not computed yet."""
        return LazyRows(self._make, *self._arrays, rows=rows)


def take_rows(array, rows):
    """Return rows of an array, or of :class:`LazyRows` without computing them."""
    return array.take(rows) if isinstance(array, LazyRows) else array[rows]
