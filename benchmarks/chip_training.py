"""What training through the chip is worth, judged by what a receiver gets of the chip.

Encoders are trained in exact arithmetic or through the chip's, without a front end and
behind that of low density, and judged in exact arithmetic or on the chip. Codes of a
chip are read in the words that its emulator sends; where no chip is without a front
end, they are those of the integer encoder, which are the same to the last bit.
"""

import functools
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks._trainings import OCCUPANCY_COLUMNS, means_by_occupancy, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from benchmarks.loss_table import spread
from skemd import EMDAutoencoder
from skemd.datasets import load_wafers, make_wafers
from skemd.firmware import EconT, IntegerEncoder
from skemd.metrics import emd_per_wafer
from skemd.study import rst_table

LINKS = (2, 3, 4, 5)
# Trainings that choose anything use seeds below 1000.
SEEDS = (1000, 1001, 1002)
N_GENERATED = 30_000
FRONT_END = "LD"
TRAININGS = {
    "exact": {"arithmetic": "exact"},
    "chip": {"front_end": None},
    "chip, front end": {"front_end": FRONT_END},
    "chip, front end, not told": {"front_end": FRONT_END, "encode_sum": False},
}
# Training, and where it is judged: None for where it was trained, else on the chip
# behind a front end or none.
ROWS = {
    "exact, judged in exact arithmetic": ("exact", None),
    "exact, run on the chip": ("exact", {"front_end": None}),
    "through the chip": ("chip", None),
    "exact, run behind the front end": ("exact", {"front_end": FRONT_END}),
    "through the front end, decoder not told the sum": (
        "chip, front end, not told",
        None,
    ),
    "through the front end": ("chip, front end", None),
}


def report(
    links=LINKS,
    seeds=SEEDS,
    sources=("generated", "real"),
    n_generated=N_GENERATED,
    **parameters,
):
    """Train and judge each row, for each number of links and seed.

    Parameters
    ----------
    links : sequence of int, default=(2, 3, 4, 5)
        Numbers of output links.
    seeds : sequence of int, default=(1000, 1001, 1002)
        Each changes wafers, split, initial weights and order.
    sources : sequence of str, default=("generated", "real")
        Which wafers; the real sample is left out where it is not there.
    n_generated : int, default=30000
        Generated wafers, a fifth of which is set aside.
    **parameters
        Further parameters of EMDAutoencoder; the loss is the exact EMD.

    Returns
    -------
    tables : str
        For people: mean exact EMDs by row and links, and by occupancy.
    results : dict
        For JSON: by source, row and links a list with a mean of each seed, and means by
        occupancy.
    """
    makers = {"generated": functools.partial(make_wafers, n_generated)}
    if REAL_SAMPLE.exists():
        makers["real"] = lambda random_state: load_wafers(REAL_SAMPLE)
    results, parts = {}, []
    for source in [source for source in makers if source in sources]:
        runs = {row: {n: [] for n in links} for row in ROWS}
        for seed in seeds:
            train, test = set_aside(makers[source](random_state=seed), seed)
            for n in links:
                found = _distances(
                    train, test, n_output_links=n, random_state=seed, **parameters
                )
                for row, distances in found.items():
                    runs[row][n].append(means_by_occupancy(distances, test))
                    print(source, seed, n, row, runs[row][n][-1], file=sys.stderr)
        results[source] = runs
        parts += [
            f"{source}: {len(train)} wafers to train on, {len(test)} set aside, "
            f"{len(seeds)} seeds",
            _table(runs, links),
            "",
            f"{source}, by cells with charge, means over links and seeds",
            _table_of_occupancies(runs),
            "",
        ]
    return "\n".join(parts), results


def _distances(train, test, **parameters):
    """Return the EMD of each wafer set aside, by row."""
    fitted = {}
    for name, of_training in TRAININGS.items():
        # The paper's decoder, so that the arithmetic alone makes the difference.
        of_training = {"decoder": "mirror", **of_training}
        autoencoder = EMDAutoencoder("emd", **parameters, **of_training)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted[name] = autoencoder.fit(train)
    return {
        row: emd_per_wafer(
            test, _received(fitted[training], test, chip), empty_pred="even"
        )
        for row, (training, chip) in ROWS.items()
    }


def _received(autoencoder, X, chip):
    """Return the wafers that a receiver makes of what is sent."""
    if chip is not None:
        exact = IntegerEncoder.from_estimator(autoencoder)
        encoder = IntegerEncoder(
            exact.conv_kernel,
            exact.conv_bias,
            exact.dense_kernel,
            exact.dense_bias,
            latent_format=exact.latent_format,
            **chip,
        )
        return autoencoder.inverse_transform(encoder.transform(X))
    if autoencoder.front_end_ is None:
        return autoencoder.inverse_transform(autoencoder.transform(X))
    emulator = EconT.from_autoencoder(autoencoder)
    sent = emulator.unpack(emulator.run(emulator.link_words(X)))
    codes = [sent["codes"] / 256, sent["sum"]]
    n_parts = 1 if autoencoder.encode_sum is False else 2
    return autoencoder.inverse_transform(np.column_stack(codes[:n_parts]))


def _table(runs, links):
    rows = [
        [row, *(spread([run["mean"] for run in of_row[n]], 3) for n in links)]
        for row, of_row in runs.items()
    ]
    return rst_table([["trained, links", *map(str, links)], *rows])


def _table_of_occupancies(runs):
    header = ["trained", *OCCUPANCY_COLUMNS]
    rows = []
    for row, of_row in runs.items():
        found = [
            run["by occupancy"] for of_links in of_row.values() for run in of_links
        ]
        rows.append([row, *(f"{mean:.3f}" for mean in np.mean(found, axis=0))])
    return rst_table([header, *rows])
