"""Data that stay on disk: the same answers, and memory that does not grow with them."""

import sys

import numpy as np
import pytest
from repository import ROOT
from small_data import (
    fitted_autoencoder,
    fitted_regressor,
    small_pairs,
    small_wafers,
    tiny_autoencoder,
    tiny_regressor,
    weights_are_equal,
)

from skemd import WaferRemapper
from skemd._input._chunks import CHUNK, map_chunks
from skemd._training._lazy_rows import LazyRows, take_rows
from skemd.distance import paired_emd
from skemd.metrics import mean_emd

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="reads anonymous memory from /proc"
)


@pytest.fixture
def on_disk(tmp_path):
    """Return a function that writes an array to a file and maps it."""

    def mapped(array, name="array.npy"):
        np.save(tmp_path / name, array)
        return np.load(tmp_path / name, mmap_mode="r")

    return mapped


def memory(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import memory

    return memory


# Chunks


def test_chunks_give_what_the_whole_gives():
    X = np.arange(2.5 * CHUNK)
    sizes = []

    def double(chunk):
        sizes.append(len(X[chunk]))
        return 2 * X[chunk]

    np.testing.assert_array_equal(map_chunks(double, len(X)), 2 * X)
    assert sizes == [CHUNK, CHUNK, CHUNK // 2]
    out = np.empty(len(X), dtype=np.float32)
    assert map_chunks(double, len(X), out) is out
    np.testing.assert_array_equal(out, 2 * X)


def test_rows_are_made_when_they_are_looked_at():
    made = []

    def make(rows):
        made.append(len(rows))
        return -rows

    rows = LazyRows(make, np.arange(10))
    some = take_rows(rows, np.array([7, 3, 5]))
    assert (len(rows), len(some), made) == (10, 3, [])
    assert some[1:].tolist() == [-3, -5]
    assert rows[np.array([9, 0])].tolist() == [-9, 0]
    assert made == [2, 2]
    assert take_rows(np.arange(10), np.array([2, 1])).tolist() == [2, 1]


# Memory maps


def test_a_fit_on_disk_is_the_fit_in_memory(on_disk):
    X = small_wafers().astype(np.float32)
    fitted = tiny_autoencoder().fit(on_disk(X))
    assert weights_are_equal(fitted, tiny_autoencoder().fit(X))
    pairs, y = small_pairs()
    pairs = pairs.astype(np.float32)
    fitted = tiny_regressor().fit(on_disk(pairs), y)
    assert weights_are_equal(fitted, tiny_regressor().fit(pairs, y))


@pytest.mark.parametrize(
    "work",
    [
        lambda X: WaferRemapper().fit(X).transform(X),
        lambda X: fitted_autoencoder().transform(X),
        lambda X: fitted_autoencoder().predict(X),
        lambda X: fitted_autoencoder().score(X),
        lambda X: fitted_regressor().predict(X.reshape(-1, 96)),
        lambda X: paired_emd(X, X[::-1]),
        lambda X: mean_emd(X, X[::-1]),
    ],
    ids="remap transform predict score predict_pairs paired_emd mean_emd".split(),
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_answers_on_disk_are_those_in_memory(work, dtype, on_disk):
    X = small_wafers().astype(dtype)
    np.testing.assert_array_equal(work(on_disk(X)), work(X))


def test_predict_writes_where_it_is_told_to(tmp_path):
    X = small_wafers()
    expected = fitted_autoencoder().predict(X)
    path = tmp_path / "predicted.npy"
    out = np.lib.format.open_memmap(path, "w+", np.float32, X.shape)
    assert fitted_autoencoder().predict(X, out=out) is out
    np.testing.assert_array_equal(np.load(path), expected.astype(np.float32))


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty((60, 47)), ValueError, r"\(60, 48\); got \(60, 47\)"),
        (np.empty((60, 48), dtype=int), TypeError, "floating-point.*got int64"),
        ([[0.0]], TypeError, "got list"),
        (np.broadcast_to(np.float64(0), (60, 48)), ValueError, "read-only"),
    ],
    ids="shape dtype list read-only".split(),
)
def test_a_place_that_cannot_take_the_results_is_refused(out, error, message):
    with pytest.raises(error, match=f"out of EMDAutoencoder.predict .*{message}"):
        fitted_autoencoder().predict(small_wafers(), out=out)


# Peaks: a copy of the input, which has 58 MB, would come on top of what is allowed


@pytest.mark.exhaustive
@linux_only
@pytest.mark.parametrize(
    ("name", "allowed"),
    [("transform", 55), ("predict", 55), ("predict_pairs", 75), ("label", 25)],
)
def test_peaks_do_not_grow_with_the_data(name, allowed, monkeypatch, tmp_path):
    bench = memory(monkeypatch)
    n_rows = 300_000
    bench.write_wafers(tmp_path / "wafers.npy", n_rows)
    n_rows = n_rows // 2 if name in ("predict_pairs", "label") else n_rows
    assert 0 <= bench.peak_megabytes(name, tmp_path, n_rows) < allowed


@linux_only
def test_the_measure_sees_a_copy(monkeypatch, tmp_path):
    bench = memory(monkeypatch)
    X = np.ones(5_000_000)
    with bench.peak_above_now() as peak:
        # It lives until the last look.
        copied = X.copy()
    assert copied is not X
    assert peak[0] == pytest.approx(X.nbytes / 2**20, rel=0.2)


@pytest.mark.exhaustive
@linux_only
def test_fits_leave_nothing_behind(monkeypatch):
    bench = memory(monkeypatch)
    assert bench.growth_over_fits(bench.fit_autoencoder, 6) < bench.GROWTH_ALLOWED
