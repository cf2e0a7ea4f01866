"""Curves: profiles of a metric with their bands, and the history of a training."""

from collections.abc import Mapping

import numpy as np

from skemd._extras import import_extra
from skemd.plot._picture import Picture
from skemd.plot._style import LINE_COLORS, axes_or_new, line_styles
from skemd.study._profiles import Profile, Ratios

__all__ = ["plot_history", "plot_profiles"]


def plot_profiles(profiles, xlabel, ylabel, *, ax=None, band=True):
    """Draw medians with their bands against a property, several in one set of axes.

    Parameters
    ----------
    profiles : dict of str to Profile or Ratios
        Up to six results of :mod:`skemd.study`, by their names in the legend, or a
        single one, which is called "median".
    xlabel, ylabel : str
        Names of the property and of the number, with their units.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    band : bool or collection of str, default=True
        Whether to fill between `low` and `high`, or the names of profiles to fill.

    Returns
    -------
    picture : Picture
        ``ax_``, ``figure_``, and for each profile in ``artists_`` the line through the
        middles with a marker on each bin with wafers, and the band or None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there are no profiles, or more than six.
    """
    import_extra("matplotlib", "plot")
    if isinstance(profiles, (Profile, Ratios)):
        profiles = {"median": profiles}
    if not isinstance(profiles, Mapping):
        raise ValueError(
            "profiles must be a dict of results of skemd.study.profile by their names; "
            f"got a {type(profiles).__name__}."
        )
    if not 1 <= len(profiles) <= len(LINE_COLORS):
        raise ValueError(
            f"plot_profiles draws 1 to {len(LINE_COLORS)} profiles; got "
            f"{len(profiles)}. Draw them in several axes."
        )
    ax = axes_or_new(ax)
    artists = {}
    for (name, found), style in zip(profiles.items(), line_styles(), strict=False):
        (line,) = ax.plot(found.centers, found.middle, label=name, **style)
        filled = None
        if band is True or (band and name in band):
            filled = ax.fill_between(
                found.centers,
                found.low,
                found.high,
                color=style["color"],
                alpha=0.2,
                lw=0,
            )
        artists[name] = line, filled
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(fontsize=8)
    return Picture(ax, artists)


def plot_history(history, *, ax=None, log=True, ylabel="loss"):
    """Draw the losses of a training against the epoch, and mark the best epoch.

    Parameters
    ----------
    history : dict of str to list of float, or a fitted estimator with `history_`
        One loss per epoch under each name. The best epoch has the lowest "val_loss", or
        "loss" if there is none.
    ax : matplotlib.axes.Axes or None, default=None
        Where to draw; None for a new figure.
    log : bool, default=True
        Whether the axis of the losses is logarithmic; needs losses above zero.
    ylabel : str, default="loss"
        Name of the loss, with its unit if it has one: half trigger-cell pitches for
        ``EMDAutoencoder(loss="emd")``.

    Returns
    -------
    picture : Picture
        ``ax_``, ``figure_``, and in ``artists_`` a line for each loss, and "best": the
        marker on the best epoch.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no history, or the losses have different lengths.
    """
    import_extra("matplotlib", "plot")
    losses = _checked_history(history)
    ax = axes_or_new(ax, figsize=(5.0, 3.6))
    artists = {}
    words = {"loss": "training", "val_loss": "validation"}
    for (name, values), style in zip(losses.items(), line_styles(), strict=False):
        epochs = np.arange(1, len(values) + 1)
        if len(values) > 1:
            style["marker"] = ""
        label = words.get(name, name)
        (artists[name],) = ax.plot(epochs, values, label=label, **style)
    deciding = losses.get("val_loss", losses["loss"])
    best = int(np.nanargmin(deciding))
    label = f"best: epoch {best + 1}"
    style = {"marker": "o", "ls": "", "mfc": "none", "mec": "black", "ms": 8}
    (artists["best"],) = ax.plot(best + 1, deciding[best], label=label, **style)
    if log:
        ax.set_yscale("log")
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.legend(fontsize=8)
    return Picture(ax, artists)


def _checked_history(history):
    """Return the losses by name, as arrays of equal length."""
    if not isinstance(history, Mapping):
        caller = type(history).__name__
        history = getattr(history, "history_", None)
        if history is None:
            raise ValueError(
                "history must be a dict of lists, or an estimator that has been "
                f"fitted; got a {caller} without history_. Call fit first."
            )
    losses = {name: np.asarray(values, float) for name, values in history.items()}
    lengths = {name: values.size for name, values in losses.items()}
    if not losses.get("loss", np.empty(0)).size or len({*lengths.values()}) != 1:
        raise ValueError(
            'history must hold "loss" for each epoch, and other losses for as many; '
            f"got {lengths}."
        )
    if not np.isfinite(losses.get("val_loss", losses["loss"])).any():
        raise ValueError("history must hold at least one epoch with a finite loss.")
    if len(losses) > len(LINE_COLORS):
        raise ValueError(
            f"plot_history draws 1 to {len(LINE_COLORS)} losses; got {len(losses)}."
        )
    return losses
