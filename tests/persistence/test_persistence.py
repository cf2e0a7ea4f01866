"""Saved estimators: all of them come back, and nothing else does."""

import copy
import importlib.util
import json
import multiprocessing
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from processes import run_python
from repository import HELPERS, ROOT
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_data import (
    fitted_autoencoder,
    fitted_image_autoencoder,
    fitted_line_regressor,
    fitted_regressor,
    small_pairs,
    small_wafers,
    tiny_autoencoder,
    tiny_regressor,
    weights_are_equal,
)

import skemd
from skemd import EMDAutoencoder, EMDRegressor, WaferRemapper
from skemd._io._archive import read_archive, write_archive
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.geometry import grid
from skemd.losses import SinkhornDivergence, TelescopeLoss
from skemd.losses._table import LOSSES

BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"{name} is not installed"
        ),
    )
    for name in ("torch", "tensorflow")
]


def saved_and_loaded(estimator, folder):
    skemd.save(estimator, folder / "saved.skemd")
    return skemd.load(folder / "saved.skemd")


def learned(estimator):
    """Return the names of what fit left, but for how it ended, which files omit."""
    others = {*estimator.get_params(deep=False), "_interruption"}
    return sorted(set(vars(estimator)) - others)


# What comes back


@pytest.mark.parametrize(
    "estimator",
    [
        WaferRemapper("4x4x3", normalize="msb"),
        WaferRemapper(geometry="line"),
        WaferRemapper(geometry=grid(6, 8)),
        ThresholdSum(),
        ThresholdSum("links", overflow="truncate", rest="even"),
        BestChoice(2, half_lsb=True),
        SuperTriggerCell("CTC4_7"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("as_images", [False, True])
def test_transformers_come_back_as_they_were(estimator, as_images, tmp_path):
    X = small_wafers()
    if as_images and not isinstance(estimator, WaferRemapper):
        X = WaferRemapper().fit_transform(X)
    fitted = estimator.fit(X)
    loaded = saved_and_loaded(fitted, tmp_path)
    assert type(loaded) is type(fitted)
    assert repr(loaded) == repr(fitted)
    assert learned(loaded) == learned(fitted)
    assert loaded.geometry_ == fitted.geometry_
    codes = fitted.transform(X)
    np.testing.assert_array_equal(loaded.transform(X), codes)
    found = loaded.inverse_transform(codes)
    np.testing.assert_array_equal(found, fitted.inverse_transform(codes))


@pytest.mark.parametrize("head", ["bounded", "linear", "potential"])
def test_regressors_come_back_as_they_were(head, tmp_path):
    fitted = fitted_regressor(head)
    loaded = saved_and_loaded(fitted, tmp_path)
    assert loaded.get_params() == fitted.get_params()
    assert learned(loaded) == learned(fitted)
    assert loaded.history_ == fitted.history_
    assert weights_are_equal(loaded, fitted)
    pairs, _ = small_pairs()
    np.testing.assert_array_equal(loaded.predict(pairs), fitted.predict(pairs))
    # And they can be fitted again.
    assert weights_are_equal(loaded.fit(*small_pairs()), fitted)


def test_a_regressor_of_any_line_comes_back(tmp_path):
    loaded = saved_and_loaded(fitted_line_regressor(), tmp_path)
    pairs, _ = small_pairs(40, n_cells=6)
    expected = fitted_line_regressor().predict(pairs)
    np.testing.assert_array_equal(loaded.predict(pairs), expected)


def test_the_regressor_that_ships_comes_back_small(tmp_path):
    shipped = EMDRegressor.from_pretrained()
    loaded = saved_and_loaded(shipped, tmp_path)
    assert weights_are_equal(loaded, shipped)
    n_bytes = sum(weight.nbytes for weight in shipped.network_.weights)
    assert (tmp_path / "saved.skemd").stat().st_size < 1.05 * n_bytes


@pytest.fixture(scope="module")
def chip():
    """Return an encoder of few bits, with a learned EMD of its own."""
    regressor = FrozenEstimator(fitted_regressor())
    parameters = {"loss": "emdcnn", "emd_regressor": regressor, "n_output_links": 5}
    shape = {"n_filters": 8, "n_components": 16, "random_state": 1}
    return tiny_autoencoder(**parameters, **shape).fit(small_wafers())


def assert_equal_autoencoders(loaded, fitted, X):
    assert repr(loaded) == repr(fitted)
    assert learned(loaded) == learned(fitted)
    codes = fitted.transform(X)
    np.testing.assert_array_equal(loaded.transform(X), codes)
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    found = loaded.inverse_transform(codes)
    np.testing.assert_array_equal(found, fitted.inverse_transform(codes))


def test_autoencoders_come_back_as_they_were(tmp_path, chip):
    for fitted in (fitted_autoencoder(), fitted_image_autoencoder("4x4x3"), chip):
        loaded = saved_and_loaded(fitted, tmp_path)
        assert_equal_autoencoders(loaded, fitted, small_wafers())
    assert loaded.latent_format_ == chip.latent_format_
    assert (loaded.arithmetic_, loaded.front_end_) == ("chip", "LD")
    np.testing.assert_array_equal(loaded.dead_components_, chip.dead_components_)


def test_files_from_before_the_chips_arithmetic_are_of_exact_sums(tmp_path):
    fitted = tiny_autoencoder(n_output_links=2, arithmetic="exact", front_end=None)
    fitted.fit(small_wafers())
    path = tmp_path / "saved.skemd"
    skemd.save(fitted, path)
    header, arrays = read_archive(path, "estimator")
    _, parameters, learned = header["content"]["estimator"]
    later = {"arithmetic", "front_end", "arithmetic_", "front_end_", "n_output_links_"}
    for values in (parameters, learned):
        values["dict"] = [item for item in values["dict"] if item[0] not in later]
    network = next(item for key, item in learned["dict"] if key == "network_")
    config = network["network"][1]
    config["dict"] = [
        item for item in config["dict"] if item[0] not in ("arithmetic", "n_conditions")
    ]
    write_archive(path, header, arrays)
    assert_equal_but_for_links(skemd.load(path), fitted)
    parameters["dict"] = [*parameters["dict"], ["arithmetic", "chip"]]
    write_archive(path, header, arrays)
    # A later fit is another matter.
    assert skemd.load(path).arithmetic_ == "exact"


def assert_equal_but_for_links(loaded, fitted):
    assert loaded.get_params() == fitted.get_params()
    assert (loaded.arithmetic_, loaded.front_end_) == ("exact", None)
    assert loaded.n_output_links_ is None
    X = small_wafers()
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("arithmetic_", "exact"),
        ("arithmetic_", "none"),
        ("front_end_", "MD"),
        ("n_output_links_", None),
        ("n_output_links_", 7),
        ("_encodes_sum", False),
    ],
)
def test_what_does_not_belong_to_the_network_is_refused(
    attribute, value, tmp_path, chip
):
    changed = copy.copy(chip)
    setattr(changed, attribute, value)
    if attribute == "_encodes_sum":
        changed._n_features_out = 16
    with pytest.raises(ValueError, match="does not belong to the other values"):
        skemd.save(changed, tmp_path / "changed.skemd")


def test_the_learned_emd_within_comes_back(tmp_path, chip):
    loaded = saved_and_loaded(chip, tmp_path)
    assert isinstance(loaded.emd_regressor, FrozenEstimator)
    assert weights_are_equal(loaded.emd_regressor.estimator, fitted_regressor())
    # Nothing of the loss is lost: both go on to equal weights.
    assert weights_are_equal(loaded.fit(small_wafers()), chip)


def test_pipelines_come_back_as_they_were(tmp_path):
    fitted = make_pipeline(WaferRemapper(), fitted_image_autoencoder("8x8"))
    fitted[0].fit(small_wafers())
    loaded = saved_and_loaded(fitted, tmp_path)
    assert repr(loaded) == repr(fitted)
    X = small_wafers()
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


def test_names_of_columns_and_the_output_come_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    names = [f"CALQ_{cell}" for cell in range(48)]
    X = pandas.DataFrame(small_wafers(), columns=names)
    fitted = BestChoice().set_output(transform="pandas").fit(X)
    loaded = saved_and_loaded(fitted, tmp_path)
    pandas.testing.assert_frame_equal(loaded.transform(X), fitted.transform(X))
    assert loaded.feature_names_in_.tolist() == names


@pytest.mark.parametrize(
    "estimator",
    [
        EMDAutoencoder(loss=TelescopeLoss(), input_bits=None, learning_rate=0.1),
        EMDAutoencoder(loss=SinkhornDivergence(grid(6, 8), epsilon=2.0)),
        EMDRegressor(np.int64(3), learning_rate=np.float32(0.5), geometry=grid(2, 3)),
        EMDRegressor(random_state=np.random.RandomState(7)),
    ],
    ids=["telescope", "sinkhorn", "numbers", "random state"],
)
def test_parameters_come_back_without_a_fit(estimator, tmp_path):
    loaded = saved_and_loaded(estimator, tmp_path)
    assert learned(loaded) == []
    for name, value in estimator.get_params(deep=False).items():
        found = getattr(loaded, name)
        if name == "loss" and not isinstance(value, str):
            assert type(found) is type(value)
            assert found.get_config() == value.get_config()
        elif isinstance(value, np.random.RandomState):
            assert found.randint(2**30, size=9).tolist() == (
                value.randint(2**30, size=9).tolist()
            )
        else:
            assert found == value


@pytest.mark.parametrize("name", LOSSES)
def test_objects_of_all_losses_come_back_but_for_the_learned_one(name, tmp_path):
    row = LOSSES[name]
    if "regressor" in row.given:
        unfit = EMDAutoencoder(loss=row.loss(fitted_regressor()))
        with pytest.raises(TypeError, match=rf"{row.loss.__name__}\(.* can hold"):
            skemd.save(unfit, tmp_path / "saved.skemd")
    else:
        loaded = saved_and_loaded(EMDAutoencoder(loss=row.loss()), tmp_path)
        assert type(loaded.loss) is row.loss
        assert loaded.loss.get_config() == row.loss().get_config()


def test_a_loss_of_ones_own_is_refused(tmp_path):
    class MeanSquaredError(TelescopeLoss):
        pass

    MeanSquaredError.__module__ = "skemd.losses._squared_errors"
    with pytest.raises(TypeError, match="can hold"):
        skemd.save(EMDAutoencoder(loss=MeanSquaredError()), tmp_path / "saved.skemd")


@pytest.mark.parametrize(
    "fitted",
    [
        lambda: WaferRemapper().fit(small_wafers()),
        lambda: ThresholdSum().fit(small_wafers()),
        lambda: BestChoice().fit(small_wafers()),
        lambda: SuperTriggerCell().fit(small_wafers()),
        fitted_regressor,
        fitted_autoencoder,
        EMDRegressor.from_pretrained,
    ],
)
def test_fit_leaves_what_the_class_declares(fitted):
    estimator = fitted()
    assert learned(estimator) == sorted(estimator._fitted_attributes)
    for name, type_ in estimator._fitted_attributes.items():
        assert isinstance(vars(estimator)[name], type_), name


def test_how_a_training_ended_is_not_kept(tmp_path):
    fitted = copy.copy(fitted_regressor())
    fitted._interruption = "interrupted"
    assert not hasattr(saved_and_loaded(fitted, tmp_path), "_interruption")


@pytest.mark.parametrize(
    ("unfit", "message"),
    [
        (StandardScaler(), "takes WaferRemapper, .* got StandardScaler"),
        ([WaferRemapper()], "got list"),
        (EMDAutoencoder(loss=lambda a, b: a), "a function is code"),
        (make_pipeline(StandardScaler(), WaferRemapper()), "StandardScaler.*can hold"),
    ],
    ids=["scaler", "list", "function", "pipeline"],
)
def test_what_cannot_be_saved_is_refused_and_leaves_no_file(unfit, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        skemd.save(unfit, tmp_path / "saved.skemd")
    assert list(tmp_path.iterdir()) == []


def test_an_attribute_of_ones_own_is_refused(tmp_path):
    remapper = WaferRemapper().fit(small_wafers())
    remapper.note = "mine"
    with pytest.raises(TypeError, match=r"WaferRemapper has \['note'\]"):
        skemd.save(remapper, tmp_path / "saved.skemd")


def test_a_file_says_with_what_it_was_made_and_opens_as_npz(tmp_path):
    path = tmp_path / "saved.skemd"
    skemd.save(fitted_regressor(), path)
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("header.json"))
    assert header["format"] == 1
    assert header["versions"]["skemd"] == skemd.__version__
    assert set(header["versions"]) == {"skemd", "keras", "numpy", "scikit-learn"}
    with np.load(path, allow_pickle=False) as archive:
        shapes = {archive[name].shape for name in archive if name != "header.json"}
    assert shapes >= {weight.shape for weight in fitted_regressor().network_.weights}


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "saved.skemd"
    skemd.save(WaferRemapper(), path)

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        skemd.save(WaferRemapper("4x4x3"), path)
    assert repr(skemd.load(path)) == "WaferRemapper()"
    assert list(tmp_path.iterdir()) == [path]


def test_estimators_without_a_network_need_no_keras(tmp_path):
    estimators = [WaferRemapper(), BestChoice(), make_pipeline(WaferRemapper())]
    paths = [tmp_path / f"{number}.skemd" for number in range(len(estimators))]
    for estimator, path in zip(estimators, paths, strict=True):
        skemd.save(estimator.fit(small_wafers()), path)
    script = """
import sys, skemd
for path in sys.argv[1:]:
    loaded = skemd.load(path)
    skemd.save(loaded, path)
    print(type(loaded).__name__, "keras" in sys.modules)
"""
    outcome = run_python(script, *paths)
    assert outcome.stdout.split() == (
        "WaferRemapper False BestChoice False Pipeline False".split()
    )
    assert outcome.stderr == ""


OTHER_BACKEND = """
import sys
import numpy as np
import skemd
from skemd._backend import keras
from small_data import small_pairs, small_wafers

folder, backend = sys.argv[1:]
assert keras.backend.backend() == backend
for head in ("bounded", "linear", "potential"):
    loaded = skemd.load(f"{folder}/{head}.skemd")
    np.save(f"{folder}/{head}.npy", loaded.predict(small_pairs()[0]))
autoencoder = skemd.load(f"{folder}/a.skemd")
np.save(f"{folder}/codes.npy", autoencoder.transform(small_wafers()))
np.save(f"{folder}/cells.npy", autoencoder.predict(small_wafers()))
skemd.save(skemd.load(f"{folder}/linear.skemd"), f"{folder}/back.skemd")
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_predict_alike_on(backend, tmp_path):
    heads = ("bounded", "linear", "potential")
    for head in heads:
        skemd.save(fitted_regressor(head), tmp_path / f"{head}.skemd")
    skemd.save(fitted_autoencoder(), tmp_path / "a.skemd")
    outcome = run_python(
        OTHER_BACKEND,
        tmp_path,
        backend,
        KERAS_BACKEND=backend,
        PYTHONPATH=f"{HELPERS}:{ROOT}",
    )
    assert outcome.returncode == 0, outcome.stderr
    for head in heads:
        expected = fitted_regressor(head).predict(small_pairs()[0])
        found = np.load(tmp_path / f"{head}.npy")
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    X = small_wafers()
    codes = fitted_autoencoder().transform(X)
    scale = 1e-4 * codes.max()
    np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), codes, 1e-4, scale)
    cells = fitted_autoencoder().predict(X)
    np.testing.assert_allclose(np.load(tmp_path / "cells.npy"), cells, rtol=1e-4)
    assert weights_are_equal(
        skemd.load(tmp_path / "back.skemd"), fitted_regressor("linear")
    )


# One estimator, many users


def test_threads_predict_as_one_does(tmp_path):
    X, (pairs, _) = small_wafers(700, seed=5), small_pairs(700, seed=5)
    regressor, autoencoder = fitted_regressor(), fitted_autoencoder()
    expected = [regressor.predict(pairs), autoencoder.predict(X)]
    # Loaded ones have no live network yet: the threads build it.
    for estimator, data, one in zip(
        (regressor, autoencoder), (pairs, X), expected, strict=True
    ):
        skemd.save(estimator, tmp_path / "saved.skemd")
        loaded = skemd.load(tmp_path / "saved.skemd")
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(loaded.predict, [data] * 24))
        for each in found:
            np.testing.assert_array_equal(each, one)


def test_workers_predict_as_the_parent_that_fitted():
    regressor, (pairs, _) = fitted_regressor(), small_pairs()
    expected = regressor.predict(pairs)
    with joblib.parallel_config("loky", n_jobs=2):
        found = joblib.Parallel()(
            joblib.delayed(regressor.predict)(part) for part in np.split(pairs, 2)
        )
    np.testing.assert_array_equal(np.concatenate(found), expected)


def _transform_in_child(path, X, results):
    results.put(skemd.load(path).transform(X))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork"
)
def test_a_forked_child_can_load_and_use_what_needs_no_network(tmp_path):
    # jax's threads do not survive a fork; what needs none of them has to.
    fitted_regressor().predict(small_pairs()[0])
    chip, X = BestChoice().fit(small_wafers()), small_wafers()
    skemd.save(chip, tmp_path / "chip.skemd")
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(
        target=_transform_in_child, args=(tmp_path / "chip.skemd", X, results)
    )
    with warnings.catch_warnings():
        # jax and Python 3.12 warn of any fork beside threads.
        warnings.simplefilter("ignore")
        child.start()
    np.testing.assert_array_equal(results.get(), chip.transform(X))
    child.join(60)
    assert child.exitcode == 0


def test_a_regressor_fitted_in_a_worker_equals_one_fitted_here():
    with joblib.parallel_config("loky", n_jobs=2):
        (found,) = joblib.Parallel()(
            joblib.delayed(tiny_regressor().fit)(*small_pairs()) for _ in "a"
        )
    assert weights_are_equal(found, fitted_regressor())
