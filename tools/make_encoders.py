"""Make the autoencoders that ship with the package: ``python tools/make_encoders.py``.

For each number of output links one is fitted to generated wafers for the exact EMD,
through the arithmetic and the front end of the chip, with a larger decoder and twice
the steps of the defaults. It takes about five minutes each, and writes the files that ``EMDAutoencoder.from_pretrained("hgcal-wafer-3-links")`` and the like read. Seeds
below 1000 are for training; tests of the result draw wafers from seeds above.
"""

import argparse
from pathlib import Path

import skemd
from skemd import EMDAutoencoder
from skemd.datasets import make_wafers

FOLDER = Path(skemd.__file__).parent / "_autoencoder" / "pretrained"


def main():
    """Read the command line, train, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--links", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--wafers", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=0, help="below 1000")
    parser.add_argument("--units", type=int, help="of a larger decoder")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()

    X = make_wafers(options.wafers, random_state=options.seed)
    for links in options.links:
        autoencoder = EMDAutoencoder(
            "emd", n_output_links=links, random_state=options.seed, verbose=1
        )
        if options.units is not None:
            autoencoder.set_params(decoder_units=options.units)
        autoencoder.fit(X)
        # Fits that start from it should not be silent, or loud, because this one was.
        autoencoder.set_params(verbose=0)
        skemd.save(autoencoder, options.folder / f"hgcal-wafer-{links}-links.npz")


if __name__ == "__main__":
    main()
