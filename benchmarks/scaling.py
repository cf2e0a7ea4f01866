"""A million pairs: time per pair from 1e3 to 1e6, and the memory that they take."""

import concurrent.futures
import multiprocessing
import re
import time
from pathlib import Path

import numpy as np

from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.study import rst_table

SIZES = (1_000, 10_000, 100_000, 1_000_000)
N_WAFERS = 20_000
SPREAD_ALLOWED = 0.2
MEGABYTES_ALLOWED = 300


def report():
    """Solve pairs of generated wafers, and return the table and what it holds.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON.

    Raises
    ------
    AssertionError
        If the time per pair varies, or the memory grows, by more than is allowed.
    """
    microseconds = time_per_pair()
    # In a process of its own, whose memory nothing else has touched.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        megabytes = pool.submit(peak_megabytes, SIZES[-1]).result()
    values = np.array(list(microseconds.values()))
    ratio = values.max() / values.min()
    rows = [("pairs", "microseconds a pair")]
    rows += [(f"{size:,}", f"{value:.2f}") for size, value in microseconds.items()]
    table = (
        f"{rst_table(rows)}\nslowest over fastest: {ratio:.3f}; memory above the input "
        f"for {SIZES[-1]:,} pairs: {megabytes:.0f} MB"
    )
    assert ratio <= 1 + SPREAD_ALLOWED, table
    assert megabytes <= MEGABYTES_ALLOWED, table
    return table, {"microseconds": microseconds, "megabytes": megabytes}


def time_per_pair():
    """Return the median time of a pair, in microseconds, for each number of pairs."""
    A, B = many_pairs(SIZES[-1])
    seconds = {size: [] for size in SIZES}
    # Turns spread the sizes over the run, so that a slow spell meets all of them.
    for _ in range(5):
        for size in SIZES:
            for k in range(min(20, SIZES[-1] // size)):
                part = slice(k * size, (k + 1) * size)
                started = time.perf_counter()
                paired_emd(A[part], B[part], verbose=int(size == SIZES[-1]))
                seconds[size].append(time.perf_counter() - started)
    return {size: float(np.median(seconds[size]) / size * 1e6) for size in SIZES}


def many_pairs(n_pairs):
    """Return pairs of generated wafers, each wafer as often as it takes."""
    X = make_wafers(N_WAFERS, random_state=1_000)
    rng = np.random.RandomState(0)
    return tuple(np.take(X, rng.randint(len(X), size=n_pairs), axis=0) for _ in "AB")


def peak_megabytes(n_pairs):
    """Return by how much memory peaks above the input; the output counts."""
    A, B = many_pairs(n_pairs)
    # What is loaded once does not belong to the pairs.
    paired_emd(A[:100], B[:100])
    # Linux forgets the peak so far, which making the pairs may have set.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_resident_megabytes()
    paired_emd(A, B, verbose=1)
    return peak_resident_megabytes() - before


def peak_resident_megabytes():
    """Return the most memory that this process has held, as Linux counts it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024
