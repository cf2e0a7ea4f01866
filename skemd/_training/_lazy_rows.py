"""Rows that are computed when they are needed, so that the data may stay on disk."""


class LazyRows:
    """An array whose rows are computed from other rows each time they are read.

    Parameters
    ----------
    make : callable
        ``make(rows)`` -> ndarray with a row for each.
    X : ndarray of shape (n_samples, ...)
        The rows to compute from. A memory map is read only where rows are needed.
    rows : ndarray of int or None, default=None
        Which rows of `X` this array has; None for all.
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

    def take(self, rows):
        """Return some of the rows, which are not computed yet."""
        return LazyRows(self._make, self._X, rows)


def take_rows(array, rows):
    """Return rows of an array, or of :class:`LazyRows` without computing them."""
    return array.take(rows) if isinstance(array, LazyRows) else array[rows]
