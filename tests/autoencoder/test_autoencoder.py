"""EMDAutoencoder: codes, reconstructions, losses, and what copies share."""

import copy
import inspect
import json
import os
import pickle
import random

import cloudpickle
import joblib
import numpy as np
import pytest
from exhaustive import rarely
from processes import run_python
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from small_data import (
    N_CELLS,
    fitted_autoencoder,
    fitted_image_autoencoder,
    fitted_line_regressor,
    fitted_regressor,
    fitted_weights,
    interrupt_at,
    small_wafers,
    tiny_autoencoder,
    tiny_regressor,
    weights_are_equal,
)

from skemd import EMDAutoencoder, WaferRemapper
from skemd._backend import keras, weights_of
from skemd.geometry import hgcal_wafer
from skemd.losses import MeanSquaredError
from skemd.losses._table import LOSSES
from skemd.metrics import mean_emd

IMAGE_SHAPES = {"8x8": (8, 8, 1), "4x4x3": (4, 4, 3)}
each_layout = pytest.mark.parametrize("layout", list(IMAGE_SHAPES))


def squared_error(y_true, y_pred):
    """Compare in keras.ops; at the top of a module, so that it pickles."""
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def interrupting_loss(y_true, y_pred):
    raise KeyboardInterrupt


# Codes and reconstructions


def test_codes_are_a_table_of_float32_that_is_not_negative():
    codes = fitted_autoencoder().transform(small_wafers(seed=1))
    assert codes.shape == (60, 8)
    assert codes.dtype == np.float32
    assert codes.min() >= 0
    assert codes.any()


def test_predictions_keep_the_sum_of_each_wafer():
    X = small_wafers(seed=1)
    wafers = fitted_autoencoder().predict(X)
    assert wafers.shape == X.shape
    assert wafers.min() >= 0
    np.testing.assert_allclose(wafers.sum(axis=1), X.sum(axis=1), rtol=1e-6)


def test_inverse_transform_gives_rows_of_the_typical_charge_after_fit_on_rows():
    X = small_wafers(seed=1)
    autoencoder = fitted_autoencoder()
    wafers = autoencoder.inverse_transform(autoencoder.transform(X))
    assert wafers.shape == X.shape
    typical = np.median(small_wafers().sum(axis=1))
    np.testing.assert_allclose(wafers.sum(axis=1), typical, rtol=1e-6)
    scaled = wafers * X.sum(axis=1, keepdims=True) / typical
    np.testing.assert_allclose(scaled, autoencoder.predict(X), rtol=1e-4, atol=1e-4)


@each_layout
def test_inverse_transform_gives_images_after_fit_on_images(layout):
    X = small_wafers(seed=1)
    images = hgcal_wafer().layout(layout).apply(X)
    autoencoder = fitted_image_autoencoder(layout)
    codes = autoencoder.transform(images)
    back = autoencoder.inverse_transform(codes)
    assert codes.shape == (len(X), 8)
    assert back.shape == (len(X), *IMAGE_SHAPES[layout])
    assert autoencoder.n_features_in_ == N_CELLS
    predicted = autoencoder.predict(images)
    assert predicted.shape == (len(X), N_CELLS)
    cells = hgcal_wafer().layout(layout).invert(back) / autoencoder.typical_sum_
    cells *= X.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cells, predicted, rtol=1e-4, atol=1e-4)


@each_layout
def test_fit_on_images_equals_fit_on_rows_with_that_layout(layout):
    on_rows = tiny_autoencoder(layout=layout).fit(small_wafers())
    assert weights_are_equal(on_rows, fitted_image_autoencoder(layout))


@pytest.mark.parametrize(
    "shaped",
    [
        hgcal_wafer().layout("8x8").apply,
        hgcal_wafer().layout("4x4x3").apply,
        np.ndarray.tolist,
        np.asfortranarray,
    ],
    ids=["8x8", "4x4x3", "lists", "column-major"],
)
def test_all_forms_of_wafers_give_the_same_codes(shaped):
    X = small_wafers(seed=1)
    autoencoder = fitted_autoencoder()
    np.testing.assert_array_equal(
        autoencoder.transform(shaped(X)), autoencoder.transform(X)
    )
    # Sums of charges in another order differ in their last digit.
    np.testing.assert_allclose(
        autoencoder.predict(shaped(X)), autoencoder.predict(X), rtol=1e-12
    )


