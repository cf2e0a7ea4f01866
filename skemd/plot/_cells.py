"""The shapes of cells: rhombi on the wafer, bars on a line, pixels, Voronoi cells."""

import numpy as np

from skemd.geometry import N_FACES, grid, hgcal_wafer
from skemd.plot._style import COLOR_MAP
from skemd.plot._voronoi import voronoi_cells

EDGE = {"edgecolors": "0.75", "linewidths": 0.5}
_BAR_COLOR = "#0072B2"
_SIDE = 4
# Order of the faces around the center. The corners of each face go clockwise as well.
_CLOCKWISE = (0, 2, 1)


def check_drawable(geometry):
    """Check that the cells lie on a line or in a plane.

    Parameters
    ----------
    geometry : Geometry
        Where the cells are.

    Raises
    ------
    ValueError
        If positions have more than two coordinates.
    """
    n_dimensions = geometry.positions.shape[1]
    if n_dimensions > 2:
        raise ValueError(
            "Pictures show cells on a line or in a plane, but the positions of the "
            f"{geometry.name} geometry have {n_dimensions} coordinates. Draw a "
            "projection: Geometry(geometry.positions[:, :2]), if no cells coincide."
        )


def is_line(geometry):
    """Return whether the cells have one coordinate."""
    return geometry.positions.shape[1] == 1


def grid_shape(geometry):
    """Return height and width of a grid whose cells are in row order, else None.

    Parameters
    ----------
    geometry : Geometry
        Where the cells are.

    Returns
    -------
    shape : tuple of (int, int) or None
        Number of rows and columns.
    """
    if is_line(geometry):
        return None
    height, width = (int(last) + 1 for last in geometry.positions.max(axis=0))
    if min(height, width) < 1 or height * width != geometry.n_cells:
        return None
    pixels = grid(height, width).positions
    return (height, width) if np.array_equal(pixels, geometry.positions) else None


def centers(geometry):
    """Return the places of the cells' centers in a picture; lines lie on the axis.

    Parameters
    ----------
    geometry : Geometry
        Where the cells are.

    Returns
    -------
    centers : ndarray of shape (n_cells, 2)
        In the unit of the positions. A grid's rows go down, its columns across.
    """
    if is_line(geometry):
        return np.pad(geometry.positions, [(0, 0), (0, 1)])
    if grid_shape(geometry):
        return geometry.positions[:, ::-1]
    return geometry.positions


def wafer_rhombi():
    """Return the corners of the wafer's trigger cells, rhombi with sides of one pitch.

    Returns
    -------
    corners : ndarray of shape (48, 4, 2)
        In half trigger-cell pitches; each cell's position is their mean.
    """
    centers, down, across = _faces()
    corners = np.stack([down + across, down - across, -down - across, across - down])
    outlines = centers[:, :, :, None] + corners.swapaxes(0, 1)[:, None, None] / 2
    return outlines.reshape(-1, 4, 2)


def wafer_outline():
    """Return the outline of the module, the outer sides of its three faces.

    Returns
    -------
    outline : ndarray of shape (9, 2)
        Corners in half trigger-cell pitches. Where two faces meet they are shifted
        along their seam, so the hexagon has three small steps.
    """
    centers, down, across = _faces()
    middle = hgcal_wafer().positions.mean(axis=0)
    outline = []
    for face in _CLOCKWISE:
        one, other = down[face], across[face]
        first = centers[face, 0, 0] - (one + other) / 2
        one, other = _SIDE * one, _SIDE * other
        corners = np.array([first, first + one, first + one + other, first + other])
        inner = np.linalg.norm(corners - middle, axis=1).argmin()
        # Without the corner at the wafer's center.
        outline.append(np.roll(corners, -inner, axis=0)[1:])
    return np.concatenate(outline)


def _faces():
    centers = hgcal_wafer().positions.reshape(N_FACES, _SIDE, _SIDE, 2)
    # Within a face the cells repeat along its two edges.
    down = centers[:, 1, 0] - centers[:, 0, 0]
    across = centers[:, 0, 1] - centers[:, 0, 0]
    return centers, down, across


def draw_cells(ax, values, geometry, norm, shift=0.0):
    """Draw cells in a plane in the colors of their values.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    values : masked array of shape (n_cells,)
        In any unit; masked cells stay white.
    geometry : Geometry
        Where the cells are, with two coordinates.
    norm : matplotlib.colors.Normalize
        Maps values to colors.
    shift : float, default=0.0
        Shift to the right, in the unit of the positions.

    Returns
    -------
    cells : AxesImage for grids, else PolyCollection
        A cell, or pixel, for each value.
    """
    from matplotlib.collections import PolyCollection

    style = {"cmap": COLOR_MAP, "norm": norm}
    shape = grid_shape(geometry)
    if shape:
        height, width = shape
        extent = (shift - 0.5, shift + width - 0.5, height - 0.5, -0.5)
        return ax.imshow(values.reshape(shape), extent=extent, aspect="equal", **style)
    cells = PolyCollection(cell_corners(geometry, shift), **EDGE, **style)
    cells.set_array(values)
    ax.add_collection(cells)
    ax.autoscale_view()
    return cells


def cell_corners(geometry, shift=0.0):
    """Return the corners of the cells in a plane, other than those of a grid.

    Parameters
    ----------
    geometry : Geometry
        Where the cells are, with two coordinates.
    shift : float, default=0.0
        Shift to the right, in the unit of the positions.

    Returns
    -------
    corners : list of n_cells ndarray of shape (n_corners, 2)
        Rhombi for the wafer, else Voronoi cells, in the unit of the positions.
    """
    is_wafer = geometry == hgcal_wafer()
    shapes = wafer_rhombi() if is_wafer else voronoi_cells(geometry)
    return [np.add(corners, [shift, 0]) for corners in shapes]


def draw_bars(ax, values, geometry, *, bottom=0.0, color=_BAR_COLOR):
    """Draw the cells of a line as bars.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    values : array of shape (n_cells,)
        Heights; negative ones hang down.
    geometry : Geometry
        With one coordinate.
    bottom : float, default=0.0
        Where the bars begin.
    color : str
        Color of the bars.

    Returns
    -------
    bars : matplotlib.container.BarContainer
        A bar for each cell, as wide as the smallest distance between two cells.
    """
    width = geometry.min_distance or 1.0
    style = {"color": color, "edgecolor": "white", "linewidth": 0.5}
    positions = geometry.positions[:, 0]
    return ax.bar(positions, np.asarray(values), width, bottom=bottom, **style)
