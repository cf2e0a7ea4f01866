"""What a wafer is: where its trigger cells sit and how they lie on a grid.

A :class:`Geometry` holds the positions of the cells, the distances between them
(the ground distance of every earth mover's distance in skemd), the layouts that
turn a row of charges into an image for a convolution, and the permutations of the
cells that leave all distances as they are. Three ready ones: :func:`hgcal_wafer`,
the silicon wafer of the CMS endcap calorimeter, and :func:`line` and :func:`grid`
for histograms of any origin. This module needs nothing but NumPy.
"""

import functools
from types import MappingProxyType

import numpy as np

__all__ = ["Geometry", "Layout", "grid", "hgcal_wafer", "line"]

# Distance between neighboring trigger cells of one face in cm. The unit of length
# of the wafer is half of it, as in the paper's code.
TRIGGER_CELL_PITCH_CM = 2.4168
N_FACES, N_FACE_CELLS = 3, 16
# Distances between positions beyond this would overflow.
_FARTHEST = 1e300


class Layout:
    """A way to lay the cells of a geometry out as a (height, width, channels) image.

    Parameters
    ----------
    shape : tuple of (int, int, int)
        Height, width and channels of the image.
    cell_to_pixel : array-like of int of shape (n_cells,)
        For each cell, its place in the flattened image. Places without a cell are
        always zero.
    """

    def __init__(self, shape, cell_to_pixel):
        self.shape = tuple(_frozen_integers(shape, "A layout's shape").tolist())
        self.cell_to_pixel = _frozen_integers(cell_to_pixel, "cell_to_pixel")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(
                f"A layout's shape is (height, width, channels); got {shape}."
            )
        pixels = self.cell_to_pixel
        in_image = pixels.size == 0 or (0 <= pixels.min() and pixels.max() < self.size)
        if not in_image or len(set(pixels.tolist())) != len(pixels):
            raise ValueError(
                "cell_to_pixel must give each cell a place of its own between 0 and "
                f"{self.size - 1} for an image of shape {self.shape}; got {pixels}."
            )

    @property
    def size(self):
        """Number of pixels of the image, empty ones included."""
        return int(np.prod(self.shape))

    @property
    def n_cells(self):
        """Number of cells laid out."""
        return len(self.cell_to_pixel)

    def apply(self, X):
        """Lay rows of charges out as images.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_cells)
            Charges in any unit.

        Returns
        -------
        images : ndarray of shape (n_samples, height, width, channels)
            The same charges; pixels without a cell are zero.
        """
        images = np.zeros((len(X), self.size), dtype=X.dtype)
        images[:, self.cell_to_pixel] = X
        return images.reshape(len(X), *self.shape)

    def invert(self, images):
        """Read the charges of the cells back from images, exactly.

        Parameters
        ----------
        images : ndarray of shape (n_samples, height, width, channels)
            Charges in any unit, in this layout.

        Returns
        -------
        X : ndarray of shape (n_samples, n_cells)
            The same charges, in cell order; pixels without a cell are dropped.
        """
        flat = images.reshape(len(images), self.size)
        # In C order, so that sums over cells equal those of rows to the last bit.
        return np.ascontiguousarray(flat[:, self.cell_to_pixel])

    def __eq__(self, other):
        return isinstance(other, Layout) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return f"Layout(shape={self.shape}, n_cells={self.n_cells})"

    def _key(self):
        return self.shape, self.cell_to_pixel.tobytes()


