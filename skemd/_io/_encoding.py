"""Values as JSON and arrays, and back: only what is listed here can come back.

JSON holds None, truth values, numbers, text and lists as they are. All else is an
object with one key, which says what it is: a tuple, a dict, an array, a Geometry, a
Layout, a FixedPoint or a RandomState. Nothing is looked up by a name from the file.
"""

import os

import numpy as np

from skemd._number_formats._fixed_point import FixedPoint
from skemd.geometry import Geometry, Layout

__all__ = ["Decoder", "encode"]

# Distances and symmetries of all geometries in a file, in numbers that are computed.
_MOST_GEOMETRY = 2**25
_MOST_PIXELS = 2**20


def encode(value, arrays, encode_other=None):
    """Turn a value into JSON.

    Parameters
    ----------
    value : object
        What to encode.
    arrays : list of ndarray
        Gets the arrays that the value holds.
    encode_other : callable or None, default=None
        ``encode_other(value)`` -> JSON for values that are not listed above, or None
        if it does not know them either.

    Returns
    -------
    node : object
        What :func:`json.dumps` takes.

    Raises
    ------
    TypeError
        If neither knows what the value is.
    """

    def inner(value):
        return encode(value, arrays, encode_other)

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list):
        return [inner(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.ndarray) and all(type(item) is str for item in value):
        return {"names": value.tolist()}
    if type(value) is dict:
        return {"dict": [[inner(key), inner(item)] for key, item in value.items()]}
    for type_, (tag, parts_of) in _PARTS.items():
        if type(value) is type_:
            return {tag: [inner(part) for part in parts_of(value)]}
    node = None if encode_other is None else encode_other(value)
    if node is None:
        raise TypeError(f"{value!r} is nothing that a file of skemd can hold")
    return node


class Decoder:
    """Turn JSON back into values.

    Parameters
    ----------
    arrays : list of ndarray
        As they were read. Each may be used once, so that what a file holds cannot grow.
    others : dict of str to callable, default={}
        ``others[tag](body, decoder)`` -> value for objects with this key.
    """

    def __init__(self, arrays, others=None):
        self._arrays = dict(enumerate(arrays))
        self._geometry_left = _MOST_GEOMETRY
        self._makers = {**_MAKERS, **(others or {})}

    def decode(self, node):
        """Return the value of a node.

        Raises
        ------
        Exception
            Of any kind, if the node was not made by :func:`encode`.
        """
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return [self.decode(item) for item in node]
        ((tag, body),) = node.items()
        if tag not in self._makers:
            raise ValueError(f"{tag!r} is nothing that can be read")
        return self._makers[tag](body, self)

    def _array(self, number):
        return self._arrays.pop(number).copy()

    def _geometry(self, parts):
        positions, layouts, symmetries, name = self.decode(parts)
        n_cells, n_dimensions = positions.shape
        # Distances are computed anew, which takes far more room than positions.
        self._geometry_left -= n_cells**2 * (n_dimensions + len(symmetries))
        if self._geometry_left < 0:
            raise ValueError("its geometries are too large")
        return Geometry(positions, dict(layouts), symmetries, name=name)

    def _layout(self, parts):
        shape, cell_to_pixel = self.decode(parts)
        if not 0 < np.prod([float(side) for side in shape]) <= _MOST_PIXELS:
            raise ValueError(f"a layout of shape {shape} is too large")
        return Layout(shape, cell_to_pixel)

    def _random_state(self, parts):
        random_state = np.random.RandomState()
        random_state.set_state(tuple(self.decode(parts)))
        return random_state


_PARTS = {
    tuple: ("tuple", list),
    Layout: ("layout", lambda layout: (layout.shape, layout.cell_to_pixel)),
    Geometry: (
        "geometry",
        lambda geometry: (
            geometry.positions,
            list(geometry.layouts.items()),
            list(geometry.symmetries),
            geometry.name,
        ),
    ),
    FixedPoint: (
        "fixed_point",
        lambda form: (form.bits, form.integer_bits, form.signed),
    ),
    np.random.RandomState: ("random_state", lambda state: state.get_state()),
}
_MAKERS = {
    "array": lambda number, decoder: decoder._array(number),
    "names": lambda names, _: np.array(names, dtype=object),
    "dict": lambda items, decoder: dict(map(decoder.decode, items)),
    "tuple": lambda items, decoder: tuple(map(decoder.decode, items)),
    "layout": lambda parts, decoder: decoder._layout(parts),
    "geometry": lambda parts, decoder: decoder._geometry(parts),
    "fixed_point": lambda parts, decoder: FixedPoint(*decoder.decode(parts)),
    "random_state": lambda parts, decoder: decoder._random_state(parts),
}
