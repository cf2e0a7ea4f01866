"""EMDDecoder: a receiver for the chip's algorithms, trained for where the energy is."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skemd._autoencoder._conditions import checked_conditions, names_of_conditions
from skemd._autoencoder._fit import N_STEPS, going_on
from skemd._autoencoder._loss import (
    autoencoder_loss,
    clone_that_shares,
    name_of_loss,
    of_equal_sums,
)
from skemd._autoencoder._received import build_decoder, network_inputs
from skemd._backend import keras
from skemd._checks import as_numbers, check_flag, check_number
from skemd._input._chunks import map_chunks
from skemd._input._scaling import row_sums, to_leading_bit, with_sums
from skemd._input._wafers import (
    as_wafers,
    is_lenient,
    validated_cells,
    without_empty,
)
from skemd._regressor import EMDRegressor
from skemd._training._checkpoint import checkpoint_of
from skemd._training._convergence import warn_of_ending
from skemd._training._lazy_rows import LazyRows
from skemd._training._loop import train
from skemd._training._network import Network
from skemd._training._options import (
    RUN_PARAMETERS,
    TRAINING_PARAMETERS,
    TrainingOptions,
    check_training_parameters,
)
from skemd.geometry import Geometry
from skemd.layers._blocks import seeds_from
from skemd.metrics import emd_per_wafer
from skemd.metrics._pairs import checked_weights, weighted_mean

__all__ = ["EMDDecoder"]


class EMDDecoder(BaseEstimator):
    """Correct wafers that the chip's algorithms sent, judged by the EMD.

    The receiver of Best Choice, super trigger cells or a threshold sum makes wafers of
    what was sent, such as ``inverse_transform(transform(X))`` of an algorithm in
    :mod:`skemd.baselines`. This network learns from them and the true wafers where the
    charge was. Nothing on the chip changes.

    Parameters
    ----------
    loss : str or callable, default="emd"
        What the reconstruction is trained for, as in :class:`EMDAutoencoder`: a name
        from the list in :mod:`skemd.losses`, or ``loss(y_true, y_pred)`` in keras.ops
        with one value a sample.
    emd_regressor : EMDRegressor or None, default=None
        The fitted learned EMD for ``loss="emdcnn"``, as in :class:`EMDAutoencoder`.
    units, layers : int, default=128 and 4
        Width and number of the residual layers.
    epochs : int or None, default=None
        Passes over the wafers. None for as many as make 24,000 steps, but at most 400.
    batch_size : int, default=250
        Wafers a step.
    learning_rate : float, default=0.003
        Peak learning rate of Adam.
    validation_fraction : float, default=0.1
        Part of the wafers set aside for early stopping.
    early_stopping : bool, default=True
        Whether to set wafers aside, and to return to the epoch that is best on them.
    patience : int or None, default=None
        Stop when the loss on the wafers set aside has not improved for so many epochs.
        None runs all.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit, or of the file from
        which the decoder was loaded, instead of new ones.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, split and order.
    verbose : int, default=0
        1 for a progress bar on stderr.
    n_jobs : int or None, default=None
        How many joblib workers compute exact EMDs, in `score` and for ``loss="emd"``.
        None means one worker, but for the loss one thread per core.
    checkpoint_dir : str, path-like or None, default=None
        Folder for the state after each epoch. A fit that was killed resumes there when
        it is started again with equal parameters and data. Each fit needs its own.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. "wafer" insists on 48 cells; "line" takes any number, and
        true wafers of fewer cells, as if the last ones were empty.

    Attributes
    ----------
    network_ : Network
        Configuration and weights.
    model_ : keras.Model
        The live network: rows of fractions of the received charge, a logarithm of its
        sum, and conditions, to fractions of the wafer's charge.
    emd_regressor_ : EMDRegressor or None
        The learned EMD that was fitted here, if one was.
    history_ : dict of lists
        "loss" and "val_loss" for each epoch.
    n_iter_ : int
        Epochs that were run.
    n_conditions_in_ : int
        Numbers that the decoder is told by the argument `conditions`.
    condition_names_ : ndarray of str of shape (n_conditions,) or None
        Their names, if they were the columns of a DataFrame.
    geometry_ : Geometry
        The geometry of the data.
    n_features_in_ : int
        Number of cells.

    See Also
    --------
    skemd.baselines : The algorithms whose wafers it corrects.
    EMDAutoencoder : Has a decoder of the same kind behind its encoder.

    Examples
    --------
    >>> from skemd import EMDDecoder
    >>> from skemd.baselines import BestChoice
    >>> from skemd.datasets import make_wafers
    >>> X = make_wafers(500, random_state=0)
    >>> received = BestChoice(2, rest="even").fit(X).predict(X)
    >>> decoder = EMDDecoder(epochs=2, random_state=0).fit(received, X)
    >>> decoder.predict(received).shape
    (500, 48)
    """

    # Pipelines and searches route conditions to the one step that knows them.
    __metadata_request__fit: ClassVar = {"conditions": True}
    __metadata_request__predict: ClassVar = {"conditions": True}
    __metadata_request__score: ClassVar = {"conditions": True}
    _fitted_attributes: ClassVar = {
        "n_features_in_": int,
        "geometry_": Geometry,
        "network_": Network,
        "history_": dict,
        "n_iter_": int,
        "n_conditions_in_": int,
        "condition_names_": np.ndarray | None,
        "emd_regressor_": EMDRegressor | None,
    }
    _saved_parameters: ClassVar = {
        "loss": str | keras.losses.Loss,
        "emd_regressor": EMDRegressor | FrozenEstimator | None,
        "units": int,
        "layers": int,
        **TRAINING_PARAMETERS,
        "warm_start": bool,
        "geometry": str | Geometry,
    }
    _run_parameters: ClassVar = RUN_PARAMETERS

    def __init__(
        self,
        loss="emd",
        *,
        emd_regressor=None,
        units=128,
        layers=4,
        epochs=None,
        batch_size=250,
        learning_rate=0.003,
        validation_fraction=0.1,
        early_stopping=True,
        patience=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        n_jobs=None,
        checkpoint_dir=None,
        geometry="wafer",
    ):
        self.loss = loss
        self.emd_regressor = emd_regressor
        self.units = units
        self.layers = layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.checkpoint_dir = checkpoint_dir
        self.geometry = geometry

    def fit(self, X, y=None, *, conditions=None):
        """Train the network on received wafers and the true ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Received wafers, charges in any unit, but always the same.
        y : array-like of shape (n_samples, n_cells), or images of a known layout
            The true wafers, charges in any unit.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            What else the receiver knows of each wafer, of order one, such as
            :func:`skemd.datasets.wafer_conditions` gives it. The decoder needs it from
            then on. The names of a DataFrame's columns are kept.

        Returns
        -------
        self : EMDDecoder
            The fitted decoder.

        Raises
        ------
        ValueError
            If a parameter or the data are unusable, or `checkpoint_dir` holds another
            fit; nothing has been trained then.
        RuntimeError
            If another fit is using `checkpoint_dir`.
        OSError
            If a checkpoint cannot be written. If that happens after the first epoch,
            the decoder is fitted with the best weights so far.

        Warns
        -----
        ConvergenceWarning
            If the training is interrupted with Ctrl-C; the best weights so far are
            kept. If it ends while still improving: the best loss of all `epochs` is
            more than 3% below that of their first half.
        UserWarning
            If wafers of which no charge was received, or that have none, are left out.
        """
        self._check_parameters()
        X, geometry, _ = validated_cells(self, X, geometry=self.geometry, reset=True)
        y = self._true_wafers(y, len(X), geometry, "fit")
        names = names_of_conditions(conditions)
        given = checked_conditions(conditions, len(X), "EMDDecoder.fit")
        has_charge = X.any(axis=1) & y.any(axis=1)
        X, y, given = without_empty(has_charge, "EMDDecoder", X, y, given)
        start = self.network_ if self.warm_start and hasattr(self, "network_") else None
        data = {
            "X": X,
            "y": y,
            "conditions": given,
            "start": None if start is None else start.weights,
        }
        with checkpoint_of(self, geometry, **data) as checkpoint:
            result = self._train(X, y, given, geometry, checkpoint, start)
            self.history_ = result.history
            self.n_iter_ = len(self.history_["loss"])
            self.n_conditions_in_ = given.shape[1]
            self.condition_names_ = names
            self.geometry_ = geometry
            # A regressor that was fitted here has warned by itself.
            self._interruption = result.interruption or getattr(
                self.emd_regressor_, "_interruption", None
            )
            warn_of_ending(result, "EMDDecoder")
        return self

    def predict(self, X, *, conditions=None):
        """Correct received wafers, and keep the charge of each.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Received wafers, charges in the unit of those in `fit`.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            As in `fit`.

        Returns
        -------
        wafers : ndarray of shape (n_samples, n_cells)
            Charges in the unit of `X`, as rows of cells even if `X` holds images. A
            wafer of which no charge was received gives zeros.
        """
        check_is_fitted(self)
        X, given = self._validated(X, conditions, "predict")
        return map_chunks(
            lambda chunk: self._corrected(X[chunk], given[chunk], row_sums(X[chunk])),
            len(X),
        )

    def score(self, X, y=None, sample_weight=None, *, conditions=None):
        """Return minus the mean exact EMD between true wafers and corrected ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Received wafers, charges in the unit of those in `fit`.
        y : array-like of shape (n_samples, n_cells), or images of a known layout
            The true wafers, charges in any unit. Those without charge are left out,
            with a warning.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the wafers in the mean; None for equal ones.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            As in `fit`.

        Returns
        -------
        score : float
            In the unit of the geometry; 0 is perfect. A wafer of which no charge was
            received counts as one with the same charge in every cell.
        """
        check_is_fitted(self)
        X, given = self._validated(X, conditions, "score")
        y = self._true_wafers(y, len(X), self.geometry_, "score")
        sample_weight = checked_weights(sample_weight, len(X))
        X, y, given, sample_weight = without_empty(
            y.any(axis=1), "EMDDecoder.score", X, y, given, sample_weight, least=1
        )
        options = {"geometry": self.geometry_, "n_jobs": self.n_jobs}

        def distances(chunk):
            # With unit sums, since tiny charges would underflow in their own unit.
            found = self._corrected(X[chunk], given[chunk], X[chunk].any(axis=1))
            return emd_per_wafer(y[chunk], found, empty_pred="even", **options)

        return -weighted_mean(map_chunks(distances, len(X)), sample_weight)

    @property
    def model_(self):
        """The live Keras model of a fitted decoder."""
        check_is_fitted(self)
        return self.network_.model

    def __sklearn_clone__(self):
        return clone_that_shares(self, "emd_regressor")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _check_parameters(self):
        check_training_parameters(self)
        for name in ("units", "layers"):
            check_number(getattr(self, name), name, low=1, integer=True)
        check_flag(self.warm_start, "warm_start")

    def _true_wafers(self, y, n_received, geometry, method):
        """Check the true wafers, and return them as rows of cells."""
        caller = f"EMDDecoder.{method}"
        if y is None:
            raise ValueError(
                f"{caller} requires y to be passed, but the target y is None. Pass the "
                "true wafers, one row for each received one."
            )
        name = f"y of {caller}"
        single = getattr(y, "dtype", None) == np.float32
        y = as_numbers(y, name, np.float32 if single else np.float64)
        if is_lenient(self.geometry) and y.ndim == 2 and y.shape[1] < geometry.n_cells:
            y = np.pad(y, ((0, 0), (0, geometry.n_cells - y.shape[1])))
        y, _ = as_wafers(y, name, geometry, allow_empty=True, dtype=None)
        if len(y) != n_received:
            raise ValueError(
                f"{name} must have one row for each received wafer; got {len(y)} rows "
                f"for {n_received} of them."
            )
        return y

    def _validated(self, X, conditions, method):
        X, _, _ = validated_cells(self, X, geometry=self.geometry_, reset=False)
        caller = f"EMDDecoder.{method}"
        return X, checked_conditions(conditions, len(X), caller, self)

    def _train(self, X, y, given, geometry, checkpoint, start):
        """Train on checked wafers, and store the network and the learned EMD."""
        rng = checkpoint.random_state(self.random_state)
        loss, regressor = autoencoder_loss(self, y, geometry, rng, checkpoint)
        inputs = LazyRows(network_inputs, X, given)
        config = {
            "n_cells": geometry.n_cells,
            "n_conditions": inputs[:1].shape[1] - geometry.n_cells,
            "decoder_units": self.units,
            "decoder_layers": self.layers,
        }
        network = Network.untrained(build_decoder, config, seeds_from(rng))
        if start is not None:
            network = going_on(start, network)
        result = train(
            network.model,
            inputs,
            LazyRows(to_leading_bit, y),
            of_equal_sums(loss),
            TrainingOptions.of(self, len(X), N_STEPS),
            rng=rng,
            label=f"EMDDecoder({name_of_loss(self.loss)})",
            checkpoint=checkpoint,
        )
        self.network_ = network.pull_weights()
        self.emd_regressor_ = regressor
        return result

    def _corrected(self, X, given, sums):
        return with_sums(self.network_.predict(network_inputs(X, given)), sums)
