"""What the chip costs: the held-out EMD of encoders of few bits, and of floats.

Every row gets the same wafers, networks, epochs and seeds. "float" rounds nothing; the
others have the published formats of 2, 3, 4 and 5 output links, in exact arithmetic:
codes of 3, 5, 7 and 9 bits, weights of 6 bits in [-1, 1), images of 8 bits, sums of 11.
"""

import functools
import sys

import numpy as np

from benchmarks._trainings import epochs_of, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from benchmarks.loss_table import spread
from skemd import EMDAutoencoder
from skemd.datasets import load_wafers, make_wafers
from skemd.distance import paired_emd
from skemd.study import rst_table

LOSSES = ("emdcnn", "telescope")
# Bits of the codes, by links; None is floating point.
LINKS = {2: "3", 3: "5", 4: "7", 5: "9", None: "float"}
# Trainings that choose anything use seeds below 1000.
SEEDS = (1000, 1001, 1002)
N_GENERATED = 25_000
# About 50 epochs of the generated wafers.
N_STEPS = 4_000
SETTINGS = {"batch_size": 250, "learning_rate": 0.01}


def report(n_steps=N_STEPS, n_generated=N_GENERATED, seeds=SEEDS):
    """Train each encoder with each loss and seed.

    Parameters
    ----------
    n_steps : int, default=4000
        Steps of each training, to whole epochs.
    n_generated : int, default=25000
        Generated wafers, a fifth of which is set aside.
    seeds : sequence of int, default=(1000, 1001, 1002)
        Each changes wafers, split, initial weights and order.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON: for each source, loss and row a list with the mean EMD of each seed.
    """
    sources = {"generated": functools.partial(make_wafers, n_generated)}
    if REAL_SAMPLE.exists():
        sources["real"] = lambda random_state: load_wafers(REAL_SAMPLE)
    results, lines = {}, []
    for source, make in sources.items():
        means = {loss: {bits: [] for bits in LINKS.values()} for loss in LOSSES}
        for seed in seeds:
            train_wafers, test = set_aside(make(random_state=seed), seed)
            epochs = epochs_of(len(train_wafers), n_steps, SETTINGS["batch_size"])
            for links, bits in LINKS.items():
                for loss in LOSSES:
                    mean = mean_emd_of(loss, links, train_wafers, test, epochs, seed)
                    means[loss][bits].append(mean)
                    print(source, seed, bits, loss, f"{mean:.3f}", file=sys.stderr)
        results[source] = means
        lines += [
            f"{source}: {len(train_wafers)} wafers to train on, {len(test)} set aside, "
            f"{epochs} epochs, {len(seeds)} seeds",
            table_of(means),
            "",
        ]
    return "\n".join(lines), results


def mean_emd_of(loss, links, train_wafers, test, epochs, seed):
    """Train once and return the mean EMD of wafers set aside."""
    autoencoder = EMDAutoencoder(
        loss=loss,
        n_output_links=links,
        arithmetic="exact",
        epochs=epochs,
        patience=epochs,
        random_state=seed,
        **SETTINGS,
    ).fit(train_wafers)
    return float(paired_emd(test, autoencoder.predict(test)).mean())


def table_of(means):
    """Return a table: entries are means over the seeds with their range."""
    rows = [("bits", *LOSSES, f"{LOSSES[0]} / its float")]
    for bits in LINKS.values():
        ours = np.array(means[LOSSES[0]][bits])
        entries = [spread(means[loss][bits], 3) for loss in LOSSES]
        rows.append((bits, *entries, spread(ours / means[LOSSES[0]]["float"], 2)))
    return rst_table(rows)
