"""A cluster of two worker processes: what joblib hands out, and workers that die."""

import contextlib
import os
import signal

import dask
import distributed
import joblib
import numpy as np
import pytest
from engines import skip_without_simplex
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from small_data import small_wafers, tiny_autoencoder

from skemd.cluster import replicating_client
from skemd.datasets import make_pairs
from skemd.distance import _exact, paired_emd, paired_potentials, pairwise_emd
from skemd.metrics import emd_score

N_TASK = _exact._TASK_SIZE["simplex"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    # A worker that died is restarted, even on a busy machine.
    patience = {"distributed.deploy.lost-worker-timeout": "10 minutes"}
    with (
        dask.config.set(patience),
        distributed.LocalCluster(
            n_workers=2,
            # Networks have their own threads.
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=tmp_path_factory.mktemp("dask"),
        ) as cluster,
        replicating_client(cluster) as client,
    ):
        yield client


@pytest.fixture
def forbid_solving_here(monkeypatch):
    """Return a function after which only other processes can solve pairs."""

    def solve(*arguments):
        raise AssertionError("The pairs were solved in the process that asked.")

    def forbid():
        for engine in _exact.SOLVERS:
            monkeypatch.setitem(_exact.SOLVERS, engine, solve)

    return forbid


def many_pairs(n_pairs):
    """Return as many pairs, made of a hundred different ones, and where they are."""
    A, B = small_wafers(100, seed=1), small_wafers(100, seed=2)
    rows = np.random.RandomState(0).randint(100, size=n_pairs)
    return A[rows], B[rows], rows


def expected_distances(rows):
    return paired_emd(small_wafers(100, seed=1), small_wafers(100, seed=2))[rows]


def labeled_pairs():
    pairs, distances, _ = make_pairs(small_wafers(), 2 * N_TASK + 1, random_state=0)
    return np.column_stack([pairs, distances])


WORK = {
    "paired_emd": lambda: paired_emd(*many_pairs(2 * N_TASK + 1)[:2]),
    "pairwise_emd": lambda: pairwise_emd(small_wafers(70)),
    "paired_potentials": lambda: np.column_stack(
        paired_potentials(*many_pairs(2 * N_TASK + 1)[:2])
    ),
    "make_pairs": labeled_pairs,
}


@pytest.mark.parametrize("work", WORK)
def test_exact_labels_are_made_by_the_workers(work, cluster, forbid_solving_here):
    skip_without_simplex()
    expected = WORK[work]()
    forbid_solving_here()
    with joblib.parallel_config("dask"):
        np.testing.assert_array_equal(WORK[work](), expected)


def test_exact_labels_are_made_by_processes_if_joblib_is_told_so(forbid_solving_here):
    A, B, rows = many_pairs(N_TASK + 1)
    expected = expected_distances(rows)
    forbid_solving_here()
    with joblib.parallel_config("loky", n_jobs=2):
        np.testing.assert_array_equal(paired_emd(A, B), expected)


def test_a_task_on_the_cluster_may_ask_for_labels_itself(cluster):
    A, B, rows = many_pairs(N_TASK + 1)
    expected = expected_distances(rows)
    with joblib.parallel_config("dask"):
        found = joblib.Parallel()(joblib.delayed(paired_emd)(A, B) for _ in "ab")
    np.testing.assert_array_equal(found, [expected, expected])


@pytest.mark.exhaustive
def test_labels_survive_the_death_of_a_worker(cluster, monkeypatch):
    n_pairs = 200_000
    A, B, rows = many_pairs(n_pairs)
    (victim, *_) = cluster.run(os.getpid).values()

    class Killer(_exact.ProgressBar):
        killed_at = None

        def update(self, done, note=""):
            if done > n_pairs / 2 and Killer.killed_at is None:
                os.kill(victim, signal.SIGKILL)
                Killer.killed_at = done

    monkeypatch.setattr(_exact, "ProgressBar", Killer)
    with joblib.parallel_config("dask"):
        found = paired_emd(A, B)
    assert n_pairs / 2 < Killer.killed_at < n_pairs
    np.testing.assert_array_equal(found, expected_distances(rows))
    cluster.wait_for_workers(2, timeout=600)
    assert victim not in cluster.run(os.getpid).values()


class FatalOnce:
    """A score at whose first call, of all processes, the process dies."""

    def __init__(self, flag):
        self.flag = flag

    def __call__(self, y_true, y_pred):
        with contextlib.suppress(FileExistsError):
            self.flag.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return emd_score(y_true, y_pred)


def search_with(score):
    return GridSearchCV(
        tiny_autoencoder(epochs=1),
        {"n_components": [2, 8]},
        scoring=make_scorer(score),
        cv=2,
        refit=False,
        error_score="raise",
    )


@pytest.mark.exhaustive
def test_a_grid_search_survives_the_death_of_a_worker(cluster, tmp_path):
    # The indices of this many wafers are large enough to be stored on a worker.
    X = small_wafers(300)
    expected = search_with(emd_score).fit(X, X).cv_results_
    flag = tmp_path / "killed"
    before = set(cluster.run(os.getpid).values())
    with joblib.parallel_config("dask", client=cluster):
        found = search_with(FatalOnce(flag)).fit(X, X).cv_results_
    assert flag.exists()
    cluster.wait_for_workers(2, timeout=600)
    assert set(cluster.run(os.getpid).values()) != before
    for split in ("split0_test_score", "split1_test_score"):
        np.testing.assert_allclose(found[split], expected[split], rtol=1e-6)
