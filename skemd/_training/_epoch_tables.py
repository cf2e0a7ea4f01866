"""A table whose rows are new ones in each epoch, such as freshly generated wafers."""

import numpy as np

__all__ = ["EpochTables"]


class EpochTables:
    """The wafers of the current epoch, from an iterator over tables.

    Parameters
    ----------
    first : ndarray of shape (n_samples, n_cells)
        The checked wafers of the first epoch.
    tables : iterator
        Tables of at least as many wafers, one for each further epoch.
    check : callable
        ``check(table)`` -> ndarray of shape (n_wafers, n_cells), the wafers of a table
        from the iterator, or raises a ValueError.
    """

    def __init__(self, first, tables, check):
        self._rows = first
        self._tables = tables
        self._check = check

    @property
    def shape(self):
        """Wafers of an epoch, and cells."""
        return self._rows.shape

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, chosen):
        return self._rows[chosen]

    def advance(self, kept):
        """Go to the next epoch.

        Parameters
        ----------
        kept : ndarray of int
            Rows that stay, which are set aside for early stopping.

        Raises
        ------
        StopIteration
            If there is no further table.
        ValueError
            If its wafers are unusable, or too few.
        """
        table = self._check(next(self._tables))
        if len(table) < len(self):
            raise ValueError(
                "Each table of an iterator must hold at least as many wafers with "
                f"charge as the first, {len(self)}; got {len(table)}."
            )
        rows = np.array(table[: len(self)], dtype=self._rows.dtype)
        rows[kept] = self._rows[kept]
        self._rows = rows
