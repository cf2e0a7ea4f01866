"""The options of reading wafers from files, checked before any file is opened."""

import dataclasses
import numbers

import numpy as np

__all__ = ["Part", "Request", "make_request"]

UNITS = ("calq", "adc", "mipt")


@dataclasses.dataclass
class Part:
    """Consecutive wafers of one file.

    Parameters
    ----------
    X : ndarray of shape (n_wafers, 48)
        Charges, float64.
    columns : dict of str to ndarray of shape (n_wafers,)
        The requested columns beside the charges.
    done : float
        Fraction of the file that has been read.
    """

    X: np.ndarray
    columns: dict
    done: float


@dataclasses.dataclass
class Request:
    """The options of a call, except the path; remembers which layers and sides it met.

    Parameters
    ----------
    columns : tuple of str
        Requested columns, by their names in the file.
    return_metadata : bool
        Whether to return the metadata of each wafer.
    layers : tuple of int or None
        Layers to keep, None for all.
    zside : int or None
        Endcap to keep, None for both.
    unit : {"calq", "adc", "mipt"} or None
        Unit of the charges from a ROOT file.
    tree : str or None
        Path of the tree in a ROOT file.
    drop_empty : bool
        Whether wafers without charge are dropped.
    """

    columns: tuple
    return_metadata: bool
    layers: tuple | None
    zside: int | None
    unit: str | None
    tree: str | None
    drop_empty: bool
    n_kept: int = 0
    layers_met: set = dataclasses.field(default_factory=set)
    zsides_met: set = dataclasses.field(default_factory=set)

    @property
    def selects(self):
        """Names of the columns that wafers are selected by."""
        chosen = {"layer": self.layers, "zside": self.zside}
        return tuple(name for name, value in chosen.items() if value is not None)

    def mask(self, columns):
        """Return which rows are on the requested layers and side.

        Parameters
        ----------
        columns : dict of str to ndarray of shape (n_rows,)
            With "layer" and "zside" if these select.

        Returns
        -------
        kept : ndarray of bool of shape (n_rows,) or slice
            An index of the rows; a slice of all of them if nothing is selected.
        """
        if not self.selects:
            return slice(None)
        kept = np.True_
        if self.layers is not None:
            self.layers_met.update(np.unique(columns["layer"]).tolist())
            kept = kept & np.isin(columns["layer"], self.layers)
        if self.zside is not None:
            self.zsides_met.update(np.unique(columns["zside"]).tolist())
            kept = kept & (columns["zside"] == self.zside)
        self.n_kept += int(kept.sum())
        return kept

    def check_kept(self, path):
        """Raise a ValueError if the selection has left no wafer of the files."""
        if not self.selects or self.n_kept:
            return
        wanted, met = [], []
        if self.layers is not None:
            wanted.append(f"layers {list(self.layers)}")
            met.append(f"layers {_listed(self.layers_met)}")
        if self.zside is not None:
            wanted.append(f"zside {self.zside}")
            met.append(f"zside {_listed(self.zsides_met)}")
        raise ValueError(
            f"{path} holds no wafer on {' and '.join(wanted)}; it holds "
            f"{' and '.join(met)}. Ask for some of these."
        )


def make_request(
    *, columns, return_metadata, layers, zside, unit, tree, drop_empty, kind
):
    """Check the options of a call and gather them.

    Parameters
    ----------
    columns, return_metadata, layers, zside, unit, tree, drop_empty
        As in :func:`skemd.datasets.load_wafers`.
    kind : {"csv", "parquet", "root"}
        The kind of the files.

    Returns
    -------
    request : Request
        With tuples for the sequences.

    Raises
    ------
    ValueError
        If an option has a wrong type, is unknown, or is not for this kind of file.
    """
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    if layers is not None:
        layers = tuple(layers) if np.iterable(layers) else (layers,)
        if not layers or not all(isinstance(x, numbers.Integral) for x in layers):
            raise ValueError(
                f"layers must be a whole number or several, such as 9 or (7, 9, 11); "
                f"got {layers!r}. Leave it out to read all layers."
            )
        layers = tuple(sorted({int(layer) for layer in layers}))
    if zside not in (None, -1, 1):
        raise ValueError(
            f"zside is -1 or 1, the endcap's side; got {zside!r}. Leave it out to read "
            "both."
        )
    if unit not in (None, *UNITS):
        raise ValueError(
            f"unit must be one of {', '.join(map(repr, UNITS))}; got {unit!r}."
        )
    for name, value in (("unit", unit), ("tree", tree)):
        if value is not None and kind != "root":
            raise ValueError(
                f"{name}={value!r} is for ROOT files; charges of other files are "
                f"returned as they are. Leave {name} out."
            )
    return Request(
        columns, bool(return_metadata), layers, zside, unit, tree, bool(drop_empty)
    )


def _listed(numbers_met):
    return ", ".join(f"{number:g}" for number in sorted(numbers_met)[:60])
