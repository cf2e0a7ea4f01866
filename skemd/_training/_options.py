"""The parameters that the estimators with a network share, and their check."""

import dataclasses
import os

import numpy as np

from skemd._checks import check_number

__all__ = [
    "MOST_REFINEMENTS",
    "RUN_PARAMETERS",
    "TRAINING_PARAMETERS",
    "TrainingOptions",
    "check_training_parameters",
]

# Parameters that describe a run on one machine. They do not change the result, and
# saved estimators do not hold them.
RUN_PARAMETERS = ("checkpoint_dir", "n_jobs", "verbose")
# The other parameters of a training, with the types that they have in files.
TRAINING_PARAMETERS = {
    "epochs": int | None,
    "batch_size": int,
    "learning_rate": int | float,
    "validation_fraction": int | float,
    "early_stopping": bool | int,
    "patience": int | None,
    "random_state": int | np.random.RandomState | None,
}

# Compiling a network takes a second for each refinement.
MOST_REFINEMENTS = 10
# Few samples make few steps an epoch, and more epochs than these only overfit them.
_MOST_EPOCHS = 400


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """What :func:`skemd._training._loop.train` needs of an estimator's parameters.

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the data, and samples a step.
    learning_rate : float
        Peak learning rate of Adam.
    validation_fraction : float
        Part of the samples, drawn at random, that `early_stopping` watches.
    early_stopping : bool
        Whether to set samples aside, stop when the loss on them has not improved for
        `patience` epochs, and return to the weights of the best epoch. Without it all
        samples train and the weights of the last epoch stay.
    patience : int or None
        Epochs without an improvement; None to run all epochs.
    verbose : int, default=0
        Whether to show progress on stderr.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    validation_fraction: float
    early_stopping: bool
    patience: int | None
    verbose: int = 0

    @classmethod
    def of(cls, estimator, n_samples, n_steps):
        """Return the options that an estimator's parameters ask for.

        Parameters
        ----------
        estimator : BaseEstimator
            An EMDRegressor, an EMDAutoencoder or an EMDDecoder.
        n_samples : int
            Number of samples in fit.
        n_steps : int
            How many steps to train for, to whole epochs, if its `epochs` is None.

        Returns
        -------
        options : TrainingOptions
            With a number of epochs.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        options = cls(**{name: getattr(estimator, name) for name in names})
        if options.epochs is not None:
            return options
        n_train = n_samples - options.n_held_out(n_samples)
        steps_per_epoch = -(-n_train // min(options.batch_size, n_train))
        epochs = min(max(1, round(n_steps / steps_per_epoch)), _MOST_EPOCHS)
        return dataclasses.replace(options, epochs=epochs)

    def n_held_out(self, n_samples):
        """Return how many of the samples are set aside for early stopping."""
        if not self.early_stopping:
            return 0
        return min(int(np.ceil(self.validation_fraction * n_samples)), n_samples - 1)


def check_training_parameters(estimator):
    """Check the parameters that the estimators with a network share.

    Parameters
    ----------
    estimator : BaseEstimator
        An EMDRegressor, an EMDAutoencoder or an EMDDecoder.

    Raises
    ------
    ValueError
        If a parameter is of the wrong kind or out of range.
    """
    check_number(estimator.batch_size, "batch_size", low=1, integer=True)
    for name in ("epochs", "patience"):
        if getattr(estimator, name) is not None:
            check_number(getattr(estimator, name), name, low=1, integer=True)
    check_number(estimator.learning_rate, "learning_rate", low=0, open_ends=True)
    check_number(
        estimator.validation_fraction,
        "validation_fraction",
        low=0,
        high=1,
        open_ends=True,
    )
    folder = estimator.checkpoint_dir
    is_path = isinstance(folder, (str, os.PathLike)) and folder != ""
    if folder is not None and not is_path:
        raise ValueError(f"checkpoint_dir must be a path or None; got {folder!r}.")
