"""Single wafers, and wafers above their reconstructions."""

import textwrap
from collections.abc import Mapping

import numpy as np

from skemd._checks import check_number
from skemd._extras import import_extra
from skemd._input._wafers import as_wafers, one_wafer
from skemd.geometry import hgcal_wafer
from skemd.metrics import emd_per_wafer
from skemd.plot._cells import (
    centers,
    check_drawable,
    draw_bars,
    draw_cells,
    grid_shape,
    is_line,
    wafer_outline,
)
from skemd.plot._picture import Picture
from skemd.plot._style import CHARGE_LABEL, axes_or_new

__all__ = ["plot_reconstructions", "plot_wafer"]

# Characters that fit beside a wafer.
_ROW_NAME_WIDTH = 18


def plot_wafer(
    wafer,
    *,
    geometry="wafer",
    ax=None,
    vmax=None,
    log=False,
    cell_numbers=False,
    outline=True,
    colorbar=False,
    label=None,
):
    """Draw one wafer, each cell colored by its charge.

    Parameters
    ----------
    wafer : array-like of shape (n_cells,) or (1, n_cells), or an image of a layout
        Charges in any unit, which `label` names.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. The wafer's trigger cells are drawn as rhombi, those of a
        grid as the pixels of an image (rows go down), and cells on a line as bars. Of
        others in a plane only the positions are known. They are drawn as Voronoi cells:
        each has the places that are nearest to its position.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    vmax : float or None, default=None
        Charge of the darkest color, or the end of the axis of bars, in the unit of
        `wafer`; None for the largest.
    log : bool, default=False
        Whether colors, or the heights of bars, are logarithmic.
    cell_numbers : bool, default=False
        Whether to write the number of each cell on it, or below its bar.
    outline : bool, default=True
        Whether to draw the module's outline around the wafer's cells, or a frame
        around a grid.
    colorbar : bool, default=False
        Whether to add the scale of charges beside the axes. Bars have an axis instead.
    label : str or None, default=None
        Label of that scale or axis; None for "charge (CALQ counts)" on the wafer, and
        for "charge" on other geometries, whose unit is not known.

    Returns
    -------
    picture : Picture
        ``ax_``, ``figure_`` and ``artists_["cells"]``: an AxesImage for a grid, a
        BarContainer for a line, else a PolyCollection. ``figure.colorbar`` takes all
        but bars. Cells without charge stay white.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the charges are not one wafer of the geometry, or its positions have more
        than two coordinates.
    """
    import_extra("matplotlib", "plot")
    charges, geometry = one_wafer(wafer, "wafer", geometry)
    check_drawable(geometry)
    if vmax is not None:
        check_number(vmax, "vmax", low=0, open_ends=True)
    if label is None:
        label = CHARGE_LABEL if geometry == hgcal_wafer() else "charge"
    ax = axes_or_new(ax)
    if is_line(geometry):
        bars = _bars(ax, charges, geometry, vmax, log, cell_numbers, label)
        return Picture(ax, {"cells": bars})
    # White instead of the lightest color distinguishes empty cells from those with
    # little charge.
    charges = np.ma.masked_equal(charges, 0)
    cells = draw_cells(ax, charges, geometry, charge_norm(charges, vmax, log))
    if outline:
        draw_outline(ax, geometry)
    if cell_numbers:
        _write_numbers(ax, charges.filled(0), cells, geometry)
    if colorbar:
        ax.figure.colorbar(cells, ax=ax, label=label, shrink=0.8)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return Picture(ax, {"cells": cells})


