"""The training loop on a network so small that each epoch takes no time."""

import dataclasses
import random

import numpy as np
import pytest
from small_data import tiny_regressor

from skemd._backend import keras
from skemd._training._loop import _optimizer, _split, train
from skemd._training._options import TrainingOptions
from skemd._training._step import compiled_predict, fixed_batches

N_SAMPLES, BATCH_SIZE = 20, 8
STEPS_PER_EPOCH = 3
OPTIONS = TrainingOptions(
    epochs=4,
    batch_size=BATCH_SIZE,
    learning_rate=0.05,
    validation_fraction=0.25,
    early_stopping=False,
    patience=2,
)
WATCHED = dataclasses.replace(OPTIONS, early_stopping=True)


def squared_error(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def tiny_model():
    layers = [
        keras.layers.Dense(
            units, kernel_initializer=keras.initializers.GlorotUniform(units)
        )
        for units in (4, 1)
    ]
    return keras.Sequential([keras.Input((3,)), *layers])


def data(n_samples=N_SAMPLES, seed=0):
    """Return rows whose first column is their number, scaled to be below one."""
    rng = np.random.RandomState(seed)
    inputs = rng.normal(size=(n_samples, 3)).astype(np.float32)
    inputs[:, 0] = np.arange(n_samples) / n_samples
    return inputs, rng.normal(size=(n_samples, 1)).astype(np.float32)


def outcome(
    model=None,
    inputs=None,
    targets=None,
    loss=squared_error,
    *,
    rng=None,
    augment=None,
    revive=lambda: False,
    label="training",
    **changes,
):
    """Return a model and the result of a short training."""
    if inputs is None:
        inputs, targets = data()
    model = model or tiny_model()
    options = dataclasses.replace(OPTIONS, **changes)
    rng = rng or np.random.RandomState(0)
    further = {"rng": rng, "augment": augment, "revive": revive, "label": label}
    return model, train(model, inputs, targets, loss, options, **further)


def trained(*arguments, **changes):
    """Return a model and its history after a short training that nothing cuts short."""
    model, result = outcome(*arguments, **changes)
    assert result.interruption is None
    n_epochs = changes.get("epochs", OPTIONS.epochs)
    assert result.stopped_early == (len(result.history["loss"]) < n_epochs)
    return model, result.history


def arrays_of(model):
    # Copies, because what a step overwrites must not change them.
    return [
        np.array(keras.ops.convert_to_numpy(weight.value)) for weight in model.weights
    ]


def assert_equal_weights(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# Randomness


def test_equal_random_states_give_equal_trainings():
    model, history = trained(early_stopping=True)
    # Other draws from global random states in between change nothing.
    np.random.rand(3)
    random.random()
    keras.random.uniform((2,))
    again, history_again = trained(early_stopping=True)
    assert history_again == history
    assert list(history) == ["loss", "val_loss"]
    assert all(type(value) is float for values in history.values() for value in values)
    assert_equal_weights(arrays_of(again), arrays_of(model))
    other, history_other = trained(early_stopping=True, rng=np.random.RandomState(1))
    assert history_other != history
    assert (arrays_of(other)[0] != arrays_of(model)[0]).any()


def test_training_leaves_global_random_states_alone():
    before, before_python = np.random.get_state(), random.getstate()
    trained(early_stopping=True)
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert np.random.get_state()[2] == before[2]
    assert random.getstate() == before_python


# How long it takes


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "n_epochs"),
    # 90 of 100 samples train in 9 steps, 9 of 10 in one.
    [(100, 10, 100), (100, 45, 400), (10_000, 10, 1), (10, 10, 400)],
)
def test_without_epochs_the_number_of_steps_counts(n_samples, batch_size, n_epochs):
    estimator = tiny_regressor(
        epochs=None, batch_size=batch_size, validation_fraction=0.1
    )
    assert TrainingOptions.of(estimator, n_samples, 900).epochs == n_epochs
    estimator.set_params(epochs=7)
    assert TrainingOptions.of(estimator, n_samples, 900).epochs == 7


def test_without_patience_all_epochs_run():
    # The loss on rows without a pattern rises soon.
    changes = {"epochs": 30, "early_stopping": True, "learning_rate": 0.5}
    _, history = trained(patience=2, **changes)
    assert len(history["loss"]) < 30
    _, history = trained(patience=None, **changes)
    assert len(history["loss"]) == 30


# Revived components


@pytest.mark.parametrize(("n_epochs", "n_times"), [(40, 10), (4, 2), (1, 0)])
def test_revival_is_tried_in_the_first_half(n_epochs, n_times):
    calls = []
    trained(revive=lambda: calls.append(None), epochs=n_epochs)
    assert len(calls) == n_times


def test_training_goes_on_from_revived_weights():
    model = tiny_model()
    bias = model.layers[-1].bias

    def revive():
        bias.assign([1e6])
        return True

    trained(model, revive=revive)
    assert keras.ops.convert_to_numpy(bias)[0] == pytest.approx(1e6, rel=0.1)


