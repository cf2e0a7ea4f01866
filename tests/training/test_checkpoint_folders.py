"""Folders of checkpoints: other files are left alone, and refusals leave nothing.

The fits here never get to a training: entering a checkpoint is what counts.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from repository import HELPERS
from small_data import tiny_regressor

from skemd._io._archive import read_archive, write_archive
from skemd._training._checkpoint import Checkpoint

DIGITS = "0123456789abcdef"
posix_only = pytest.mark.skipif(os.name != "posix", reason="links")


def checkpoint_in(folder, fingerprint="this fit"):
    return Checkpoint(folder, lambda: {"estimator": fingerprint})


def contents(folder):
    """Return all paths under a folder with what files hold."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def fail_in(checkpoint, work=None):
    """Let a fit fail within a checkpoint, after some work."""

    def fit():
        with checkpoint:
            assert (checkpoint.folder / "fit.npz").exists()
            if work is not None:
                work(checkpoint)
            raise ValueError("unknown loss")

    with pytest.raises(ValueError, match="unknown loss"):
        fit()


@pytest.fixture
def claimed(tmp_path):
    """Return a folder that a fit has claimed, with a state in it."""
    folder = tmp_path / "claimed"
    with checkpoint_in(folder) as checkpoint:
        checkpoint.write("training", {"x": np.zeros(3)})
    return folder


# What is deleted


def test_other_files_stay(claimed):
    others = {"thesis.tmp", "fit.npz.tmp", f"thesis.{DIGITS}.tmp", "training.npz.0.tmp"}
    for name in others:
        (claimed / name).write_text("years of work")
    (claimed / f"fit.npz.{DIGITS}.tmp").mkdir()
    (claimed / f"training.npz.{DIGITS}.tmp").write_bytes(b"left behind")
    with checkpoint_in(claimed):
        pass
    assert not (claimed / f"training.npz.{DIGITS}.tmp").exists()
    assert (claimed / f"fit.npz.{DIGITS}.tmp").is_dir()
    for name in others:
        assert (claimed / name).read_text() == "years of work"


def test_a_refused_fit_deletes_nothing_and_makes_nothing(claimed):
    (claimed / "thesis.tmp").write_text("years of work")
    (claimed / f"training.npz.{DIGITS}.tmp").write_bytes(b"of the other fit")
    (claimed / "lock").unlink(missing_ok=True)
    before = contents(claimed)
    with pytest.raises(ValueError, match="of another fit"), checkpoint_in(claimed, "b"):
        pass
    assert contents(claimed) == before


def test_a_folder_in_use_is_left_as_it_is(claimed):
    (claimed / f"training.npz.{DIGITS}.tmp").write_bytes(b"being written")
    with checkpoint_in(claimed):
        (claimed / f"training.npz.{DIGITS}.tmp").write_bytes(b"being written")
        before = contents(claimed)
        with pytest.raises(RuntimeError, match="Another fit"), checkpoint_in(claimed):
            pass
        assert contents(claimed) == before


@pytest.mark.parametrize("name", ["fit.npz", "training.npz", "lock"])
def test_files_of_others_with_such_names_are_not_touched(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04 somebody's arrays")
    (tmp_path / "thesis.tmp").write_text("years of work")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=f"{name}.*hoose another"):
        checkpoint_in(tmp_path).__enter__()
    assert contents(tmp_path) == before


def test_arrays_of_others_are_not_touched(tmp_path):
    np.savez(tmp_path / "training.npz", np.zeros(3))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="which no fit of skemd has left there"):
        checkpoint_in(tmp_path).__enter__()
    assert contents(tmp_path) == before


# What is made


