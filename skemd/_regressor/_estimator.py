"""EMDRegressor: a network that learns the earth mover's distance between two wafers."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skemd._checks import check_choice, check_flag, check_number
from skemd._input._chunks import map_chunks
from skemd._input._pairs import both_charged, validated_pairs
from skemd._input._wafers import (
    is_lenient,
    resolve_geometry,
    resolve_layout,
    without_empty,
)
from skemd._regressor._bounds import bounds_of_pairs
from skemd._regressor._heads import HEADS, model_to_train
from skemd._regressor._network import build_emd_network
from skemd._regressor._targets import (
    LOSSES,
    check_labels,
    exact_labels,
    network_input,
    random_symmetries,
    regression_loss,
    regression_targets,
)
from skemd._training._checkpoint import checkpoint_of
from skemd._training._convergence import warn_of_ending
from skemd._training._lazy_rows import LazyRows
from skemd._training._loop import train
from skemd._training._network import Network
from skemd._training._options import (
    MOST_REFINEMENTS,
    RUN_PARAMETERS,
    TRAINING_PARAMETERS,
    TrainingOptions,
    check_training_parameters,
)
from skemd._training._pretrained import load_pretrained
from skemd.distance._exact import solve_pairs
from skemd.geometry import Geometry
from skemd.layers._blocks import seeds_from

__all__ = ["PRETRAINED", "EMDRegressor"]

# The fitted ones that ship with the package.
PRETRAINED = ("hgcal-wafer",)

# Squared errors fall further than distances do.
_MOST_IMPROVEMENT = 0.1
# Steps of a training whose number of epochs is not given.
N_STEPS = 24_000


class EMDRegressor(RegressorMixin, BaseEstimator):
    """A neural network that learns the EMD between pairs of wafers.

    Predictions are symmetric in the two wafers and do not depend on the scale of
    their charges.

    Parameters
    ----------
    n_filters : int, default=32
        Filters of each convolution.
    kernel_size : int, default=5
        Height and width of the filters.
    n_conv_layers : int, default=4
        Number of convolutions. Without any, the dense layers see the cells themselves.
    n_dense_layers : int, default=1
        Number of dense layers after them.
    n_dense_units : int, default=256
        Units of each dense layer.
    n_refinements : int, default=4
        How often the head "potential" refines its potentials, at most 10 times.
    loss : {"mse", "huber", "msle"}, default="mse"
        What to minimize: squared error, Huber's loss, or squared error of logarithms.
        The head "bounded" compares EMDs over the total variation, that is, how far
        charge moves on average, so that pairs of all sizes count alike. The head
        "potential" compares relative EMDs, and adds the relative squared error of the
        potentials.
    head : {"bounded", "linear", "potential"}, default="bounded"
        "bounded" predicts the total variation, which is known, times a distance
        between the smallest and the largest one of the geometry: zero for equal
        wafers, never negative, never more than possible. "potential" does the same
        from learned Kantorovich potentials, which are its gradient. It is the most
        accurate, and best with ``n_conv_layers=0, n_dense_layers=2``, as in the
        pretrained regressor. "linear" is the plain output of the paper's network.
    layout : str, default="4x4x3"
        Layout of the geometry in which the network sees wafers. In any other geometry
        the names of the wafer's layouts stand for the first one.
    augment : bool, default=True
        Whether to turn and mirror pairs at random by the geometry's symmetries.
    epochs : int or None, default=None
        Passes over the pairs. None for as many as make 24,000 steps, but at most 400.
    batch_size : int, default=125
        Pairs per step.
    learning_rate : float, default=0.002
        Peak learning rate of Adam.
    validation_fraction : float, default=0.1
        Fraction of the pairs set aside for early stopping.
    early_stopping : bool, default=True
        Whether to set pairs aside, and to return to the epoch that is best on them.
    patience : int or None, default=None
        Stop when the loss on the pairs set aside has not improved for so many epochs.
        The learning rate falls to zero over all epochs, and the last of them improve
        most, so that a training that stops early is not at its best. None runs all.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, split, order and augmentation.
    verbose : int, default=0
        1 for a progress bar on stderr.
    n_jobs : int or None, default=None
        How many joblib workers compute exact EMDs where `y` is not given.
    checkpoint_dir : str, path-like or None, default=None
        Folder for the state after each epoch. A fit that was killed continues from
        there when it is started again with equal parameters and data, and a finished
        fit is read from there. Each fit needs its own folder.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. "wafer" insists on pairs of 48 cells; "line" takes any
        width, an odd one as if the second histogram's missing last cell were empty.

    Attributes
    ----------
    network_ : Network
        Configuration and weights.
    model_ : keras.Model
        The live network: pairs of unit sum of shape (n_pairs, 2 * n_cells), float32,
        to distances of shape (n_pairs,). With the head "potential" its gradient with
        respect to the wafers is the learned potentials, not the slope of the learned
        distances.
    history_ : dict of lists
        "loss" and "val_loss" for each epoch.
    n_iter_ : int
        Epochs that were run.
    geometry_ : Geometry
        The geometry of the data.
    n_features_in_ : int
        Columns of a flat pair, twice the number of cells.

    See Also
    --------
    skemd.datasets.make_pairs : Draws pairs to train on.
    EMDAutoencoder : Uses this as its loss.

    References
    ----------
    R. Shenoy et al., "Differentiable Earth Mover's Distance for Data Compression at
    the High-Luminosity LHC", Mach. Learn.: Sci. Technol. 4 (2023) 045058,
    arXiv:2306.04712.

    Examples
    --------
    >>> from skemd import EMDRegressor
    >>> from skemd.datasets import make_pairs, make_wafers
    >>> pairs, y, _ = make_pairs(make_wafers(200, random_state=0), 10, random_state=0)
    >>> EMDRegressor.from_pretrained("hgcal-wafer").predict(pairs).shape
    (10,)
    """

    _fitted_attributes: ClassVar = {
        "n_features_in_": int,
        "geometry_": Geometry,
        "network_": Network,
        "history_": dict,
        "n_iter_": int,
    }
    _saved_parameters: ClassVar = {
        "n_filters": int,
        "kernel_size": int,
        "n_conv_layers": int,
        "n_dense_layers": int,
        "n_dense_units": int,
        "n_refinements": int,
        "loss": str,
        "head": str,
        "layout": str,
        "augment": bool | int,
        **TRAINING_PARAMETERS,
        "geometry": str | Geometry,
    }
    _run_parameters: ClassVar = RUN_PARAMETERS

    def __init__(
        self,
        n_filters=32,
        *,
        kernel_size=5,
        n_conv_layers=4,
        n_dense_layers=1,
        n_dense_units=256,
        n_refinements=4,
        loss="mse",
        head="bounded",
        layout="4x4x3",
        augment=True,
        epochs=None,
        batch_size=125,
        learning_rate=0.002,
        validation_fraction=0.1,
        early_stopping=True,
        patience=None,
        random_state=None,
        verbose=0,
        n_jobs=None,
        checkpoint_dir=None,
        geometry="wafer",
    ):
        self.n_filters = n_filters
        self.kernel_size = kernel_size
        self.n_conv_layers = n_conv_layers
        self.n_dense_layers = n_dense_layers
        self.n_dense_units = n_dense_units
        self.n_refinements = n_refinements
        self.loss = loss
        self.head = head
        self.layout = layout
        self.augment = augment
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.checkpoint_dir = checkpoint_dir
        self.geometry = geometry

    @classmethod
    def from_pretrained(cls, name="hgcal-wafer"):
        """Return a fitted regressor that ships with the package.

        Parameters
        ----------
        name : {"hgcal-wafer"}, default="hgcal-wafer"
            Which one; its card is beside the weights in
            ``skemd/_regressor/pretrained``.

        Returns
        -------
        regressor : EMDRegressor
            Fitted on generated wafers.

        Raises
        ------
        ValueError
            If there is none of that name, or its file is damaged or of another
            geometry than it says.
        """
        parameters, fitted = load_pretrained(
            name, PRETRAINED, "skemd._regressor", build_emd_network
        )
        regressor = cls(**parameters)
        vars(regressor).update(fitted)
        n_cells = regressor.network_.config["n_cells"]
        geometry = resolve_geometry(regressor.geometry)
        if n_cells != geometry.n_cells:
            raise ValueError(
                f"The weights of the pretrained regressor {name!r} are for {n_cells} "
                f"cells, but the {geometry.name} geometry has {geometry.n_cells}."
            )
        return regressor

    def fit(self, X, y=None):
        """Train the network on pairs of wafers.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2 * n_cells), (n_pairs, 2, n_cells) or
            (n_pairs, 2, height, width, channels)
            Pairs, charges in any unit.
        y : array-like of shape (n_pairs,) or None, default=None
            The distance of each pair in the unit of the geometry. None to compute the
            exact EMD.

        Returns
        -------
        self : EMDRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used, or `checkpoint_dir` holds another
            fit, before any training.
        RuntimeError
            If another fit is using `checkpoint_dir`.
        OSError
            If a checkpoint cannot be written. After the first epoch the regressor is
            fitted nevertheless, with the best weights so far.

        Warns
        -----
        ConvergenceWarning
            If the training is interrupted with Ctrl-C; the best weights so far are
            kept. If it ends while still improving: the best loss of all `epochs` is
            more than 10% below that of their first half.
        UserWarning
            If `y` does not look like EMDs in the unit of the geometry, or pairs with a
            wafer without charge are left out.
        """
        self._check_parameters()
        pairs, y, geometry = validated_pairs(self, X, y, reset=True, allow_empty=True)
        pairs, y = without_empty(both_charged(pairs), type(self).__name__, pairs, y)
        layout = resolve_layout(geometry, self.layout)
        if y is not None:
            check_labels(pairs, y, geometry, lenient=is_lenient(self.geometry))
        with checkpoint_of(self, geometry, X=pairs, y=y) as checkpoint:
            result = self._train(pairs, y, geometry, layout, checkpoint)
            caller = type(self).__name__
            warn_of_ending(result, caller, _MOST_IMPROVEMENT)
        return self

    def predict(self, X, *, return_bounds=False):
        """Predict the EMD of pairs of wafers.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2 * n_cells), (n_pairs, 2, n_cells) or
            (n_pairs, 2, height, width, channels)
            Pairs, charges in any unit.
        return_bounds : bool, default=False
            Whether to return a lower and an upper bound of the exact EMD as well. They
            hold whatever the network has learned, and take far longer than the exact
            EMD itself (:func:`skemd.distance.paired_emd`).

        Returns
        -------
        distances : ndarray of shape (n_pairs,)
            In the unit of the geometry (wafer: half a trigger-cell pitch, 1.2084 cm).
            Zero for a pair with a wafer without charge, which has no EMD.
        lower, upper : ndarray of shape (n_pairs,)
            Only with `return_bounds`, in the unit of the geometry, in double precision.
            NaN for a pair with a wafer without charge. The prediction may lie outside.
        """
        check_is_fitted(self)
        check_flag(return_bounds, "return_bounds")
        pairs, _, geometry = validated_pairs(self, X, reset=False, allow_empty=True)
        if not return_bounds:
            return self._predicted(pairs)
        bounds = bounds_of_pairs(self.network_, pairs, geometry)
        return self._predicted(pairs), *bounds

    def score(self, X, y=None, sample_weight=None):
        """Return the coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2 * n_cells), or as in `predict`
            Pairs, charges in any unit.
        y : array-like of shape (n_pairs,) or None, default=None
            True distances in the unit of the geometry; None to compute the exact EMD,
            without the pairs that have none, of which a warning tells.
        sample_weight : array-like of shape (n_pairs,) or None, default=None
            Weights of the pairs.

        Returns
        -------
        score : float
            1 is perfect.
        """
        if y is not None:
            return super().score(X, y, sample_weight)
        check_is_fitted(self)
        pairs, _, geometry = validated_pairs(self, X, reset=False, allow_empty=True)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
        pairs, sample_weight = without_empty(
            both_charged(pairs), "EMDRegressor.score", pairs, sample_weight
        )
        if len(pairs) < 2:
            raise ValueError("R² takes at least two pairs; got n_samples=1.")
        exact, _ = solve_pairs(pairs[:, 0], pairs[:, 1], geometry, n_jobs=self.n_jobs)
        return r2_score(exact, self._predicted(pairs), sample_weight=sample_weight)

    @property
    def model_(self):
        """The live Keras model of a fitted regressor."""
        check_is_fitted(self)
        return self.network_.model

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.positive_only = True
        tags.input_tags.three_d_array = True
        # The pairs bound their distances, so no network can follow the arbitrary
        # targets of scikit-learn's quality checks.
        tags.regressor_tags.poor_score = True
        return tags

    def _check_parameters(self):
        check_training_parameters(self)
        check_choice(self.loss, "loss", LOSSES)
        check_choice(self.head, "head", HEADS)
        for name in ("n_conv_layers", "n_dense_layers"):
            check_number(getattr(self, name), name, low=0, integer=True)
        for name in ("n_filters", "kernel_size", "n_dense_units"):
            check_number(getattr(self, name), name, low=1, integer=True)
        check_number(
            self.n_refinements,
            "n_refinements",
            low=1,
            high=MOST_REFINEMENTS,
            integer=True,
        )

    def _network_config(self, geometry, layout):
        return {
            "n_cells": geometry.n_cells,
            "image_shape": layout.shape,
            "cell_to_pixel": layout.cell_to_pixel.tolist(),
            "n_filters": self.n_filters,
            "kernel_size": self.kernel_size,
            "n_conv_layers": self.n_conv_layers,
            "n_dense_layers": self.n_dense_layers,
            "n_dense_units": self.n_dense_units,
            "n_refinements": self.n_refinements,
            "head": self.head,
            "positions": geometry.positions.tolist(),
            "min_distance": geometry.min_distance,
            "max_distance": geometry.max_distance,
        }

    def _train(self, pairs, y, geometry, layout, checkpoint):
        """Train on checked pairs and store the result."""
        head = HEADS[self.head]
        y, potentials = exact_labels(
            pairs,
            y,
            geometry,
            with_potentials=head.learns_potentials,
            n_jobs=self.n_jobs,
        )
        rng = checkpoint.random_state(self.random_state)
        network = Network.untrained(
            build_emd_network, self._network_config(geometry, layout), seeds_from(rng)
        )
        result = train(
            model_to_train(network, head),
            LazyRows(network_input, pairs),
            regression_targets(
                pairs, y, potentials, over_variation=head.divides_by_variation
            ),
            regression_loss(
                self.loss, geometry, with_potentials=head.learns_potentials
            ),
            TrainingOptions.of(self, len(pairs), N_STEPS),
            rng=rng,
            augment=random_symmetries(geometry) if self.augment else None,
            label="EMDRegressor",
            checkpoint=checkpoint,
        )
        self.network_ = network.pull_weights()
        self.history_ = result.history
        self.n_iter_ = len(self.history_["loss"])
        self._interruption = result.interruption
        self.geometry_ = geometry
        return result

    def _predicted(self, pairs):
        """Predict the EMD of checked pairs."""

        def distances(chunk):
            found = self.network_.predict(network_input(pairs[chunk]))
            return np.where(both_charged(pairs[chunk]), found, 0)

        return map_chunks(distances, len(pairs))