# What is learned


def test_training_finds_a_line():
    inputs, _ = data(64)
    targets = inputs @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 3
    model, history = trained(
        None, inputs, targets, epochs=60, batch_size=16, learning_rate=0.1
    )
    assert history["loss"][0] > 1
    assert history["loss"][-1] < 1e-3
    predicted = keras.ops.convert_to_numpy(model(inputs))
    np.testing.assert_allclose(predicted, targets, atol=0.2)


def test_penalties_of_the_model_are_added():
    def model_with(penalty):
        layer = keras.layers.Dense(
            1,
            kernel_initializer="ones",
            kernel_regularizer=keras.regularizers.L2(penalty),
        )
        return keras.Sequential([keras.Input((3,)), layer])

    free, _ = trained(model_with(0.0), epochs=10)
    held, _ = trained(model_with(100.0), epochs=10)
    assert np.abs(arrays_of(held)[0]).sum() < np.abs(arrays_of(free)[0]).sum()


def test_the_learning_rate_rises_then_falls_to_zero():
    optimizer = _optimizer(0.5, 100)

    def rate(step):
        optimizer.iterations.assign(step)
        return float(optimizer.learning_rate)

    assert rate(5) == pytest.approx(0.5, rel=1e-4)
    assert 0 < rate(2) < rate(4) < 0.5
    # Half a cosine from the fifth step to the last.
    assert rate(24) == pytest.approx(0.25 * (1 + np.cos(np.pi / 5)), rel=1e-4)
    assert rate(100) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("n_steps", [1, 2])
def test_even_the_shortest_training_changes_the_weights(n_steps):
    inputs, targets = data(4)
    model = tiny_model()
    before = arrays_of(model)
    trained(model, inputs, targets, epochs=n_steps)
    assert (arrays_of(model)[0] != before[0]).any()


# Early stopping


def test_early_stopping_waits_for_its_patience_and_restores_the_best_epoch():
    # Random targets have nothing that carries over to the rows set aside.
    inputs, targets = data(40)
    model, history = trained(
        None, inputs, targets, early_stopping=True, epochs=200, patience=3
    )
    losses = history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == len(history["loss"]) == best + 1 + 3 < 200
    _, held_out = _split(40, WATCHED, np.random.RandomState(0))
    assert len(held_out) == 10
    predicted = keras.ops.convert_to_numpy(model(inputs[held_out]))
    restored = ((predicted - targets[held_out]) ** 2).mean()
    assert restored == pytest.approx(losses[best], rel=1e-5)
    assert losses[-1] > losses[best] * (1 + 1e-4)


def test_without_early_stopping_all_epochs_run_and_nothing_is_watched():
    _, history = trained(patience=1, epochs=6)
    assert list(history) == ["loss"]
    assert len(history["loss"]) == 6


def test_rows_set_aside_never_train():
    inputs, targets = data(40)
    seen = set()

    def augment(batch, targets, rng):
        seen.update(batch[:, 0].tolist())
        return batch, targets

    trained(None, inputs, targets, early_stopping=True, augment=augment)
    train_rows, held_out = _split(40, WATCHED, np.random.RandomState(0))
    assert seen == set(inputs[train_rows, 0].tolist())
    assert len(set(train_rows) | set(held_out)) == 40
    assert not set(train_rows) & set(held_out)


# Batches


def test_every_epoch_sees_every_row_in_batches_of_one_size():
    batches = []

    def augment(batch, targets, rng):
        batches.append(np.rint(batch[:, 0] * N_SAMPLES).astype(int).tolist())
        return batch, targets

    trained(augment=augment)
    assert [len(batch) for batch in batches] == [BATCH_SIZE] * (4 * STEPS_PER_EPOCH)
    epochs = np.reshape(batches, (4, -1))
    for epoch in epochs:
        counts = np.bincount(epoch, minlength=N_SAMPLES)
        assert counts.min() == 1
        assert counts.max() == 2
    # And in another order each time.
    assert (epochs[0] != epochs[1]).any()


def test_batches_larger_than_the_data_hold_each_row_once():
    sizes = []

    def augment(batch, targets, rng):
        sizes.append(len(batch))
        return batch, targets

    trained(augment=augment, batch_size=500)
    assert sizes == [N_SAMPLES] * 4


