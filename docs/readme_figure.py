"""Draw the figure of README.rst: ``python docs/readme_figure.py``, two to four minutes.

The wafer is the first one with ten to twenty cells above 1 MIP in a generated set that
no training saw. The figure also has its reconstructions after two losses, and the
medians of the whole set.
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd import EMDAutoencoder
from skemd.datasets import make_wafers
from skemd.metrics import emd_per_wafer
from skemd.plot import plot_profiles, plot_wafer
from skemd.study import occupancy, profile

FIGURE = Path(__file__).parent / "figures" / "readme.png"
LOSSES = {"telescope loss": "telescope", "learned EMD": "emdcnn"}
EDGES = [0, 1, 2, 4, 8, 16, 32, 48]


def main():
    """Train both autoencoders, draw the figure, and write the file."""
    X = make_wafers(20_000, random_state=0)
    test = make_wafers(5_000, random_state=1000)
    received = {
        name: EMDAutoencoder(loss, random_state=0).fit(X).predict(test)
        for name, loss in LOSSES.items()
    }
    cells = occupancy(test)
    shown = ((cells >= 10) & (cells <= 20)).argmax()
    distances = {name: emd_per_wafer(test, Z) for name, Z in received.items()}

    figure, axes = plt.subplots(
        1, 4, figsize=(12, 3.2), width_ratios=[1, 1, 1, 1.4], layout="constrained"
    )
    plot_wafer(test[shown], ax=axes[0])
    axes[0].set_title("48 trigger cells")
    for ax, (name, Z) in zip(axes[1:], received.items(), strict=False):
        # Reconstructions have shares of the charge; give them the sum of the original.
        scale = test[shown].sum() / Z[shown].sum()
        plot_wafer(Z[shown] * scale, ax=ax, vmax=test[shown].max())
        ax.set_title(f"{name}: EMD {distances[name][shown]:.2f}")
    profiles = {name: profile(d, cells, EDGES) for name, d in distances.items()}
    plot_profiles(profiles, "cells above 1 MIP", "exact EMD (half pitches)", ax=axes[3])
    axes[3].set_title("median, 5,000 wafers")
    axes[3].set_ylim(0)
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
