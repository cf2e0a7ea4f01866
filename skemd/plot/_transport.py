"""The charge that the earth mover's distance moves: two wafers and the plan between."""

from typing import NamedTuple

import numpy as np

from skemd._extras import import_extra
from skemd._input._scaling import normalized
from skemd._input._wafers import one_wafer
from skemd.distance import emd
from skemd.plot._cells import (
    EDGE,
    cell_corners,
    centers,
    check_drawable,
    draw_bars,
    draw_cells,
    grid_shape,
    is_line,
)
from skemd.plot._style import LINE_COLORS, axes_or_new, unit_of
from skemd.plot._wafers import charge_norm, draw_outline

__all__ = ["TransportPicture", "plot_transport"]

# Empty space between two wafers, and the height of the band between two rows of bars,
# as fractions of their width and of their height.
_GAP, _BAND = 0.15, 0.8
# Half the width of the wedge that carries all the charge, as a fraction of the wafer's
# width. Widths grow with the square root of the share, which keeps small ones visible.
_WIDEST = 0.05
_FLOW_COLOR = LINE_COLORS[0]


class TransportPicture(NamedTuple):
    """The artists of a picture of a transport plan.

    Attributes
    ----------
    original, reconstruction : PolyCollection, AxesImage or BarContainer
        The cells of the two wafers, with their shares of the charge.
    flows : matplotlib.collections.PolyCollection
        A wedge for each pair of cells between which charge moves.
    moved : ndarray of int of shape (n_flows, 2)
        The cell that charge leaves and the cell that it enters, wedge by wedge.
    shares : ndarray of shape (n_flows,)
        The fraction of the wafer's charge that each wedge carries.
    distance : float
        The EMD, in the unit of the geometry: the sum of shares times distances.
    ax_ : matplotlib.axes.Axes
        Where all of it was drawn.
    """

    original: object
    reconstruction: object
    flows: object
    moved: np.ndarray
    shares: np.ndarray
    distance: float
    ax_: object

    @property
    def figure_(self):
        """The figure, or the part of one, that holds the axes."""
        return self.ax_.figure


def plot_transport(
    a,
    b,
    *,
    geometry="wafer",
    ax=None,
    names=("original", "reconstruction"),
    unit=None,
):
    """Draw two wafers with the optimal transport plan between them.

    Charge that stays in its cell costs nothing and is not drawn. Each other share is a
    wedge, wide at its start and pointed at its end; its width grows with the square
    root of the share. For cells in a plane, the plan is drawn on a third wafer between
    the two; for cells on a line, bars of the first wafer are above those of the second,
    and wedges go down from one to the other.

    Parameters
    ----------
    a, b : array-like of shape (n_cells,) or (1, n_cells), or an image of a layout
        Charges in any unit; each is normalized to unit sum.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw all of it; None for a new figure.
    names : tuple of (str, str), default=("original", "reconstruction")
        Names of the two.
    unit : str or None, default=None
        Unit of the geometry's lengths; None for half trigger-cell pitches on the wafer.

    Returns
    -------
    picture : TransportPicture
        Axes and figure, the artists, the moves, and the EMD.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If these are not two wafers of the geometry, one has no charge, or positions
        have more than two coordinates.
    """
    import_extra("matplotlib", "plot")
    (a, geometry), (b, _) = one_wafer(a, "a", geometry), one_wafer(b, "b", geometry)
    check_drawable(geometry)
    distance, plan = emd(a, b, geometry=geometry, return_plan=True)
    moved, shares = _moves(plan)
    wafers = normalized(np.stack([a, b]))
    title = f"EMD {distance:.2f} {unit_of(geometry, unit)}"
    if is_line(geometry):
        ax = axes_or_new(ax)
        drawn = _above_each_other(ax, wafers, moved, shares, geometry, names)
        ax.set_title(title, fontsize=10)
    else:
        ax = axes_or_new(ax, figsize=(9, 3.4))
        titles = (names[0], title, names[1])
        drawn = _beside_each_other(ax, wafers, moved, shares, geometry, titles)
    return TransportPicture(*drawn, moved, shares, distance, ax)


