"""From a fitted encoder to the chip: integers, registers, payload, ONNX and hls4ml."""

from skemd._fixed_point import LINK_FORMATS, FixedPoint
from skemd._float_codes import FloatCode
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._normalization import normalize_on_chip

__all__ = [
    "LINK_FORMATS",
    "FixedPoint",
    "FloatCode",
    "IntegerEncoder",
    "normalize_on_chip",
]
