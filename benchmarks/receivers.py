"""Receivers of the chip's own algorithms: as they are, and with EMDDecoder behind them.

All wafers pass the chip's low-density front end. The decoder has default parameters,
but for the number of steps. Beside them stands the ready encoder, which has gone on
training with the real wafers. The exact EMD is taken on wafers set aside.
"""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks._trainings import (
    OCCUPANCY_COLUMNS,
    epochs_of,
    means_by_occupancy,
    set_aside,
)
from benchmarks.learned_emd import REAL_SAMPLE
from benchmarks.links import ALGORITHMS, LINKS, READY, emd_of_ready
from benchmarks.loss_table import spread
from skemd import EMDDecoder
from skemd.datasets import load_wafers, make_wafers
from skemd.metrics import emd_per_wafer
from skemd.study import rst_table

# Trainings that choose anything use seeds below 1000.
SEEDS = (1000,)
N_GENERATED = 60_000
N_STEPS = 3_000
NAMES = (
    "Best Choice, rest shared out",
    "Threshold Sum, rest shared out",
    "STC4_7",
    "CTC4_7",
)


def report(
    names=NAMES, links=LINKS, n_generated=N_GENERATED, n_steps=N_STEPS, seeds=SEEDS
):
    """Compare on generated wafers and on the real sample.

    Parameters
    ----------
    names : sequence of str, default=four of them
        Algorithms, as :mod:`benchmarks.links` names them.
    links : sequence of int, default=(2, 3, 4, 5)
        Numbers of output links.
    n_generated : int, default=60000
        Generated wafers, a fifth of which is set aside.
    n_steps : int, default=3000
        Steps of each training.
    seeds : sequence of int, default=(1000,)
        Each changes wafers, split, initial weights and order.

    Returns
    -------
    tables : str
        For people.
    results : dict
        For JSON: by population, algorithm, without and with the decoder, and number of
        links a list with mean EMDs of each seed, of all wafers and by occupancy.
    """
    results, parts = {}, []
    for population in ("generated", "real") if REAL_SAMPLE.exists() else ("generated",):
        found = {}
        for seed in seeds:
            X = (
                make_wafers(n_generated, random_state=seed)
                if population == "generated"
                else load_wafers(REAL_SAMPLE)
            )
            train, test = set_aside(X, seed)
            for n in links:
                rows = {READY: emd_of_ready(n, population, train, test)}
                for name in names:
                    algorithm = ALGORITHMS[name](n)
                    rows |= _compared(name, algorithm, train, test, n_steps, seed)
                for name, distances in rows.items():
                    means = means_by_occupancy(distances, test)
                    found.setdefault(name, {}).setdefault(n, []).append(means)
                    print(population, n, seed, name, means, file=sys.stderr)
        results[population] = found
        head = f"{population}: {len(train)} wafers to train on, {len(test)} set aside"
        parts += [head, _table(found, links), ""]
        for n in links:
            head = f"{population}, {n} links, by cells with charge"
            parts += [head, _table_of_occupancies(found, n), ""]
    return "\n".join(parts), results


def _compared(name, algorithm, train, test, n_steps, seed):
    """Return the EMD of each wafer, by an algorithm's receiver and with a decoder."""
    received = algorithm.fit(train).predict(train)
    decoder = EMDDecoder(random_state=seed)
    epochs = epochs_of(len(train), n_steps, decoder.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", ".* leaves samples out", UserWarning)
        decoder.set_params(epochs=epochs).fit(received, train)
    received = algorithm.predict(test)
    corrected = decoder.predict(received)
    return {
        name: emd_per_wafer(test, received, empty_pred="even"),
        f"{name}, EMDDecoder": emd_per_wafer(test, corrected, empty_pred="even"),
    }


def _table(found, links):
    rows = []
    for name, of_name in found.items():
        means = [[run["mean"] for run in of_name[n]] for n in links]
        several = len(means[0]) > 1
        rows.append(
            [name, *(spread(m, 3) if several else f"{m[0]:.3f}" for m in means)]
        )
    return rst_table([["links", *map(str, links)], *rows])


def _table_of_occupancies(found, links):
    rows = []
    for name, of_name in found.items():
        by_bin = np.mean([run["by occupancy"] for run in of_name[links]], axis=0)
        rows.append([name, *(f"{mean:.3f}" for mean in by_bin)])
    return rst_table([["cells", *OCCUPANCY_COLUMNS], *rows])
