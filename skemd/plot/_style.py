"""Shared by all pictures: colors that everybody can tell apart, axes, and units."""

from skemd._input._wafers import resolve_geometry
from skemd.geometry import hgcal_wafer

# Near white for little charge, and in even steps to the eye, color-blind or not.
COLOR_MAP = "magma_r"
# The palette of Okabe and Ito, which everybody can tell apart; dashes and markers help
# on paper.
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINE_MARKERS = ("o", "s", "^", "D", "v", "P")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
CHARGE_LABEL = "charge (CALQ counts)"


def axes_or_new(ax, **options):
    """Return the given axes, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Where to draw; pyplot is imported only for None.
    **options
        Options of the new figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        Never None.
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **options)[1]


def line_styles():
    """Return a color, a marker and a line style for each of a few lines.

    Returns
    -------
    line_styles : list of dict
        Keywords of ``Axes.plot``.
    """
    return [
        {"color": color, "marker": marker, "linestyle": style, "markersize": 4}
        for color, marker, style in zip(
            LINE_COLORS, LINE_MARKERS, LINE_STYLES, strict=True
        )
    ]


def unit_of(geometry, unit=None):
    """Return the name of the unit of a geometry's lengths.

    Parameters
    ----------
    geometry : {"wafer", "line"} or Geometry
        Where the cells are.
    unit : str or None, default=None
        The caller's name for it.

    Returns
    -------
    unit : str
        The caller's name, or else "half trigger-cell pitches" for the wafer and "units
        of length" for any other geometry.
    """
    if unit is not None:
        return unit
    if resolve_geometry(geometry, 1) == hgcal_wafer():
        return "half trigger-cell pitches"
    return "units of length"
