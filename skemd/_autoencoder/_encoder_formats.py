"""The fixed-point formats of the encoder's stages, from the estimator's parameters.

Each stage has its own format, and the published encoders differ in some of them.
Formats that contradict each other, or that float32 cannot reproduce exactly, are
refused. So is what ECON-T does not have, if the encoder is trained in its arithmetic.
"""

from skemd._checks import check_choice, check_flag, check_number
from skemd._number_formats._fixed_point import FixedPoint
from skemd._number_formats._links import (
    CHIP_ACCUMULATOR,
    CHIP_INPUT,
    CHIP_WEIGHTS,
    LINK_FORMATS,
    N_COMPONENTS,
    room_for_code,
)
from skemd.firmware._chip._front_end import FRONT_ENDS
from skemd.firmware._chip._trigger_cells import chip_layout

__all__ = [
    "FORMATS",
    "check_chip_layout",
    "check_exact",
    "checked_roundings",
    "encoder_formats",
]

# The stages of the encoder that may have a format, as the network's builder calls them.
FORMATS = ("input_format", "weight_format", "accumulator_format", "latent_format")
# The estimator's parameters that choose them.
_FORMAT_PARAMETERS = (
    "n_components",
    "latent_bits",
    "weight_bits",
    "weight_integer_bits",
    "input_bits",
    "accumulator_bits",
    "n_output_links",
)
# float32 is exact for whole numbers of up to so many bits.
FLOAT32_BITS = 24
# What ECON-T's encoder is made of, as the estimator's parameters.
_CHIP_SHAPE = {
    "n_components": N_COMPONENTS,
    "n_filters": 8,
    "kernel_size": 3,
    "strides": 2,
}
_OR_EXACT = "or pass arithmetic='exact', which rounds each sum once, in any format."


def encoder_formats(
    *,
    n_components,
    latent_bits=None,
    weight_bits=None,
    weight_integer_bits=0,
    input_bits=None,
    accumulator_bits=None,
    n_output_links=None,
    arithmetic="exact",
):
    """Return the formats of the encoder's stages.

    Parameters
    ----------
    n_components : int
        Numbers in a code.
    latent_bits, weight_bits, weight_integer_bits, input_bits, accumulator_bits
        The parameters of :class:`skemd.EMDAutoencoder`.
    n_output_links : int or None
        Sets the formats whose own parameter is None.
    arithmetic : {"exact", "chip"}, default="exact"
        With "chip" the chip's formats are the only ones, and sums have none.

    Returns
    -------
    formats : dict of str to FixedPoint or None
        "input_format", "weight_format", "accumulator_format" and "latent_format".

    Raises
    ------
    ValueError
        If a parameter is not a number of bits or a format, or a code does not fit the
        links, or the chip has another format.
    """
    if n_output_links is not None:
        check_number(n_output_links, "n_output_links", low=2, high=5, integer=True)
        if latent_bits is None:
            latent_bits = LINK_FORMATS[n_output_links].bits
        weight_bits = CHIP_WEIGHTS.bits if weight_bits is None else weight_bits
        input_bits = CHIP_INPUT if input_bits is None else input_bits
        if accumulator_bits is None and arithmetic == "exact":
            accumulator_bits = CHIP_ACCUMULATOR
    formats = {
        "input_format": _format(input_bits, "input_bits", CHIP_INPUT),
        "weight_format": _weight_format(weight_bits, weight_integer_bits),
        "accumulator_format": _format(
            accumulator_bits, "accumulator_bits", CHIP_ACCUMULATOR
        ),
        "latent_format": _format(latent_bits, "latent_bits", LINK_FORMATS[5]),
    }
    if n_output_links is not None:
        code_bits = formats["latent_format"].bits
        _check_fits_links(n_components, code_bits, n_output_links)
    if arithmetic == "chip":
        _check_chip_formats(formats)
    return formats


def checked_roundings(autoencoder):
    """Check what an autoencoder's parameters ask its encoder to round.

    Parameters
    ----------
    autoencoder : EMDAutoencoder
        Its parameters; `n_components` and `strides` have been checked.

    Returns
    -------
    arithmetic : {"chip", "exact"}
        "exact" without links.
    formats : dict of str to FixedPoint or None
        As :func:`encoder_formats` gives them.

    Raises
    ------
    ValueError
        If a parameter is wrong, or asks for what the chip does not have.
    """
    check_choice(autoencoder.arithmetic, "arithmetic", ("chip", "exact"))
    if autoencoder.front_end is not None:
        check_choice(autoencoder.front_end, "front_end", (*FRONT_ENDS, None))
    if autoencoder.encode_sum is not None:
        check_flag(autoencoder.encode_sum, "encode_sum")
    has_links = autoencoder.n_output_links is not None
    arithmetic = autoencoder.arithmetic if has_links else "exact"
    parameters = {name: getattr(autoencoder, name) for name in _FORMAT_PARAMETERS}
    formats = encoder_formats(**parameters, arithmetic=arithmetic)
    if arithmetic == "chip":
        _check_chip_shape(autoencoder)
    return arithmetic, formats


