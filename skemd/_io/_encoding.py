"""Values as JSON and arrays, and back; only the types that are listed here.

JSON holds None, truth values, numbers, text and lists as they are. Everything else is
an object with one key, its tag: a tuple, a dict, an array, a Geometry, a Layout, a
FixedPoint or a RandomState. Nothing is looked up by a name from the file.
"""

from typing import ClassVar

import numpy as np

from skemd._number_formats._fixed_point import FixedPoint
from skemd.geometry import Geometry, Layout

__all__ = ["Decoder", "check_image", "check_n_cells", "encode", "set_random_state"]

# A geometry in a file is small; its distances are computed anew and are not. How many
# cells it may have, how many numbers the differences of its positions may take, and
# how many the distances and symmetries of all geometries of a file.
_MOST_CELLS = 2**12
_MOST_DIFFERENCES = 2**24
_MOST_GEOMETRY = 2**25
# Pixels of an image for each cell, or in any case. An image is allocated for each wafer
# that is laid out.
_MOST_PIXELS_PER_CELL = 16
_MOST_PIXELS = 256
# What numpy.random.RandomState consists of: the generator's numbers, and the place of
# the next one.
_KEY_LENGTH = 624

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
    ValueError
        If a geometry or a layout is larger than files may hold.
    """

    def inner(value):
        return encode(value, arrays, encode_other)

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list):
        return [inner(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.ndarray) and all(type(item) is str for item in value):
        return {"names": value.tolist()}
    if type(value) is dict:
        return {"dict": [[inner(key), inner(item)] for key, item in value.items()]}
    _check_size(value)
    if type(value) in _PARTS:
        tag, parts_of = _PARTS[type(value)]
        return {tag: [inner(part) for part in parts_of(value)]}
    node = None if encode_other is None else encode_other(value)
    if node is None:
        raise TypeError(f"{value!r} is nothing that a file of skemd can hold")
    return node


def check_n_cells(n_cells):
    """Check that a file may hold a geometry of so many cells."""
    if not 0 < n_cells <= _MOST_CELLS:
        raise ValueError(
            f"geometries are too large for a file beyond {_MOST_CELLS} cells; got "
            f"{n_cells}"
        )


def check_image(shape, n_cells):
    """Check that a file may hold a layout with images of a shape.

    Parameters
    ----------
    shape : sequence of int
        Height, width and channels.
    n_cells : int
        Cells that are laid out.

    Raises
    ------
    ValueError
        If the shape is none, or far larger than the cells need.
    """
    if len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
        raise ValueError("an image has a height, a width and channels")
    # As floats, which do not overflow.
    most = max(_MOST_PIXELS, _MOST_PIXELS_PER_CELL * n_cells)
    if np.prod([min(side, 1e9) for side in shape]) > most:
        raise ValueError(
            f"images of {n_cells} cells may have {most} pixels in a file; a layout of "
            f"shape {tuple(min(side, 10**9) for side in shape)} is too large"
        )


def set_random_state(random_state, parts):
    """Set a random state to one from a file, which NumPy itself would not check.

    Parameters
    ----------
    random_state : numpy.random.RandomState
        Is changed.
    parts : sequence
        As :meth:`numpy.random.RandomState.get_state` returns them.

    Raises
    ------
    ValueError
        If they are not the state of a Mersenne Twister.
    """
    name, key, position, has_gauss, gauss = parts
    is_right = (
        (type(name), type(position), type(has_gauss)) == (str, int, int)
        and name == "MT19937"
        and isinstance(key, np.ndarray)
        and key.dtype == np.uint32
        and key.shape == (_KEY_LENGTH,)
        # From the position on, numbers of the key are read.
        and 0 <= position <= _KEY_LENGTH
        and has_gauss in (0, 1)
        and type(gauss) in (int, float)
        and np.isfinite(gauss)
    )
    if not is_right:
        raise ValueError("it holds a random state that is none")
    random_state.set_state((name, key, position, has_gauss, gauss))


def _check_size(value):
    """Check that a geometry or a layout will be read again."""
    if isinstance(value, Layout):
        check_image(value.shape, value.n_cells)
    if isinstance(value, Geometry):
        _check_geometry_size(*value.positions.shape)


def _check_geometry_size(n_cells, n_dimensions):
    check_n_cells(n_cells)
    if n_cells**2 * n_dimensions > _MOST_DIFFERENCES:
        raise ValueError(
            f"geometries of {n_cells} cells in {n_dimensions} dimensions are too large "
            "for a file"
        )


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
        self._geometries = {}

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
            raise ValueError("there is something of an unknown kind")
        return self.makers[tag](self, body)

    def _array(self, number):
        return self._arrays.pop(number).copy()

    def _names(self, names):
        if not all(type(name) is str for name in names):
            raise ValueError("a name is no text")
        return np.array(names, dtype=object)

    def _dict(self, items):
        return dict(map(self.decode, items))

    def _tuple(self, items):
        return tuple(map(self.decode, items))

    def _layout(self, parts):
        shape, cell_to_pixel = self.decode(parts)
        check_image(shape, len(cell_to_pixel))
        return Layout(shape, cell_to_pixel)

    def _geometry(self, parts):
        positions, layouts, symmetries, name = self.decode(parts)
        n_cells, n_dimensions = positions.shape
        _check_geometry_size(n_cells, n_dimensions)
        permutations = tuple(p.tobytes() for p in symmetries)
        key = name, positions.shape, positions.tobytes(), tuple(layouts), permutations
        if key not in self._geometries:
            self._geometry_left -= n_cells**2 * (n_dimensions + len(symmetries))
            if self._geometry_left < 0:
                raise ValueError("its geometries are too large")
            self._geometries[key] = Geometry(
                positions, dict(layouts), symmetries, name=name
            )
        return self._geometries[key]

    def _fixed_point(self, parts):
        bits, integer_bits, signed = self.decode(parts)
        if type(signed) is not bool:
            raise ValueError("a number has a sign or not")
        return FixedPoint(bits, integer_bits, signed)

    def _random_state(self, parts):
        random_state = np.random.RandomState()
        set_random_state(random_state, self.decode(parts))
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
