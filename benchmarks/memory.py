"""Peak memory above an input that stays on disk, and memory over many fits."""

import concurrent.futures
import contextlib
import gc
import multiprocessing
import re
import tempfile
import threading
from pathlib import Path

import numpy as np

from skemd import EMDAutoencoder, EMDRegressor
from skemd.datasets import iter_wafers, make_pairs, make_wafers
from skemd.distance import paired_emd
from skemd.study import rst_table

N_WAFERS = 5_000_000
N_PAIRS = 1_000_000
N_FIT = 1_000_000
N_FITS = 30
MEGABYTES_ALLOWED = 600
# From the third fit on, when everything has been loaded and compiled once.
GROWTH_ALLOWED = 20
FIRST_COUNTED_FIT = 3
N_CELLS = 48
_SECONDS_BETWEEN_LOOKS = 0.005


def report(n_wafers=N_WAFERS, n_pairs=N_PAIRS, n_fit=N_FIT, n_fits=N_FITS):
    """Measure, each in a process of its own, and return the table and what it holds.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON.

    Raises
    ------
    AssertionError
        If a peak, or the growth over the fits, is more than is allowed.
    """
    sizes = {"transform": n_wafers, "predict": n_wafers, "predict_pairs": n_wafers // 2}
    sizes |= {"label": n_pairs, "fit": n_fit, "stream": n_fit}
    with tempfile.TemporaryDirectory() as folder:
        write_wafers(Path(folder) / "wafers.npy", max(n_wafers, 2 * n_pairs, n_fit))
        peaks = {
            name: in_new_process(peak_megabytes, name, folder, size)
            for name, size in sizes.items()
        }
    growth = {
        make.__name__: in_new_process(growth_over_fits, make, n_fits)
        for make in (fit_autoencoder, fit_regressor)
    }
    rows = [("work", "wafers or pairs", "MB above the input")]
    rows += [(WORK[name][1], f"{sizes[name]:,}", f"{peaks[name]:.0f}") for name in WORK]
    text = [
        f"{name}: {megabytes:+.1f} MB from fit {FIRST_COUNTED_FIT} to fit {n_fits}"
        for name, megabytes in growth.items()
    ]
    table = "\n".join([rst_table(rows), *text])
    assert max(peaks.values()) <= MEGABYTES_ALLOWED, table
    assert max(growth.values()) <= GROWTH_ALLOWED, table
    return table, {"megabytes": peaks, "growth": growth}


def write_wafers(path, n_wafers, dtype=np.float32):
    """Write generated wafers to a file, the same few over and over again."""
    X = make_wafers(20_000, random_state=1_000).astype(dtype)
    file = np.lib.format.open_memmap(path, "w+", dtype, (n_wafers, N_CELLS))
    for start in range(0, n_wafers, len(X)):
        file[start : start + len(X)] = X[: n_wafers - start]


def in_new_process(function, *arguments):
    """Call a function in a process whose memory nothing else has touched."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def peak_megabytes(name, folder, n_rows):
    """Return by how much anonymous memory peaks in some work; the output counts."""
    prepare, _ = WORK[name]
    X = np.load(Path(folder) / "wafers.npy", mmap_mode="r")
    work = prepare(Path(folder))
    # What is loaded and compiled once does not belong to the data.
    work(X, min(n_rows, 5_000))
    with peak_above_now() as peak:
        work(X, n_rows)
    return peak[0]


@contextlib.contextmanager
def peak_above_now():
    """Yield a list whose item is the peak of anonymous memory above that at first.

    Pages of files, which the system drops when it needs the room, do not count.
    """
    gc.collect()
    before, peak, done = anonymous_megabytes(), [0.0], threading.Event()

    def look():
        peak[0] = max(peak[0], anonymous_megabytes() - before)

    def watch():
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
        look()
    finally:
        done.set()
        watcher.join()


def anonymous_megabytes():
    """Return the memory of this process that no file stands behind, on Linux."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024


def growth_over_fits(fit, n_fits):
    """Return by how much memory grows from the third fit to the last."""
    megabytes = []
    for seed in range(n_fits):
        fit(seed)
        gc.collect()
        megabytes.append(anonymous_megabytes())
    return megabytes[-1] - megabytes[FIRST_COUNTED_FIT - 1]


def fit_autoencoder(seed):
    """Fit a tiny autoencoder with the exact EMD."""
    X = make_wafers(200, random_state=0)
    tiny = {"n_filters": 4, "n_components": 8, "epochs": 2, "batch_size": 50}
    EMDAutoencoder("emd", **tiny, random_state=seed).fit(X).predict(X)


def fit_regressor(seed):
    """Fit a tiny regressor."""
    pairs, y, _ = make_pairs(make_wafers(100, random_state=0), 200, random_state=0)
    tiny = {"n_filters": 4, "n_conv_layers": 1, "n_dense_units": 32, "epochs": 2}
    EMDRegressor(**tiny, random_state=seed).fit(pairs, y).predict(pairs)


def _fitted():
    tiny = {"epochs": 1, "random_state": 0}
    return EMDAutoencoder("mse", **tiny).fit(make_wafers(1_000, random_state=0))


def _transform(folder):
    autoencoder = _fitted()
    return lambda X, n: autoencoder.transform(X[:n])


def _predict(folder):
    autoencoder = _fitted()

    def predict(X, n):
        path = folder / "predicted.npy"
        out = np.lib.format.open_memmap(path, "w+", np.float32, (n, N_CELLS))
        autoencoder.predict(X[:n], out=out)
        path.unlink()

    return predict


def _predict_pairs(folder):
    regressor = EMDRegressor.from_pretrained()
    # Wafers that follow each other in the file make a pair.
    return lambda X, n: regressor.predict(X[: 2 * n].reshape(n, 2 * N_CELLS))


def _label(folder):
    return lambda X, n: paired_emd(X[:n], X[len(X) - n :])


def _fit(folder):
    options = {"epochs": 1, "batch_size": 2_000, "random_state": 0}
    return lambda X, n: EMDAutoencoder("mse", **options).fit(X[:n])


def _stream(folder):
    tables = folder / "tables"
    tables.mkdir()
    names = ",".join(f"CALQ_{cell}" for cell in range(N_CELLS))
    X, first = make_wafers(20_000, random_state=1_000), tables / "0.csv"
    np.savetxt(first, X, fmt="%d", delimiter=",", header=names, comments="")
    for number in range(1, N_FIT // len(X)):
        (tables / f"{number}.csv").hardlink_to(first)

    def stream(X, n):
        for chunk in iter_wafers(tables):
            n -= len(chunk)
            if n <= 0:
                break

    return stream


WORK = {
    "transform": (_transform, "EMDAutoencoder.transform"),
    "predict": (_predict, "EMDAutoencoder.predict(out=)"),
    "predict_pairs": (_predict_pairs, "EMDRegressor.predict"),
    "label": (_label, "paired_emd"),
    "fit": (_fit, "EMDAutoencoder.fit, one epoch"),
    "stream": (_stream, "iter_wafers, CSV"),
}