def _moves(plan):
    """Return moves of charge as pairs of cells, and their shares, the largest first."""
    moving = plan.copy()
    np.fill_diagonal(moving, 0)
    # Smaller shares are rounding errors.
    moved = np.argwhere(moving > 1e-9)
    shares = moving[tuple(moved.T)]
    order = np.argsort(-shares, kind="stable")
    return moved[order], shares[order]


def _beside_each_other(ax, wafers, moved, shares, geometry, titles):
    """Draw one wafer, the plan and the other wafer from left to right."""
    places = centers(geometry)
    # Cells extend beyond their centers.
    margin = max(geometry.min_distance, 0.08 * geometry.max_distance)
    low, high = places.min(axis=0) - margin, places.max(axis=0) + margin
    width = (high - low)[0]
    step = (1 + _GAP) * width
    norm = charge_norm(np.ma.array(wafers))
    cells = [
        draw_cells(ax, np.ma.masked_equal(shares_, 0), geometry, norm, shift)
        for shares_, shift in zip(wafers, (0, 2 * step), strict=True)
    ]
    _pale_cells(ax, geometry, step)
    start, end = places[moved[:, 0]] + [step, 0], places[moved[:, 1]] + [step, 0]
    flows = _draw_flows(ax, start, end, shares, _WIDEST * width)
    for shift, title in zip((0, step, 2 * step), titles, strict=True):
        draw_outline(ax, geometry, shift)
        ax.text(
            shift + (low + high)[0] / 2,
            1.0,
            title,
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=10,
        )
    upwards = not ax.yaxis_inverted()
    ax.set_xlim(low[0], high[0] + 2 * step)
    ax.set_ylim(*((low[1], high[1]) if upwards else (high[1], low[1])))
    ax.set_aspect("equal")
    ax.set_axis_off()
    label = "share of the charge"
    ax.figure.colorbar(cells[0], ax=ax, label=label, shrink=0.8)
    return *cells, flows


def _above_each_other(ax, wafers, moved, shares, geometry, names):
    """Draw the bars of one wafer above those of the other, and the plan between."""
    above, below = wafers
    largest = max(above.max(), below.max())
    band = _BAND * largest
    bars = (
        draw_bars(ax, above, geometry, bottom=band, color="0.45"),
        draw_bars(ax, -below, geometry, color="0.45"),
    )
    x = geometry.positions[:, 0]
    start = np.column_stack([x[moved[:, 0]], np.full(len(moved), band)])
    end = np.column_stack([x[moved[:, 1]], np.zeros(len(moved))])
    span = (np.ptp(x) or 1) + geometry.min_distance
    flows = _draw_flows(ax, start, end, shares, _WIDEST * span, upright=True)
    for y, name in ((band + largest / 2, names[0]), (-largest / 2, names[1])):
        ax.text(
            -0.01, y, name, transform=ax.get_yaxis_transform(), ha="right", va="center"
        )
    ax.set(xlabel="position of the cell", yticks=[])
    ax.set_ylim(-1.05 * largest, band + 1.05 * largest)
    ax.spines[["left", "right", "top"]].set_visible(False)
    return *bars, flows


def _pale_cells(ax, geometry, shift):
    """Draw the cells in a pale color, below a plan."""
    if grid_shape(geometry):
        x, y = np.add(centers(geometry), [shift, 0]).T
        ax.scatter(x, y, s=12, color="0.85")
        return
    from matplotlib.collections import PolyCollection

    pale = {"facecolors": "none", **EDGE, "edgecolors": "0.88"}
    ax.add_collection(PolyCollection(cell_corners(geometry, shift), **pale))


def _draw_flows(ax, start, end, shares, widest, *, upright=False):
    """Draw a wedge for each move, with its foot at a right angle or along the axis."""
    from matplotlib.collections import PolyCollection

    way = end - start
    if upright:
        sideways = np.broadcast_to([1.0, 0.0], way.shape)
    else:
        sideways = way[:, ::-1] * [-1, 1] / np.linalg.norm(way, axis=1, keepdims=True)
    foot = sideways * (widest * np.sqrt(shares))[:, None]
    wedges = np.stack([start + foot, end, start - foot], axis=1)
    style = {"facecolors": _FLOW_COLOR, "edgecolors": _FLOW_COLOR, "linewidths": 0.4}
    return ax.add_collection(PolyCollection(wedges, alpha=0.75, zorder=3, **style))
