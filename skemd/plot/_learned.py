"""A learned EMD against the exact one: all pairs, and their relative differences."""

from collections.abc import Mapping

import numpy as np

from skemd._checks import check_number, format_rows
from skemd._extras import import_extra
from skemd.plot._picture import Picture
from skemd.plot._style import (
    COLOR_MAP,
    LINE_COLORS,
    LINE_STYLES,
    axes_or_new,
    unit_of,
)

__all__ = ["plot_learned_emd", "plot_relative_difference"]


def plot_learned_emd(
    exact, predicted, *, geometry="wafer", ax=None, gridsize=40, unit=None
):
    """Draw the density of pairs in the plane of exact and learned EMD.

    Parameters
    ----------
    exact, predicted : array-like of shape (n_pairs,)
        Exact and learned EMD of each pair, in the unit of the geometry.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Determines the unit on the axes (wafer: half trigger-cell pitches).
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    gridsize : int, default=40
        Hexagons across.
    unit : str or None, default=None
        Unit of the geometry's lengths; None for half trigger-cell pitches on the wafer.

    Returns
    -------
    picture : Picture
        ``ax_``, ``figure_``, and in ``artists_`` "density", hexagons colored by the
        logarithm of how many pairs they hold, and "diagonal", the line on which both
        agree.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the two do not pair up, an exact EMD is negative, or one is not finite.
    """
    import_extra("matplotlib", "plot")
    check_number(gridsize, "gridsize", low=1, integer=True)
    exact, predicted = _checked_distances(exact, predicted)
    ax = axes_or_new(ax, figsize=(4.8, 4.0))
    most = 1.05 * max(exact.max(), predicted.max(), 1e-9)
    density = ax.hexbin(
        exact,
        predicted,
        extent=(0, most, 0, most),
        gridsize=int(gridsize),
        bins="log",
        mincnt=1,
        cmap=COLOR_MAP,
        linewidths=0.2,
    )
    (diagonal,) = ax.plot([0, most], [0, most], color="0.4", lw=1)
    unit = unit_of(geometry, unit)
    ax.set(
        xlabel=f"exact EMD ({unit})",
        ylabel=f"learned EMD ({unit})",
        xlim=(0, most),
        ylim=(0, most),
        aspect="equal",
    )
    ax.figure.colorbar(density, ax=ax, label="pairs", shrink=0.8)
    return Picture(ax, {"density": density, "diagonal": diagonal})


def plot_relative_difference(exact, predicted, *, ax=None, limit=0.3, n_bins=60):
    """Draw the distribution of the relative difference of learned and exact EMD.

    Parameters
    ----------
    exact : array-like of shape (n_pairs,)
        Exact EMD of each pair, in any unit; not zero.
    predicted : array-like of shape (n_pairs,), or dict of str to array-like
        Learned EMD of each pair, in the same unit, or those of up to six regressors by
        their names in the legend.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    limit : float, default=0.3
        Largest relative difference on the axis. Larger ones count in the outermost
        bins.
    n_bins : int, default=60
        Bins from ``-limit`` to ``limit``.

    Returns
    -------
    picture : Picture
        ``ax_``, ``figure_``, and in ``artists_`` a histogram for each regressor
        ("learned" for a single array) of the fraction of pairs in each bin. The legend
        shows mean and standard deviation over all pairs, including those beyond the
        limit.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If distances do not pair up or are not finite, an exact one is zero or negative,
        or there are none or more than six regressors.
    """
    import_extra("matplotlib", "plot")
    check_number(limit, "limit", low=0, open_ends=True)
    check_number(n_bins, "n_bins", low=1, integer=True)
    many = predicted if isinstance(predicted, Mapping) else {"learned": predicted}
    if not 1 <= len(many) <= len(LINE_COLORS):
        raise ValueError(
            f"plot_relative_difference draws 1 to {len(LINE_COLORS)} regressors; got "
            f"{len(many)}. Draw them in several axes."
        )
    differences = {name: _relative(exact, values) for name, values in many.items()}
    ax = axes_or_new(ax, figsize=(5.0, 3.6))
    edges = np.linspace(-limit, limit, n_bins + 1)
    outlines = {}
    line_styles = zip(LINE_COLORS, LINE_STYLES, strict=True)
    for (name, difference), (color, style) in zip(
        differences.items(), line_styles, strict=False
    ):
        shares = np.histogram(difference.clip(-limit, limit), edges)[0]
        label = f"{name}: {difference.mean():+.1%} ± {difference.std():.1%}"
        outlines[name] = ax.stairs(
            shares / len(difference), edges, label=label, color=color, ls=style, lw=1.6
        )
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    ax.set(xlabel="(learned - exact) / exact EMD", ylabel="share of pairs")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(_percent)
    # Room for the legend above the peaks.
    ax.margins(y=0.1 + 0.1 * len(outlines))
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", frameon=False, fontsize=8)
    return Picture(ax, outlines)


def _relative(exact, predicted):
    exact, predicted = _checked_distances(exact, predicted)
    if (exact == 0).any():
        raise ValueError(
            "There is no relative difference to an exact EMD of zero: "
            f"{format_rows(exact == 0)}. Leave pairs of equal wafers out."
        )
    return predicted / exact - 1


def _checked_distances(exact, predicted):
    exact, predicted = np.asarray(exact, float), np.asarray(predicted, float)
    if exact.ndim != 1 or exact.shape != predicted.shape or exact.size == 0:
        raise ValueError(
            "exact and predicted must be two lists of one EMD per pair; got shapes "
            f"{exact.shape} and {predicted.shape}."
        )
    for name, values in (("exact", exact), ("predicted", predicted)):
        wrong = ~np.isfinite(values)
        if name == "exact":
            wrong |= values < 0
        if wrong.any():
            raise ValueError(
                f"{name} must hold finite EMDs"
                f"{' that are not negative' if name == 'exact' else ''}; got "
                f"{values[wrong][0]} ({format_rows(wrong)})."
            )
    return exact, predicted


def _percent(value, _position):
    """Return a tick's label without trailing zeros or a minus zero."""
    return f"{round(100 * value, 6) + 0.0:g}%"
