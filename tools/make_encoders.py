"""Make the autoencoders that ship with the package: ``python tools/make_encoders.py``.

For each number of output links one is fitted to generated wafers with the default
parameters, for the exact EMD, through the arithmetic and the front end of the chip. It
takes four minutes each on a core that does nothing else, and writes the files that
``EMDAutoencoder.from_pretrained`` reads. Seeds below 1000 are for training; tests of
the result draw wafers from seeds above.

``--units 512 --layers 4 --rate 0.007 --folder large`` makes larger ones, 3 MB each.
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
    parser.add_argument("--units", type=int, help="of another decoder")
    parser.add_argument("--layers", type=int, help="of another decoder")
    parser.add_argument("--rate", type=float, help="of learning, of another decoder")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    other = {
        "decoder_units": options.units,
        "decoder_layers": options.layers,
        "learning_rate": options.rate,
    }
    other = {name: value for name, value in other.items() if value is not None}

    X = make_wafers(options.wafers, random_state=options.seed)
    options.folder.mkdir(exist_ok=True)
    for links in options.links:
        autoencoder = EMDAutoencoder(
            "emd", n_output_links=links, random_state=options.seed, verbose=1, **other
        )
        autoencoder.fit(X)
        # Fits that start from it should not be silent, or loud, because this one was.
        autoencoder.set_params(verbose=0)
        skemd.save(autoencoder, options.folder / f"hgcal-wafer-{links}-links.npz")


if __name__ == "__main__":
    main()
