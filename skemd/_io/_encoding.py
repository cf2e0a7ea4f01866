"""Values as JSON and arrays, and back; only the types that are listed here.

JSON holds None, truth values, numbers, text and lists as they are. Everything else is
an object with one key, its tag: a tuple, a dict, an array, a Geometry, a Layout, a
FixedPoint or a RandomState. Nothing is looked up by a name from the file.
"""

import os
from typing import ClassVar

import numpy as np

from skemd._number_formats._fixed_point import FixedPoint
from skemd.geometry import Geometry, Layout

__all__ = ["Decoder", "encode"]

# How many numbers the distances and symmetries of all geometries of a file may take.
_MOST_GEOMETRY = 2**25
_MOST_PIXELS = 2**20

# The types that are taken apart: their tags, and their parts in the order in which
# Decoder puts them together.
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


def encode(value, arrays, encode_other=None):
    """Turn a value into JSON.

    Parameters
    ----------
    value : object
        The value.
    arrays : list of ndarray
        The arrays that the value holds are appended to it.
    encode_other : callable or None, default=None
        ``encode_other(value)`` -> JSON for values of other types, or None for those
        that it does not know either.

    Returns
    -------
    node : object
        Plain values that :func:`json.dumps` takes.

    Raises
    ------
    TypeError
        If the value is of no known type.
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
    if type(value) in _PARTS:
        tag, parts_of = _PARTS[type(value)]
        return {tag: [inner(part) for part in parts_of(value)]}
    node = None if encode_other is None else encode_other(value)
    if node is None:
        raise TypeError(f"{value!r} is nothing that a file of skemd can hold")
    return node


class Decoder:
    """Turn JSON back into values.

    A subclass that reads further objects extends `makers`.

    Parameters
    ----------
    arrays : list of ndarray
        The arrays of the file. Each may be used once, so that decoding a file never
        takes much more memory than the file itself.
    """

    def __init__(self, arrays):
        self._arrays = dict(enumerate(arrays))
        self._geometry_left = _MOST_GEOMETRY

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
        if tag not in self.makers:
            raise ValueError(f"{tag!r} is nothing that can be read")
        return self.makers[tag](self, body)

    def _array(self, number):
        return self._arrays.pop(number).copy()

    def _names(self, names):
        return np.array(names, dtype=object)

    def _dict(self, items):
        return dict(map(self.decode, items))

    def _tuple(self, items):
        return tuple(map(self.decode, items))

    def _layout(self, parts):
        shape, cell_to_pixel = self.decode(parts)
        if not 0 < np.prod([float(side) for side in shape]) <= _MOST_PIXELS:
            raise ValueError(f"a layout of shape {shape} is too large")
        return Layout(shape, cell_to_pixel)

    def _geometry(self, parts):
        positions, layouts, symmetries, name = self.decode(parts)
        n_cells, n_dimensions = positions.shape
        # Distances are computed anew, which takes far more memory than positions.
        self._geometry_left -= n_cells**2 * (n_dimensions + len(symmetries))
        if self._geometry_left < 0:
            raise ValueError("its geometries are too large")
        return Geometry(positions, dict(layouts), symmetries, name=name)

    def _fixed_point(self, parts):
        return FixedPoint(*self.decode(parts))

    def _random_state(self, parts):
        random_state = np.random.RandomState()
        random_state.set_state(tuple(self.decode(parts)))
        return random_state

    # The method for each tag.
    makers: ClassVar = {
        "array": _array,
        "names": _names,
        "dict": _dict,
        "tuple": _tuple,
        "layout": _layout,
        "geometry": _geometry,
        "fixed_point": _fixed_point,
        "random_state": _random_state,
    }
