"""EMDRegressor: what it promises about predictions, training and copies."""

import copy
import inspect
import os
import pickle
import random

import cloudpickle
import joblib
import numpy as np
import pytest
from processes import run_python
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_data import (
    N_CELLS,
    fitted_line_regressor,
    fitted_regressor,
    fitted_weights,
    interrupt_at,
    small_pairs,
    small_wafers,
    tiny_regressor,
    weights_are_equal,
)

from skemd import EMDRegressor, WaferRemapper
from skemd._input._scaling import normalized
from skemd.distance import paired_emd, paired_potentials
from skemd.geometry import grid, hgcal_wafer

# Rounding of float32, in parts of the largest distance of two wafers' cells.
ROUNDING = 1e-5

each_head = pytest.mark.parametrize("head", ["bounded", "linear", "potential"])


def total_variation(pairs):
    A, B = pairs[:, :N_CELLS], pairs[:, N_CELLS:]
    A = A / A.sum(axis=1, keepdims=True)
    B = B / B.sum(axis=1, keepdims=True)
    return np.abs(A - B).sum(axis=1) / 2


def swapped(pairs):
    return np.hstack([pairs[:, N_CELLS:], pairs[:, :N_CELLS]])


# Properties of predictions


@each_head
def test_predictions_do_not_depend_on_the_order_of_a_pair(head):
    pairs, _ = small_pairs(seed=1)
    regressor = fitted_regressor(head)
    np.testing.assert_allclose(
        regressor.predict(swapped(pairs)), regressor.predict(pairs), atol=ROUNDING
    )


@each_head
@pytest.mark.parametrize("factor", [1e-300, 0.37, 1e300])
def test_predictions_do_not_depend_on_the_scale_of_the_charges(head, factor):
    pairs, _ = small_pairs(seed=1)
    scaled = pairs.copy()
    scaled[:, :N_CELLS] *= factor
    regressor = fitted_regressor(head)
    np.testing.assert_allclose(
        regressor.predict(scaled), regressor.predict(pairs), atol=ROUNDING
    )


@each_head
def test_a_prediction_does_not_depend_on_the_rows_around_it(head):
    pairs, _ = small_pairs(30, seed=1)
    regressor = fitted_regressor(head)
    together = regressor.predict(pairs)
    alone = np.concatenate([regressor.predict(pair[None]) for pair in pairs])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_predictions_of_more_pairs_than_a_batch_come_in_order():
    pairs, _ = small_pairs(60, seed=1)
    regressor = fitted_regressor()
    many = regressor.predict(np.tile(pairs, (20, 1)))
    np.testing.assert_array_equal(many, np.tile(regressor.predict(pairs), 20))


def test_equal_wafers_are_exactly_zero_apart():
    X = small_wafers()
    assert not fitted_regressor().predict(np.hstack([X, X])).any()


def test_bounded_predictions_stay_within_what_the_geometry_allows():
    pairs, _ = small_pairs(100, seed=3)
    predictions, variation = fitted_regressor().predict(pairs), total_variation(pairs)
    wafer = hgcal_wafer()
    assert (predictions >= 0).all()
    assert (predictions >= variation * wafer.min_distance * (1 - 1e-5)).all()
    assert (predictions <= variation * wafer.max_distance * (1 + 1e-5)).all()


def test_single_cells_are_no_further_apart_than_the_wafer_is_wide():
    cells = np.eye(N_CELLS)
    pairs = np.hstack([cells, np.roll(cells, 7, axis=0)])
    predictions = fitted_regressor().predict(pairs)
    assert predictions.min() >= hgcal_wafer().min_distance * (1 - 1e-5)
    assert predictions.max() <= hgcal_wafer().max_distance * (1 + 1e-5)


@each_head
@pytest.mark.parametrize("sides", ["first", "second", "both"])
def test_a_pair_with_a_wafer_without_charge_gives_zero(head, sides):
    pairs, _ = small_pairs(5, seed=1)
    empty = pairs.copy()
    columns = {"first": slice(N_CELLS), "second": slice(N_CELLS, None)}
    empty[2, columns.get(sides, slice(None))] = 0
    predictions = fitted_regressor(head).predict(empty)
    assert predictions[2] == 0
    np.testing.assert_array_equal(
        np.delete(predictions, 2),
        fitted_regressor(head).predict(np.delete(pairs, 2, 0)),
    )


