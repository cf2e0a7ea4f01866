"""What a receiver knows of a wafer besides its code: where the wafer is."""

import numpy as np

from skemd._checks import as_numbers

__all__ = ["wafer_conditions"]

# Scales of published conditional decoders, which bring the numbers to order one.
_LARGEST_ETA, _LARGEST_UV = 3.1, 12
_LAYERS = 47
# 120, 200 and 300 um of silicon.
_N_TYPES = 3


def wafer_conditions(metadata):
    """Return where wafers are as numbers of order one, for decoders that are told it.

    Parameters
    ----------
    metadata : DataFrame or dict of array-like of shape (n_samples,)
        As :func:`skemd.datasets.load_wafers` or :func:`skemd.datasets.make_wafers`
        returns it. Of its columns those count that are named "eta", "waferu",
        "waferv", "layer" (from 1 to 47) or "wafertype" (0, 1 or 2, for 120, 200 and 300
        um of silicon).

    Returns
    -------
    conditions : ndarray of float32 of shape (n_samples, n_conditions), or DataFrame
        Pure numbers, in this order, as far as there are columns: "abs(eta)" over 3.1,
        "waferu" and "waferv" over 12, "layer" less 1 over 46, and "type 0" to "type 2",
        of which one is 1. A DataFrame with these names if `metadata` is one.

    Raises
    ------
    ValueError
        If there is none of these columns, or a value is missing or out of range.

    Examples
    --------
    >>> from skemd.datasets import make_wafers, wafer_conditions
    >>> X, info = make_wafers(3, random_state=0, return_info=True)
    >>> wafer_conditions(info).shape
    (3, 1)
    """
    columns = {}
    for name, scaled in _SCALED.items():
        if name in metadata:
            columns |= scaled(as_numbers(metadata[name], f"metadata[{name!r}]"))
    if not columns:
        raise ValueError(
            f"metadata has none of the columns {', '.join(_SCALED)}; got "
            f"{', '.join(map(str, metadata)) or 'none at all'}. Load wafers with "
            "return_metadata=True, or generate them with return_info=True."
        )
    table = np.column_stack(list(columns.values())).astype(np.float32)
    if not hasattr(metadata, "columns"):
        return table
    return type(metadata)(table, columns=list(columns), index=metadata.index)


def _eta(values):
    _check(np.isfinite(values), values, "eta", "finite")
    return {"abs(eta)": np.abs(values) / _LARGEST_ETA}


def _position(name):
    def scaled(values):
        _check(np.isfinite(values), values, name, "finite")
        return {name: values / _LARGEST_UV}

    return scaled


def _layer(values):
    is_layer = (values >= 1) & (values <= _LAYERS)
    _check(is_layer, values, "layer", f"between 1 and {_LAYERS}")
    return {"layer": (values - 1) / (_LAYERS - 1)}


def _type(values):
    is_type = np.isin(values, range(_N_TYPES))
    _check(is_type, values, "wafertype", f"whole numbers below {_N_TYPES}")
    return {f"type {each}": values == each for each in range(_N_TYPES)}


_SCALED = {
    "eta": _eta,
    "waferu": _position("waferu"),
    "waferv": _position("waferv"),
    "layer": _layer,
    "wafertype": _type,
}


def _check(is_right, values, name, expected):
    if not is_right.all():
        raise ValueError(
            f"metadata[{name!r}] must be {expected}; got {values[~is_right][0]:g} in "
            f"row {np.flatnonzero(~is_right)[0]}."
        )
