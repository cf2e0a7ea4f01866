"""Pictures of wafers and of studies, drawn with matplotlib.

It comes with ``python -m pip install "skemd[plot]"``.
"""

import numpy as np

from skemd._validation import as_wafers
from skemd.distance import paired_emd
from skemd.geometry import hgcal_wafer

__all__ = ["plot_profiles", "plot_reconstructions", "plot_wafer"]

# Near white where there is next to nothing.
_COLOR_MAP = "magma_r"
# The palette of Okabe and Ito, which everybody can tell apart; dashes and markers help
# on paper.
_LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINE_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


def plot_wafer(wafer, *, geometry="wafer", ax=None, vmax=None):
    """Draw one wafer, each cell coloured by its charge.

    Parameters
    ----------
    wafer : array-like of shape (n_cells,)
        Charges in any unit.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. The wafer's trigger cells are drawn as the rhombi that
        they are, the cells of other geometries as dots.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    vmax : float or None, default=None
        Charge of the darkest colour, in the unit of `wafer`; None for the largest.

    Returns
    -------
    cells : matplotlib.collections.Collection
        What was drawn, for ``figure.colorbar``. Cells without charge stay white.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the charges are not one wafer of the geometry.
    """
    plt = _pyplot()
    charges, geometry = as_wafers(
        np.asarray(wafer)[None], "wafer", geometry, allow_empty=True
    )
    # White, not the lightest colour, tells an empty cell from one with little charge.
    charges = np.ma.masked_equal(charges[0], 0)
    ax = ax if ax is not None else plt.subplots()[1]
    look = {"cmap": _COLOR_MAP, "edgecolors": "0.8", "linewidths": 0.5}
    if geometry == hgcal_wafer():
        cells = _rhombi(geometry.positions, **look)
        ax.add_collection(cells)
        ax.autoscale_view()
    else:
        flat = np.pad(geometry.positions, [(0, 0), (0, 1)])
        cells = ax.scatter(flat[:, 0], flat[:, 1], c=np.zeros(len(flat)), **look)
    cells.set_array(charges)
    cells.set_clim(0, vmax)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return cells


def plot_reconstructions(X, reconstructions, *, geometry="wafer", n_wafers=5):
    """Draw wafers above what different compressions give back, with their EMD.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells)
        True charges in any unit.
    reconstructions : dict of str to array-like of shape (n_samples, n_cells)
        What each compression, by name, made of `X`.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_wafers : int, default=5
        How many to draw, from the first on.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A column for each wafer and a row for each compression; colours mean the same
        within a column. The exact EMD, in the unit of the geometry, stands above each
        reconstruction.
    """
    plt = _pyplot()
    X, geometry = as_wafers(X, "X", geometry)
    X = X[:n_wafers]
    rows = {"true": X} | {
        name: np.asarray(R)[:n_wafers] for name, R in reconstructions.items()
    }
    figure, axes = plt.subplots(
        len(rows),
        len(X),
        figsize=(2.1 * len(X) + 0.6, 2.2 * len(rows)),
        squeeze=False,
        layout="constrained",
    )
    for (name, wafers), row in zip(rows.items(), axes, strict=True):
        row[0].text(
            -0.08,
            0.5,
            name,
            rotation=90,
            va="center",
            ha="right",
            transform=row[0].transAxes,
            fontsize=11,
        )
        distances = paired_emd(X, wafers, geometry=geometry)
        for ax, wafer, true, distance in zip(row, wafers, X, distances, strict=True):
            plot_wafer(wafer, geometry=geometry, ax=ax, vmax=true.max())
            if name == "true":
                n_charged = (wafer > 0).sum()
                cells = "cell" if n_charged == 1 else "cells"
                ax.set_title(f"{n_charged} {cells}", fontsize=9)
            else:
                ax.set_title(f"EMD {distance:.2f}", fontsize=9)
    return figure


def plot_profiles(profiles, xlabel, ylabel, *, ax=None, band=True):
    """Draw medians with their bands against a property, several in one axes.

    Parameters
    ----------
    profiles : dict of str to Profile or Ratios
        What :mod:`skemd.study` gives, by the names for the legend. Up to six are told
        apart.
    xlabel, ylabel : str
        What property and number are, with their units.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    band : bool or collection of str, default=True
        Whether to fill between `low` and `high`, or the names of those to do it for.

    Returns
    -------
    artists : dict of str to (Line2D, FillBetweenPolyCollection or None)
        The line through the middles, a marker on each bin with wafers, and the band.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there are none, or more than six.
    """
    plt = _pyplot()
    if not 1 <= len(profiles) <= len(_LINE_COLORS):
        raise ValueError(
            f"plot_profiles draws 1 to {len(_LINE_COLORS)} profiles; got "
            f"{len(profiles)}. Draw them in several axes."
        )
    ax = ax if ax is not None else plt.subplots()[1]
    artists = {}
    looks = zip(_LINE_COLORS, _LINE_MARKERS, _LINE_STYLES, strict=True)
    for (name, found), (color, marker, style) in zip(
        profiles.items(), looks, strict=False
    ):
        look = {"color": color, "marker": marker, "linestyle": style, "markersize": 4}
        (line,) = ax.plot(found.centers, found.middle, label=name, **look)
        filled = None
        if band is True or (band and name in band):
            filled = ax.fill_between(
                found.centers, found.low, found.high, color=color, alpha=0.2, lw=0
            )
        artists[name] = line, filled
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(fontsize=8)
    return artists


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Pictures need matplotlib. Run: python -m pip install "skemd[plot]"'
        ) from error
    return plt


def _rhombi(positions, **look):
    from matplotlib.collections import PolyCollection

    faces = positions.reshape(3, 4, 4, 2)
    # Within a face the cells repeat along its two edges.
    down, across = faces[:, 1, 0] - faces[:, 0, 0], faces[:, 0, 1] - faces[:, 0, 0]
    corners = np.stack([down + across, down - across, -down - across, across - down])
    outlines = faces[:, :, :, None] + corners.swapaxes(0, 1)[:, None, None] / 2
    return PolyCollection(outlines.reshape(-1, 4, 2), **look)