@pytest.mark.parametrize(
    "shaped",
    [
        lambda pairs: pairs.reshape(-1, 2, N_CELLS),
        lambda pairs: as_images(pairs, "8x8"),
        lambda pairs: as_images(pairs, "4x4x3"),
        lambda pairs: pairs.tolist(),
        lambda pairs: np.asfortranarray(pairs),
    ],
    ids=["stacked", "8x8 images", "4x4x3 images", "lists", "column-major"],
)
def test_all_forms_of_pairs_give_the_same_predictions(shaped):
    pairs, y = small_pairs(seed=1)
    regressor = fitted_regressor()
    expected = regressor.predict(pairs)
    np.testing.assert_array_equal(regressor.predict(shaped(pairs)), expected)
    assert regressor.score(shaped(pairs), y) == pytest.approx(r2_score(y, expected))


def as_images(pairs, layout):
    remapper = WaferRemapper(layout)
    sides = [pairs[:, :N_CELLS], pairs[:, N_CELLS:]]
    return np.stack([remapper.fit_transform(side) for side in sides], axis=1)


def test_stacked_pairs_train_like_flat_ones():
    pairs, y = small_pairs()
    stacked = pairs.reshape(-1, 2, N_CELLS)
    regressor = tiny_regressor().fit(stacked, y)
    assert regressor.n_features_in_ == 2 * N_CELLS
    assert weights_are_equal(regressor, fitted_regressor())


def test_predictions_are_one_finite_number_a_pair():
    pairs, _ = small_pairs(seed=1)
    predictions = fitted_regressor().predict(pairs)
    assert predictions.shape == (len(pairs),)
    assert predictions.dtype.kind == "f"
    assert np.isfinite(predictions).all()


# Labels, scores and training


def test_without_y_the_exact_emd_is_the_label():
    pairs, _ = small_pairs()
    assert weights_are_equal(tiny_regressor().fit(pairs), fitted_regressor())


def test_training_follows_the_labels():
    pairs, y = small_pairs()
    with pytest.warns(UserWarning, match="y is off the exact EMD"):
        doubled = tiny_regressor().fit(pairs, 2 * y)
    assert not weights_are_equal(doubled, fitted_regressor())


@pytest.mark.parametrize("given_y", [True, False])
def test_score_is_the_coefficient_of_determination(given_y):
    pairs, y = small_pairs(seed=1)
    regressor = fitted_regressor()
    score = regressor.score(pairs, y if given_y else None)
    assert isinstance(score, float)
    assert score == pytest.approx(r2_score(y, regressor.predict(pairs)))


def test_training_learns_how_far_charge_moves():
    # Single cells: the total variation says nothing, the distance everything.
    cells = np.eye(N_CELLS)
    first, second = np.divmod(np.arange(0, N_CELLS**2, 3), N_CELLS)
    differ = first != second
    pairs = np.hstack([cells[first], cells[second]])[differ]
    regressor = tiny_regressor(epochs=20, learning_rate=0.01).fit(pairs)
    assert regressor.score(pairs) > 0.5


def test_each_loss_trains_to_finite_values_of_its_own():
    pairs, y = small_pairs(40)
    first_losses = set()
    for loss in ("mse", "huber", "msle"):
        regressor = tiny_regressor(loss=loss, n_conv_layers=0, epochs=1).fit(pairs, y)
        assert np.isfinite(regressor.history_["loss"]).all()
        assert np.isfinite(regressor.predict(pairs)).all()
        first_losses.add(regressor.history_["loss"][0])
    assert len(first_losses) == 3