def test_what_augment_returns_is_what_trains():
    silent, history = trained(augment=lambda batch, targets, _: (0 * batch, targets))
    # Behind inputs of zeros, no kernel can learn in the first layer.
    assert_equal_weights(arrays_of(silent)[:1], arrays_of(tiny_model())[:1])
    assert history != trained()[1]
    doubled, _ = trained(augment=lambda batch, targets, _: (batch, 2 * targets))
    assert (arrays_of(doubled)[0] != arrays_of(trained()[0])[0]).any()


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_fixed_batches_give_each_row_its_result_in_batches_of_one_size(n_samples):
    sizes = set()

    def run(batch, factors):
        sizes.add((len(batch), len(factors)))
        # Rows of zeros would be divisions by zero for some.
        assert batch.all()
        return batch.sum(axis=1) * factors

    rng = np.random.RandomState(0)
    inputs, factors = rng.rand(n_samples, 3), rng.rand(n_samples)
    found = fixed_batches(run, n_samples, 16, inputs, factors)
    # Keras hands float32 back on its backends; NumPy's arrays pass as they are.
    np.testing.assert_allclose(found, inputs.sum(axis=1) * factors, rtol=1e-6)
    assert sizes == {(16, 16)}


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="counts jax's traces")
def test_the_number_of_compilations_does_not_grow_with_the_number_of_rows():
    traces = []

    def count(outputs):
        traces.append(outputs.shape)
        return outputs

    forward = compiled_predict(tiny_model(), count)
    for n_samples in (1, 10, 16, 37, 100):
        fixed_batches(forward, n_samples, 16, data(n_samples)[0])
    assert traces == [(16, 1)]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="counts jax's traces")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_training_compiles_once(early_stopping):
    traces = []

    def loss(y_true, y_pred):
        traces.append(y_pred.shape)
        return squared_error(y_true, y_pred)

    for n_samples in (21, 50):
        traces.clear()
        trained(None, *data(n_samples), loss=loss, early_stopping=early_stopping)
        assert traces == [(BATCH_SIZE, 1)] * (2 if early_stopping else 1)


# Trouble


def interrupting(model, at_epoch):
    """Return an augment that raises in an epoch, and the weights as each began."""
    calls, weights = [], []

    def augment(batch, targets, rng):
        epoch, step = divmod(len(calls), STEPS_PER_EPOCH)
        calls.append(step)
        if step == 0:
            weights.append(arrays_of(model))
        if epoch + 1 == at_epoch and step == 1:
            raise KeyboardInterrupt
        return batch, targets

    return augment, weights


def test_an_interrupted_training_keeps_its_last_whole_epoch_and_says_so():
    model = tiny_model()
    augment, weights = interrupting(model, at_epoch=3)
    _, result = outcome(model, augment=augment, label="tiny")
    assert result.interruption == (
        "tiny was interrupted after 2 of 4 epochs; the best weights so far are kept."
    )
    assert len(result.history["loss"]) == 2
    assert_equal_weights(arrays_of(model), weights[2])
    assert (weights[2][0] != weights[1][0]).any()


def test_an_interrupted_training_keeps_the_best_epoch_it_has_watched():
    n_samples = 27  # of which 20 train
    inputs, targets = data(n_samples)
    _, held_out = _split(n_samples, WATCHED, np.random.RandomState(0))
    # What is learned is wrong for the rows set aside: the first epoch is the best.
    targets[:] = 3
    targets[held_out] = -3
    model = tiny_model()
    augment, weights = interrupting(model, at_epoch=3)
    _, result = outcome(model, inputs, targets, augment=augment, early_stopping=True)
    assert "interrupted after 2 of 4 epochs" in result.interruption
    first, second = result.history["val_loss"]
    assert first < second
    assert_equal_weights(arrays_of(model), weights[1])


def test_a_training_interrupted_at_once_leaves_the_model_usable():
    model = tiny_model()
    augment, weights = interrupting(model, at_epoch=1)
    _, result = outcome(model, augment=augment)
    assert "interrupted after 0 of 4 epochs" in result.interruption
    assert result.history == {"loss": []}
    assert_equal_weights(arrays_of(model), weights[0])


@pytest.mark.parametrize(("bad", "early_stopping"), [(np.nan, False), (np.inf, True)])
def test_a_loss_that_is_no_number_is_an_error_with_the_cure(bad, early_stopping):
    inputs, targets = data()
    message = r"in epoch 1\. A smaller learning_rate than 0\.05"
    with pytest.raises(FloatingPointError, match=message):
        trained(None, inputs, targets * bad, early_stopping=early_stopping)


# Progress


def test_training_is_silent_by_default(capfd):
    trained(early_stopping=True)
    assert capfd.readouterr() == ("", "")


def test_a_verbose_training_shows_a_bar_on_stderr(capfd):
    trained(verbose=1, label="tiny", early_stopping=True, patience=9)
    out, err = capfd.readouterr()
    assert out == ""
    # 15 rows train, in two batches an epoch.
    last = err.rstrip().rsplit("\r", maxsplit=1)[-1]
    assert last.startswith("tiny [########################] 8/8 ")
    assert "loss " in last
    assert "val_loss " in last
    assert err.endswith("\n")


def test_the_bar_is_ended_when_a_training_is_interrupted(capfd):
    model = tiny_model()
    augment, _ = interrupting(model, at_epoch=2)
    outcome(model, augment=augment, verbose=1, label="tiny")
    assert capfd.readouterr().err.endswith("\n")