class Geometry:
    """Positions of cells, the distances between them, and their layouts.

    A geometry is frozen, hashable and picklable; two with equal content are equal.

    Parameters
    ----------
    positions : array-like of shape (n_cells, n_dimensions)
        Where the cells are, in the unit that distances should have.
    layouts : dict of str to Layout or (shape, cell_to_pixel), default={}
        Ways to lay the cells out for a convolution. The first is the default. Without
        layouts there is "line", one row with the cells in order.
    symmetries : sequence of array-like of int of shape (n_cells,), default=()
        Permutations ``p`` of the cells with equal distances between ``p[i], p[j]``
        and ``i, j``. ``X[:, p]`` is then as likely a wafer as ``X``.
    name : str, default="custom"
        Name in messages. Comparisons ignore it.

    Attributes
    ----------
    n_cells : int
        Number of cells.
    ground_distance : ndarray of shape (n_cells, n_cells)
        Euclidean distances between the cells, float64, in the positions' unit.

    Raises
    ------
    ValueError
        If two cells coincide, a layout does not fit, or a permutation changes a
        distance.

    Examples
    --------
    >>> from skemd.geometry import Geometry
    >>> triangle = Geometry([[0, 0], [3, 0], [0, 4]])
    >>> triangle.ground_distance[1, 2].item()
    5.0
    """

    def __init__(self, positions, layouts=None, symmetries=(), *, name="custom"):
        positions = _real_numbers(positions)
        if positions.ndim != 2 or 0 in positions.shape:
            raise ValueError(
                "positions must have shape (n_cells, n_dimensions) with at least one "
                f"cell; got shape {positions.shape}."
            )
        # Comparisons with NaN are false.
        if not (np.abs(positions) <= _FARTHEST).all():
            raise ValueError(
                f"positions must be finite and within {_FARTHEST:g} of zero."
            )
        set_once = functools.partial(object.__setattr__, self)
        set_once("name", str(name))
        set_once("positions", _frozen_array(positions, np.float64))
        set_once("ground_distance", _frozen_array(_distances(positions), np.float64))
        if self.n_cells > 1 and self.min_distance == 0:
            raise ValueError("Two cells have the same position; merge them first.")
        layouts = dict(layouts or {"line": _line_layout(self.n_cells)})
        set_once("layouts", MappingProxyType(self._checked_layouts(layouts)))
        set_once("symmetries", self._checked_symmetries(symmetries))

    @property
    def n_cells(self):
        """Number of cells."""
        return len(self.positions)

    @property
    def min_distance(self):
        """Smallest distance between two different cells (0.0 for one cell)."""
        if self.n_cells == 1:
            return 0.0
        between = self.ground_distance[~np.eye(self.n_cells, dtype=bool)]
        return float(between.min())

    @property
    def max_distance(self):
        """Largest distance between two cells."""
        return float(self.ground_distance.max())

    @property
    def default_layout(self):
        """Name of the default layout, the first one."""
        return next(iter(self.layouts))

    def layout(self, name=None):
        """Return one of the layouts.

        Parameters
        ----------
        name : str or None, default=None
            One of `layouts`; None for the default.

        Returns
        -------
        layout : Layout
            How the cells lie in the image.

        Raises
        ------
        ValueError
            If there is no layout of that name.
        """
        if name is None:
            name = self.default_layout
        if not isinstance(name, str) or name not in self.layouts:
            raise ValueError(
                f"Unknown layout {name!r}: the {self.name} geometry has "
                f"{', '.join(map(repr, self.layouts))}."
            )
        return self.layouts[name]

    def __setattr__(self, attribute, value):
        raise AttributeError(f"A Geometry is frozen; {attribute!r} cannot be set.")

    def __reduce__(self):
        # A mapping proxy does not pickle, and distances are cheap to recompute.
        rebuild = functools.partial(Geometry, name=self.name)
        return rebuild, (self.positions, dict(self.layouts), self.symmetries)

    # scikit-learn's clone and copy.deepcopy may share a frozen object.
    def __deepcopy__(self, memo):
        return self

    def __eq__(self, other):
        return isinstance(other, Geometry) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return (
            f"Geometry({self.name!r}, n_cells={self.n_cells}, "
            f"layouts={list(self.layouts)}, symmetries={len(self.symmetries)})"
        )

    def _key(self):
        permutations = tuple(p.tobytes() for p in self.symmetries)
        layouts = tuple(self.layouts.items())
        return self.positions.shape, self.positions.tobytes(), layouts, permutations

    def _checked_layouts(self, layouts):
        for name, layout in layouts.items():
            if not isinstance(layout, Layout):
                layouts[name] = layout = Layout(*layout)
            if layout.n_cells != self.n_cells:
                raise ValueError(
                    f"Layout {name!r} places {layout.n_cells} cells, but the geometry "
                    f"has {self.n_cells}."
                )
        return layouts

    def _checked_symmetries(self, symmetries):
        checked = []
        for permutation in symmetries:
            p = _frozen_integers(permutation, "A symmetry")
            if sorted(p.tolist()) != list(range(self.n_cells)):
                raise ValueError(
                    f"A symmetry is a permutation of the {self.n_cells} cells; got {p}."
                )
            moved = self.ground_distance[np.ix_(p, p)]
            tolerance = 1e-9 * self.max_distance
            if np.abs(moved - self.ground_distance).max() > tolerance:
                raise ValueError(
                    "A symmetry must leave every ground distance unchanged."
                )
            checked.append(p)
        return tuple(checked)


@functools.cache
def hgcal_wafer():
    """Return the 48-cell silicon wafer of the CMS endcap calorimeter.

    Three rhombic faces of 4 x 4 trigger cells meet at the wafer's center. Cells are
    numbered face by face, cell ``16 * face + 4 * i + j``; each face is the one before
    it turned by a third of a turn. The unit of length is half a trigger-cell pitch,
    1.2084 cm, so neighbors within a face are 2 units apart.

    Returns
    -------
    geometry : Geometry
        With the layouts "8x8" (48 of 64 pixels used; three faces in an L) and
        "4x4x3" (a channel for each face) and the two rotations that turn the wafer
        onto itself.

    References
    ----------
    R. Shenoy et al., "Differentiable Earth Mover's Distance for Data Compression at
    the High-Luminosity LHC", Mach. Learn.: Sci. Technol. 4 (2023) 045058,
    arXiv:2306.04712.
    """
    layouts = {"8x8": _wafer_8x8(), "4x4x3": _wafer_4x4x3()}
    cells = np.arange(N_FACES * N_FACE_CELLS)
    turns = [np.roll(cells, -N_FACE_CELLS), np.roll(cells, -2 * N_FACE_CELLS)]
    return Geometry(_wafer_positions(), layouts, turns, name="wafer")