@pytest.mark.parametrize("augment", [True, False])
def test_augmentation_turns_both_wafers_of_a_pair_alike(augment, monkeypatch):
    seen = {}

    def capture(*arguments, **options):
        seen.update(options)
        raise InterruptedError

    monkeypatch.setattr("skemd._regressor._estimator.train", capture)
    pairs, y = small_pairs()
    with pytest.raises(InterruptedError):
        tiny_regressor(augment=augment).fit(pairs, y)
    if not augment:
        assert seen["augment"] is None
        return
    potentials = paired_potentials(pairs[:, :N_CELLS], pairs[:, N_CELLS:])[1]
    targets = np.column_stack([y, y, y, potentials])
    turned, targets = seen["augment"](pairs, targets, np.random.RandomState(0))
    A, B = turned[:, :N_CELLS], turned[:, N_CELLS:]
    np.testing.assert_allclose(paired_emd(A, B), y)
    a, b = normalized(A), normalized(B)
    np.testing.assert_allclose(((b - a) * targets[:, 3:]).sum(axis=1), y)
    np.testing.assert_array_equal(targets[:, :3], np.column_stack([y, y, y]))
    rotations = np.array(
        [[np.roll(a, 16 * k) for k in range(3)] for a in pairs[:, :48]]
    )
    is_rotation = (rotations == A[:, None]).all(axis=2)
    assert is_rotation.any(axis=1).all()
    assert is_rotation.any(axis=0).all(), "each of the three rotations is drawn"


@pytest.mark.parametrize("early_stopping", [True, False])
def test_history_is_a_dict_of_lists_of_numbers(early_stopping):
    pairs, y = small_pairs(40)
    parameters = {"n_dense_units": 4, "early_stopping": early_stopping}
    regressor = tiny_regressor(**parameters).fit(pairs, y)
    expected = {"loss", "val_loss"} if early_stopping else {"loss"}
    assert set(regressor.history_) == expected
    for values in regressor.history_.values():
        assert isinstance(values, list)
        assert len(values) == regressor.n_iter_ == 2
        assert all(type(value) is float for value in values)


def test_linear_head_is_not_bounded_by_the_total_variation():
    X = small_wafers()
    assert fitted_regressor("linear").predict(np.hstack([X, X])).any()


def test_line_takes_any_width_and_odd_ones_as_if_the_last_cell_were_empty():
    regressor = fitted_line_regressor()
    assert regressor.geometry_.n_cells == 6
    assert regressor.n_features_in_ == 12
    odd = 1 + small_pairs(20, n_cells=3)[0][:, :5]
    filled = np.column_stack([odd, np.zeros(len(odd))])
    fitted_on = {
        X.shape[1]: tiny_regressor(geometry="line", n_dense_units=4).fit(X)
        for X in (odd, filled)
    }
    np.testing.assert_array_equal(
        fitted_on[5].predict(odd), fitted_on[6].predict(filled)
    )


# Randomness and side effects


@pytest.mark.parametrize("seed", [int, np.random.RandomState])
def test_equal_random_states_give_equal_results(seed):
    regressor = tiny_regressor(random_state=seed(0)).fit(*small_pairs())
    assert weights_are_equal(regressor, fitted_regressor())


@pytest.mark.parametrize("random_state", [1, None])
def test_other_random_states_give_other_results(random_state):
    pairs, y = small_pairs()
    regressor = tiny_regressor(random_state=random_state).fit(pairs, y)
    assert not weights_are_equal(regressor, fitted_regressor())


def test_fitting_again_forgets_the_first_fit():
    pairs, y = small_pairs()
    regressor = copy.deepcopy(fitted_regressor()).fit(pairs, y)
    assert weights_are_equal(regressor, fitted_regressor())


def test_fit_leaves_global_state_alone():
    from skemd._backend import keras

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
    pairs, y = small_pairs(40)
    tiny_regressor(n_dense_units=4).fit(pairs, y).predict(pairs)
    assert state() == before


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_shows_on_stderr_only_if_asked_for(verbose, capfd):
    pairs, y = small_pairs(40)
    regressor = tiny_regressor(verbose=verbose, n_dense_units=4).fit(pairs, y)
    regressor.predict(pairs)
    output = capfd.readouterr()
    assert output.out == ""
    assert ("EMDRegressor [" in output.err) == bool(verbose)
    assert verbose or output.err == ""


def test_ctrl_c_keeps_the_weights_of_the_best_epoch_so_far(monkeypatch):
    pairs, y = small_pairs(100)
    fitted = {}
    # 90 pairs train, in three steps of 32: five updates are in the second epoch.
    for n_updates in (0, 3, 5):
        interrupt_at(monkeypatch, n_updates)
        regressor = tiny_regressor(epochs=5, n_dense_units=4)
        with pytest.warns(ConvergenceWarning, match=r"after \d of 5 epochs; the best"):
            fitted[n_updates] = regressor.fit(pairs, y)
        assert regressor.n_iter_ == len(regressor.history_["loss"]) == n_updates // 3
        assert np.isfinite(regressor.predict(pairs)).all()
    assert weights_are_equal(fitted[3], fitted[5])
    assert not weights_are_equal(fitted[0], fitted[3])
    twin = pickle.loads(pickle.dumps(fitted[5]))
    np.testing.assert_array_equal(twin.predict(pairs), fitted[5].predict(pairs))


