"""Rounding to fixed-point formats inside a network."""

import dataclasses

from quantizers import get_fixed_quantizer

from skemd._backend import keras
from skemd._checks import check_choice
from skemd._number_formats._fixed_point import ROUNDINGS, FixedPoint

# To the nearest number, ties to the even one; saturating.
_ROUND = get_fixed_quantizer("RND_CONV", "SAT")


@keras.saving.register_keras_serializable("skemd")
class QuantizedDense(keras.layers.Dense):
    """Keras's dense layer, with kernel and bias rounded to a fixed-point format.

    Parameters
    ----------
    units : int
        Number of outputs.
    weight_format : FixedPoint
        As in :class:`GridConv2D`.
    **kwargs
        Options of ``keras.layers.Dense``, except for the constraints.
    """

    def __init__(self, units, weight_format, **kwargs):
        self.weight_format = as_format(weight_format)
        constraint = WithinFormat(self.weight_format)
        super().__init__(
            units, kernel_constraint=constraint, bias_constraint=constraint, **kwargs
        )

    def call(self, inputs, training=None):
        """Multiply with the rounded kernel and add the rounded bias."""
        kernel = straight_through(self.kernel, self.weight_format)
        bias = straight_through(self.bias, self.weight_format)
        return self.activation(keras.ops.matmul(inputs, kernel) + bias)

    def get_config(self):
        """Return the parameters of the constructor."""
        config = super().get_config()
        del config["kernel_constraint"], config["bias_constraint"]
        return {**config, "weight_format": as_dict(self.weight_format)}


@keras.saving.register_keras_serializable("skemd")
class WithinFormat(keras.constraints.Constraint):
    """Keep weights in the range of a fixed-point format.

    Outside of it gradients are zero, and the weights would be stuck.

    Parameters
    ----------
    weight_format : FixedPoint
        The format.
    """

    def __init__(self, weight_format):
        self.weight_format = as_format(weight_format)

    def __call__(self, w):
        """Move each weight to the nearest number in the range."""
        return keras.ops.clip(w, self.weight_format.lowest, self.weight_format.highest)

    def get_config(self):
        """Return the parameters of the constructor."""
        return {"weight_format": as_dict(self.weight_format)}


@keras.saving.register_keras_serializable("skemd")
class StraightThroughQuantizer(keras.layers.Layer):
    """Round to a fixed-point format; gradients pass as if nothing were rounded.

    Parameters
    ----------
    bits : int
        Number of bits, including the sign.
    integer_bits : int, default=1
        Number of bits before the binary point, not counting the sign; the chip's codes
        have one, for a range of [0, 2).
    signed : bool, default=False
        Whether one bit is the sign.
    rounding : {"half_even", "floor"}, default="half_even"
        To the nearest number, ties to the even one, or down.
    **kwargs
        Options of ``keras.layers.Layer``.
    """

    def __init__(
        self, bits, integer_bits=1, signed=False, rounding="half_even", **kwargs
    ):
        super().__init__(**kwargs)
        self.format = FixedPoint(bits, integer_bits, signed)
        check_choice(rounding, "rounding", ROUNDINGS)
        self.rounding = rounding

    def call(self, inputs):
        """Round and saturate."""
        if self.rounding == "floor":
            return truncated(inputs, self.format)
        return straight_through(inputs, self.format)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the parameters of the constructor."""
        config = {**super().get_config(), **dataclasses.asdict(self.format)}
        return {**config, "rounding": self.rounding}


def straight_through(values, number_format):
    """Round to a fixed-point format; gradients pass as if nothing were rounded.

    Values are rounded to the nearest number of the format, ties to the even one, and
    saturate at its ends; beyond the ends their gradient is zero. The rounding is that
    of the package ``quantizers``, which agrees with hls4ml.

    Parameters
    ----------
    values : tensor or keras.Variable of any shape
        Pure numbers, float32.
    number_format : FixedPoint or None
        At most 24 bits, the most that float32 holds exactly; None leaves the values
        unchanged.

    Returns
    -------
    values : tensor of the same shape
        Pure numbers, rounded to the format.
    """
    if number_format is None:
        return values
    sign = number_format.signed
    integer_bits = number_format.integer_bits
    fraction_bits = number_format.bits - sign - integer_bits
    # Not all backends take plain numbers here.
    parts = (
        keras.ops.convert_to_tensor(float(part), dtype="float32")
        for part in (sign, integer_bits, fraction_bits)
    )
    return _ROUND(keras.ops.convert_to_tensor(values), *parts)


def truncated(values, number_format):
    """Round down to a fixed-point format; gradients pass as if nothing were rounded.

    Parameters
    ----------
    values : tensor of any shape
        Pure numbers, float32. Those outside the format saturate, without a gradient.
    number_format : FixedPoint
        At most 24 bits.

    Returns
    -------
    values : tensor of the same shape
        Pure numbers of the format.
    """
    step, lowest = number_format.step, number_format.lowest
    # What rounds down to the highest number has not saturated yet.
    within = keras.ops.clip(values, lowest, number_format.highest + step)
    rounded = keras.ops.floor(within / step) * step
    return rounded_forward(
        within, keras.ops.clip(rounded, lowest, number_format.highest)
    )


def rounded_forward(exact, rounded):
    """Return rounded values that have the gradients of exact ones.

    Parameters
    ----------
    exact : tensor of any shape
        Finite pure numbers.
    rounded : tensor of the same shape
        Pure numbers, whose own gradients are ignored.

    Returns
    -------
    values : tensor of the same shape
        To the last bit the rounded ones, since what is added is exactly zero.
    """
    stop = keras.ops.stop_gradient
    return stop(rounded) + (exact - stop(exact))


def as_format(weight_format):
    """Return a format, which a layer's configuration holds as a dict."""
    if isinstance(weight_format, dict):
        return FixedPoint(**weight_format)
    return weight_format


def as_dict(weight_format):
    return weight_format and dataclasses.asdict(weight_format)
