"""Make the regressor that ships with the package: ``python tools/make_pretrained.py``.

It trains on generated wafers alone, at several settings of the generator around the
default one, in two rounds. An autoencoder that minimizes a learned EMD finds pairs on
which it is too small; so the second, final round also learns from pairs of wafers and
reconstructions by autoencoders that were trained with the first round's result.

It takes about half an hour on two cores and writes the file that
``EMDRegressor.from_pretrained("hgcal-wafer")`` reads. Seeds below 1000 are for
training; tests of the result draw wafers from seeds above.
"""

import argparse
from pathlib import Path

import numpy as np

import skemd
from skemd import EMDAutoencoder, EMDRegressor
from skemd.datasets import make_pairs, make_wafers
from skemd.distance import paired_emd

# The published setting first, then less and more pile-up, other depths, other noise.
SETTINGS = [
    {},
    {},
    {"pileup": 60},
    {"pileup": 140, "layer": 5},
    {"pileup": 200, "layer": 13, "signal_fraction": 0.3},
    {"noise": 0.2, "signal_fraction": 0.5},
]
POWER_SHARE = 0.5
POWERS = (0.4, 1.5)
# Autoencoders, from rough to good, whose reconstructions join the second round.
AUTOENCODERS = [
    {"loss": "mse", "epochs": 8},
    {"loss": "telescope", "epochs": 8},
    {"loss": "weighted_mse", "epochs": 6, "n_components": 8},
    {"loss": "sinkhorn", "epochs": 15},
    {"loss": "emd", "epochs": 6, "n_components": 8},
    {"loss": "emd", "epochs": 8, "latent_bits": 3},
    {"loss": "emd", "epochs": 25},
    {"loss": "emdcnn", "epochs": 6, "n_components": 4},
    {"loss": "emdcnn", "epochs": 6},
    {"loss": "emdcnn", "epochs": 25},
]
OUTPUT = Path(skemd.__file__).parent / "_regressor" / "pretrained" / "hgcal-wafer.npz"
NETWORK = {"head": "potential", "n_conv_layers": 0, "n_dense_layers": 2}


def main():
    """Read the command line, train, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wafers", type=int, default=60_000, help="in all settings")
    parser.add_argument("--pairs", type=int, default=600_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0, help="below 1000")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()

    X = training_wafers(options.wafers, options.seed)
    pairs, y, _ = make_pairs(X, options.pairs, random_state=options.seed, n_jobs=-1)
    settings = {"batch_size": 250, "random_state": options.seed, "verbose": 1}
    # While the learning rate is high, ten epochs may pass without getting better.
    settings |= {"n_jobs": -1, "patience": options.epochs, **NETWORK}
    first = EMDRegressor(epochs=max(1, options.epochs // 4), **settings).fit(pairs, y)
    more_pairs, more_y = reconstructed_pairs(X, first, options.seed)
    final = EMDRegressor(epochs=options.epochs, **settings)
    final.fit(np.concatenate([pairs, more_pairs]), np.concatenate([y, more_y]))
    # Searches that copy its parameters should not depend on how it was made.
    final.set_params(verbose=0, n_jobs=None, patience=EMDRegressor().patience)
    skemd.save(final, options.output)


def reconstructed_pairs(X, regressor, seed):
    """Return pairs of wafers and their reconstructions, with the exact EMD."""
    pairs, distances = [], []
    for parameters in AUTOENCODERS:
        autoencoder = EMDAutoencoder(
            emd_regressor=regressor,
            learning_rate=0.015,
            batch_size=250,
            random_state=seed,
            verbose=1,
            **parameters,
        )
        reconstructed = autoencoder.fit(X).predict(X)
        pairs.append(np.hstack([X, reconstructed]))
        distances.append(paired_emd(X, reconstructed, n_jobs=-1))
    return np.concatenate(pairs), np.concatenate(distances)


def training_wafers(n_wafers, seed):
    """Return wafers of all settings, shape (n_wafers, 48), in CALQ counts.

    Half of them are raised to a random power, for flatter and steeper spectra than the
    generator's.
    """
    shares = np.array_split(np.arange(n_wafers), len(SETTINGS))
    X = np.concatenate(
        [
            make_wafers(len(share), random_state=seed + number, **setting)
            for number, (share, setting) in enumerate(
                zip(shares, SETTINGS, strict=True)
            )
        ]
    )
    rng = np.random.RandomState(seed)
    powers = np.where(
        rng.rand(n_wafers) < POWER_SHARE, rng.uniform(*POWERS, size=n_wafers), 1
    )
    return X ** powers[:, None]


if __name__ == "__main__":
    main()