def test_early_stopping_returns_to_the_best_epoch(monkeypatch):
    pairs, y = small_pairs(60)
    hurried = {"learning_rate": 0.5, "epochs": 12, "patience": 3, "n_dense_units": 4}
    regressor = tiny_regressor(**hurried).fit(pairs, y)
    n_best = 1 + int(np.argmin(regressor.history_["val_loss"]))
    assert regressor.n_iter_ == n_best + 3 < 12
    # 54 pairs train, in two steps of 32: stopped right after the best epoch.
    interrupt_at(monkeypatch, 2 * n_best)
    interrupted = tiny_regressor(**hurried)
    with pytest.warns(ConvergenceWarning):
        interrupted.fit(pairs, y)
    assert weights_are_equal(regressor, interrupted)


# Copies


def test_clone_keeps_every_parameter_and_is_unfitted():
    parameters = {
        name: f"value of {name}"
        for name in inspect.signature(EMDRegressor.__init__).parameters
        if name != "self"
    }
    assert clone(EMDRegressor(**parameters)).get_params() == parameters
    twin = clone(fitted_regressor())
    assert twin.get_params() == fitted_regressor().get_params()
    with pytest.raises(NotFittedError):
        twin.predict(small_pairs()[0])


def through_joblib(fitted, folder):
    joblib.dump(fitted, folder / "fitted.joblib")
    return joblib.load(folder / "fitted.joblib")


@pytest.mark.parametrize(
    "round_trip",
    [
        lambda fitted, folder: copy.deepcopy(fitted),
        lambda fitted, folder: pickle.loads(pickle.dumps(fitted)),
        lambda fitted, folder: pickle.loads(cloudpickle.dumps(fitted)),
        through_joblib,
    ],
    ids=["deepcopy", "pickle", "cloudpickle", "joblib"],
)
def test_copies_predict_the_same(round_trip, tmp_path):
    pairs, _ = small_pairs(seed=1)
    pipeline = make_pipeline(FunctionTransformer(), fitted_regressor())
    twin = round_trip(pipeline, tmp_path)
    assert twin[-1] is not fitted_regressor()
    assert twin[-1].history_ == fitted_regressor().history_
    np.testing.assert_array_equal(twin.predict(pairs), pipeline.predict(pairs))


def test_a_copy_works_after_its_parameters_were_changed():
    pairs, _ = small_pairs(seed=1)
    regressor = copy.deepcopy(fitted_regressor()).set_params(n_filters=9, head="linear")
    twin = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(
        twin.predict(pairs), fitted_regressor().predict(pairs)
    )


def test_pickles_are_the_same_each_time():
    pairs, y = small_pairs()
    fresh = tiny_regressor().fit(pairs, y)
    first = pickle.dumps(fresh)
    fresh.predict(pairs)
    assert pickle.dumps(fresh) == first
    assert pickle.dumps(tiny_regressor().fit(pairs, y)) == first
    assert joblib.hash(pickle.loads(first)) == joblib.hash(fresh)


def test_pickles_are_about_as_small_as_the_weights():
    n_bytes = sum(weight.nbytes for weight in fitted_weights(fitted_regressor()))
    assert n_bytes > 10_000
    assert len(pickle.dumps(fitted_regressor())) < n_bytes + 6_000


@pytest.mark.exhaustive
def test_a_pickle_loads_in_a_fresh_process(tmp_path):
    pairs, _ = small_pairs(10, seed=1)
    joblib.dump((fitted_regressor(), pairs), tmp_path / "fitted.joblib")
    code = (
        "import sys, joblib\n"
        "fitted, pairs = joblib.load(sys.argv[1])\n"
        "print(*fitted.predict(pairs).tolist())"
    )
    outcome = run_python(code, tmp_path / "fitted.joblib")
    assert outcome.returncode == 0, outcome.stderr
    predictions = [float(number) for number in outcome.stdout.split()]
    np.testing.assert_allclose(predictions, fitted_regressor().predict(pairs), 1e-6)


