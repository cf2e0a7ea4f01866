"""The history of a training: its losses, its best weights, and its checkpoints."""

import numpy as np

from skemd._backend import weights_of
from skemd._io._encoding import set_random_state
from skemd._training._step import check_values

__all__ = ["History"]


class History:
    """Keep the losses and the best weights of a training, in memory and on disk.

    Parameters
    ----------
    model : keras.Model
        The network.
    options : TrainingOptions
        How long to train, and whether the best epoch counts or the last one.
    checkpoint : Checkpoint or None
        Where the state is left after each epoch.
    stage : str
        What the state is called there.

    Attributes
    ----------
    losses : dict of lists
        "loss" and, with early stopping, "val_loss", a value for each epoch.
    """

    def __init__(self, model, options, checkpoint, stage):
        names = ("loss", "val_loss") if options.early_stopping else ("loss",)
        self.losses = {name: [] for name in names}
        self._model = model
        self._options = options
        self._checkpoint = checkpoint
        self._stage = stage
        self._best = {"loss": np.inf, "epoch": -1, "weights": None}
        self._finished = False

    @property
    def n_epochs(self):
        """Number of epochs that have been run."""
        return len(self.losses["loss"])

    def resume(self, stepper, rng):
        """Take over the state that an earlier process has left, if there is one.

        Parameters
        ----------
        stepper : TrainStep
            Goes on from where that process stopped, unless it had finished.
        rng : numpy.random.RandomState
            Is set to the state in which that process left its own.

        Raises
        ------
        ValueError
            If the state is none of this training.
        """
        state = None if self._checkpoint is None else self._checkpoint.read(self._stage)
        if state is None:
            return
        with self._checkpoint.reading(self._stage):
            self._check(state)
            if not state["finished"]:
                stepper.restore(state["steps"])
            set_random_state(rng, state["rng"])
        self.losses, self._best = state["history"], state["best"]
        self._finished = state["finished"]

    def add(self, values):
        """Add an epoch.

        Parameters
        ----------
        values : dict of float
            A value for each list of `losses`.
        """
        for name, value in values.items():
            self.losses[name].append(value)
        watched = self._watched(self.losses)[-1]
        if watched < self._best["loss"] or not self._options.early_stopping:
            weights = weights_of(self._model)
            self._best = {
                "loss": watched,
                "epoch": self.n_epochs - 1,
                "weights": weights,
            }

    def is_over(self):
        """Say whether there is no epoch left to run, or no reason to run it."""
        options = self._options
        failed = self._checkpoint is not None and self._checkpoint.failure is not None
        since_best = self.n_epochs - 1 - self._best["epoch"]
        patience = options.patience if options.early_stopping else None
        impatient = patience is not None and since_best >= patience
        all_run = self.n_epochs >= options.epochs
        return failed or self._finished or all_run or impatient

    def checkpoint(self, stepper, rng, *, finished):
        """Write the state for a later process; of a finished training the result."""
        if self._checkpoint is None:
            return
        state = {
            "history": self.losses,
            "best": self._best,
            "finished": finished,
            "rng": rng.get_state(),
            "steps": None if finished else stepper.state(),
        }
        self._checkpoint.write(self._stage, state)

    def restore_best_weights(self):
        """Set the model's weights to the best ones, if there are any."""
        if self._best["weights"] is not None:
            self._model.set_weights(self._best["weights"])

    def _check(self, state):
        """Check the state from a file before anything is set to it."""
        losses, best, finished = state["history"], state["best"], state["finished"]
        n_epochs = {len(values) for values in losses.values()}
        numbers = [value for each in losses.values() for value in each]
        is_right = (
            losses.keys() == self.losses.keys()
            and len(n_epochs) == 1
            and all(type(value) is float and np.isfinite(value) for value in numbers)
            and type(finished) is bool
            and type(best["epoch"]) is int
            and best["epoch"] in range(*n_epochs)
            and best["loss"] == self._watched(losses)[best["epoch"]]
            and (state["steps"] is None) == finished
        )
        if not is_right:
            raise ValueError("its history is none")
        check_values(best["weights"], self._model.weights)

    def _watched(self, losses):
        """Return the losses that decide which epoch is the best."""
        return losses["val_loss" if self._options.early_stopping else "loss"]

    def note(self):
        """Return the losses of the last epoch, for the progress bar."""
        if not self.n_epochs:
            return ""
        return " ".join(
            f"{name} {values[-1]:.4g}" for name, values in self.losses.items()
        )
