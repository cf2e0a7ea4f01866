"""The shapes of cells of which only the positions are known: Voronoi cells.

A point of the plane belongs to the cell whose position is nearest. Outer cells would
reach to infinity, so all are cut off at the outline of the positions, half the distance
to the nearest neighbor outside of it.
"""

import functools

import numpy as np
from scipy.spatial import ConvexHull, Voronoi

__all__ = ["voronoi_cells"]

_N_CORNERS = 24
# In widths of the picture. All cells but those of the distant points then are finite.
_DISTANT = 100


@functools.lru_cache(maxsize=16)
def voronoi_cells(geometry):
    """Return the corners of each cell of a geometry in a plane.

    Parameters
    ----------
    geometry : Geometry
        With two coordinates.

    Returns
    -------
    corners : list of n_cells ndarray of shape (n_corners, 2)
        Convex polygons, in the unit of the positions.
    """
    positions = geometry.positions
    angles = 2 * np.pi * np.arange(_N_CORNERS) / _N_CORNERS
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    rims = positions[:, None] + _radii(geometry)[:, None, None] * circle
    hull = ConvexHull(rims.reshape(-1, 2))
    distant = _DISTANT * np.ptp(rims, axis=(0, 1)).max() * circle
    middle = rims.mean(axis=(0, 1))
    diagram = Voronoi(np.concatenate([positions, middle + distant]))
    corners = []
    for number in range(geometry.n_cells):
        region = diagram.regions[diagram.point_region[number]]
        corners.append(_inside(diagram.vertices[region], hull.equations))
    return corners


def _radii(geometry):
    """Return half the distance of each cell to its nearest neighbor."""
    if geometry.n_cells == 1:
        return np.array([0.5])
    distances = geometry.ground_distance + np.diag(np.full(geometry.n_cells, np.inf))
    return distances.min(axis=1) / 2


def _inside(polygon, half_planes):
    """Cut a convex polygon off at the sides of another (Sutherland and Hodgman)."""
    for normal, offset in zip(half_planes[:, :2], half_planes[:, 2], strict=True):
        heights = polygon @ normal + offset
        if (heights <= 0).all():
            continue
        kept = []
        for k in range(len(polygon)):
            if heights[k - 1] * heights[k] < 0:
                share = heights[k - 1] / (heights[k - 1] - heights[k])
                kept.append(polygon[k - 1] + share * (polygon[k] - polygon[k - 1]))
            if heights[k] <= 0:
                kept.append(polygon[k])
        polygon = np.array(kept)
    return polygon
