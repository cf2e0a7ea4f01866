"""Make the regressor that ships with the package: ``python -m skemd.pretrained.make``.

It trains on generated wafers alone, at several settings of the generator around the
default one, takes about a quarter of an hour on two cores, and writes the file from
which ``EMDRegressor.from_pretrained("hgcal-wafer")`` reads. Seeds below 1000 are for
training; whoever tests the result draws wafers from seeds above.
"""

import argparse
from pathlib import Path

import numpy as np

from skemd import EMDRegressor
from skemd.datasets import make_pairs, make_wafers
from skemd.pretrained import save_pretrained

# The published setting first, then less and more pile-up, other depths, other noise.
SETTINGS = [
    {},
    {},
    {"pileup": 60},
    {"pileup": 140, "layer": 5},
    {"pileup": 200, "layer": 13, "signal_fraction": 0.3},
    {"noise": 0.2, "signal_fraction": 0.5},
]


def main():
    """Read the command line, train, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wafers", type=int, default=60_000, help="in all settings")
    parser.add_argument("--pairs", type=int, default=600_000)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0, help="below 1000")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("hgcal-wafer.npz")
    )
    options = parser.parse_args()

    X = training_wafers(options.wafers, options.seed)
    pairs, y, _ = make_pairs(X, options.pairs, random_state=options.seed, n_jobs=-1)
    regressor = EMDRegressor(
        epochs=options.epochs, batch_size=250, random_state=options.seed, verbose=1
    )
    regressor.fit(pairs, y)
    save_pretrained(options.output, regressor.set_params(verbose=0))


def training_wafers(n_wafers, seed):
    """Return wafers of all settings, shape (n_wafers, 48), in CALQ counts."""
    shares = np.array_split(np.arange(n_wafers), len(SETTINGS))
    return np.concatenate(
        [
            make_wafers(len(share), random_state=seed + number, **setting)
            for number, (share, setting) in enumerate(
                zip(shares, SETTINGS, strict=True)
            )
        ]
    )


if __name__ == "__main__":
    main()