# Without typed, 2.0 would get the cached result of 2 instead of an error.
@functools.lru_cache(maxsize=64, typed=True)
def line(n_cells):
    """Return cells on a line at the positions 0, 1, ..., n_cells - 1.

    Parameters
    ----------
    n_cells : int
        Number of cells.

    Returns
    -------
    geometry : Geometry
        With the layout "line", one row, and the mirror image as symmetry.
    """
    n_cells = _positive_int(n_cells, "n_cells")
    mirror = [np.arange(n_cells)[::-1]] if n_cells > 1 else []
    positions = np.arange(n_cells, dtype=np.float64)[:, None]
    layouts = {"line": _line_layout(n_cells)}
    return Geometry(positions, layouts, mirror, name=f"line({n_cells})")


# Without typed, 2.0 would get the cached result of 2 instead of an error.
@functools.lru_cache(maxsize=64, typed=True)
def grid(height, width):
    """Return cells on a square grid of unit pitch, row by row.

    Parameters
    ----------
    height, width : int
        Number of rows and columns.

    Returns
    -------
    geometry : Geometry
        With one layout, named after its size ("3x5"), and the mirror images and
        turns that map the grid onto itself as symmetries.
    """
    height = _positive_int(height, "height")
    width = _positive_int(width, "width")
    cells = np.arange(height * width).reshape(height, width)
    images = [cells, cells[::-1], cells[:, ::-1], cells[::-1, ::-1]]
    if height == width:
        images += [image.T for image in images]
    permutations = {tuple(image.ravel().tolist()) for image in images}
    permutations.discard(tuple(range(height * width)))
    rows, columns = np.divmod(np.arange(height * width), width)
    return Geometry(
        np.column_stack([rows, columns]),
        {f"{height}x{width}": Layout((height, width, 1), np.arange(height * width))},
        sorted(permutations),
        name=f"grid({height}, {width})",
    )


def _wafer_positions():
    """Return the centers of the trigger cells in half pitches: three turned rhombi."""
    half = 1.0  # half a pitch
    height = np.sqrt(3.0)  # of a row: a pitch times sin(60 degrees)
    i, j = np.divmod(np.arange(N_FACE_CELLS), 4)
    face_0 = np.column_stack([height * i, -2 * half * j - half * i])
    # The corner cell of a face and its two edge directions turn together.
    starts = [(-4 * height, -8.5 * half), (9 / 4 * height, -10.25 * half)]
    face_1 = starts[0] + np.column_stack([height * j, half * j + 2 * half * i])
    face_2 = starts[1] + np.column_stack([-height * (i + j), half * (j - i)])
    return np.concatenate([face_0, face_1, face_2])


def _wafer_8x8():
    """Lay faces 1 and 0 side by side and face 2, turned, below face 1."""
    face, cell = np.divmod(np.arange(N_FACES * N_FACE_CELLS), N_FACE_CELLS)
    i, j = np.divmod(cell, 4)
    rows = np.choose(face, [j, 3 - i, 4 + 3 - j])
    columns = np.choose(face, [4 + i, j, 3 - i])
    return Layout((8, 8, 1), 8 * rows + columns)


def _wafer_4x4x3():
    face, cell = np.divmod(np.arange(N_FACES * N_FACE_CELLS), N_FACE_CELLS)
    return Layout((4, 4, 3), 3 * cell + face)


def _line_layout(n_cells):
    return Layout((1, n_cells, 1), np.arange(n_cells))


def _distances(positions):
    difference = positions[:, None, :] - positions[None, :, :]
    # Divided by a power of two near their size, squares neither overflow nor vanish.
    _, exponent = np.frexp(np.abs(difference).max())
    squares = np.ldexp(difference, -exponent) ** 2
    return np.ldexp(np.sqrt(squares.sum(axis=-1)), exponent)


def _real_numbers(positions):
    if np.ma.is_masked(positions):
        raise ValueError("positions must not be masked; got a masked array.")
    positions = np.asarray(positions)
    if positions.dtype.kind not in "biufO":
        raise ValueError(
            f"positions must be real numbers; got an array of {positions.dtype}."
        )
    return positions.astype(np.float64)


def _frozen_array(values, dtype):
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def _frozen_integers(values, name):
    array = np.asarray(values)
    # An empty list is an array of floats.
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} must be a sequence of integers; got an array of {array.dtype} of "
            f"shape {array.shape}."
        )
    return _frozen_array(array, np.intp)


def _positive_int(value, name):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer; got {value!r}.")
    return int(value)
