"""What an epoch through the chip's arithmetic costs, over one in exact arithmetic.

A fit of one epoch is subtracted from a longer one, so that compiling does not count.
Trainings take turns, and the fastest fit of each length counts.
"""

import time

from skemd import EMDAutoencoder
from skemd.datasets import make_wafers
from skemd.study import rst_table

LOSSES = ("mse", "emd")
TRAININGS = {
    "exact": {"arithmetic": "exact"},
    "chip": {"front_end": None},
    "chip, front end": {},
}


def report(n_wafers=20_000, n_epochs=20, n_turns=3, losses=LOSSES):
    """Time epochs of each training.

    Parameters
    ----------
    n_wafers : int, default=20000
        Generated wafers.
    n_epochs : int, default=20
        Epochs that are timed.
    n_turns : int, default=3
        Repeats of each training.
    losses : sequence of str, default=("mse", "emd")
        Losses of the autoencoder.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON: by loss and training the seconds of an epoch.
    """
    X = make_wafers(n_wafers, random_state=1_000)
    results, rows = {}, [("loss", "training", "ms an epoch", "over exact")]
    for loss in losses:
        fits = {name: {1: [], 1 + n_epochs: []} for name in TRAININGS}
        for _ in range(n_turns):
            for name, parameters in TRAININGS.items():
                for epochs, seconds in fits[name].items():
                    seconds.append(_seconds(X, loss, epochs, parameters))
        results[loss] = best = {
            name: (min(seconds[1 + n_epochs]) - min(seconds[1])) / n_epochs
            for name, seconds in fits.items()
        }
        for name, seconds in best.items():
            ratio = seconds / best["exact"]
            rows.append((loss, name, f"{1000 * seconds:.0f}", f"{ratio:.2f}"))
    return rst_table(rows), results


def _seconds(X, loss, epochs, parameters):
    """Return how long a fit takes."""
    autoencoder = EMDAutoencoder(
        loss,
        n_output_links=5,
        decoder="mirror",
        epochs=epochs,
        early_stopping=False,
        random_state=0,
        **parameters,
    )
    start = time.perf_counter()
    autoencoder.fit(X)
    return time.perf_counter() - start
