"""Figures like the paper's: its bins and medians, and ours drawn beside them.

The figures are those of arXiv:2306.04712. ``reproduce_paper.py`` draws them.
"""

import matplotlib.pyplot as plt
import numpy as np

from skemd import study
from skemd.plot import plot_profiles

METRIC = "emd_half_pitches"
# The paper's ten bins of occupancy and |eta|.
EDGES = {
    "occupancy_cells": np.linspace(0, 39, 11),
    "abs_eta": np.linspace(1.6, 3.0, 11),
    "charge_mip": np.geomspace(0.1, 1000, 9),
}
LABELS = {
    "occupancy_cells": "trigger cells above 1 transverse MIP",
    "abs_eta": "|eta| of the wafer",
    "charge_mip": "charge of the wafer (transverse MIP)",
}
# Medians read off the paper's figures, bin by bin, in half trigger-cell pitches.
PAPER = {
    "occupancy_cells": {
        "EMD-CNN": [0.953, 0.94, 0.86, 0.75, 0.67, 0.652, 0.673, 0.647, 0.617, 0.573],
        "telescope": [1.34, 1.28, 1.125, 0.97, 0.885, 0.865, 0.89, 0.865, 0.80, 0.77],
        "weighted MSE": [1.73, 1.475, 1.335, 1.3, 1.315, 1.28, 1.15, 1.09, 1.05, 1.01],
    },
    "abs_eta": {
        "EMD-CNN": [0.945, 0.985, 1.003, 0.98, 0.94, 0.882, 0.85, 0.762, 0.728, 0.645],
        "telescope": [1.375, 1.41, 1.39, 1.33, 1.245, 1.14, 1.08, 0.945, 0.887, 0.857],
        "weighted MSE": [1.8, 1.65, 1.54, 1.46, 1.38, 1.3, 1.26, 1.175, 1.145, 1.09],
    },
}


def paper_ratios(by, other):
    """Return the paper's ratio of EMD-CNN to another loss in each bin, or Nones.

    The ratios are for 5 links.
    """
    medians = PAPER.get(by, {})
    if other not in medians:
        return [None] * (len(EDGES[by]) - 1)
    return list(np.divide(medians["EMD-CNN"], medians[other]))


def draw_profiles(comparisons, properties, shown, n_others):
    """Draw the EMD with bands, and ratios below it, in a column for each property."""
    figure, axes = plt.subplots(
        1 + (n_others > 0),
        len(properties),
        figsize=(5 * len(properties), 4 + 3 * (n_others > 0)),
        squeeze=False,
        layout="constrained",
    )
    networks = shown[: 1 + n_others]
    bands = [name for name, _ in networks]
    for by, column in zip(properties, axes.T, strict=True):
        found = study.pooled_profiles(comparisons, METRIC, by, EDGES[by])
        profiles = {name: found[name, links] for name, links in shown}
        plot_profiles(profiles, LABELS[by], "EMD (1.21 cm)", ax=column[0], band=bands)
        column[0].set_ylim(0)
        if n_others:
            draw_ratios(comparisons, networks, by, column[1])
        if by == "charge_mip":
            for ax in column:
                ax.set_xscale("log")
    return figure


def draw_ratios(comparisons, networks, by, ax):
    """Draw the ratios to other losses with their ranges, and the paper's as crosses."""
    ours, *others = networks
    ratios = {
        f"{ours[0]} / {other[0]}": study.ratios_over_seeds(
            comparisons, ours, other, METRIC, by, EDGES[by]
        )
        for other in others
    }
    picture = plot_profiles(ratios, LABELS[by], "ratio of medians", ax=ax)
    for (line, _), other in zip(picture.artists_.values(), others, strict=True):
        papers = np.array(paper_ratios(by, other[0]), dtype=float)
        if np.isfinite(papers).any():
            look = {"color": line.get_color(), "label": f"paper, / {other[0]}"}
            ax.plot(line.get_xdata(), papers, "x", **look)
    ax.axhline(1, color="0.5", linewidth=0.8)
    ax.set_ylim(0)
    ax.legend(fontsize=8)


def draw_links(rows):
    """Draw the mean EMD of every algorithm against the bits that it sends."""
    figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    names = dict.fromkeys(row["algorithm"] for row in rows)
    for number, name in enumerate(names):
        points = [
            (row["payload_bits_mean"], row[f"{METRIC}_mean"])
            for row in rows
            if row["algorithm"] == name and row["n_output_links"] is not None
        ]
        if points:
            marker, color = "os^DvP*X<>hd"[number % 12], plt.cm.viridis(number / 12)
            ax.plot(*zip(*points, strict=True), marker=marker, color=color, label=name)
    ax.set(xlabel="mean payload (bits a wafer)", ylabel="mean EMD (1.21 cm)")
    ax.set_ylim(0)
    ax.legend(fontsize=8)
    return figure