def test_a_fit_that_fails_before_its_first_state_leaves_nothing(tmp_path):
    folder = tmp_path / "a" / "b"
    fail_in(checkpoint_in(folder))
    assert contents(tmp_path) == {}
    (tmp_path / "thesis.tmp").write_text("years of work")
    fail_in(checkpoint_in(tmp_path))
    assert list(contents(tmp_path)) == ["thesis.tmp"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_fit_that_is_cut_short_keeps_its_seed(error, tmp_path):
    with pytest.raises(error), checkpoint_in(tmp_path):
        raise error
    seed = read_archive(tmp_path / "fit.npz", "checkpoint")[0]["seed"]
    with checkpoint_in(tmp_path) as checkpoint:
        state = checkpoint.random_state(None).get_state()[1]
    np.testing.assert_array_equal(state, np.random.RandomState(seed).get_state()[1])


def test_a_fit_within_keeps_the_seed_of_the_fit_around_it(tmp_path):
    def work(outer):
        with checkpoint_in(outer.subfolder("inner")) as inner:
            inner.write("training", {})

    fail_in(checkpoint_in(tmp_path), work)
    assert {"fit.npz", "inner/fit.npz", "inner/training.npz"} <= {*contents(tmp_path)}


def test_a_state_is_kept_whatever_happens_later(tmp_path):
    fail_in(checkpoint_in(tmp_path), lambda one: one.write("training", {"x": 1}))
    with checkpoint_in(tmp_path) as again:
        assert again.read("training") == {"x": 1}


# Links


@posix_only
def test_a_folder_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with checkpoint_in(tmp_path / "link") as checkpoint:
        checkpoint.write("training", {"x": 1})
    assert (tmp_path / "real" / "training.npz").is_file()


@posix_only
@pytest.mark.parametrize(
    "name", ["fit.npz", "training.npz", "floating_point.npz", "lock"]
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_may_not_be_a_link(name, is_there, tmp_path):
    target, folder = tmp_path / "target", tmp_path / "folder"
    folder.mkdir()
    if is_there:
        target.write_text("precious")
    (folder / name).symlink_to(target)
    with pytest.raises(ValueError, match=f"'{name}', which is a link"):
        checkpoint_in(folder).__enter__()
    assert os.listdir(folder) == [name]
    assert target.exists() == is_there
    assert not is_there or target.read_text() == "precious"


def swap(folder, target):
    """Put a link in the place of a folder."""
    folder.rename(folder.with_name("moved"))
    target.mkdir()
    for name in ("fit.npz", "training.npz", "lock"):
        (target / name).write_text("precious")
    folder.symlink_to(target)


@posix_only
def test_a_folder_that_becomes_a_link_is_not_written_to(tmp_path):
    folder, target = tmp_path / "folder", tmp_path / "target"
    checkpoint = checkpoint_in(folder).__enter__()
    swap(folder, target)
    before = contents(target)
    checkpoint.write("training", {"x": 1})
    with pytest.raises(OSError, match="could not be written: another folder or a link"):
        checkpoint.__exit__(None, None, None)
    assert contents(target) == before


@posix_only
def test_nothing_is_deleted_through_a_folder_that_becomes_a_link(tmp_path):
    folder, target = tmp_path / "folder", tmp_path / "target"
    fail_in(checkpoint_in(folder), lambda _: swap(folder, target))
    assert sorted(os.listdir(target)) == ["fit.npz", "lock", "training.npz"]


# Two processes

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from skemd._training._checkpoint import Checkpoint
with Checkpoint(sys.argv[2], lambda: {"estimator": "this fit"}) as checkpoint:
    print("holds", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_is_refused_and_changes_nothing(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(HELPERS), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "holds\n"
        before = contents(tmp_path)
        for fit in ("this fit", "another"):
            with pytest.raises((RuntimeError, ValueError), match=r"nother fit"):
                checkpoint_in(tmp_path, fit).__enter__()
        assert contents(tmp_path) == before
    finally:
        child.communicate("\n")
    with checkpoint_in(tmp_path):
        pass


# States


@pytest.mark.parametrize("seed", [None, -1, 2**40, "x", True, [1]])
def test_a_seed_that_is_none_is_refused(seed, tmp_path):
    header = {"kind": "checkpoint", "seed": seed, "state": {"dict": []}}
    header["fingerprint"] = {"estimator": "this fit"}
    write_archive(tmp_path / "fit.npz", header, [])
    with pytest.raises(ValueError, match=r"seed is none.*Remove the folder"):
        checkpoint_in(tmp_path).__enter__()


@pytest.fixture(scope="module")
def half_done(tmp_path_factory):
    """Return a history of two epochs, and a function that resumes from a state."""
    import skemd._training._history as history
    from skemd._backend import keras, weights_of
    from skemd._training._options import TrainingOptions
    from skemd._training._step import TrainStep

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    options = TrainingOptions.of(tiny_regressor(), 10, n_steps=1)
    folder = tmp_path_factory.mktemp("states")

    def resume(state, rng):
        with checkpoint_in(folder) as checkpoint:
            checkpoint.write("training", state)
            one = history.History(model, options, checkpoint, "training")
            stepper = TrainStep(model, mean_square, keras.optimizers.SGD())
            one.resume(stepper, rng)
            return stepper.state()

    def mean_square(y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    weights = weights_of(model)
    state = {
        "history": {"loss": [1.0, 0.5], "val_loss": [1.0, 0.5]},
        "best": {"loss": 0.5, "epoch": 1, "weights": weights},
        "finished": False,
        "rng": np.random.RandomState(3).get_state(),
        # SGD counts its steps and has a learning rate.
        "steps": [*weights, np.array(2), np.array(0.25, np.float32)],
    }
    return state, resume


def test_a_state_that_is_right_is_taken(half_done):
    state, resume = half_done
    rng = np.random.RandomState(0)
    for found, expected in zip(resume(state, rng), state["steps"], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert rng.randint(2**30) == np.random.RandomState(3).randint(2**30)


def changed_best(**changes):
    return lambda state: {**state, "best": {**state["best"], **changes}}


def changed_losses(**losses):
    return lambda state: {**state, "history": {**state["history"], **losses}}


def changed_rng(place, value):
    def change(state):
        parts = list(state["rng"])
        parts[place] = value
        return {**state, "rng": tuple(parts)}

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "history": {"loss": [1.0]}},
        lambda state: {**state, "history": {"loss": [1.0], "val_loss": [1.0, 2.0]}},
        lambda state: {**state, "history": {"loss": ["x"] * 2, "val_loss": [1.0] * 2}},
        lambda state: {
            **state,
            "history": {"loss": [np.nan] * 2, "val_loss": [0.5] * 2},
        },
        lambda state: {**state, "steps": state["steps"][:3]},
        lambda state: {**state, "steps": [*state["steps"][:3], np.array(np.nan)]},
        lambda state: {**state, "finished": 1},
        lambda state: {**state, "finished": True},
        lambda state: {**state, "steps": None},
        changed_best(epoch=10**9),
        changed_best(epoch=-5),
        changed_best(epoch="x"),
        changed_best(loss="x"),
        changed_best(loss=np.nan),
        changed_best(loss=-1e308),
        changed_best(epoch=0),
        changed_best(weights=[]),
        changed_best(weights=[np.zeros((2, 1)), np.full(1, np.nan)]),
        changed_best(weights=[np.zeros((2, 1)), np.zeros(1, dtype=int)]),
        changed_best(weights=[np.zeros((1, 2)), np.zeros(1)]),
        changed_rng(2, 10**9),
        changed_rng(0, "x"),
        changed_rng(1, np.zeros(3, np.uint32)),
        lambda state: {},
    ],
)
def test_a_state_that_does_not_fit_is_refused(change, half_done):
    state, resume = half_done
    rng = np.random.RandomState(0)
    with pytest.raises(ValueError, match=r"cannot be used: .*Remove the folder"):
        resume(change(state), rng)
    assert rng.randint(2**30) == np.random.RandomState(0).randint(2**30)


def test_values_that_do_not_fit_an_optimizer_are_refused():
    from skemd._backend import keras
    from skemd._training._step import check_values

    variables = [
        keras.Variable(np.zeros(2, np.float32)),
        keras.Variable(0, dtype="int32"),
    ]
    check_values([np.ones(2, np.float32), np.array(3)], variables)
    for values in (
        [np.ones(2, np.float32)],
        [np.ones(3, np.float32), np.array(3)],
        [np.full(2, np.inf), np.array(3)],
        [np.ones(2, np.float32), np.array(3.0)],
    ):
        with pytest.raises(ValueError, match="a checkpoint has"):
            check_values(values, variables)
