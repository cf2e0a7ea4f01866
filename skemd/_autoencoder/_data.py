"""What the fit of an autoencoder trains on: the checks of its wafers and conditions."""

import dataclasses

import numpy as np

from skemd._autoencoder._conditions import checked_conditions, names_of_conditions
from skemd._autoencoder._encoder_formats import (
    check_chip_layout,
    check_exact,
    checked_roundings,
)
from skemd._autoencoder._inputs import NetworkInputs, encodes_sum
from skemd._autoencoder._network import products_per_sum
from skemd._checks import check_choice, check_flag, check_number
from skemd._input._chunks import map_chunks
from skemd._input._wafers import resolve_layout, validated_cells, without_empty
from skemd._training._epoch_tables import EpochTables
from skemd._training._options import check_training_parameters
from skemd.geometry import Geometry, Layout

__all__ = ["FitData", "checked_data", "checked_parameters"]

_SHAPE = ("n_filters", "kernel_size", "strides")


@dataclasses.dataclass(frozen=True)
class FitData:
    """The checked arguments of a fit.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells), or EpochTables
        Wafers with charge, in any unit.
    given : ndarray of shape (n_samples, n_conditions)
        What the user tells the decoder.
    condition_names : ndarray of str of shape (n_conditions,) or None
        Its names, if the user gives any.
    geometry : Geometry
        The geometry of the cells.
    layout : Layout
        How they lie in the images.
    are_images : bool
        Whether the user passed images.
    inputs : NetworkInputs
        How wafers become inputs of the networks.
    sends_sum : bool
        Whether codes end with the sum.
    """

    X: np.ndarray | EpochTables
    given: np.ndarray
    condition_names: np.ndarray | None
    geometry: Geometry
    layout: Layout
    are_images: bool
    inputs: NetworkInputs
    sends_sum: bool


def checked_parameters(autoencoder):
    """Check all parameters of an autoencoder.

    Parameters
    ----------
    autoencoder : EMDAutoencoder
        The estimator.

    Returns
    -------
    arithmetic : {"chip", "exact"}
        What the parameters ask for.
    formats : dict of str to FixedPoint or None
        The formats of the encoder's stages.

    Raises
    ------
    ValueError
        If a parameter is of the wrong kind or out of range.
    """
    check_training_parameters(autoencoder)
    check_choice(autoencoder.decoder, "decoder", ("auto", "mirror", "residual"))
    check_flag(autoencoder.warm_start, "warm_start")
    sizes = ("n_components", *_SHAPE, "decoder_units", "decoder_layers")
    for name in sizes:
        check_number(getattr(autoencoder, name), name, low=1, integer=True)
    check_number(autoencoder.float_fraction, "float_fraction", low=0, high=1)
    return checked_roundings(autoencoder)


def checked_data(autoencoder, X, conditions, arithmetic, formats):
    """Check the arguments of a fit, before any work.

    Parameters
    ----------
    autoencoder : EMDAutoencoder
        Its parameters have been checked. It gets ``n_features_in_``.
    X : array-like of shape (n_samples, n_cells), images, or iterator over such tables
        Charges in any unit.
    conditions : array-like of shape (n_samples, n_conditions) or None
        What the user tells the decoder.
    arithmetic : {"chip", "exact"}
        That of the encoder.
    formats : dict of str to FixedPoint or None
        The formats of its stages.

    Returns
    -------
    data : FitData
        What the training takes.

    Raises
    ------
    ValueError
        If the chip or float32 cannot do what is asked for, or the data are unusable.
    """
    X, tables = _first_table(autoencoder, X, conditions)
    X, geometry, layout_name = validated_cells(
        autoencoder, X, geometry=autoencoder.geometry, reset=True
    )
    given = checked_conditions(conditions, len(X), "EMDAutoencoder.fit")
    X, given = without_empty(X.any(axis=1), "EMDAutoencoder", X, given)
    layout = resolve_layout(geometry, layout_name or autoencoder.layout)
    inputs = NetworkInputs.asked_for(autoencoder, layout, arithmetic, given.shape[1])
    sends_sum = encodes_sum(autoencoder, arithmetic)
    _check_networks(autoencoder, formats, layout, geometry, arithmetic)
    if inputs.front_end is not None:
        # Charges beyond the chip's counts are found before any work.
        map_chunks(lambda chunk: inputs.sent_sums(X[chunk]), len(X))
    inputs.warn_of_units(X, sends_sum)
    if tables is not None:
        X = EpochTables(X, tables, lambda table: _later_wafers(autoencoder, table))
    return FitData(
        X=X,
        given=given,
        condition_names=names_of_conditions(conditions),
        geometry=geometry,
        layout=layout,
        are_images=layout_name is not None,
        inputs=inputs,
        sends_sum=sends_sum,
    )


def _first_table(autoencoder, X, conditions):
    """Return the wafers of the first epoch, and an iterator over further ones."""
    if not hasattr(X, "__next__"):
        return X, None
    unusable = {"conditions": conditions, "checkpoint_dir": autoencoder.checkpoint_dir}
    for name, value in unusable.items():
        if value is not None:
            raise ValueError(
                f"{name} needs all wafers at once, but X is an iterator over tables. "
                f"Pass an array of wafers, or {name}=None."
            )
    try:
        return next(X), X
    except StopIteration:
        raise ValueError("X is an iterator over tables that has none.") from None


def _later_wafers(autoencoder, table):
    """Return the wafers with charge of a later table."""
    geometry = autoencoder.geometry
    X, _, _ = validated_cells(autoencoder, table, geometry=geometry, reset=False)
    return X[X.any(axis=1)]


def _check_networks(autoencoder, formats, layout, geometry, arithmetic):
    """Check that the chip and float32 can do what the encoder does."""
    if arithmetic == "chip":
        check_chip_layout(layout, geometry)
    shape = [getattr(autoencoder, name) for name in _SHAPE]
    check_exact(formats, *products_per_sum(layout.shape, *shape))
