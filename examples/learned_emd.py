"""Draw the learned earth mover's distance against the exact one, for all heads.

How far is a learned EMD from the exact one on the pairs that matter, wafers and their
reconstructions? This script trains an autoencoder with the telescope loss, and three
regressors on the same labeled pairs: the paper's network (``head="linear"``), the same
network with known properties of the EMD built in (``head="bounded"``), and the network
that skemd ships, which learns potentials (``head="potential"``). Like figure 5 of
arXiv:2306.04712, it draws the distribution of the relative difference, and the
predicted against the exact EMD, on wafers that none of them saw. It takes about three
minutes on two cores.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

from skemd import EMDAutoencoder, EMDRegressor
from skemd.datasets import make_pairs, make_wafers
from skemd.distance import paired_emd

REGRESSORS = {
    "linear": {"n_conv_layers": 3, "epochs": 15},
    "bounded": {"epochs": 15},
    "potential": {"n_conv_layers": 0, "n_dense_layers": 2, "epochs": 15},
}
# Three of the Okabe-Ito colors, which are safe for color-blind readers.
COLORS = {"linear": "#D55E00", "bounded": "#0072B2", "potential": "#009E73"}
LARGEST_DIFFERENCE_DRAWN = 0.3


def main():
    """Train all networks, print means and spreads, and draw the figure."""
    options = parsed_options()
    X = make_wafers(options.wafers, random_state=options.seed)
    unseen = make_wafers(options.wafers // 4, random_state=1_000 + options.seed)
    autoencoder = EMDAutoencoder(
        loss="telescope", random_state=options.seed, verbose=1
    ).fit(X)
    pairs, y = training_pairs(X, autoencoder, options)
    test_pairs, exact = reconstructed_pairs(unseen, autoencoder)
    predicted = {
        head: EMDRegressor(
            head=head, random_state=options.seed, verbose=1, **parameters
        )
        .fit(pairs, y)
        .predict(test_pairs)
        for head, parameters in REGRESSORS.items()
    }
    print(f"(predicted - exact) / exact EMD of {len(exact)} wafers and reconstructions")
    for head, values in predicted.items():
        difference = values / exact - 1
        print(f"{head:<9} mean {difference.mean():+.4f}  std {difference.std():.4f}")
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "learned_emd.png"
    draw(exact, predicted).savefig(path, dpi=120)
    print(f"Relative difference, and predicted against exact EMD: {path}")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wafers", type=int, default=12_000, help="to train on")
    parser.add_argument("--pairs", type=int, default=25_000, help="to label")
    parser.add_argument("--seed", type=int, default=0, help="below 1000")
    parser.add_argument("--output", type=Path, default=Path("output"))
    return parser.parse_args()


def training_pairs(X, autoencoder, options):
    """Return pairs of all kinds, reconstructions included, with their exact EMD."""
    pairs, y, _ = make_pairs(X, options.pairs, random_state=options.seed)
    more_pairs, more_y = reconstructed_pairs(X, autoencoder)
    return np.concatenate([pairs, more_pairs]), np.concatenate([y, more_y])


def reconstructed_pairs(X, autoencoder):
    """Return pairs of wafers and reconstructions, with their exact EMD."""
    reconstructed = autoencoder.predict(X)
    return np.hstack([X, reconstructed]), paired_emd(X, reconstructed)


def draw(exact, predicted):
    """Draw the relative differences, and predicted against exact EMD."""
    n_axes = 1 + len(predicted)
    figure, (left, *right) = plt.subplots(
        1, n_axes, figsize=(4 * n_axes, 4.2), layout="constrained"
    )
    bins = np.linspace(-LARGEST_DIFFERENCE_DRAWN, LARGEST_DIFFERENCE_DRAWN, 61)
    most = np.percentile(exact, 99.5)
    for (head, values), ax in zip(predicted.items(), right, strict=True):
        difference = values / exact - 1
        label = f"{head}: {difference.mean():+.1%}, spread {difference.std():.1%}"
        # Values beyond the axis count in the outermost bins.
        inside = difference.clip(bins[0], bins[-1])
        left.hist(inside, bins, histtype="step", color=COLORS[head], lw=2, label=label)
        ax.hexbin(exact, values, extent=(0, most, 0, most), gridsize=40, mincnt=1)
        ax.plot([0, most], [0, most], color="0.5", lw=1)
        ax.set(
            title=f"head={head!r}",
            xlabel="exact EMD (half trigger-cell pitches)",
            ylabel="predicted EMD",
            aspect="equal",
        )
    left.set(xlabel="(predicted - exact) / exact EMD", ylabel="pairs")
    left.xaxis.set_major_formatter(PercentFormatter(1))
    left.margins(y=0.2)
    left.legend(loc="upper left", frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()
