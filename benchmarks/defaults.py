"""Whether default parameters reach what longer and hand-made settings reach.

EMDAutoencoder is fitted with nothing but the loss chosen, and with settings that were
made by hand, on wafers of several numbers; the exact EMD is taken on wafers set aside.
"""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks._trainings import epochs_of, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from skemd import EMDAutoencoder
from skemd.datasets import load_wafers, make_wafers
from skemd.metrics import mean_emd
from skemd.study import rst_table

LOSSES = ("emd", "emdcnn", "sinkhorn", "telescope", "weighted_mse", "mse")
# Trainings that choose anything use seeds below 1000.
SEEDS = (1000,)
SIZES = (3_000, 10_000, 60_000)
N_TEST = 5_000
# Batch size, learning rate and steps, where the defaults have 250, 0.015 and 24,000,
# but at most 400 epochs.
BY_HAND = {
    "12,000 steps": (250, 0.015, 12_000),
    "48,000 steps": (250, 0.015, 48_000),
    "batches of 500": (500, 0.03, 12_000),
}


def report(losses=LOSSES, sizes=SIZES, seeds=SEEDS):
    """Fit with defaults and by hand, and return the table and what it holds.

    Parameters
    ----------
    losses : sequence of str, default=all six
        Names of losses.
    sizes : sequence of int, default=(3000, 10000, 60000)
        Numbers of generated wafers to fit. The real sample is fitted where it is.
    seeds : sequence of int, default=(1000,)
        Each changes wafers, initial weights and order.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON: by population, loss and settings a list of mean EMDs.
    """
    results = {}
    for seed in seeds:
        for population, (train, test) in _populations(sizes, seed).items():
            for loss in losses:
                row = results.setdefault(f"{population}, {loss}", {})
                for name, settings in _settings(len(train)).items():
                    found = _mean_emd(loss, settings, train, test, seed)
                    row.setdefault(name, []).append(found)
                    print(population, loss, seed, name, found, file=sys.stderr)
    rows = [["wafers, loss", "defaults", *BY_HAND, "defaults / best"]]
    rows += [
        [label, *(f"{np.mean(row[name]):.3f}" for name in row), _ratio(row)]
        for label, row in results.items()
    ]
    return rst_table(rows), results


def _populations(sizes, seed):
    """Return wafers to fit and wafers to judge, by the name of the population."""
    generated = make_wafers(max(sizes) + N_TEST, random_state=seed)
    populations = {
        f"{size:,} generated": (generated[N_TEST:][:size], generated[:N_TEST])
        for size in sizes
    }
    if REAL_SAMPLE.exists():
        train, test = set_aside(load_wafers(REAL_SAMPLE), seed)
        populations[f"{len(train):,} real"] = (train, test)
    return populations


def _settings(n_train):
    """Return parameters of EMDAutoencoder by the name of the setting."""
    settings = {"defaults": {}}
    for name, (batch_size, learning_rate, n_steps) in BY_HAND.items():
        settings[name] = {
            "epochs": epochs_of(n_train, n_steps, batch_size),
            "batch_size": batch_size,
            "learning_rate": learning_rate,
        }
    return settings


def _mean_emd(loss, settings, train, test, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = EMDAutoencoder(loss, random_state=seed, **settings).fit(train)
    return mean_emd(test, fitted.predict(test))


def _ratio(row):
    best = min(np.mean(values) for values in row.values())
    return f"{np.mean(row['defaults']) / best:.2f}"
