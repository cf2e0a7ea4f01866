"""Checks of the parts of an integer encoder: formats, strides and weights."""

import numpy as np

from skemd._checks import check_number
from skemd._number_formats._fixed_point import FixedPoint

__all__ = ["checked_format", "checked_strides", "checked_tensors"]


def checked_tensors(conv_kernel, conv_bias, dense_kernel, dense_bias, weight_format):
    """Check that the shapes of weights fit each other and their values fit the format.

    Parameters
    ----------
    conv_kernel, conv_bias, dense_kernel, dense_bias : array-like
        See :class:`IntegerEncoder`.
    weight_format : FixedPoint
        Format of all weights.

    Returns
    -------
    tensors : list of ndarray of float64
        The arrays, in the order of the parameters.

    Raises
    ------
    ValueError
        If a tensor does not fit. The message names it.
    """
    tensors = {
        "conv_kernel": (conv_kernel, 4),
        "conv_bias": (conv_bias, 1),
        "dense_kernel": (dense_kernel, 2),
        "dense_bias": (dense_bias, 1),
    }
    checked = {
        name: _checked_tensor(tensor, name, n_dimensions, weight_format)
        for name, (tensor, n_dimensions) in tensors.items()
    }
    n_filters = checked["conv_kernel"].shape[3]
    n_components = checked["dense_kernel"].shape[1]
    for name, length in (("conv_bias", n_filters), ("dense_bias", n_components)):
        if len(checked[name]) != length:
            raise ValueError(
                f"{name} must have shape ({length},), one number for each output of "
                f"its kernel; got {checked[name].shape}."
            )
    n_inputs = len(checked["dense_kernel"])
    if n_inputs % n_filters:
        raise ValueError(
            f"dense_kernel has {n_inputs} inputs, which is not a multiple of the "
            f"{n_filters} filters of conv_kernel."
        )
    return list(checked.values())


def checked_format(number_format, name, signed=None):
    """Return a format after a check of its type and its sign."""
    if not isinstance(number_format, FixedPoint):
        raise ValueError(
            f"{name} must be a FixedPoint(bits, integer_bits, signed); got "
            f"{number_format!r}."
        )
    if signed is not None and number_format.signed != signed:
        kind, cure = ("signed", "True") if signed else ("unsigned", "False")
        raise ValueError(
            f"{name} must be {kind}; got {number_format}. Pass signed={cure}."
        )
    return number_format


def checked_strides(strides):
    """Return strides as a pair, the steps down and across."""
    pair = tuple(strides) if np.iterable(strides) else (strides, strides)
    if len(pair) != 2:
        raise ValueError(f"strides must be one number or two; got {strides!r}.")
    for step in pair:
        check_number(step, "strides", low=1, integer=True)
    return tuple(int(step) for step in pair)


def _checked_tensor(tensor, name, n_dimensions, weight_format):
    tensor = np.array(tensor, dtype=np.float64)
    if tensor.ndim != n_dimensions or tensor.size == 0:
        raise ValueError(
            f"{name} must have {n_dimensions} dimensions, none of them empty; got "
            f"shape {tensor.shape}."
        )
    if not np.isfinite(tensor).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    if (weight_format.quantize(tensor) != tensor).any():
        raise ValueError(
            f"{name} does not fit weight_format: its values lie in "
            f"[{tensor.min():g}, {tensor.max():g}], and {weight_format} holds the "
            f"multiples of {weight_format.step:g} in [{weight_format.lowest:g}, "
            f"{weight_format.highest:g}]. Round it with weight_format.quantize, or "
            "choose a format with more bits."
        )
    return tensor
