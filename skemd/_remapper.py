"""WaferRemapper: from rows of trigger cells to the images that networks take."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skemd._checks import as_numbers
from skemd._input._chunks import map_chunks
from skemd._input._scaling import NORMALIZATIONS, scaled, with_sums
from skemd._input._wafers import (
    check_charges,
    check_width,
    resolve_layout,
    validated_cells,
)
from skemd.geometry import Geometry, Layout

__all__ = ["WaferRemapper"]


class WaferRemapper(
    OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Lay the trigger cells of wafers out as images, and back.

    Parameters
    ----------
    layout : str, default="8x8"
        Name of a layout of the geometry: for the wafer "8x8", one image with a corner
        left empty, or "4x4x3", a channel for each of the three faces. These two names
        stand for the first layout of any other geometry.
    normalize : {None, "sum", "msb", "max"}, default=None
        What each wafer is divided by: nothing, its sum, the power of two at or below
        its sum (as the chip does it), or its largest charge.
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are. "wafer" insists on 48 columns; "line" takes any number.

    Attributes
    ----------
    geometry_ : Geometry
        The geometry of the data.
    layout_ : Layout
        The layout in use.
    n_features_in_ : int
        Number of cells.

    See Also
    --------
    EMDAutoencoder : Takes what comes out of this.

    Examples
    --------
    >>> from skemd import WaferRemapper
    >>> from skemd.datasets import make_wafers
    >>> X = make_wafers(10, random_state=0)
    >>> WaferRemapper().fit_transform(X).shape
    (10, 8, 8, 1)
    """

    _fitted_attributes: ClassVar = {
        "n_features_in_": int,
        "geometry_": Geometry,
        "layout_": Layout,
    }

    _saved_parameters: ClassVar = {
        "layout": str,
        "normalize": str | None,
        "geometry": str | Geometry,
    }

    def __init__(self, layout="8x8", *, normalize=None, geometry="wafer"):
        self.layout = layout
        self.normalize = normalize
        self.geometry = geometry

    def fit(self, X, y=None):
        """Check the wafers and the parameters; there is nothing to learn.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells)
            Charges in any unit.
        y : None
            Ignored.

        Returns
        -------
        self : WaferRemapper
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is unknown, the columns are not the geometry's cells, or a
            charge is negative or not finite.
        """
        if self.normalize is not None and self.normalize not in NORMALIZATIONS:
            raise ValueError(
                f"normalize must be one of {NORMALIZATIONS}; got {self.normalize!r}."
            )
        X, geometry, _ = validated_cells(
            self,
            X,
            geometry=self.geometry,
            reset=True,
            least=1,
        )
        self.layout_ = resolve_layout(geometry, self.layout)
        self.geometry_ = geometry
        return self

    def transform(self, X):
        """Lay wafers out as images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells)
            Charges in any unit; a wafer without any gives zeros.

        Returns
        -------
        images : ndarray of shape (n_samples, height, width, channels)
            The same charges, divided as `normalize` says; pixels without a cell are
            zero.
        """
        check_is_fitted(self)
        X, _, _ = validated_cells(self, X, geometry=self.geometry_, reset=False)
        return map_chunks(
            lambda chunk: self.layout_.apply(scaled(X[chunk], self.normalize)), len(X)
        )

    def inverse_transform(self, X, sums=None):
        """Read the cells back from images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Charges in any unit, as images in the layout of this transformer, or as
            rows of cells, which are left in place.
        sums : array-like of shape (n_samples,) or None, default=None
            Total charge of each wafer in any unit, if known.

        Returns
        -------
        cells : ndarray of shape (n_samples, n_cells)
            With `sums`, each wafer has its sum, in that unit. Without, the charges as
            they are in the images: exactly those of `transform`'s input with
            ``normalize=None``, but otherwise still divided, since a divided wafer does
            not know its sum.
        """
        check_is_fitted(self)
        caller = f"{type(self).__name__}.inverse_transform"
        images = as_numbers(X, f"The argument of {caller}", None)
        if images.dtype.kind != "f":
            images = images.astype(np.float64)
        if images.ndim == 4 and images.shape[1:] == self.layout_.shape:
            cells = self.layout_.invert(images)
        elif images.ndim == 2:
            check_width(images.shape[1], self.n_features_in_, self.geometry_, caller)
            cells = images.copy()
        else:
            raise ValueError(
                f"{caller} takes images of shape {self.layout_.shape}; got an array of "
                f"shape {images.shape}."
            )
        if sums is None:
            return cells
        sums = np.asarray(sums, dtype=np.float64)
        if sums.shape != (len(cells),):
            raise ValueError(
                f"sums must have shape ({len(cells)},), a sum for each wafer; got "
                f"{sums.shape}."
            )
        check_charges(cells, caller, allow_empty=True)
        return with_sums(cells, sums)

    def set_output(self, *, transform=None):
        """Do nothing: images have four dimensions and stay arrays.

        Parameters
        ----------
        transform : object
            Ignored; lets pipelines choose the output of their other steps.

        Returns
        -------
        self : WaferRemapper
            This transformer.
        """
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