def check_chip_layout(layout, geometry):
    """Check that images are those of ECON-T.

    Parameters
    ----------
    layout : Layout
        How cells lie in the images.
    geometry : Geometry
        The geometry of the cells, for the message.

    Raises
    ------
    ValueError
        If they lie otherwise.
    """
    if layout != chip_layout():
        raise ValueError(
            "n_output_links trains the encoder of the chip, which sees the wafer's 48 "
            f"trigger cells in the layout '8x8'; got images of shape "
            f"{layout.shape} of the {geometry.name} geometry. Pass wafers in rows of "
            f"cells, layout='8x8' and geometry='wafer', {_OR_EXACT}"
        )


def _check_chip_shape(autoencoder):
    for name, expected in _CHIP_SHAPE.items():
        found = getattr(autoencoder, name)
        if found != expected:
            raise ValueError(
                f"n_output_links trains the encoder of the chip, which has {name}="
                f"{expected}; got {name}={found}. Leave it at that, {_OR_EXACT}"
            )


def _check_chip_formats(formats):
    expected = {
        "weight_format": ("weight_bits", CHIP_WEIGHTS),
        "input_format": ("input_bits", CHIP_INPUT),
        "accumulator_format": ("accumulator_bits", None),
    }
    bits = formats["latent_format"].bits
    expected["latent_format"] = ("latent_bits", FixedPoint(bits, 1, signed=False))
    for stage, (parameter, of_chip) in expected.items():
        if formats[stage] != of_chip:
            raise ValueError(
                f"n_output_links trains in the arithmetic of the chip, whose {stage} "
                f"is {of_chip}; {parameter} asks for {formats[stage]}. Leave "
                f"{parameter} out, {_OR_EXACT}"
            )


def check_exact(formats, n_conv_products, n_dense_products):
    """Check that float32 reproduces the integer arithmetic of the encoder.

    A sum of products is a whole number of steps. If it cannot reach 2**24 of them,
    float32 holds it and each of its partial sums exactly, in any order.

    Parameters
    ----------
    formats : dict of str to FixedPoint or None
        As :func:`encoder_formats` gives them.
    n_conv_products, n_dense_products : int
        Products in each sum of the convolution and of the dense layer.

    Raises
    ------
    ValueError
        If a sum of a layer whose inputs and weights both have a format might reach
        that.
    """
    weight = formats["weight_format"]
    layers = {
        "convolution": ("input", n_conv_products),
        "dense layer": ("accumulator", n_dense_products),
    }
    for layer, (stage, n_products) in layers.items():
        inputs = formats[f"{stage}_format"]
        if weight is None or inputs is None:
            continue
        # The bias is in steps of the weights, which may be the finer ones.
        step = weight.step * min(inputs.step, 1)
        # The inputs of the dense layer have passed ReLU.
        lowest = inputs.lowest if stage == "input" else 0
        largest_input = max(inputs.highest, -lowest)
        largest = -weight.lowest * (n_products * largest_input + 1)
        if largest >= 2**FLOAT32_BITS * step:
            raise ValueError(
                f"The sums of the {layer} may reach {largest / step:.3g} steps of "
                f"{step:g}, but float32 is exact below 2**{FLOAT32_BITS} only. Choose "
                f"fewer weight_bits or {stage}_bits, or a smaller network."
            )


def _weight_format(bits, integer_bits):
    check_number(integer_bits, "weight_integer_bits", low=-16, high=16, integer=True)
    if bits is None:
        return None
    check_number(bits, "weight_bits", low=2, high=FLOAT32_BITS - 1, integer=True)
    return FixedPoint(bits, integer_bits)


def _format(bits, name, like):
    """Return a format of so many bits, with the point and the sign of another one."""
    if bits is None or isinstance(bits, FixedPoint):
        number_format = bits
    else:
        lowest = 1 + like.signed
        check_number(bits, name, low=lowest, high=FLOAT32_BITS - 1, integer=True)
        number_format = FixedPoint(bits, like.integer_bits, like.signed)
    if number_format is not None and number_format.bits >= FLOAT32_BITS:
        raise ValueError(
            f"{name} must be fewer than {FLOAT32_BITS} bits, which float32 holds "
            f"exactly; got {number_format}."
        )
    return number_format


def _check_fits_links(n_components, latent_bits, n_output_links):
    room = room_for_code(n_output_links)
    if n_components * latent_bits > room:
        raise ValueError(
            f"A code of {n_components} numbers of {latent_bits} bits does not fit "
            f"n_output_links={n_output_links}, which leave {room} bits for it. Choose "
            "fewer latent_bits, fewer n_components, or more links."
        )
