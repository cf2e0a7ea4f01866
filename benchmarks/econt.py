"""How long the emulator of ECON-T takes for each algorithm, on generated wafers."""

import time

import numpy as np

from benchmarks._compare import rst_table
from skemd.datasets import make_wafers
from skemd.firmware import ChipSettings, EconT, EncoderWeights

# An orbit, as the public test vectors have.
N_CROSSINGS = 3564
# Milliseconds per 1,000 crossings on one core that shall not be exceeded.
TARGETS = {
    "autoencoder": 5.0,
    "best_choice": 5.0,
    "threshold_sum": 8.0,
    "super_trigger_cell": 1.0,
    "repeater": None,
}


def report(n_turns=9):
    """Run each algorithm on five links, the repeater on thirteen.

    Parameters
    ----------
    n_turns : int, default=9
        How often each is run.

    Returns
    -------
    text : str
        A table: the best and the median turn.
    results : dict of str to list of float
        For each algorithm the milliseconds of each turn per 1,000 crossings.
    """
    X = make_wafers(N_CROSSINGS, random_state=0)
    results = {algorithm: [] for algorithm in TARGETS}
    chips = {algorithm: chip_of(algorithm) for algorithm in TARGETS}
    words = {algorithm: chip.link_words(X) for algorithm, chip in chips.items()}
    for turn in range(n_turns + 1):
        for algorithm, chip in chips.items():
            started = time.perf_counter()
            chip.run(words[algorithm])
            seconds = time.perf_counter() - started
            # The first turn fills caches.
            if turn > 0:
                results[algorithm].append(1e6 * seconds / N_CROSSINGS)
    rows = [("ms per 1,000 crossings", "best", "median", "target")]
    for algorithm, turns in results.items():
        target = TARGETS[algorithm]
        entries = (f"{min(turns):.2f}", f"{np.median(turns):.2f}")
        rows.append((algorithm, *entries, "" if target is None else f"{target:g}"))
    return rst_table(rows), results


def chip_of(algorithm):
    """Return a chip of each algorithm, with random weights."""
    rng = np.random.default_rng(0)
    shapes = (3, 3, 8), (8,), (128, 16), (16,)
    weights = EncoderWeights(*(rng.integers(-32, 32, size=shape) for shape in shapes))
    n_links = 13 if algorithm == "repeater" else 5
    settings = ChipSettings(
        algorithm, n_links=n_links, thresholds=48 * [47], weights=weights
    )
    return EconT(settings)
