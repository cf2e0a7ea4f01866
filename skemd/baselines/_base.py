"""The base of all algorithms: a transformer around a sender and a receiver.

What is sent comes from the pieces of :class:`skemd.firmware.EconT`.
"""

from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skemd._checks import (
    as_whole_numbers,
    check_choice,
    check_container,
    check_flag,
    check_number,
)
from skemd._input._units import MOST_COUNTS, warn_unless_counts
from skemd._input._wafers import is_lenient, validated_cells
from skemd.firmware._chip._econt import EconT
from skemd.firmware._chip._front_end import (
    FRONT_ENDS,
    dropped_by_input,
    largest_input,
    pedestal,
    seen_by_chip,
)
from skemd.firmware._chip._settings import ChipSettings
from skemd.geometry import Geometry, Layout, hgcal_wafer
from skemd.metrics import mean_emd

__all__ = ["Baseline"]

MOST_LINKS = 13
MOST_DROPPED_BITS = 4
# Above every code, yet sums over all cells stay exact integers.
_SATURATED = 2**40
_LARGEST_NUMBER = 2**48


class Baseline(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A way to send a wafer and to receive it.

    A derived class has seven methods: `_check_parameters`, `_settle` (which learns from
    the wafers of fit), `_sent`, `_received`, `_bits`, `_names` for the names of the
    numbers, and `_chip_settings`. Charges are CALQ there, behind the front end.
    """

    _fitted_attributes: ClassVar = {
        "n_features_in_": int,
        "geometry_": Geometry,
        "_image_layout": Layout | None,
        "_n_features_out": int,
    }

    def fit(self, X, y=None):
        """Check parameters and wafers, and determine how much is sent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images from WaferRemapper
            Charges in CALQ counts; fractions are rounded down.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is unknown, the columns are not the geometry's cells, a
            charge is negative or not finite, or a wafer has no charge.
        """
        self._check_parameters()
        X, geometry, layout_name = validated_cells(
            self,
            X,
            geometry=self.geometry,
            reset=True,
            allow_empty=is_lenient(self.geometry),
        )
        self._settle(self._calq(X, "fit"), geometry)
        self.geometry_ = geometry
        self._image_layout = geometry.layout(layout_name) if layout_name else None
        self._n_features_out = len(self._names())
        return self

    def transform(self, X):
        """Return the numbers that the links carry.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in CALQ counts; fractions are rounded down.

        Returns
        -------
        codes : ndarray of float64 of shape (n_samples, n_numbers)
            Whole numbers, in the order of `get_feature_names_out`. Charges and sums
            are in CALQ counts: the lowest number of counts with the code that is sent.
        """
        calq = self._calq(self._validated(X), "transform")
        return self._sent(calq).astype(np.float64)

    def inverse_transform(self, X):
        """Return the wafers that a receiver reconstructs from the numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_numbers)
            As returned by `transform`.

        Returns
        -------
        wafers : ndarray of float64 of shape (n_samples, n_cells), or images
            Charges in CALQ counts, in the form in which `fit` saw wafers: rows of
            cells, or images of that layout. A wafer may have lost all of its charge.

        Raises
        ------
        ValueError
            If `transform` cannot return such numbers.
        """
        check_is_fitted(self)
        caller = type(self).__name__
        check_container(X, f"The argument of {caller}.inverse_transform")
        codes = check_array(X, dtype=np.float64, estimator=self)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"{caller}.inverse_transform got {codes.shape[1]} numbers per wafer; "
                f"here transform gives {self._n_features_out}."
            )
        codes = as_whole_numbers(codes, f"{caller} codes", low=0, high=_LARGEST_NUMBER)
        cells = self._received(codes).astype(np.float64)
        return cells if self._image_layout is None else self._image_layout.apply(cells)

    def predict(self, X):
        """Send wafers and receive them again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in CALQ counts; fractions are rounded down.

        Returns
        -------
        wafers : ndarray of float64 of shape (n_samples, n_cells)
            Charges in CALQ counts as the receiver reconstructs them, always as rows of
            cells. Charge that is not sent is missing from their sum.
        """
        calq = self._calq(self._validated(X), "predict")
        return self._received(self._sent(calq)).astype(np.float64)

    def score(self, X, y=None, sample_weight=None):
        """Return minus the mean exact EMD between wafers and received wafers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in CALQ counts; fractions are rounded down.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the wafers in the mean; None for equal ones.

        Returns
        -------
        score : float
            In the unit of the geometry; 0 is perfect. A received wafer without charge
            counts as one with the same charge in every cell, since the receiver does
            not know where its charge was.
        """
        X = self._validated(X)
        received = self._received(self._sent(self._calq(X, "score")))
        return -mean_emd(
            X,
            received,
            sample_weight=sample_weight,
            geometry=self.geometry_,
            empty_pred="even",
        )

    def payload_bits(self, X):
        """Count the bits that each wafer needs on the links.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images of a known layout
            Charges in CALQ counts; fractions are rounded down.

        Returns
        -------
        bits : ndarray of int64 of shape (n_samples,)
            Including header and sum, without the padding of the last word.
        """
        return self._bits(self._calq(self._validated(X), "payload_bits"))

    def to_chip(self):
        """Return the chip that sends the numbers of `transform`.

        Returns
        -------
        chip : EconT
            A production chip. Its multiplexer brings the wafer's trigger cells, in
            order on the input links, to the places from which the algorithm takes them;
            ``chip.link_words(X)`` are the words of the input links.

        Raises
        ------
        ValueError
            If the chip does not have such a thing: another geometry than the wafer,
            other ties, charges that pass no front end, or more links than the chip can
            use.
        """
        check_is_fitted(self)
        caller = f"{type(self).__name__}.to_chip"
        if self.geometry_ != hgcal_wafer():
            raise ValueError(
                f"{caller}: the chip has the wafer's 48 cells; this one is fitted to "
                f"the {self.geometry_.name} geometry. Use geometry='wafer'."
            )
        if self.front_end is None:
            raise ValueError(
                f"{caller}: charges reach the chip through its front end; here "
                "front_end is None. Use 'LD' or 'HD'."
            )
        settings = ChipSettings(
            n_links=self.n_output_links,
            high_density=self._high_density,
            drop_lsb=self._dropped,
            **self._chip_settings(caller),
        )
        return EconT(settings)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the numbers of a code.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the cells, which are checked but not used.

        Returns
        -------
        names : ndarray of object of shape (n_numbers,)
            Such as "charge_0", "address_0" or "sum".
        """
        super().get_feature_names_out(input_features)
        return np.asarray(self._names(), dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "geometry_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags

    def _validated(self, X):
        check_is_fitted(self)
        X, _, _ = validated_cells(
            self, X, geometry=self.geometry_, reset=False, allow_empty=True
        )
        return X

    def _check_parameters(self):
        check_number(
            self.n_output_links, "n_output_links", low=1, high=MOST_LINKS, integer=True
        )
        if self.front_end is not None:
            check_choice(self.front_end, "front_end", (*FRONT_ENDS, None))
        if self.dropped_bits is not None:
            check_number(
                self.dropped_bits,
                "dropped_bits",
                low=0,
                high=MOST_DROPPED_BITS,
                integer=True,
            )
        check_flag(self.half_lsb, "half_lsb")

    @property
    def _high_density(self):
        return FRONT_ENDS.get(self.front_end, False)

    @property
    def _dropped(self):
        """How many bits of a charge are dropped before it is encoded."""
        if self.dropped_bits is None:
            return dropped_by_input(self._high_density)
        return self.dropped_bits

    @property
    def _pedestal(self):
        """What the chip reads of a cell without charge, in counts."""
        return 0 if self.front_end is None else pedestal(self._high_density)

    def _calq(self, X, method):
        """Return checked charges as the chip has them behind its front end."""
        passes = self.front_end is not None
        most = largest_input(self._high_density) if passes else MOST_COUNTS
        warn_unless_counts(X, f"{type(self).__name__}.{method}", most_counts=most)
        counts = np.floor(np.minimum(X, _SATURATED)).astype(np.int64)
        return seen_by_chip(counts, self._high_density) if passes else counts
