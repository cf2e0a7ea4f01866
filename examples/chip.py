"""From wafers to the folder that an engineer loads.

Which bits does the front-end chip compute, and does every implementation agree on them?
This script trains an autoencoder through the chip's arithmetic for a number of output
links, on generated wafers or on your own (``--data FILE_OR_FOLDER``). It computes the
codes of wafers set aside in integers and with the emulator of the chip, and compares
them with those of the network. Then it writes registers, words of the links, ONNX
files, an hls4ml project and verification vectors into one folder. It needs
``python -m pip install "skemd[firmware]"`` and takes one to three minutes on two cores.
"""

import argparse
from pathlib import Path

import numpy as np

from skemd import EMDAutoencoder
from skemd.datasets import load_wafers, make_wafers
from skemd.firmware import EconT, IntegerEncoder, export


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
    for name in ("input", "weight", "latent"):
        print(f"{name:>12}: {getattr(encoder, f'{name}_format')}")
    chip = EconT.from_autoencoder(autoencoder)
    sent = chip.unpack(chip.run(chip.link_words(test)))
    # Codes end with the sum, which the chip sends beside them.
    codes = autoencoder.transform(test)[:, :-1]
    for name, found in {
        "integers": encoder.transform(test),
        "the chip": sent["codes"] / 256,
    }.items():
        differ = found != codes
        print(f"codes of {name} that differ: {differ.sum()} of {differ.size}")

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
    parser.add_argument("--epochs", type=int, help="default: those of the estimator")
    parser.add_argument(
        "--vectors", type=int, default=1000, help="wafers for verification"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("output"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
