"""Checks of the parts of an integer encoder: weights, shapes and strides."""

import numpy as np

from skemd._checks import check_number
from skemd.firmware._chip._encoder_weights import WEIGHT_SHAPES

__all__ = ["check_chip_tensors", "checked_strides", "checked_tensors"]


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


def check_chip_tensors(encoder):
    """Check that an encoder has the chip's shape.

    Parameters
    ----------
    encoder : IntegerEncoder
        Its weights and strides have been checked.

    Raises
    ------
    ValueError
        If a shape is another.
    """
    found = {name: getattr(encoder, name).shape for name in WEIGHT_SHAPES._fields}
    # The chip's images have one channel, which the names of its shapes leave out.
    rows, columns, n_filters = WEIGHT_SHAPES.conv_kernel
    expected = WEIGHT_SHAPES._replace(conv_kernel=(rows, columns, 1, n_filters))
    checks = [*zip(expected._fields, expected, found.values(), strict=True)]
    checks.append(("strides", (2, 2), encoder.strides))
    for name, of_chip, shape in checks:
        if shape != of_chip:
            what = name if name == "strides" else f"a {name} of shape"
            raise ValueError(
                f"The chip has {what} {of_chip}; got {shape}. Train with the default "
                "layout, n_filters, kernel_size, strides and n_components, or pass "
                "arithmetic='exact'."
            )


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
