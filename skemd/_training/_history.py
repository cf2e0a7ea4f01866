"""What a training has come to: its history, its best weights, and its checkpoint."""

import numpy as np

from skemd._backend import weights_of

__all__ = ["History"]


class History:
    """Keep the history and the best weights of a training, in memory and on disk.

    Parameters
    ----------
    model : keras.Model
        The network.
    early_stopping : bool
        Whether the best epoch counts, not the last one.
    checkpoint : Checkpoint or None
        Where the state is left after each epoch.
    stage : str
        What the state is called there.

    Attributes
    ----------
    history : dict of lists
        A value for each epoch.
    """

    def __init__(self, model, early_stopping, checkpoint, stage):
        names = ("loss", "val_loss") if early_stopping else ("loss",)
        self.history = {name: [] for name in names}
        self._model = model
        self._early_stopping = early_stopping
        self._checkpoint = checkpoint
        self._stage = stage
        self._best = {"loss": np.inf, "epoch": -1, "weights": None}
        self._finished = False

    @property
    def n_epochs(self):
        """Epochs that have been run."""
        return len(self.history["loss"])

    def resume(self, rng):
        """Take over what an earlier process has left.

        Parameters
        ----------
        rng : numpy.random.RandomState
            Gets the state in which that process left its own.

        Returns
        -------
        state : list of ndarray or None
            What the steps go on from; None where there is nothing to go on from, or
            nothing left to do.
        """
        state = None if self._checkpoint is None else self._checkpoint.read(self._stage)
        if state is None:
            return None
        self.history, self._best = state["history"], state["best"]
        self._finished = state["finished"]
        rng.set_state(state["rng"])
        return state["steps"]

    def add(self, values, watched):
        """Add an epoch.

        Parameters
        ----------
        values : dict of float
            What the history gets.
        watched : float
            The one that decides whether the epoch is the best.
        """
        for name, value in values.items():
            self.history[name].append(value)
        if watched < self._best["loss"] or not self._early_stopping:
            weights = weights_of(self._model)
            self._best = {
                "loss": watched,
                "epoch": self.n_epochs - 1,
                "weights": weights,
            }

    def is_over(self, epochs, patience):
        """Say whether there is no epoch left to run, or no reason to run it."""
        failed = self._checkpoint is not None and self._checkpoint.failure is not None
        since_best = self.n_epochs - 1 - self._best["epoch"]
        patient = not self._early_stopping or since_best < patience
        return failed or self._finished or self.n_epochs >= epochs or not patient

    def checkpoint(self, stepper, rng, *, finished):
        """Leave the state to whoever has to go on, and of a finished one the result."""
        if self._checkpoint is None:
            return
        state = {
            "history": self.history,
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

    def note(self):
        """Return the last values of the history, for the progress bar."""
        if not self.n_epochs:
            return ""
        return " ".join(
            f"{name} {values[-1]:.4g}" for name, values in self.history.items()
        )
