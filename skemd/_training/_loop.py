"""The one training loop: seeding, batching, early stopping, progress, checkpoints.

Every network of skemd is trained by :func:`train`. All randomness comes from the
random state that is passed in. Batches have one fixed size, so each network compiles
once. An interrupted training keeps the best weights that it has seen.
"""

import dataclasses

import numpy as np

from skemd._backend import keras
from skemd._progress import ProgressBar
from skemd._training._history import History
from skemd._training._lazy_rows import take_rows
from skemd._training._step import (
    TrainStep,
    check_devices_share,
    compiled_predict,
    fixed_batches,
)

__all__ = ["TrainingResult", "batches_of_rows", "train"]

# Part of the training, counted in steps, over which the learning rate rises.
_WARM_UP = 0.05


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Parameters
    ----------
    history : dict of lists
        "loss" and, with early stopping, "val_loss", a value for each epoch.
    interruption : str or None, default=None
        What Ctrl-C cut short, as a sentence with which the estimator warns; None if
        nothing did.
    stopped_early : bool, default=False
        Whether the patience ended before the epochs.
    """

    history: dict
    interruption: str | None = None
    stopped_early: bool = False


def train(
    model,
    inputs,
    targets,
    loss,
    options,
    *,
    rng,
    augment=None,
    refresh=None,
    revive=lambda: False,
    label="training",
    checkpoint=None,
    stage="training",
):
    """Train a network in place and leave it with its best weights.

    The learning rate rises over the first twentieth of the steps and falls along half
    a cosine to zero at the last, so that the last epochs settle. Ctrl-C ends the
    training early, and the result says so.

    Parameters
    ----------
    model : keras.Model
        The network, built.
    inputs, targets : ndarray of shape (n_samples, ...), or LazyRows
        The inputs of the network, and the values that the loss compares with its
        outputs.
    loss : callable
        ``loss(y_true, y_pred)`` -> one value a sample, in keras.ops.
    options : TrainingOptions
        Epochs, batches, learning rate and early stopping.
    rng : numpy.random.RandomState
        Source of the split, the order of the samples and the augmentation.
    augment : callable or None, default=None
        ``augment(inputs, targets, rng)`` -> inputs and targets, applied to each batch.
    refresh : callable or None, default=None
        ``refresh(kept)`` replaces all rows of `inputs` and `targets` but those that are
        set aside. It is called before each epoch but the first; if it raises
        StopIteration, the training ends early.
    revive : callable, default=one that returns False
        ``revive()`` -> whether it has changed the model's weights. It is called after
        ten epochs in the first half of the training, while the learning rate is high.
    label : str, default="training"
        How the progress bar begins.
    checkpoint : Checkpoint or None, default=None
        Where to leave the state after each epoch, and where to resume. If a state
        cannot be written, the training stops; the checkpoint has the error.
    stage : str, default="training"
        Which of several trainings of one fit this is.

    Returns
    -------
    result : TrainingResult
        The history, and whether the training was interrupted.

    Raises
    ------
    FloatingPointError
        If the loss becomes NaN or infinite.
    ValueError
        If devices cannot share batches of this size evenly.
    """
    train_rows, held_out = _split(len(inputs), options, rng)
    batch_size = min(options.batch_size, len(train_rows))
    check_devices_share(batch_size)
    steps_per_epoch = -(-len(train_rows) // batch_size)
    n_steps = options.epochs * steps_per_epoch
    history = History(model, options, checkpoint, stage)
    optimizer = _optimizer(options.learning_rate, n_steps)
    stepper = TrainStep(model, loss, optimizer)
    history.resume(stepper, rng)
    validate = _validation(model, inputs, targets, held_out, loss, batch_size)
    bar = ProgressBar(n_steps, label, options.verbose)

    def one_epoch():
        if refresh is not None and history.n_epochs > 0:
            refresh(held_out)
        n_before = history.n_epochs * steps_per_epoch
        losses = []
        for rows in batches_of_rows(train_rows, batch_size, rng):
            batch = inputs[rows], targets[rows]
            batch = batch if augment is None else augment(*batch, rng)
            losses.append(stepper.step(*batch))
            bar.update(n_before + len(losses), history.note())
        stepper.sync()
        return float(np.mean([float(value) for value in losses]))

    end = None
    try:
        while not history.is_over():
            values = {"loss": one_epoch()}
            if options.early_stopping:
                values["val_loss"] = validate()
            _check_finite(values, history.n_epochs, options.learning_rate)
            history.add(values)
            if _is_time_to_revive(history.n_epochs, options.epochs) and revive():
                stepper.load()
            history.checkpoint(stepper, rng, finished=history.is_over())
            bar.update(history.n_epochs * steps_per_epoch, history.note())
    except (KeyboardInterrupt, StopIteration) as error:
        end = type(error)
    finally:
        bar.close()
    # A step of jax that was cut off leaves weights that cannot be used.
    history.restore_best_weights()
    return _result(label, history, options, end)


_ENDS = {
    KeyboardInterrupt: "was interrupted",
    StopIteration: "ended, since the iterator over tables of wafers did,",
}


def _result(label, history, options, end):
    n_epochs, interruption = history.n_epochs, None
    if end is not None:
        interruption = (
            f"{label} {_ENDS[end]} after {n_epochs} of {options.epochs} epochs; the "
            "best weights so far are kept."
        )
    return TrainingResult(history.losses, interruption, n_epochs < options.epochs)


def _is_time_to_revive(n_epochs, n_all_epochs):
    """Say whether one of the first ten twentieths of the epochs has just ended."""
    twentieths = 20 * n_epochs // n_all_epochs
    return twentieths <= 10 and twentieths > 20 * (n_epochs - 1) // n_all_epochs


def _split(n_samples, options, rng):
    """Return the rows to train on, and those to watch, in random order."""
    rows = rng.permutation(n_samples)
    n_held_out = options.n_held_out(n_samples)
    return rows[n_held_out:], rows[:n_held_out]


def batches_of_rows(rows, batch_size, rng):
    """Yield each row once in a new order, in batches of one size.

    The last batch is filled up from the beginning of the same order, so that no
    sample is left out and batch statistics come from true samples only.

    Parameters
    ----------
    rows : ndarray of int
        At least `batch_size` of them.
    batch_size : int
        Rows of each batch.
    rng : numpy.random.RandomState
        Source of the order.

    Yields
    ------
    rows : ndarray of int of shape (batch_size,)
        The next batch.
    """
    order = rng.permutation(rows)
    order = np.concatenate([order, order[: -len(order) % batch_size]])
    yield from order.reshape(-1, batch_size)


def _optimizer(learning_rate, n_steps):
    n_warm_up = max(1, int(_WARM_UP * n_steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        # Not zero, so that the first step has an effect.
        initial_learning_rate=learning_rate / n_warm_up,
        decay_steps=max(1, n_steps - n_warm_up),
        warmup_target=learning_rate,
        warmup_steps=n_warm_up,
    )
    return keras.optimizers.Adam(schedule)


def _validation(model, inputs, targets, held_out, loss, batch_size):
    """Return a function that gives the mean loss on the rows set aside."""
    inputs, targets = take_rows(inputs, held_out), take_rows(targets, held_out)
    forward = compiled_predict(model, lambda outputs, y: loss(y, outputs))

    def validate():
        losses = fixed_batches(forward, len(inputs), batch_size, inputs, targets)
        return float(losses.mean())

    return validate


def _check_finite(values, epoch, learning_rate):
    for value in values.values():
        if not np.isfinite(value):
            raise FloatingPointError(
                f"The loss became {value} in epoch {epoch + 1}. A smaller "
                f"learning_rate than {learning_rate} usually helps."
            )
