"""The formats of an integer encoder: the chip's own, or those that were passed."""

from typing import NamedTuple

from skemd._checks import check_choice
from skemd._number_formats._fixed_point import ROUNDINGS, FixedPoint
from skemd._number_formats._links import CHIP_INPUT, CHIP_WEIGHTS, LINK_FORMATS

__all__ = ["EncoderFormats", "chip_formats", "exact_formats"]

_CHIP = {
    "input_format": CHIP_INPUT,
    "weight_format": CHIP_WEIGHTS,
    "accumulator_format": None,
    "rounding": "floor",
}


class EncoderFormats(NamedTuple):
    """How the stages of an integer encoder are rounded.

    Attributes
    ----------
    input, weight, latent : FixedPoint
        Formats of pixels, weights and codes.
    sums : (FixedPoint or None, FixedPoint or None)
        Formats of the sums of the convolution and of the code; None where these are not
        rounded.
    rounding : {"half_even", "floor"}
        How numbers are rounded.
    """

    input: FixedPoint
    weight: FixedPoint
    sums: tuple
    latent: FixedPoint
    rounding: str


def chip_formats(
    input_format, weight_format, accumulator_format, latent_format, rounding
):
    """Return the chip's formats, unless others were passed.

    Parameters
    ----------
    input_format, weight_format, accumulator_format, latent_format, rounding
        The parameters of :class:`IntegerEncoder`.

    Returns
    -------
    formats : EncoderFormats
        Without formats of the sums.

    Raises
    ------
    ValueError
        If a parameter is not None and not the chip's.
    """
    passed = (input_format, weight_format, accumulator_format, rounding)
    for (name, of_chip), found in zip(_CHIP.items(), passed, strict=True):
        if found is not None and found != of_chip:
            raise ValueError(
                f"In the arithmetic of the chip {name} is {of_chip}; got {found!r}. "
                f"Leave it out, or pass arithmetic='exact'."
            )
    longest = LINK_FORMATS[max(LINK_FORMATS)]
    latent = longest if latent_format is None else latent_format
    _check_format(latent, "latent_format", signed=False)
    if latent.integer_bits != longest.integer_bits or latent.bits > longest.bits:
        raise ValueError(
            f"The chip sends the top bits of codes of {longest}; got latent_format="
            f"{latent}. Pass FixedPoint(bits, 1, signed=False) with at most "
            f"{longest.bits} bits, or arithmetic='exact'."
        )
    no_sums = (None, None)
    return EncoderFormats(CHIP_INPUT, CHIP_WEIGHTS, no_sums, latent, _CHIP["rounding"])


def exact_formats(
    input_format, weight_format, accumulator_format, latent_format, rounding
):
    """Check the formats of exact arithmetic.

    Parameters
    ----------
    input_format, weight_format, accumulator_format, latent_format, rounding
        The parameters of :class:`IntegerEncoder`.

    Returns
    -------
    formats : EncoderFormats
        As they were passed, those of the sums as a pair.

    Raises
    ------
    ValueError
        If one of them is missing or no format.
    """
    _check_format(input_format, "input_format")
    _check_format(weight_format, "weight_format")
    sums = accumulator_format
    if not (isinstance(sums, (tuple, list)) and len(sums) == 2):
        _check_format(sums, "accumulator_format", signed=True)
        sums = (sums, sums)
    for number_format in sums:
        if number_format is not None:
            _check_format(number_format, "accumulator_format", signed=True)
    _check_format(latent_format, "latent_format", signed=False)
    rounding = "half_even" if rounding is None else rounding
    check_choice(rounding, "rounding", ROUNDINGS)
    return EncoderFormats(
        input_format, weight_format, tuple(sums), latent_format, rounding
    )


def _check_format(number_format, name, signed=None):
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
