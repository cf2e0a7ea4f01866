"""EMDAutoencoder: the encoder for the chip, trained for where the energy is."""

from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skemd._autoencoder._codes import check_decoded, checked_codes, split_sums
from skemd._autoencoder._conditions import checked_conditions
from skemd._autoencoder._data import checked_data, checked_parameters
from skemd._autoencoder._dead_components import dead_components, warn_of_dead_components
from skemd._autoencoder._fit import identity_of, record_of_data, trained_network
from skemd._autoencoder._inputs import NetworkInputs
from skemd._autoencoder._loss import clone_that_shares
from skemd._autoencoder._network import DECODER, ENCODER, build_autoencoder
from skemd._autoencoder._saved import ADDED_LATER, FITTED_ATTRIBUTES, SAVED_PARAMETERS
from skemd._checks import check_out
from skemd._input._chunks import map_chunks
from skemd._input._scaling import row_sums, with_sums
from skemd._input._wafers import validated_cells, without_empty
from skemd._number_formats._links import LINK_FORMATS
from skemd._training._checkpoint import checkpoint_of
from skemd._training._convergence import warn_of_ending
from skemd._training._options import RUN_PARAMETERS
from skemd._training._pretrained import load_pretrained
from skemd.metrics import emd_per_wafer
from skemd.metrics._pairs import checked_weights, weighted_mean

__all__ = ["PRETRAINED", "EMDAutoencoder"]

# The fitted ones that ship with the package.
PRETRAINED = tuple(f"hgcal-wafer-{links}-links" for links in LINK_FORMATS)


class EMDAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Compress wafers to short codes and reconstruct them, judged by the EMD.

    The encoder is one convolution and one dense layer, small enough for the front-end
    chip; the decoder mirrors it. Wafers are divided by the power of two at or below
    their sum first, as the chip normalizes them.

    Parameters
    ----------
    loss : str or callable, default="emdcnn"
        What the reconstruction is trained for: a name from the list in
        :mod:`skemd.losses`, such as "emd" for the exact EMD and "emdcnn" for the
        learned one. A callable is ``loss(y_true, y_pred)`` in keras.ops on two tensors
        of shape (n_samples, n_cells) with one value a sample, such as the objects of
        that module.
    emd_regressor : EMDRegressor or None, default=None
        The fitted learned EMD for ``loss="emdcnn"``. It is never refitted, and clones
        share it. To search over several, wrap each in scikit-learn's FrozenEstimator.
        None uses the one that ships with the package. For geometries other than the
        wafer, None fits one on pairs drawn from `X`.
    n_components : int, default=16
        Numbers in a code.
    latent_bits : int or None, default=None
        Bits of each number of a code, unsigned with one bit before the binary point;
        None for floating point.
    weight_bits : int or None, default=None
        Bits of the encoder's weights and biases, including the sign; the chip has 6.
    weight_integer_bits : int, default=0
        How many of them, not counting the sign, stand before the binary point: 0 for
        [-1, 1), as in the chip's registers; 1 for [-2, 2), as in published models.
    input_bits : int, FixedPoint or None, default=None
        Format of the encoder's images: bits, unsigned with one before the binary
        point (the chip has 8), or any format.
    accumulator_bits : int, FixedPoint or None, default=None
        Format of each layer's sums, before ReLU: bits, signed with three before the
        binary point (published models have 11), or any format.
    n_output_links : {2, 3, 4, 5} or None, default=None
        Links that carry the code. They have room for 3, 5, 7 or 9 bits of each number;
        a code that does not fit is an error. What the encoder rounds then depends on
        `arithmetic`. None for networks whose formats are only those above.
    arithmetic : {"chip", "exact"}, default="chip"
        With `n_output_links`, whether the encoder computes as ECON-T does, which rounds
        down pixels, every product by itself, and codes (see :doc:`/guide/chip`); it has
        one shape, the default one, and formats of its own. "exact" rounds each sum
        once, as published models do: formats that are None are set to 6 bits for
        weights, 8 for images and 11 for sums.
    front_end : {"LD", "HD"} or None, default="LD"
        Through which front end charges pass before the encoder sees them, in the
        arithmetic of the chip: that of low or high density, for charges in counts, at
        most 2**22. They become short codes, and an empty cell reads as 1 or 4 counts.
        The loss compares with the charges themselves. None for charges in any unit, as
        they are.
    encode_sum : bool or None, default=None
        Whether codes end with the wafer's sum, as the chip sends it: rounded down to
        an integer and then to a float of 5 bits of exponent and 4 of mantissa.
        `inverse_transform` then gives wafers of that sum. Charges should come in
        counts. In the arithmetic of the chip the decoder is told this sum, by two more
        inputs. None for True behind a front end, else False.
    float_fraction : float, default=0.0
        If there are formats, the part of the epochs that trains in floating point,
        before the training with roundings.
    n_filters : int, default=8
        Filters of the encoder's convolution.
    kernel_size : int, default=3
        Height and width of the filters.
    strides : int, default=2
        Step of the encoder's convolution along sides of more than four pixels, so that
        both layouts of the wafer reach the dense layer as 4 x 4 images.
    decoder : {"auto", "mirror", "residual"}, default="auto"
        The receiver of the codes. "mirror" has the encoder's layers in reverse, as in
        the paper. "residual" has wider and, if asked for, more dense layers, whose
        outputs add up, the mirror's convolutions with more filters, and a softmax, so
        that a reconstruction is a distribution; the loss compares it after it got the
        wafer's sum. "auto" is "residual" in the arithmetic of the chip, else "mirror".
    decoder_units, decoder_layers : int, default=512 and 1
        Width and number of the residual decoder's dense layers. The width is rounded up
        to whole filters of the convolution behind them, 16 numbers each for the wafer.
    layout : str, default="8x8"
        Layout of the geometry in which the networks see rows of cells; images keep
        their layout. For any other geometry the names of the wafer's layouts stand for
        the first layout.
    epochs : int or None, default=None
        Passes over the wafers. None for as many as make 24,000 steps, but at most 400,
        since few wafers are only overfitted by more.
    batch_size : int, default=250
        Wafers a step.
    learning_rate : float, default=0.015
        Peak learning rate of Adam.
    validation_fraction : float, default=0.1
        Part of the wafers set aside for early stopping.
    early_stopping : bool, default=True
        Whether to set wafers aside, and to return to the epoch that is best on them.
    patience : int or None, default=None
        Stop when the loss on the wafers set aside has not improved for so many epochs.
        The learning rate falls to zero over all epochs, and the last of them improve
        most, so that a training that stops early is not at its best. None runs all.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit, or of the file from
        which the estimator was loaded, instead of new ones. The networks must be the
        same. A peak learning rate of a tenth of the default keeps what was learned.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, split and order.
    verbose : int, default=0
        1 for a progress bar on stderr.
    n_jobs : int or None, default=None
        How many joblib workers compute exact EMDs, in `score`, for ``loss="emd"`` and
        for the labels of a regressor that is fitted here. None means one worker, but
        for the loss one thread per core, as in Keras's backends.
    checkpoint_dir : str, path-like or None, default=None
        Folder for the state after each epoch. A fit that was killed resumes there when
        it is started again with equal parameters and data, and the result of a finished
        one is read from there. Each fit needs its own folder.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. "wafer" insists on 48 cells; "line" takes any number.

    Attributes
    ----------
    network_ : Network
        Configuration and weights.
    model_, encoder_, decoder_ : keras.Model
        The live networks: images to cells, images to codes, codes to images. If the
        decoder is told the sum, two numbers of it follow the code, and the image, which
        is flattened, of the whole network.
    input_format_, weight_format_, accumulator_format_, latent_format_ : FixedPoint \
            or None
        The formats of the encoder's stages, which saturate; None where it does not
        round.
    arithmetic_ : {"chip", "exact"}
        "chip" rounds down, products instead of sums; "exact" rounds half to even.
    front_end_ : {"LD", "HD"} or None
        The front end through which charges pass.
    n_output_links_ : int or None
        The links that carry the code.
    dead_components_ : ndarray of int
        Components of the code that are the same for all wafers of fit.
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
    typical_sum_ : float
        Median charge of the wafers in fit, in the unit of `X`.
    training_data_ : dict or None
        "n_wafers" in fit, and "sha256" of their charges in double precision, row by
        row; None after an iterator over tables, and from files of earlier versions.
    geometry_ : Geometry
        The geometry of the data.
    n_features_in_ : int
        Number of cells.

    See Also
    --------
    WaferRemapper : Makes images of rows of cells.
    skemd.metrics.emd_scorer : Scores reconstructions after any preprocessing.

    References
    ----------
    R. Shenoy et al., "Differentiable Earth Mover's Distance for Data Compression at
    the High-Luminosity LHC", Mach. Learn.: Sci. Technol. 4 (2023) 045058,
    arXiv:2306.04712.

    Examples
    --------
    >>> from skemd import EMDAutoencoder
    >>> from skemd.datasets import make_wafers
    >>> X = make_wafers(500, random_state=0)
    >>> autoencoder = EMDAutoencoder(epochs=1, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (500, 16)
    """

    # Pipelines and searches route conditions to the one step that knows them, and do
    # not route `out`.
    __metadata_request__fit: ClassVar = {"conditions": True}
    __metadata_request__predict: ClassVar = {"conditions": True, "out": UNUSED}
    __metadata_request__inverse_transform: ClassVar = {"conditions": True}
    __metadata_request__score: ClassVar = {"conditions": True}
    _fitted_attributes: ClassVar = FITTED_ATTRIBUTES
    _saved_parameters: ClassVar = SAVED_PARAMETERS
    _run_parameters: ClassVar = RUN_PARAMETERS
    _added_later: ClassVar = ADDED_LATER

    def __init__(
        self,
        loss="emdcnn",
        *,
        emd_regressor=None,
        n_components=16,
        latent_bits=None,
        weight_bits=None,
        weight_integer_bits=0,
        input_bits=None,
        accumulator_bits=None,
        n_output_links=None,
        arithmetic="chip",
        front_end="LD",
        encode_sum=None,
        float_fraction=0.0,
        n_filters=8,
        kernel_size=3,
        strides=2,
        decoder="auto",
        decoder_units=512,
        decoder_layers=1,
        layout="8x8",
        epochs=None,
        batch_size=250,
        learning_rate=0.015,
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
        self.n_components = n_components
        self.latent_bits = latent_bits
        self.weight_bits = weight_bits
        self.weight_integer_bits = weight_integer_bits
        self.input_bits = input_bits
        self.accumulator_bits = accumulator_bits
        self.n_output_links = n_output_links
        self.arithmetic = arithmetic
        self.front_end = front_end
        self.encode_sum = encode_sum
        self.float_fraction = float_fraction
        self.n_filters = n_filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.decoder = decoder
        self.decoder_units = decoder_units
        self.decoder_layers = decoder_layers
        self.layout = layout
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

    @classmethod
    def from_pretrained(cls, name="hgcal-wafer-3-links"):
        """Return a fitted autoencoder that ships with the package.

        Parameters
        ----------
        name : {"hgcal-wafer-2-links", "hgcal-wafer-3-links", "hgcal-wafer-4-links", \
                "hgcal-wafer-5-links"}, default="hgcal-wafer-3-links"
            Which one; the card is beside the weights in
            ``skemd/_autoencoder/pretrained``.

        Returns
        -------
        autoencoder : EMDAutoencoder
            Trained on generated wafers through the arithmetic and the front end of the
            chip, for the exact EMD. To go on with wafers of your own, set
            ``warm_start=True`` and a smaller `learning_rate`, and fit it.

        Raises
        ------
        ValueError
            If there is none of that name, or its file is damaged.
        """
        parameters, fitted = load_pretrained(
            name, PRETRAINED, "skemd._autoencoder", build_autoencoder
        )
        autoencoder = cls(**parameters)
        vars(autoencoder).update(fitted)
        return autoencoder

    def fit(self, X, y=None, *, conditions=None):
        """Train encoder and decoder on wafers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images from WaferRemapper
            Charges in any unit. Or an iterator over such tables, one for each epoch,
            such as a generator of fresh wafers: the first one has the wafers for early
            stopping, and the others at least as many wafers.
        y : None
            Ignored.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            What the receiver knows of each wafer beside its code, of order one, such as
            :func:`skemd.datasets.wafer_conditions` gives it. The decoder is told it,
            and needs it from then on. The names of a DataFrame's columns are kept.

        Returns
        -------
        self : EMDAutoencoder
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If a parameter or the data are unusable, or `checkpoint_dir` holds another
            fit; nothing has been trained then.
        RuntimeError
            If another fit is using `checkpoint_dir`.
        OSError
            If a checkpoint cannot be written. If that happens after the first epoch,
            the estimator is fitted with the best weights so far.

        Warns
        -----
        ConvergenceWarning
            If the training is interrupted with Ctrl-C; the best weights so far are
            kept. If it ends while still improving: the best loss of all `epochs` is
            more than 3% below that of their first half.
        UserWarning
            If components of the code are dead; in floating point from 1,000 wafers on.
            If wafers without charge are left out. If charges cannot be counts and
            `encode_sum` needs them to be.
        """
        arithmetic, formats = checked_parameters(self)
        data = checked_data(self, X, conditions, arithmetic, formats)
        start = self.network_ if self.warm_start and hasattr(self, "network_") else None
        identity = identity_of(data, start)
        with checkpoint_of(self, data.geometry, **identity) as checkpoint:
            network, result, codes, regressor = trained_network(
                self, data, formats, checkpoint, start
            )
            self.network_ = network
            self.history_ = result.history
            self.n_iter_ = len(self.history_["loss"])
            self.emd_regressor_ = regressor
            self.dead_components_ = dead_components(codes)
            sums = data.X[:].sum(axis=1, dtype=np.float64)
            self.typical_sum_ = float(np.median(sums))
            self.n_conditions_in_ = data.given.shape[1]
            self.condition_names_ = data.condition_names
            self.training_data_ = record_of_data(data.X)
            self.geometry_ = data.geometry
            self.layout_ = data.layout
            for name, number_format in formats.items():
                setattr(self, f"{name}_", number_format)
            self.arithmetic_ = arithmetic
            self.front_end_ = data.inputs.front_end
            links = self.n_output_links
            self.n_output_links_ = None if links is None else int(links)
            self._returns_images = data.are_images
            self._encodes_sum = data.sends_sum
            self._n_features_out = self.n_components + self._encodes_sum
            # A regressor that was fitted here has warned by itself.
            self._interruption = result.interruption or getattr(
                regressor, "_interruption", None
            )
            warn_of_ending(result, "EMDAutoencoder")
            warn_of_dead_components(
                self.dead_components_,
                self.n_components,
                len(data.X),
                few_bits=any(formats.values()),
            )
        return self

    def transform(self, X):
        """Encode wafers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in any unit.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            float32, not negative. Without a front end, a wafer without charge gives
            zeros. If codes end with the sum there is one more column, the sums as the
            chip sends them: of charges behind the front end.
        """
        check_is_fitted(self)
        X = self._validated(X, self._encodes_sum)
        return map_chunks(lambda chunk: self._encoded(X[chunk]), len(X))

    def inverse_transform(self, X, *, conditions=None):
        """Decode codes to wafers with the typical charge of the wafers in `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` gives them, with the sums if codes end with them.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            As in `fit`.

        Returns
        -------
        wafers : ndarray of shape (n_samples, n_cells), or images
            In the form in which `fit` saw wafers: rows of cells, or images of that
            layout. Behind a front end, each has the sum that was sent less what 48
            empty cells read as, but at least what one does. If codes have no sums, each
            wafer gets the median charge of the wafers in `fit`, which is on the scale
            that earlier steps of a pipeline expect; `predict` keeps the sums.
        """
        check_is_fitted(self)
        codes = checked_codes(X, self, self._n_features_out)
        given = self._checked_conditions(conditions, codes, "inverse_transform")
        sums = np.full(len(codes), self.typical_sum_)
        if self._encodes_sum:
            codes, sums = split_sums(codes)
        return map_chunks(
            lambda chunk: self._decoded(codes[chunk], sums[chunk], given[chunk]),
            len(codes),
        )

    def predict(self, X, *, conditions=None, out=None):
        """Encode and decode wafers, and give each its own total charge.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in any unit.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            As in `fit`.
        out : ndarray of shape (n_samples, n_cells) or None, default=None
            Where to put the wafers, in the unit of `X`, such as a memory map; None for
            a new array of float64.

        Returns
        -------
        wafers : ndarray of shape (n_samples, n_cells)
            Charges in the unit of `X`, as rows of cells even if `X` holds images. A
            wafer without charge gives zeros. This is `out`, if that is given.
        """
        check_is_fitted(self)
        X = self._validated(X)
        given = self._checked_conditions(conditions, X, "predict")
        check_out(out, X.shape, "EMDAutoencoder.predict")

        def reconstructed(chunk):
            return self._reconstructed(X[chunk], given[chunk], row_sums(X[chunk]))

        return map_chunks(reconstructed, len(X), out)

    def score(self, X, y=None, sample_weight=None, *, conditions=None):
        """Return minus the mean exact EMD between wafers and their reconstructions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in any unit. Wafers without any are left out, with a warning.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the wafers in the mean; None for equal ones.
        conditions : array-like of shape (n_samples, n_conditions) or None, default=None
            As in `fit`.

        Returns
        -------
        score : float
            In the unit of the geometry; 0 is perfect. A reconstruction without charge
            counts as one with the same charge in every cell.
        """
        check_is_fitted(self)
        X = self._validated(X)
        given = self._checked_conditions(conditions, X, "score")
        sample_weight = checked_weights(sample_weight, len(X))
        X, given, sample_weight = without_empty(
            X.any(axis=1), "EMDAutoencoder.score", X, given, sample_weight, least=1
        )
        options = {"geometry": self.geometry_, "n_jobs": self.n_jobs}

        def distances(chunk):
            # With unit sums, since tiny charges would underflow in their own unit.
            found = self._reconstructed(X[chunk], given[chunk], np.ones(len(X[chunk])))
            return emd_per_wafer(X[chunk], found, empty_pred="even", **options)

        return -weighted_mean(map_chunks(distances, len(X)), sample_weight)

    @property
    def model_(self):
        """The live Keras model from images to cells."""
        check_is_fitted(self)
        return self.network_.model

    @property
    def encoder_(self):
        """The live Keras model from images to codes."""
        check_is_fitted(self)
        return self.network_.submodel(ENCODER)

    @property
    def decoder_(self):
        """The live Keras model from codes to images."""
        check_is_fitted(self)
        return self.network_.submodel(DECODER)

    def __sklearn_clone__(self):
        # A clone of the regressor would not be fitted, but the one that the user passes
        # is a frozen part of the loss. Searches and pipelines share it.
        return clone_that_shares(self, "emd_regressor")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _inputs(self):
        """How wafers become inputs of the fitted network."""
        tells_sum = self._encodes_sum and self.arithmetic_ == "chip"
        return NetworkInputs(
            self.layout_,
            self.arithmetic_,
            self.front_end_,
            tells_sum,
            self.n_conditions_in_,
        )

    def _checked_conditions(self, conditions, rows, method):
        caller = f"EMDAutoencoder.{method}"
        return checked_conditions(conditions, len(rows), caller, self)

    def _validated(self, X, sends_sum=False):
        X, _, _ = validated_cells(self, X, geometry=self.geometry_, reset=False)
        self._inputs.warn_of_units(X, sends_sum)
        return X

    def _encoded(self, X):
        inputs = self._inputs
        codes = self.network_.predict(inputs.images(X), ENCODER)
        if self.front_end_ is None:
            # The front end leaves no wafer without charge.
            codes = np.where(X.any(axis=1, keepdims=True), codes, np.float32(0))
        if not self._encodes_sum:
            return codes
        return np.column_stack([codes, inputs.sent_sums(X).astype(np.float32)])

    def _decoded(self, codes, sums, given):
        inputs = self._inputs
        rows = np.column_stack([codes, inputs.conditions(sums, given)])
        images = self.network_.predict(rows, DECODER)
        check_decoded(images, codes)
        if self._encodes_sum:
            sums = inputs.own_sums(sums)
        cells = with_sums(self.layout_.invert(images), sums)
        return self.layout_.apply(cells) if self._returns_images else cells

    def _reconstructed(self, X, given, sums):
        return with_sums(self.network_.predict(self._inputs(X, given)), sums)
