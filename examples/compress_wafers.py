"""Compress wafers with an encoder and with the chip's own algorithms, and compare.

With the same number of output links, who locates the energy best: a neural encoder, or
what the concentrator chip can send without one? This script trains an encoder on the
exact earth mover's distance (EMD) with default parameters, on generated wafers or on
your own (``--data FILE_OR_FOLDER``), prints the exact EMD on wafers set aside next to
those of the chip's algorithms, and draws some of them. Its figures are the column of 3
links in the first table of README.rst; ``--links`` asks for another, and ``--seeds 1000
1001 1002`` for means with their range over seeds, which change wafers, split, initial
weights and order. It takes one to three minutes on two cores for each seed and each one
of ``--losses``.
"""

import argparse
from pathlib import Path

import numpy as np

from skemd import EMDAutoencoder
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.datasets import load_wafers, make_wafers
from skemd.metrics import emd_per_wafer
from skemd.plot import plot_reconstructions
from skemd.study import payload_bits

DRAWN = ("Best Choice, rest shared out", "STC4_9")


def main():
    """Fit each algorithm for each seed, print the table, and draw the figure."""
    options = parsed_options()
    found = {}
    for seed in options.seeds:
        test, train = wafers_of(options, seed)
        print(f"{len(train)} wafers to train on, {len(test)} set aside; seed {seed}")
        received = {}
        for name, algorithm in algorithms_of(options, seed).items():
            received[name] = algorithm.fit(train).predict(test)
            # A wafer of which nothing was sent counts as spread evenly over the cells.
            distances = emd_per_wafer(test, received[name], empty_pred="even")
            results = distances, payload_bits(algorithm, test)
            found.setdefault(name, []).append(results)
    print(table(found))
    drawn = {
        name: wafers
        for name, wafers in received.items()
        if name in DRAWN or name.startswith("encoder")
    }
    path = options.output / "compress_wafers.png"
    options.output.mkdir(parents=True, exist_ok=True)
    plot_reconstructions(test, drawn).figure_.savefig(path, dpi=120)
    print(f"Original and reconstructed wafers: {path}")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="CSV file of wafers, or a folder of them")
    parser.add_argument("--wafers", type=int, default=30_000, help="to generate")
    parser.add_argument("--links", type=int, default=3, choices=(2, 3, 4, 5))
    parser.add_argument("--losses", nargs="+", default=["emd"], help="of skemd.losses")
    parser.add_argument("--epochs", type=int, help="default: those of the estimator")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1000])
    parser.add_argument("--output", type=Path, default=Path("output"))
    return parser.parse_args()


def wafers_of(options, seed):
    """Return a fifth of the wafers with charge, set aside, and the others."""
    if options.data is None:
        X = make_wafers(options.wafers, random_state=seed)
    else:
        X = load_wafers(options.data)
    X = np.random.default_rng(seed).permutation(X[X.any(axis=1)])
    return np.split(X, [max(1, round(0.2 * len(X)))])


def algorithms_of(options, seed):
    """Return the unfitted algorithms by name."""
    links = options.links
    return {
        "Best Choice, rest shared out": BestChoice(links, rest="even"),
        "Best Choice, rest dropped": BestChoice(links),
        "Threshold Sum, rest shared out": ThresholdSum(
            n_output_links=links, rest="even"
        ),
        "STC4_9": SuperTriggerCell("STC4_9", n_output_links=links),
        "CTC4_7": SuperTriggerCell("CTC4_7", n_output_links=links),
        **{
            f"encoder, {loss}": EMDAutoencoder(
                loss,
                n_output_links=links,
                epochs=options.epochs,
                random_state=seed,
                verbose=1,
            )
            for loss in options.losses
        },
    }


def table(found):
    """Return the table as text, from the distances and bits of each seed by name."""
    lines = [
        "exact EMD on wafers set aside, in half trigger-cell pitches (1.2084 cm)",
        f"{'algorithm':<30}{'mean':>7}{'(seeds)':>15}"
        f"{'median':>8}{'16%':>8}{'84%':>8}{'bits':>8}",
    ]
    for name, of_seeds in found.items():
        means = [distances.mean() for distances, _ in of_seeds]
        seeds = f"({min(means):.3f}-{max(means):.3f})"
        distances, bits = (
            np.concatenate(parts) for parts in zip(*of_seeds, strict=True)
        )
        percentiles = (f"{p:8.3f}" for p in np.percentile(distances, [50, 16, 84]))
        lines.append(
            f"{name:<30}{np.mean(means):7.3f}{seeds:>15}"
            f"{''.join(percentiles)}{bits.mean():8.1f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
