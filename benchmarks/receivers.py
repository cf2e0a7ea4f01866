"""Receivers of the chip's own algorithms: as they are, and with EMDDecoder behind them.

All wafers pass the chip's low-density front end. The decoder has default parameters,
but for the number of steps. The mean exact EMD is taken on wafers set aside.
"""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks._trainings import epochs_of, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from benchmarks.links import ALGORITHMS, LINKS
from skemd import EMDDecoder
from skemd.datasets import load_wafers, make_wafers
from skemd.metrics import mean_emd
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
        For JSON: by population, algorithm and number of links a list of two mean EMDs
        for each seed, without and with the decoder.
    """
    results, parts = {}, []
    for population in ("generated", "real") if REAL_SAMPLE.exists() else ("generated",):
        found = {name: {n: [] for n in links} for name in names}
        for seed in seeds:
            X = (
                make_wafers(n_generated, random_state=seed)
                if population == "generated"
                else load_wafers(REAL_SAMPLE)
            )
            train, test = set_aside(X, seed)
            for name in names:
                for n in links:
                    algorithm = ALGORITHMS[name](n)
                    means = compared(algorithm, train, test, n_steps, seed)
                    found[name][n].append(means)
                    print(population, name, n, seed, *means, file=sys.stderr)
        results[population] = found
        head = f"{population}: {len(train)} wafers to train on, {len(test)} set aside"
        parts += [head, _table(found, links), ""]
    return "\n".join(parts), results


def compared(algorithm, train, test, n_steps, seed):
    """Return the mean EMDs of an algorithm's receiver, without and with a decoder.

    Parameters
    ----------
    algorithm : Baseline
        Not fitted yet.
    train, test : ndarray of shape (n_samples, 48)
        Wafers in counts.
    n_steps, seed : int
        Steps of the training, and its seed.

    Returns
    -------
    means : list of two floats
        In half trigger-cell pitches. A wafer of which nothing was received counts as
        an even one.
    """
    received = algorithm.fit(train).predict(train)
    decoder = EMDDecoder(random_state=seed)
    epochs = epochs_of(len(train), n_steps, decoder.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", ".* leaves samples out", UserWarning)
        decoder.set_params(epochs=epochs).fit(received, train)
    received = algorithm.predict(test)
    today = mean_emd(test, received, empty_pred="even")
    return [today, -decoder.score(received, test)]


def _table(found, links):
    rows = []
    for name, means in found.items():
        means = {n: np.mean(of_seeds, axis=0) for n, of_seeds in means.items()}
        for which, receiver in enumerate((name, f"{name}, EMDDecoder")):
            rows.append([receiver, *(f"{means[n][which]:.3f}" for n in links)])
    return rst_table([["links", *map(str, links)], *rows])