@pytest.mark.parametrize("method", ["transform", "predict"])
def test_a_row_does_not_depend_on_the_rows_around_it(method):
    X = small_wafers(30, seed=1)
    run = getattr(fitted_autoencoder(), method)
    alone = np.concatenate([run(wafer[None]) for wafer in X])
    np.testing.assert_allclose(run(X), alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_samples", [499, 500, 501, 1203])
def test_any_number_of_rows_comes_back_in_order(n_samples):
    X = small_wafers(100, seed=1)
    many = np.resize(X, (n_samples, N_CELLS))
    codes = fitted_autoencoder().transform(X)
    np.testing.assert_array_equal(
        fitted_autoencoder().transform(many), np.resize(codes, (n_samples, 8))
    )


@pytest.mark.parametrize("factor", [2.0**-30, 4.0, 2.0**40])
def test_codes_do_not_depend_on_powers_of_two_in_the_charges(factor):
    X = small_wafers(seed=1)
    autoencoder = fitted_autoencoder()
    np.testing.assert_array_equal(
        autoencoder.transform(factor * X), autoencoder.transform(X)
    )
    np.testing.assert_allclose(
        autoencoder.predict(factor * X), factor * autoencoder.predict(X), rtol=1e-6
    )


@pytest.mark.parametrize("method", ["transform", "predict"])
def test_a_wafer_without_charge_gives_zeros(method):
    X = small_wafers(5, seed=1)
    run = getattr(fitted_autoencoder(), method)
    expected = run(X)
    expected[2] = 0
    X[2] = 0
    np.testing.assert_array_equal(run(X), expected)


@pytest.mark.parametrize("latent_bits", [*rarely(1), 3, 8])
def test_codes_of_few_bits_lie_on_their_grid(latent_bits):
    X = small_wafers(seed=1)
    autoencoder = copy.deepcopy(fitted_autoencoder(latent_bits))
    codes = autoencoder.transform(X).astype(np.float64)
    # One bit before the binary point, the others behind it.
    steps = codes * 2.0 ** (latent_bits - 1)
    np.testing.assert_array_equal(steps, np.round(steps))
    assert codes.min() >= 0
    assert codes.max() <= 2 - 2.0 ** (1 - latent_bits)
    if latent_bits == 8:
        assert len(np.unique(codes)) > 2
    assert np.isfinite(autoencoder.predict(X)).all()


def test_codes_of_few_bits_are_the_codes_that_predict_decodes():
    X = small_wafers(seed=1)
    autoencoder = fitted_autoencoder(3)
    decoded = autoencoder.inverse_transform(autoencoder.transform(X))
    decoded *= X.sum(axis=1, keepdims=True) / autoencoder.typical_sum_
    np.testing.assert_allclose(decoded, autoencoder.predict(X), rtol=1e-4, atol=1e-4)


def test_live_models_are_the_networks_of_the_codes():
    X = small_wafers(10, seed=1)
    autoencoder = fitted_autoencoder()
    images = WaferRemapper("8x8", normalize="msb").fit_transform(X)
    codes = np.asarray(autoencoder.encoder_(images.astype(np.float32)))
    np.testing.assert_allclose(codes, autoencoder.transform(X), rtol=1e-5, atol=1e-6)
    decoded = np.asarray(autoencoder.decoder_(codes))
    assert decoded.shape == (10, 8, 8, 1)
    cells = np.asarray(autoencoder.model_(images.astype(np.float32)))
    np.testing.assert_allclose(
        cells, hgcal_wafer().layout("8x8").invert(decoded), rtol=1e-5, atol=1e-6
    )


def test_training_tells_different_wafers_apart():
    patterns = np.zeros((3, N_CELLS))
    for pattern, start in zip(patterns, (0, 20, 40), strict=True):
        pattern[start : start + 4] = 30
    X = patterns[np.arange(300) % 3] + 0.05 * small_wafers(300)
    trained = tiny_autoencoder(epochs=30, learning_rate=0.02).fit(X)
    average = np.broadcast_to(X.mean(axis=0), X.shape)
    assert trained.score(X) > -0.5 * mean_emd(X, average)


# Scores


def test_score_is_minus_the_mean_emd_as_a_python_float():
    X = small_wafers(seed=1)
    autoencoder = fitted_autoencoder()
    score = autoencoder.score(X)
    assert type(score) is float
    assert score < 0
    # Reconstructions of unit sum and of the wafer's own differ by rounding.
    assert score == pytest.approx(-mean_emd(X, autoencoder.predict(X)), rel=1e-12)


@pytest.mark.parametrize("y", [np.arange(60), np.ones((60, N_CELLS)), "any"])
def test_y_is_ignored(y):
    X = small_wafers()
    autoencoder = fitted_autoencoder()
    assert autoencoder.score(X, y) == autoencoder.score(X)


def test_fit_ignores_y():
    X = small_wafers()
    fitted = tiny_autoencoder().fit(X, np.arange(60))
    assert weights_are_equal(fitted, fitted_autoencoder())


@pytest.mark.parametrize("form", ["8x8", "4x4x3"])
def test_score_takes_images(form):
    X = small_wafers(seed=1)
    images = hgcal_wafer().layout(form).apply(X)
    assert fitted_autoencoder().score(images) == fitted_autoencoder().score(X)


# Losses


def test_each_loss_trains_to_finite_values_of_its_own():
    X = small_wafers(40)
    first_losses = set()
    for loss, entry in LOSSES.items():
        regressor = fitted_regressor() if "regressor" in entry.given else None
        autoencoder = tiny_autoencoder(loss=loss, emd_regressor=regressor).fit(X)
        assert np.isfinite(autoencoder.history_["loss"]).all()
        assert np.isfinite(autoencoder.predict(X)).all()
        assert autoencoder.emd_regressor_ is None
        first_losses.add(autoencoder.history_["loss"][0])
    assert len(first_losses) == len(LOSSES)


@pytest.mark.parametrize(
    "loss",
    [squared_error, MeanSquaredError(), keras.losses.MeanSquaredError()],
    ids=["keras.ops function", "skemd loss object", "keras loss object"],
)
def test_a_callable_loss_trains_like_the_one_of_that_name(loss):
    autoencoder = tiny_autoencoder(loss=loss).fit(small_wafers())
    for ours, named in zip(
        fitted_weights(autoencoder), fitted_weights(fitted_autoencoder()), strict=True
    ):
        np.testing.assert_allclose(ours, named, rtol=1e-3, atol=1e-5)
    twin = pickle.loads(pickle.dumps(autoencoder))
    np.testing.assert_array_equal(
        twin.transform(small_wafers()), autoencoder.transform(small_wafers())
    )


def test_learned_emd_is_what_the_history_shows():
    X = small_wafers(40)
    parameters = {"emd_regressor": fitted_regressor(), "early_stopping": False}
    # Steps far too small to change a weight: the loss is that of the final network.
    autoencoder = tiny_autoencoder(
        loss="emdcnn", epochs=1, batch_size=40, learning_rate=1e-20, **parameters
    ).fit(X)
    pairs = np.hstack([X, autoencoder.predict(X)])
    mean_distance = fitted_regressor().predict(pairs).mean()
    assert autoencoder.history_["loss"][0] == pytest.approx(mean_distance, rel=1e-4)


def test_on_a_line_the_learned_emd_is_fitted_inside(monkeypatch):
    X = small_wafers(20, n_cells=6)
    made = {}

    def tiny(**parameters):
        made.update(parameters)
        small = {"head": "bounded", "n_conv_layers": 0, "n_dense_units": 4}
        return tiny_regressor(**{**parameters, **small, "random_state": 0})

    # The full-size regressor would take most of this file's time.
    monkeypatch.setattr("skemd._autoencoder._loss.EMDRegressor", tiny)
    autoencoder = tiny_autoencoder(loss="emdcnn", geometry="line", n_jobs=1).fit(X)
    assert made["geometry"] == autoencoder.geometry_
    assert made["n_jobs"] == 1
    assert autoencoder.emd_regressor is None
    assert autoencoder.emd_regressor_.predict(np.hstack([X, X])).shape == (20,)


def test_a_regressor_of_a_line_serves_on_that_line():
    X = small_wafers(20, n_cells=6)
    regressor = fitted_line_regressor()
    before = fitted_weights(regressor)
    autoencoder = tiny_autoencoder(
        loss="emdcnn", geometry="line", emd_regressor=regressor
    ).fit(X)
    assert autoencoder.score(X) <= 0
    for old, new in zip(before, fitted_weights(regressor), strict=True):
        np.testing.assert_array_equal(old, new)


# Sharing the learned EMD


@pytest.fixture(scope="module")
def searched():
    """A fitted search over a pipeline whose loss is a regressor fitted before."""
    regressor = copy.deepcopy(fitted_regressor())
    autoencoder = tiny_autoencoder(loss="emdcnn", emd_regressor=regressor, epochs=1)
    search = GridSearchCV(
        make_pipeline(WaferRemapper(), autoencoder),
        {"emdautoencoder__learning_rate": [0.01, 0.02]},
        error_score="raise",
        cv=2,
    )
    return regressor, search.fit(small_wafers(40))


@pytest.mark.parametrize(
    "wrap", [lambda estimator: estimator, make_pipeline], ids=["alone", "pipeline"]
)
def test_clones_share_the_fitted_regressor(wrap):
    autoencoder = tiny_autoencoder(loss="emdcnn", emd_regressor=fitted_regressor())
    twin = clone(clone(wrap(autoencoder)))
    parameter = next(p for p in twin.get_params() if p.endswith("emd_regressor"))
    assert twin.get_params()[parameter] is fitted_regressor()


def test_a_search_shares_the_regressor_and_never_refits_it(searched):
    regressor, search = searched
    assert search.best_estimator_[-1].emd_regressor is regressor
    assert weights_are_equal(regressor, fitted_regressor())
    assert regressor.history_ == fitted_regressor().history_
    # The live network has not moved either, and can still be trained elsewhere.
    live = weights_of(regressor.model_)
    for weight, stored in zip(live, fitted_weights(fitted_regressor()), strict=True):
        np.testing.assert_array_equal(weight, stored)
    assert regressor.model_.trainable


def test_a_search_over_frozen_regressors_leaves_them_fitted():
    frozen = FrozenEstimator(fitted_regressor())
    autoencoder = tiny_autoencoder(loss="emdcnn", epochs=1)
    search = GridSearchCV(
        autoencoder, {"emd_regressor": [frozen]}, error_score="raise", cv=2
    )
    search.fit(small_wafers(40))
    assert search.best_estimator_.emd_regressor.estimator is fitted_regressor()


def test_clone_keeps_every_parameter_and_is_unfitted():
    parameters = {
        name: f"value of {name}"
        for name in inspect.signature(EMDAutoencoder.__init__).parameters
        if name != "self"
    }
    assert clone(EMDAutoencoder(**parameters)).get_params() == parameters
    twin = clone(fitted_autoencoder())
    assert twin.get_params() == fitted_autoencoder().get_params()
    with pytest.raises(NotFittedError):
        twin.transform(small_wafers())


def test_clone_keeps_the_output_container():
    pytest.importorskip("pandas")
    autoencoder = tiny_autoencoder(epochs=1).set_output(transform="pandas")
    assert hasattr(clone(autoencoder).fit_transform(small_wafers()), "columns")


# Copies


def through_joblib(fitted, folder):
    joblib.dump(fitted, folder / "fitted.joblib")
    return joblib.load(folder / "fitted.joblib")


each_round_trip = pytest.mark.parametrize(
    "round_trip",
    [
        lambda fitted, folder: copy.deepcopy(fitted),
        lambda fitted, folder: pickle.loads(pickle.dumps(fitted)),
        lambda fitted, folder: pickle.loads(cloudpickle.dumps(fitted)),
        through_joblib,
    ],
    ids=["deepcopy", "pickle", "cloudpickle", "joblib"],
)


@each_round_trip
def test_copies_of_a_fitted_search_give_the_same_results(
    round_trip, searched, tmp_path
):
    _, search = searched
    X = small_wafers(seed=1)
    twin = round_trip(search, tmp_path)
    assert twin.best_params_ == search.best_params_
    np.testing.assert_array_equal(twin.transform(X), search.transform(X))
    np.testing.assert_array_equal(twin.predict(X), search.predict(X))
    assert twin.score(X) == search.score(X)


@each_round_trip
def test_copies_of_a_fitted_pipeline_give_the_same_results(round_trip, tmp_path):
    X = small_wafers(seed=1)
    pipeline = make_pipeline(WaferRemapper().fit(X), fitted_image_autoencoder("8x8"))
    twin = round_trip(pipeline, tmp_path)
    codes = twin.transform(X)
    np.testing.assert_array_equal(codes, pipeline.transform(X))
    np.testing.assert_array_equal(
        twin.inverse_transform(codes), pipeline.inverse_transform(codes)
    )


def test_a_copy_works_after_its_parameters_were_changed():
    X = small_wafers(seed=1)
    autoencoder = copy.deepcopy(fitted_autoencoder())
    autoencoder.set_params(n_components=3, layout="4x4x3", latent_bits=2)
    twin = pickle.loads(pickle.dumps(autoencoder))
    np.testing.assert_array_equal(twin.predict(X), fitted_autoencoder().predict(X))


def test_pickles_are_the_same_each_time():
    X = small_wafers()
    fresh = tiny_autoencoder().fit(X)
    first = pickle.dumps(fresh)
    fresh.transform(X)
    fresh.predict(X)
    assert pickle.dumps(fresh) == first
    assert pickle.dumps(tiny_autoencoder().fit(X)) == first
    assert joblib.hash(pickle.loads(first)) == joblib.hash(fresh)


def test_pickles_are_about_as_small_as_the_weights():
    # Adam would add twice the weights.
    n_bytes = sum(weight.nbytes for weight in fitted_weights(fitted_autoencoder()))
    assert len(pickle.dumps(fitted_autoencoder())) < n_bytes + 8_000


def test_a_pickle_loads_in_a_fresh_process(tmp_path):
    X = small_wafers(10, seed=1)
    pipeline = make_pipeline(WaferRemapper().fit(X), fitted_image_autoencoder("8x8"))
    joblib.dump((pipeline, X), tmp_path / "fitted.joblib")
    code = (
        "import sys, joblib, numpy\n"
        "fitted, X = joblib.load(sys.argv[1])\n"
        "numpy.save(sys.argv[2], fitted.transform(X))"
    )
    outcome = run_python(code, tmp_path / "fitted.joblib", tmp_path / "codes.npy")
    assert outcome.returncode == 0, outcome.stderr
    codes = np.load(tmp_path / "codes.npy")
    np.testing.assert_allclose(codes, pipeline.transform(X), rtol=1e-6, atol=1e-6)


# Randomness and side effects


def test_equal_random_states_give_equal_results():
    again = tiny_autoencoder().fit(small_wafers())
    assert weights_are_equal(again, fitted_autoencoder())
    assert again.history_ == fitted_autoencoder().history_


@pytest.mark.parametrize("random_state", [1, None])
def test_other_random_states_give_other_results(random_state):
    other = tiny_autoencoder(random_state=random_state).fit(small_wafers())
    assert not weights_are_equal(other, fitted_autoencoder())


def test_fitting_again_forgets_the_first_fit():
    autoencoder = copy.deepcopy(fitted_autoencoder()).fit(small_wafers())
    assert weights_are_equal(autoencoder, fitted_autoencoder())


def test_fit_leaves_global_state_alone():
    def state():
        return {
            "numpy": [str(part) for part in np.random.get_state()],
            "python": random.getstate(),
            "environment": dict(os.environ),
            "floatx": keras.config.floatx(),
            "epsilon": keras.config.epsilon(),
            "data format": keras.config.image_data_format(),
            "policy": keras.config.dtype_policy().name,
            "backend": keras.config.backend(),
        }

    before = state()
    tiny_autoencoder(loss="emdcnn", emd_regressor=fitted_regressor()).fit_transform(
        small_wafers(20)
    )
    assert state() == before


@pytest.mark.parametrize("early_stopping", [True, False])
def test_history_is_a_dict_of_lists_of_numbers(early_stopping):
    autoencoder = tiny_autoencoder(early_stopping=early_stopping).fit(small_wafers(40))
    expected = {"loss", "val_loss"} if early_stopping else {"loss"}
    assert set(autoencoder.history_) == expected
    for values in autoencoder.history_.values():
        assert len(values) == autoencoder.n_iter_ == 2
        assert all(type(value) is float for value in values)
    assert json.loads(json.dumps(autoencoder.history_)) == autoencoder.history_


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_shows_on_stderr_only_if_asked_for(verbose, capfd):
    X = small_wafers(40)
    autoencoder = tiny_autoencoder(verbose=verbose).fit(X)
    autoencoder.predict(X)
    autoencoder.score(X)
    output = capfd.readouterr()
    assert output.out == ""
    assert ("EMDAutoencoder(mse) [" in output.err) == bool(verbose)
    assert verbose or output.err == ""


def test_ctrl_c_keeps_the_weights_of_the_best_epoch_so_far(monkeypatch):
    X = small_wafers(100)
    fitted = {}
    # 90 wafers train, in three steps of 32: five updates are in the second epoch.
    for n_updates in (0, 3, 5):
        interrupt_at(monkeypatch, n_updates)
        autoencoder = tiny_autoencoder(epochs=5)
        message = rf"after {n_updates // 3} of 5 epochs; the best weights so far"
        with pytest.warns(ConvergenceWarning, match=message) as caught:
            fitted[n_updates] = autoencoder.fit(X)
        assert caught[0].filename == __file__
        n_epochs = len(autoencoder.history_["loss"])
        assert autoencoder.n_iter_ == n_epochs == n_updates // 3
        assert np.isfinite(autoencoder.predict(X)).all()
    assert weights_are_equal(fitted[3], fitted[5])
    assert not weights_are_equal(fitted[0], fitted[3])
    twin = pickle.loads(pickle.dumps(fitted[5]))
    np.testing.assert_array_equal(twin.transform(X), fitted[5].transform(X))


def test_ctrl_c_in_the_loss_leaves_a_usable_autoencoder():
    X = small_wafers(40)
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 of 2 epochs"):
        autoencoder = tiny_autoencoder(loss=interrupting_loss).fit(X)
    assert autoencoder.transform(X).shape == (40, 8)


# Names and containers


def test_codes_have_names():
    names = fitted_autoencoder().get_feature_names_out()
    assert names.tolist() == [f"emdautoencoder{number}" for number in range(8)]


def test_a_pipeline_gives_codes_as_a_data_frame():
    pytest.importorskip("pandas")
    pipeline = make_pipeline(WaferRemapper(), tiny_autoencoder(epochs=1))
    pipeline.set_output(transform="pandas")
    codes = pipeline.fit_transform(small_wafers(40))
    assert codes.columns.tolist() == pipeline.get_feature_names_out().tolist()
    assert codes.shape == (40, 8)
    back = pipeline.inverse_transform(codes.to_numpy())
    assert back.shape == (40, N_CELLS)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "predict"])
def test_unfitted_autoencoder_says_so(method):
    with pytest.raises(NotFittedError, match="EMDAutoencoder instance is not fitted"):
        getattr(EMDAutoencoder(), method)(small_wafers())


@pytest.mark.parametrize("attribute", ["model_", "encoder_", "decoder_"])
def test_unfitted_autoencoder_has_no_live_model(attribute):
    assert not hasattr(EMDAutoencoder(), attribute)


def test_unfitted_autoencoder_says_so_when_scored():
    with pytest.raises(NotFittedError, match="EMDAutoencoder instance is not fitted"):
        EMDAutoencoder().score(small_wafers(), small_wafers())
