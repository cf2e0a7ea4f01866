"""What a larger decoder gets out of the code: exact EMD against weights.

Encoder, front end, steps and wafers are the same for each decoder; only the receiver
differs. All train on generated wafers, and are judged on others, on those of ten times
the pile-up, and on a real sample: as they are, and after training on for a while.
"""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks._trainings import TRAINING_ON, epochs_of, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from skemd import EMDAutoencoder
from skemd.datasets import load_wafers, make_wafers
from skemd.study import rst_table

LINKS = (2, 3, 4, 5)
# Trainings that choose anything use seeds below 1000.
SEEDS = (1000,)
N_GENERATED = 300_000
N_TEST = 6_000
N_STEPS = 24_000
DECODERS = {
    "mirror": {"decoder": "mirror"},
    "512 units, 4 layers": {
        "decoder_units": 512,
        "decoder_layers": 4,
        # Of 0.0025, 0.005, 0.007 and 0.015 the middle ones were the best.
        "learning_rate": 0.007,
    },
    "320 units": {"decoder_units": 320},
    "320 units, 2 layers": {"decoder_units": 320, "decoder_layers": 2},
    "512 units (default)": {"decoder_units": 512},
}


def report(
    links=LINKS, seeds=SEEDS, decoders=None, n_generated=N_GENERATED, n_steps=N_STEPS
):
    """Train each decoder with an encoder of its own, and judge it on all wafers.

    Parameters
    ----------
    links : sequence of int, default=(2, 3, 4, 5)
        Numbers of output links.
    seeds : sequence of int, default=(1000,)
        Each changes wafers, split, initial weights and order.
    decoders : sequence of str or None, default=None
        Names of `DECODERS`; None for all.
    n_generated : int, default=300000
        Generated wafers to train on.
    n_steps : int, default=24000
        Steps of each training.

    Returns
    -------
    tables : str
        For people: weights, multiplications, and mean exact EMDs.
    results : dict
        For JSON: by decoder and number of links the "weights" and the "products" of a
        wafer, and by wafers a list with a mean EMD for each seed.
    """
    names = DECODERS if decoders is None else decoders
    results = {name: {} for name in names}
    for seed in seeds:
        train = make_wafers(n_generated, random_state=seed)
        wafers = judged_wafers(seed)
        for name in names:
            for n in links:
                found = _judged(DECODERS[name], n, train, wafers, n_steps, seed)
                row = results[name].setdefault(n, {})
                for key, value in found.items():
                    row.setdefault(key, []).append(value)
                print(seed, name, n, found, file=sys.stderr)
    return "\n\n".join(_table(results, n) for n in links), results


def judged_wafers(seed):
    """Return wafers by what they are: train and test of the real ones, tests of others.

    Parameters
    ----------
    seed : int
        Of the training; tests have other seeds.

    Returns
    -------
    wafers : dict of str to ndarray, or to a pair of them
        "real" only where the sample is there.
    """
    wafers = {
        "generated": make_wafers(N_TEST, random_state=seed + 1000),
        "pile-up x 10": make_wafers(N_TEST, pileup=2000, random_state=seed + 2000),
    }
    if REAL_SAMPLE.exists():
        wafers["real"] = set_aside(load_wafers(REAL_SAMPLE), seed)
    return wafers


def _judged(decoder, links, train, wafers, n_steps, seed):
    autoencoder = EMDAutoencoder(
        "emd", n_output_links=links, random_state=seed, warm_start=True, **decoder
    )
    epochs = epochs_of(len(train), n_steps, autoencoder.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        autoencoder.set_params(epochs=epochs).fit(train)
        found = {
            "weights": autoencoder.decoder_.count_params(),
            "products": n_products(autoencoder.decoder_),
            "generated": -autoencoder.score(wafers["generated"]),
            "pile-up x 10": -autoencoder.score(wafers["pile-up x 10"]),
        }
        if "real" in wafers:
            real, test = wafers["real"]
            found["real, as it is"] = -autoencoder.score(test)
            autoencoder.set_params(**TRAINING_ON).fit(real)
            found["real, trained on"] = -autoencoder.score(test)
    return found


def n_products(decoder):
    """Count the multiplications of weights with numbers that a decoder does per wafer.

    Parameters
    ----------
    decoder : keras.Model
        From codes to images.

    Returns
    -------
    n_products : int
        Products with padding are counted as well.
    """
    count = 0
    for layer in decoder.layers:
        for weight in layer.weights:
            shape = weight.shape
            # A transposed convolution multiplies each pixel by its kernel.
            pixels = np.prod(layer.input.shape[1:3]) if len(shape) == 4 else 1
            count += int(np.prod(shape) * pixels) if len(shape) > 1 else 0
    return count


def _table(results, links):
    columns = ("generated", "pile-up x 10", "real, as it is", "real, trained on")
    first = next(iter(results.values()))[links]
    columns = [column for column in columns if column in first]
    rows = [
        [
            name,
            f"{row[links]['weights'][0]:,}",
            f"{row[links]['products'][0]:,}",
            *(f"{np.mean(row[links][column]):.3f}" for column in columns),
        ]
        for name, row in results.items()
    ]
    head = [f"{links} links", "weights", "products", *columns]
    return rst_table([head, *rows])
