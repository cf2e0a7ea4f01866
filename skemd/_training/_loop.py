"""The one training loop: seeding, batching, early stopping, progress, checkpoints.

Every network of skemd is trained by :func:`train`. All randomness comes from the
random state that is handed in; batches have one fixed size, so each network compiles
once; and an interrupted run keeps the best weights that it has seen.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skemd._backend import keras, weights_of
from skemd._progress import ProgressBar
from skemd._training._history import History
from skemd._training._lazy_rows import take_rows
from skemd._training._step import (
    TrainStep,
    check_devices_share,
    compiled_predict,
    fixed_batches,
)

__all__ = ["batches_of_rows", "train", "training_options", "weights_of"]

# Part of the training, counted in steps, over which the learning rate rises.
_WARM_UP = 0.05


def training_options(estimator):
    """Return the parameters of an estimator that :func:`train` takes, by name."""
    names = (
        "epochs",
        "batch_size",
        "learning_rate",
        "validation_fraction",
        "early_stopping",
        "patience",
        "verbose",
    )
    return {name: getattr(estimator, name) for name in names}


def train(
    model,
    inputs,
    targets,
    loss,
    *,
    epochs,
    batch_size,
    learning_rate,
    validation_fraction,
    early_stopping,
    patience,
    rng,
    augment=None,
    on_epoch=None,
    verbose=0,
    label="training",
    checkpoint=None,
    stage="training",
):
    """Train a network in place and leave it with its best weights.

    The learning rate rises over the first twentieth of the steps and falls along half
    a cosine to zero at the last, so that the last epochs settle.

    Parameters
    ----------
    model : keras.Model
        The network, built.
    inputs, targets : ndarray of shape (n_samples, ...), or LazyRows
        What goes in and what the loss compares with the output.
    loss : callable
        ``loss(y_true, y_pred)`` -> one value a sample, in keras.ops.
    epochs, batch_size, learning_rate
        Passes over the data, samples a step, and the peak learning rate of Adam.
    validation_fraction : float
        Part of the samples, drawn at random, that `early_stopping` watches.
    early_stopping : bool
        Whether to set samples aside, stop when the loss on them has not improved for
        `patience` epochs, and return to the weights of the best epoch. Without it all
        samples train and the weights of the last epoch stay.
    patience : int
        Epochs without an improvement.
    rng : numpy.random.RandomState
        Source of the split, the order of the samples and the augmentation.
    augment : callable or None, default=None
        ``augment(inputs, targets, rng)`` -> inputs and targets, applied to each batch.
    on_epoch : callable or None, default=None
        Called without arguments after each epoch, when the model has its weights.
    verbose : int, default=0
        Whether to show progress on stderr.
    label : str, default="training"
        What the progress bar starts with.
    checkpoint : Checkpoint or None, default=None
        Where to leave the state after each epoch, and to go on from. If a state cannot
        be written, the training stops as if it was interrupted, and the checkpoint
        knows why.
    stage : str, default="training"
        Which of several trainings of one fit this is.

    Returns
    -------
    history : dict of lists
        "loss" and, with `early_stopping`, "val_loss", a value for each epoch.

    Raises
    ------
    FloatingPointError
        If the loss becomes NaN or infinite.
    ValueError
        If devices cannot share batches of this size evenly.

    Warns
    -----
    ConvergenceWarning
        If the training is interrupted with Ctrl-C.
    """
    train_rows, held_out = _split(len(inputs), validation_fraction, early_stopping, rng)
    batch_size = min(batch_size, len(train_rows))
    check_devices_share(batch_size)
    steps_per_epoch = -(-len(train_rows) // batch_size)
    optimizer = _optimizer(learning_rate, epochs * steps_per_epoch)
    progress_so_far = History(model, early_stopping, checkpoint, stage)
    stepper = TrainStep(model, loss, optimizer, progress_so_far.resume(rng))
    validate = _validation(model, inputs, targets, held_out, loss, batch_size)

    def one_epoch(epoch, bar):
        losses = []
        for rows in batches_of_rows(train_rows, batch_size, rng):
            batch = inputs[rows], targets[rows]
            batch = batch if augment is None else augment(*batch, rng)
            losses.append(stepper.step(*batch))
            bar.update(epoch * steps_per_epoch + len(losses), progress_so_far.note())
        stepper.sync()
        if on_epoch is not None:
            on_epoch()
        return float(np.mean([float(value) for value in losses]))

    bar = ProgressBar(epochs * steps_per_epoch, label, verbose)
    try:
        while not progress_so_far.is_over(epochs, patience):
            epoch = progress_so_far.n_epochs
            values = {"loss": one_epoch(epoch, bar)}
            if early_stopping:
                values["val_loss"] = validate()
            watched = list(values.values())[-1]
            _check_finite(watched, epoch, learning_rate)
            progress_so_far.add(values, watched)
            progress_so_far.checkpoint(
                stepper, rng, finished=progress_so_far.is_over(epochs, patience)
            )
            bar.update((epoch + 1) * steps_per_epoch, progress_so_far.note())
    except KeyboardInterrupt:
        # The jax step may have been cut off between its output and our state.
        _warn_of_interruption(label, progress_so_far.n_epochs, epochs)
    finally:
        bar.close()
    progress_so_far.restore_best_weights()
    return progress_so_far.history


def _split(n_samples, validation_fraction, early_stopping, rng):
    """Return the rows to train on, and those to watch, in random order."""
    rows = rng.permutation(n_samples)
    if not early_stopping:
        return rows, rows[:0]
    n_held_out = int(np.ceil(validation_fraction * n_samples))
    n_held_out = min(n_held_out, n_samples - 1)
    return rows[n_held_out:], rows[:n_held_out]


def batches_of_rows(rows, batch_size, rng):
    """Yield each row once in a new order, in batches of one size.

    The last batch is filled up from the beginning of the same order, so that no
    sample is left out and batch statistics see true samples only.

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
        # Not zero: the first step should count.
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


def _warn_of_interruption(label, n_epochs, epochs):
    warnings.warn(
        f"{label} was interrupted after {n_epochs} of {epochs} epochs; the best "
        "weights so far are kept.",
        ConvergenceWarning,
        # At whoever called an estimator's fit.
        stacklevel=5,
    )


def _check_finite(value, epoch, learning_rate):
    if not np.isfinite(value):
        raise FloatingPointError(
            f"The loss became {value} in epoch {epoch + 1}. A smaller learning_rate "
            f"than {learning_rate} usually helps."
        )