def plot_reconstructions(
    X, reconstructions, *, geometry="wafer", n_wafers=5, figure=None
):
    """Draw wafers above their reconstructions by different compressions, with the EMD.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells)
        True charges in any unit.
    reconstructions : dict of str to array-like of shape (n_samples, n_cells)
        Reconstructions of `X` by the names of the compressions, or the array of a
        single one.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_wafers : int, default=5
        How many to draw, from the first on.
    figure : Figure, SubFigure or None, default=None
        Where to draw; None for a new figure.

    Returns
    -------
    picture : Picture
        ``figure_``, and ``ax_`` of shape (n_rows, n_wafers): a column for each wafer
        and a row for each compression, with one color scale per column.
        ``artists_`` has the cells of each row by its name. The exact EMD, in the
        unit of the geometry, is written above each reconstruction, or that it has no
        charge.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If wafers and reconstructions do not match, or a true wafer has no charge.
    """
    import_extra("matplotlib", "plot")
    X, geometry = as_wafers(X, "X", geometry)
    X = X[:n_wafers]
    if not isinstance(reconstructions, Mapping):
        reconstructions = {"reconstruction": reconstructions}
    rows = {"true": X} | {
        name: np.asarray(R)[:n_wafers] for name, R in reconstructions.items()
    }
    distances = {
        name: emd_per_wafer(X, wafers, geometry=geometry, empty_pred="even")
        for name, wafers in rows.items()
    }
    if figure is None:
        import matplotlib.pyplot as plt

        size = (2.1 * len(X) + 0.6, 2.2 * len(rows))
        figure = plt.figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(X), squeeze=False)
    artists = {name: [] for name in rows}
    for (name, wafers), row in zip(rows.items(), axes, strict=True):
        _name_row(row[0], name)
        for ax, wafer, true, distance in zip(
            row, wafers, X, distances[name], strict=True
        ):
            drawn = plot_wafer(wafer, geometry=geometry, ax=ax, vmax=float(true.max()))
            artists[name].append(drawn.artists_["cells"])
            if name == "true":
                n_charged = (wafer > 0).sum()
                cells = "cell" if n_charged == 1 else "cells"
                ax.set_title(f"{n_charged} {cells}", fontsize=9)
            else:
                found = f"EMD {distance:.2f}" if wafer.any() else "no charge"
                ax.set_title(found, fontsize=9)
    return Picture(axes, artists)


def charge_norm(charges, vmax=None, log=False):
    """Return the map from charges to colors.

    Parameters
    ----------
    charges : masked array of shape (n_cells,)
        Charges, with empty cells masked.
    vmax : float or None, default=None
        Charge of the darkest color; None for the largest.
    log : bool, default=False
        Whether the map is logarithmic.

    Returns
    -------
    norm : matplotlib.colors.Normalize
        From zero, or from the smallest charge for a logarithm.
    """
    from matplotlib.colors import LogNorm, Normalize

    charged = charges.compressed()
    largest = vmax if vmax is not None else charged.max(initial=0) or 1.0
    if not log:
        return Normalize(0, largest)
    smallest = charged.min(initial=largest)
    # Equal charges, or charges above vmax, would leave no range.
    return LogNorm(smallest if smallest < largest else largest / 10, largest)


def draw_outline(ax, geometry, shift=0.0):
    """Draw the module's outline around a wafer, or a frame around a grid.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    geometry : Geometry
        Where the cells are; Voronoi cells have no outline.
    shift : float, default=0.0
        Shift to the right, in the unit of the positions.

    Returns
    -------
    outline : matplotlib.patches.Polygon or None
        Unfilled; None where there is nothing to draw.
    """
    from matplotlib.patches import Polygon

    if geometry == hgcal_wafer():
        corners = wafer_outline()
    elif shape := grid_shape(geometry):
        height, width = shape
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
    else:
        return None
    style = {"fill": False, "edgecolor": "0.3", "linewidth": 1.2, "clip_on": False}
    return ax.add_patch(Polygon(np.add(corners, [shift, 0]), **style))


def _bars(ax, charges, geometry, vmax, log, cell_numbers, label):
    """Draw a line of cells; its axis is the scale of charges."""
    bars = draw_bars(ax, charges, geometry)
    if log:
        ax.set_yscale("log", nonpositive="clip")
    if vmax is not None:
        ax.set_ylim(top=vmax)
    ax.set(xlabel="position of the cell", ylabel=label)
    if cell_numbers:
        ax.set_xticks(geometry.positions[:, 0], range(geometry.n_cells))
        ax.set_xlabel("cell")
    return bars


def _write_numbers(ax, charges, cells, geometry):
    """Write the number of each cell on it, in white on dark colors."""
    lightness = cells.cmap(cells.norm(charges))[:, :3] @ [0.299, 0.587, 0.114]
    on_dark = (lightness < 0.5) & (charges > 0)
    for number, (place, dark) in enumerate(
        zip(centers(geometry), on_dark, strict=True)
    ):
        color = "white" if dark else "0.25"
        ax.text(*place, str(number), color=color, fontsize=7, ha="center", va="center")


def _name_row(ax, name):
    """Write the name of a row beside it; long ones in several lines."""
    name = textwrap.fill(name, _ROW_NAME_WIDTH)
    place = {"x": -0.08, "y": 0.5, "ha": "right", "va": "center", "rotation": 90}
    ax.text(s=name, transform=ax.transAxes, fontsize=11, **place)
