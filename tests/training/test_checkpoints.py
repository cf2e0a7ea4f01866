"""Fits that are killed, and what stands in the way of their checkpoints."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from repository import HELPERS, ROOT
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from small_data import (
    ProgressBar,
    fitted_weights,
    interrupt_at,
    small_pairs,
    small_wafers,
    tiny_autoencoder,
    tiny_regressor,
    weights_are_equal,
)

import skemd._io._archive
import skemd._training._checkpoint
import skemd._training._loop
from skemd._io._archive import read_archive
from skemd.geometry import grid, hgcal_wafer

# 60 samples, in two batches of 32 with 6 set aside or without: each epoch has 2 steps.
STEPS = 2
EPOCHS = 4
TWO_STAGES = {"latent_bits": 5, "weight_bits": 6, "float_fraction": 0.5}


def regressor(**parameters):
    parameters = {"n_dense_units": 8, "epochs": EPOCHS, **parameters}
    return tiny_regressor(**parameters)


def autoencoder(**parameters):
    return tiny_autoencoder(**{"epochs": EPOCHS, **parameters})


FITS = {
    "regressor": (regressor, {}),
    "regressor to its last epoch": (regressor, {"early_stopping": False}),
    "regressor with normalization": (regressor, {"head": "linear"}),
    "autoencoder": (autoencoder, {}),
    "autoencoder of few bits": (autoencoder, TWO_STAGES),
    "autoencoder of few bits to its last epoch": (
        autoencoder,
        {**TWO_STAGES, "early_stopping": False},
    ),
}
_WHOLE = {}


def data_of(estimator):
    if type(estimator).__name__ == "EMDRegressor":
        return small_pairs()
    return (small_wafers(),)


def made(fit, folder=None, **changes):
    maker, parameters = FITS[fit]
    return maker(**{**parameters, "checkpoint_dir": folder, **changes})


def whole(fit):
    """Return the same fit without checkpoints and without trouble."""
    if fit not in _WHOLE:
        _WHOLE[fit] = made(fit)
        _WHOLE[fit].fit(*data_of(_WHOLE[fit]))
    return _WHOLE[fit]


class Killed(BaseException):
    """What no code of skemd may catch."""


@pytest.fixture
def kill_at(monkeypatch):
    """Return a function that ends the fit's next training at one of its updates."""

    def arrange(n_updates, trouble=Killed):
        class DeadlyBar(ProgressBar):
            n_left = n_updates

            def update(self, done, note=""):
                DeadlyBar.n_left -= 1
                if DeadlyBar.n_left < 0:
                    raise trouble

        monkeypatch.setattr("skemd._training._loop.ProgressBar", DeadlyBar)

    return arrange


@pytest.fixture
def steps(monkeypatch):
    """Return a list that grows with each batch of a training."""
    done = []
    draw = skemd._training._loop.batches_of_rows

    def counted(*arguments):
        for rows in draw(*arguments):
            done.append(len(rows))
            yield rows

    monkeypatch.setattr("skemd._training._loop.batches_of_rows", counted)
    return done


def fit_until_killed(estimator, kill_at, n_updates, monkeypatch):
    kill_at(n_updates)
    with pytest.raises(Killed):
        estimator.fit(*data_of(estimator))
    monkeypatch.setattr("skemd._training._loop.ProgressBar", ProgressBar)


# Going on