@pytest.mark.parametrize("method", ["predict", "score"])
def test_unfitted_regressor_says_so(method):
    arguments = small_pairs()[: 1 if method == "predict" else 2]
    with pytest.raises(NotFittedError, match="EMDRegressor instance is not fitted"):
        getattr(EMDRegressor(), method)(*arguments)


def test_unfitted_regressor_without_y_says_so_when_scored():
    with pytest.raises(NotFittedError, match="EMDRegressor instance is not fitted"):
        EMDRegressor().score(small_pairs()[0])


def test_the_live_model_is_the_network_of_the_predictions():
    pairs, _ = small_pairs(10, seed=1)
    sides = pairs.reshape(-1, 2, N_CELLS)
    fractions = (sides / sides.sum(axis=2, keepdims=True)).reshape(len(pairs), -1)
    live = np.asarray(fitted_regressor().model_(fractions.astype(np.float32)))
    np.testing.assert_allclose(live, fitted_regressor().predict(pairs), rtol=1e-5)


def gradients_by_second_wafer(regressor, pairs):
    """Return the gradients that a loss gets, less their mean, by Keras's backend."""
    import jax

    a, b = (normalized(half).astype(np.float32) for half in np.split(pairs, 2, axis=1))

    def total(b):
        return regressor.model_(jax.numpy.concatenate([a, b], axis=1)).sum()

    gradients = np.asarray(jax.grad(total)(b))
    return gradients - gradients.mean(axis=1, keepdims=True)


def mean_cosine(one, other):
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other))
    return (one * other).sum(axis=1).mean()


@pytest.mark.exhaustive
@pytest.mark.parametrize("given_y", [True, False])
def test_the_potential_head_learns_potentials_that_it_did_not_see(given_y):
    regressor = tiny_regressor(head="potential", epochs=20, n_refinements=2)
    pairs, y = small_pairs(600, seed=3)
    regressor.fit(pairs, y if given_y else None)
    unseen, y = small_pairs(100, seed=4)
    gradients = gradients_by_second_wafer(regressor, unseen)
    _, potentials = paired_potentials(*np.split(unseen, 2, axis=1))
    potentials -= potentials.mean(axis=1, keepdims=True)
    # Untrained it is 0.4.
    assert mean_cosine(gradients, potentials) > 0.7
    assert np.abs(regressor.predict(unseen) / y - 1).mean() < 0.15


def test_the_potential_head_learns_the_distances_that_are_given():
    pairs, y = small_pairs(100, seed=3)
    regressor = tiny_regressor(
        head="potential",
        n_refinements=1,
        n_conv_layers=0,
        epochs=40,
        learning_rate=0.01,
        early_stopping=False,
    )
    with pytest.warns(UserWarning, match="off the exact EMD"):
        regressor.fit(pairs, 1.5 * y)
    assert np.median(regressor.predict(pairs) / y) == pytest.approx(1.5, rel=0.1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_cells", [1, 2, 5])
def test_the_potential_head_works_on_few_cells(n_cells):
    pairs = small_wafers(40, n_cells=2 * n_cells) + 1
    regressor = tiny_regressor(head="potential", geometry="line").fit(pairs)
    predictions = regressor.predict(pairs)
    assert np.isfinite(predictions).all()
    assert predictions.any() == (n_cells > 1)


def test_dense_layers_alone_see_cells():
    pairs, _ = small_pairs(40)
    regressor = tiny_regressor(n_conv_layers=0, n_dense_layers=2).fit(pairs)
    n_units = regressor.n_dense_units
    shapes = [weight.shape for weight in regressor.network_.weights]
    assert shapes[:4:2] == [(2 * N_CELLS, n_units), (n_units, n_units)]
    with_images = tiny_regressor(n_conv_layers=0, layout="8x8", n_dense_layers=2)
    np.testing.assert_array_equal(
        with_images.fit(pairs).predict(pairs), regressor.predict(pairs)
    )


@pytest.mark.exhaustive
def test_potentials_are_learned_on_any_geometry():
    rng = np.random.RandomState(0)
    pairs = rng.gamma(0.5, size=(400, 24))
    regressor = tiny_regressor(head="potential", geometry=grid(3, 4), epochs=20)
    regressor.fit(pairs[:300])
    assert regressor.score(pairs[300:]) > 0.8
