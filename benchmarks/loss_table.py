"""Which loss is worth its time: one autoencoder, trained with each loss of skemd.

Every loss gets the same wafers, network, epochs and initial weights. The exact EMD
between wafers that were set aside and their reconstructions is taken after each epoch,
outside the time that is counted.
"""

import functools
import sys
import time

import numpy as np

from benchmarks._trainings import epochs_of, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from skemd import EMDAutoencoder, EMDRegressor
from skemd._autoencoder._fit import network_config
from skemd._autoencoder._inputs import NetworkInputs
from skemd._autoencoder._loss import resolve_loss
from skemd._autoencoder._network import build_autoencoder
from skemd._input._scaling import encoder_images, to_leading_bit
from skemd._training._lazy_rows import LazyRows
from skemd._training._loop import train
from skemd._training._network import Network
from skemd._training._options import TrainingOptions
from skemd.datasets import load_wafers, make_wafers
from skemd.distance import paired_emd
from skemd.geometry import hgcal_wafer
from skemd.layers._blocks import seeds_from
from skemd.losses import _table
from skemd.study import rst_table

# The order of the published table; losses that are not in it follow.
PUBLISHED = ("mse", "weighted_mse", "telescope", "sinkhorn", "emdcnn", "emd")
LOSSES = (*PUBLISHED, *(name for name in _table.LOSSES if name not in PUBLISHED))
REFERENCE = "telescope"
# Trainings that choose anything use seeds below 1000.
SEEDS = (1000, 1001, 1002)
N_GENERATED = 30_000
WAFER = hgcal_wafer()
# About 50 epochs of the generated wafers, with the settings of the example script.
N_STEPS = 4_000
SETTINGS = {"batch_size": 250, "learning_rate": 0.015}


def report(n_steps=N_STEPS, n_generated=N_GENERATED, seeds=SEEDS):
    """Train with each loss and seed, and return the table and what it holds.

    Parameters
    ----------
    n_steps : int, default=4000
        Steps of each training, to whole epochs.
    n_generated : int, default=30000
        Generated wafers, a fifth of which is set aside.
    seeds : sequence of int, default=(1000, 1001, 1002)
        Each changes wafers, split, initial weights and order.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON: for each source and loss a list with a run for each seed.
    """
    sources = {"generated": functools.partial(make_wafers, n_generated)}
    if REAL_SAMPLE.exists():
        sources["real"] = lambda random_state: load_wafers(REAL_SAMPLE)
    results, lines = {}, []
    for source, make in sources.items():
        runs = {loss: [] for loss in LOSSES}
        for seed in seeds:
            train_wafers, test = set_aside(make(random_state=seed), seed)
            for loss in LOSSES:
                runs[loss].append(run(loss, train_wafers, test, n_steps, seed))
                print(source, seed, loss, summary(runs[loss][-1]), file=sys.stderr)
        results[source] = runs
        n_epochs = len(runs[REFERENCE][0]["curve"])
        lines += [
            f"{source}: {len(train_wafers)} wafers to train on, {len(test)} set aside, "
            f"{n_epochs} epochs, {len(seeds)} seeds",
            table_of(runs),
            "",
        ]
    return "\n".join(lines), results


def run(loss, train_wafers, test, n_steps, seed):
    """Train once and return held-out EMDs and times as plain values."""
    epochs = epochs_of(len(train_wafers), n_steps, SETTINGS["batch_size"])
    autoencoder = EMDAutoencoder(epochs=epochs, patience=epochs, **SETTINGS)
    images_of = functools.partial(encoder_images, layout=WAFER.layout("8x8"))
    rng = np.random.RandomState(seed)
    config = network_config(autoencoder, NetworkInputs(WAFER.layout("8x8")))
    network = Network.untrained(build_autoencoder, config, seeds_from(rng))
    watch = Watch(network, images_of(test), test)
    # What EMDAutoencoder.fit does, but for the watch, and for components that die,
    # which stay dead here.
    train(
        network.model,
        LazyRows(images_of, train_wafers),
        LazyRows(to_leading_bit, train_wafers),
        resolve_loss(loss, WAFER, regressor=EMDRegressor.from_pretrained()),
        TrainingOptions.of(autoencoder, len(train_wafers), n_steps),
        rng=rng,
        checkpoint=watch,
    )
    distances = watch.distances()
    return {
        "mean": float(distances.mean()),
        "median": float(np.median(distances)),
        # The first epoch compiles.
        "seconds_per_epoch": float(np.median(watch.seconds[1:])),
        "curve": watch.curve,
    }


class Watch:
    """Note the held-out EMD after each epoch, in the place of a checkpoint.

    The time that this takes is not counted.

    Attributes
    ----------
    curve, seconds : list of float
        Mean exact EMD and seconds, for each epoch.
    """

    failure = None

    def __init__(self, network, images, test):
        self.curve, self.seconds = [], []
        self._network, self._images, self._test = network, images, test
        self._started = time.perf_counter()

    def read(self, stage):
        """Return None: there is nothing to resume."""

    def write(self, stage, state):
        """Note an epoch, after which the model has its weights."""
        self.seconds.append(time.perf_counter() - self._started)
        self.curve.append(float(self.distances().mean()))
        self._started = time.perf_counter()

    def distances(self):
        """Return the exact EMD of each wafer that was set aside, as of now."""
        return paired_emd(self._test, self._network.predict(self._images))


def time_to_reach(run, target):
    """Return seconds of training until the held-out EMD is down to a target, or NaN.

    Epochs count with their median time, which neither compiling nor other programs of
    the machine affect.
    """
    reached = np.flatnonzero(np.array(run["curve"]) <= target)
    epochs = reached[0] + 1 if len(reached) else np.nan
    return float(epochs * run["seconds_per_epoch"])


def summary(run):
    """Return a line about one run."""
    return f"mean {run['mean']:.3f}, {run['seconds_per_epoch']:.3f} s/epoch"


def table_of(runs):
    """Return a table of runs: each entry is the mean over the seeds with its range."""
    targets = [reference["curve"][-1] for reference in runs[REFERENCE]]
    header = ("loss", "mean EMD", "median EMD", "s/epoch", f"s to {REFERENCE}'s EMD")
    rows = [header]
    for loss, of_loss in runs.items():
        reached = [
            time_to_reach(run, target)
            for run, target in zip(of_loss, targets, strict=True)
        ]
        rows.append(
            (
                loss,
                spread([run["mean"] for run in of_loss], 3),
                spread([run["median"] for run in of_loss], 3),
                spread([run["seconds_per_epoch"] for run in of_loss], 3),
                "never" if np.isnan(reached).all() else spread(reached, 1),
            )
        )
    return rst_table(rows)


def spread(values, digits):
    """Return "mean (lowest-highest)"; a value that is NaN makes the highest "never"."""
    values = np.array(values)
    lowest, highest = np.nanmin(values), values.max()
    last = "never" if np.isnan(highest) else f"{highest:.{digits}f}"
    return f"{np.nanmean(values):.{digits}f} ({lowest:.{digits}f}-{last})"