# An epoch has an update for each step and one at its end; of few bits the second half
# of the epochs is a training of its own.
@pytest.mark.parametrize(
    ("fit", "n_updates"),
    [
        ("regressor", 1),
        ("regressor", 3 * (STEPS + 1) + 1),
        pytest.param(
            *("regressor to its last epoch", 2 * (STEPS + 1)),
            marks=pytest.mark.exhaustive,
        ),
        ("regressor with normalization", STEPS + 2),
        ("autoencoder", 2 * (STEPS + 1) + 1),
        ("autoencoder of few bits", STEPS + 2),
        ("autoencoder of few bits", 2 * (STEPS + 1) + 1),
        pytest.param(
            *("autoencoder of few bits to its last epoch", 3 * (STEPS + 1) + 1),
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_fit_that_ends_anywhere_goes_on_to_equal_weights(
    fit, n_updates, tmp_path, kill_at, monkeypatch
):
    fit_until_killed(made(fit, tmp_path), kill_at, n_updates, monkeypatch)
    resumed = made(fit, tmp_path).fit(*data_of(made(fit)))
    assert weights_are_equal(resumed, whole(fit))
    assert resumed.history_ == whole(fit).history_


def test_a_fit_goes_on_behind_its_last_whole_epoch(
    tmp_path, kill_at, steps, monkeypatch
):
    fit_until_killed(
        made("regressor", tmp_path), kill_at, 2 * (STEPS + 1) + 1, monkeypatch
    )
    steps.clear()
    made("regressor", tmp_path).fit(*small_pairs())
    assert len(steps) == (EPOCHS - 2) * STEPS


def test_the_best_epoch_and_the_patience_outlive_the_process(
    tmp_path, kill_at, monkeypatch
):
    # With labels that have nothing to do with the pairs, some epoch is soon the best.
    pairs, y = small_pairs()
    shuffled = np.random.RandomState(0).permutation(y)
    options = {"epochs": 40, "patience": 3, "learning_rate": 0.05}
    options["head"] = "linear"
    with pytest.warns(UserWarning, match="off the exact EMD"):
        alone = regressor(**options).fit(pairs, shuffled)
    n_epochs = len(alone.history_["val_loss"])
    best = int(np.argmin(alone.history_["val_loss"]))
    assert best + 1 + 3 == n_epochs < 40
    kill_at((best + 2) * (STEPS + 1) + 1)
    stopped = regressor(checkpoint_dir=tmp_path, **options)
    with pytest.warns(UserWarning, match="off the exact EMD"), pytest.raises(Killed):
        stopped.fit(pairs, shuffled)
    monkeypatch.setattr("skemd._training._loop.ProgressBar", ProgressBar)
    with pytest.warns(UserWarning, match="off the exact EMD"):
        resumed = clone(stopped).fit(pairs, shuffled)
    assert resumed.history_ == alone.history_
    assert weights_are_equal(resumed, alone)


def test_a_fit_that_was_interrupted_by_hand_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2 * (STEPS + 1) + 1)
        with pytest.warns(ConvergenceWarning, match="after 2 of 4 epochs"):
            made("autoencoder", tmp_path).fit(small_wafers())
    resumed = made("autoencoder", tmp_path).fit(small_wafers())
    assert weights_are_equal(resumed, whole("autoencoder"))


@pytest.mark.parametrize("fit", ["regressor", "autoencoder of few bits"])
def test_a_finished_fit_is_read_at_once(fit, tmp_path, steps):
    first = made(fit, tmp_path).fit(*data_of(made(fit)))
    steps.clear()
    again = made(fit, tmp_path).fit(*data_of(made(fit)))
    assert steps == []
    assert again.history_ == first.history_ == whole(fit).history_
    assert weights_are_equal(again, whole(fit))


def test_a_finished_checkpoint_holds_the_weights_and_no_more(tmp_path):
    fitted = made("autoencoder", tmp_path).fit(small_wafers())
    n_bytes = sum(weight.nbytes for weight in fitted_weights(fitted))
    assert n_bytes < (tmp_path / "training.npz").stat().st_size < 1.2 * n_bytes + 8_000
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == [
        "fit.npz",
        "training.npz",
    ]
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("random_state", [None, "instance"])
def test_without_a_number_for_a_seed_the_folder_keeps_it(
    random_state, tmp_path, kill_at, monkeypatch
):
    def one(folder):
        state = np.random.RandomState(3) if random_state else None
        return made("regressor", folder, random_state=state)

    fit_until_killed(one(tmp_path), kill_at, STEPS + 2, monkeypatch)
    before = np.random.get_state()
    resumed = one(tmp_path).fit(*small_pairs())
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert np.random.get_state()[2] == before[2]
    # A second process of the same folder ends where this one does.
    assert weights_are_equal(one(tmp_path).fit(*small_pairs()), resumed)
    alone = one(None)
    if random_state:
        assert weights_are_equal(alone.fit(*small_pairs()), resumed)
        end = resumed.random_state.get_state()
        np.testing.assert_array_equal(alone.random_state.get_state()[1], end[1])
        assert alone.random_state.get_state()[2] == end[2]
    else:
        seed = read_archive(tmp_path / "fit.npz", "checkpoint")[0]["seed"]
        alone.set_params(random_state=seed).fit(*small_pairs())
        assert weights_are_equal(alone, resumed)


def test_a_regressor_within_a_fit_has_a_checkpoint_within_the_folder(
    tmp_path, kill_at, steps, monkeypatch
):
    small = {"n_conv_layers": 0, "n_dense_units": 8, "epochs": 2, "n_refinements": 1}
    monkeypatch.setattr("skemd._autoencoder._loss._NETWORK", small)
    monkeypatch.setattr("skemd._autoencoder._loss._PAIRS_PER_WAFER", 2)
    X = small_wafers(n_cells=6)
    options = {"loss": "emdcnn", "geometry": grid(2, 3), "epochs": 2, "n_components": 4}
    alone = autoencoder(**options, random_state=1).fit(X)
    kill_at(2 + 1)
    one = autoencoder(**options, random_state=1, checkpoint_dir=tmp_path)
    with pytest.raises(Killed):
        one.fit(X)
    assert (tmp_path / "emd_regressor" / "training.npz").exists()
    monkeypatch.setattr("skemd._training._loop.ProgressBar", ProgressBar)
    resumed = clone(one).fit(X)
    assert weights_are_equal(resumed, alone)
    assert weights_are_equal(resumed.emd_regressor_, alone.emd_regressor_)
    assert resumed.emd_regressor_.checkpoint_dir is None


# Killed by the system

CHILD = """
import sys, time
import test_checkpoints as tests
from small_data import ProgressBar

class WaitingBar(ProgressBar):
    n_left = int(sys.argv[3])

    def update(self, done, note=""):
        WaitingBar.n_left -= 1
        if WaitingBar.n_left < 0:
            print("in the middle", flush=True)
            time.sleep(600)

import skemd._training._loop
skemd._training._loop.ProgressBar = WaitingBar
estimator = tests.made(sys.argv[1], sys.argv[2])
estimator.fit(*tests.data_of(estimator))
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("fit", ["regressor", "autoencoder of few bits"])
def test_a_process_that_is_killed_leaves_its_folder_to_the_next(fit, tmp_path):
    # Two epochs and a step; of few bits that is in the second of its two trainings.
    command = [sys.executable, "-c", CHILD, fit, str(tmp_path), "7"]
    path = os.pathsep.join(map(str, (HELPERS, ROOT, Path(__file__).parent)))
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert child.stdout.readline() == "in the middle\n"
        with pytest.raises(RuntimeError, match=r"Another fit is using checkpoint_dir="):
            made(fit, tmp_path).fit(*data_of(made(fit)))
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    resumed = made(fit, tmp_path).fit(*data_of(made(fit)))
    assert weights_are_equal(resumed, whole(fit))
    assert resumed.history_ == whole(fit).history_


# Other fits


@pytest.fixture(scope="module")
def taken_folder(tmp_path_factory):
    """Return a folder with a finished fit."""
    folder = tmp_path_factory.mktemp("taken")
    made("regressor", folder).fit(*small_pairs())
    return folder


def other_pairs():
    pairs, y = small_pairs()
    pairs = pairs.copy()
    # Sums stay as they are, and so does all but one cell of one wafer.
    pairs[7, :48] = np.roll(pairs[7, :48], 1)
    return pairs, y


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.01}, "learning_rate is 0.002 there and 0.01 here"),
        ({"epochs": 5}, "epochs is 4 there and 5 here"),
        ({"loss": "huber"}, "loss is 'mse' there and 'huber' here"),
        ({"random_state": 1}, "random_state is 0 there and 1 here"),
        (
            {"augment": False, "patience": 3},
            "augment is True .*; patience is None",
        ),
    ],
)
def test_other_parameters_are_refused(changes, message, taken_folder):
    other = made("regressor", taken_folder, **changes)
    with pytest.raises(ValueError, match=f"of another fit: {message}.* remove this"):
        other.fit(*small_pairs())
    assert not hasattr(other, "network_")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (other_pairs, "X is not the same"),
        (lambda: (small_pairs()[0], 1.01 * small_pairs()[1]), "y is not the same"),
        (lambda: (small_pairs()[0],), "y is not the same"),
        (lambda: [part[:-1] for part in small_pairs()], "X is not the same; y is not"),
    ],
)
def test_other_data_are_refused(data, message, taken_folder):
    with pytest.raises(ValueError, match=f"of another fit: {message}"):
        made("regressor", taken_folder).fit(*data())


def test_another_version_and_another_estimator_are_refused(taken_folder, monkeypatch):
    with pytest.raises(ValueError, match="estimator is 'EMDRegressor' there and"):
        made("autoencoder", taken_folder).fit(small_wafers())
    monkeypatch.setattr("skemd._training._checkpoint.__version__", "9.0")
    with pytest.raises(ValueError, match=r"skemd's version is '.*' there and '9.0'"):
        made("regressor", taken_folder).fit(*small_pairs())


def test_images_of_another_layout_are_another_fit(tmp_path):
    X = small_wafers()
    made("autoencoder", tmp_path, epochs=1).fit(X)
    images = hgcal_wafer().layout("4x4x3").apply(X)
    with pytest.raises(ValueError, match="another fit: layout is not the same"):
        made("autoencoder", tmp_path, epochs=1).fit(images)


@pytest.mark.parametrize("which", ["emd_regressor", "loss", "geometry"])
def test_what_is_no_plain_value_counts_as_well(which, tmp_path):
    X = small_wafers(n_cells=6)
    ones = {
        "emd_regressor": lambda seed: {
            "loss": "emdcnn",
            "emd_regressor": regressor(
                geometry=grid(2, 3), epochs=1, random_state=seed
            ).fit(*small_pairs(40, n_cells=6)),
            "geometry": grid(2, 3),
        },
        "loss": lambda seed: {
            "loss": skemd.losses.SinkhornDivergence(grid(2, 3), epsilon=1.0 + seed),
            "geometry": grid(2, 3),
        },
        "geometry": lambda seed: {"geometry": grid(2 + seed, 3 - seed)},
    }
    options = {"epochs": 1, "n_components": 4, "checkpoint_dir": tmp_path}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skemd._regressor._estimator.check_labels", lambda *_, **__: None)
        first = autoencoder(**options, **ones[which](0)).fit(X)
        assert weights_are_equal(autoencoder(**options, **ones[which](0)).fit(X), first)
        with pytest.raises(ValueError, match=f"{which} is not the same"):
            autoencoder(**options, **ones[which](1)).fit(X)


def test_what_has_no_effect_does_not_count(taken_folder, steps):
    made("regressor", str(taken_folder), verbose=0, n_jobs=1).fit(*small_pairs())
    assert steps == []


def test_a_damaged_checkpoint_is_refused_with_the_cure(tmp_path):
    made("regressor", tmp_path).fit(*small_pairs())
    path = tmp_path / "training.npz"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"is damaged.*Remove the folder"):
        made("regressor", tmp_path).fit(*small_pairs())


def test_a_checkpoint_from_another_folder_is_refused(taken_folder, tmp_path):
    made("regressor", tmp_path, epochs=1).fit(*small_pairs())
    shutil.copy(taken_folder / "training.npz", tmp_path)
    with pytest.raises(ValueError, match="belongs to another fit"):
        made("regressor", tmp_path, epochs=1).fit(*small_pairs())


# Disks


@pytest.fixture
def trouble_from(monkeypatch):
    """Return a function that makes writing fail from some file on."""

    def arrange(n_files, write):
        original, n_written = skemd._io._archive.replace_file, []

        def replace_file(path, content):
            n_written.append(path)
            if len(n_written) <= n_files:
                return original(path, content)
            return write(original, path, content)

        monkeypatch.setattr("skemd._io._archive.replace_file", replace_file)

    return arrange


def with_a_full_disk(write, path, content):
    """Write where the system allows files of 1,000 bytes; root is no exception."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        write(path, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def without_the_folder(write, path, content):
    shutil.rmtree(path.parent, ignore_errors=True)
    write(path, content)


@pytest.mark.skipif(os.name != "posix", reason="resource limits")
@pytest.mark.parametrize(
    ("fit", "n_epochs"),
    [("regressor", 2), ("autoencoder", 2), ("autoencoder of few bits", 1)],
)
def test_a_full_disk_is_an_error_that_keeps_what_was_learned(
    fit, n_epochs, tmp_path, trouble_from, monkeypatch
):
    # The first file says what the fit is.
    trouble_from(n_epochs, with_a_full_disk)
    full = made(fit, tmp_path)
    with pytest.raises(OSError, match=r"could not be written: File too large\. "):
        full.fit(*data_of(full))
    monkeypatch.undo()
    assert len(full.history_["loss"]) == full.n_iter_ == n_epochs
    X = data_of(full)[0]
    assert np.isfinite(full.predict(X)).all()
    assert list(tmp_path.glob("*.tmp")) == []
    resumed = made(fit, tmp_path).fit(*data_of(full))
    assert weights_are_equal(resumed, whole(fit))


def test_a_folder_that_vanishes_is_an_error_that_keeps_what_was_learned(
    tmp_path, trouble_from
):
    trouble_from(2, without_the_folder)
    lost = made("regressor", tmp_path / "x")
    with pytest.raises(OSError, match="could not be written: No such file"):
        lost.fit(*small_pairs())
    assert lost.n_iter_ == 2
    assert np.isfinite(lost.predict(small_pairs()[0])).all()


@pytest.mark.parametrize("where", ["/proc/skemd", "a file"])
def test_a_folder_that_cannot_be_written_to_is_refused_at_once(where, tmp_path, steps):
    if where == "a file":
        where = tmp_path / "file"
        where.write_text("x")
    elif not Path("/proc/self").exists():
        pytest.skip("no /proc, where not even root can make folders")
    refused = made("regressor", where)
    with pytest.raises(OSError, match=r"cannot be used: .*Nothing has been trained"):
        refused.fit(*small_pairs())
    assert steps == []


def test_a_folder_is_free_after_an_error(tmp_path, kill_at, monkeypatch):
    fit_until_killed(made("regressor", tmp_path), kill_at, 1, monkeypatch)
    with pytest.raises(ValueError, match="of another fit"):
        made("regressor", tmp_path, epochs=1).fit(*small_pairs())
    made("regressor", tmp_path).fit(*small_pairs())


@pytest.mark.parametrize("folder", [3, ""])
def test_a_checkpoint_dir_is_a_path(folder):
    with pytest.raises(ValueError, match="checkpoint_dir must be a path or None"):
        made("regressor", folder).fit(*small_pairs())
