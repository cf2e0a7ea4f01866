"""From wafers to the folder that an engineer loads.

Which bits does the front-end chip compute, and does every implementation agree on them?
This script trains an autoencoder with the chip's formats for a number of output links,
on generated wafers or on your own (``--data FILE_OR_FOLDER``). It computes the codes of
wafers set aside in integers and compares them with those of the network. Then it writes
registers, ONNX files, an hls4ml project and verification vectors into one folder. It
needs ``python -m pip install "skemd[firmware]"`` and takes about a minute on two cores.
"""

import argparse
from pathlib import Path

import numpy as np

from skemd import EMDAutoencoder
from skemd.datasets import load_wafers, make_wafers
from skemd.firmware import IntegerEncoder, export


def main():
    """Train an autoencoder, compare codes, and write the folder."""
    options = parsed_options()
    X = (
        load_wafers(options.data)
        if options.data
        else make_wafers(options.wafers, random_state=options.seed)
    )
    X = np.random.default_rng(options.seed).permutation(X[X.sum(axis=1) > 0])
    test, train = np.split(X, [max(1, round(0.2 * len(X)))])
    autoencoder = EMDAutoencoder(
        loss=options.loss,
        n_output_links=options.links,
        epochs=options.epochs,
        random_state=options.seed,
        verbose=1,
    )
    autoencoder.fit(train)
    print(f"{len(train)} wafers to train on, {len(test)} set aside")
    print(f"mean exact EMD on wafers set aside: {-autoencoder.score(test):.3f}")

    encoder = IntegerEncoder.from_estimator(autoencoder)
    for name in ("input", "weight", "accumulator", "latent"):
        print(f"{name:>12}: {getattr(encoder, f'{name}_format')}")
    differ = encoder.transform(test) != autoencoder.transform(test)
    print(f"codes that differ from the network's: {differ.sum()} of {differ.size}")

    folder = options.output / "chip"
    manifest = export(autoencoder, folder, test[: options.vectors])
    print(f"{folder}:")
    for name, what in manifest["files"].items():
        print(f"  {name}: {what}")
    print("README.txt in this folder explains the computation step by step.")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="CSV file of wafers, or a folder of them")
    parser.add_argument("--wafers", type=int, default=20_000, help="to generate")
    parser.add_argument("--links", type=int, default=5, choices=(2, 3, 4, 5))
    parser.add_argument("--loss", default="emd")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument(
        "--vectors", type=int, default=1000, help="wafers for verification"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("output"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
