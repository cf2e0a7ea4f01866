"""From a fitted encoder to the chip: integers, registers, words, ONNX and hls4ml."""

from skemd._number_formats._fixed_point import FixedPoint
from skemd._number_formats._float_code import FloatCode
from skemd._number_formats._links import LINK_FORMATS, MODULE_SUM
from skemd.firmware._chip._econt import EconT
from skemd.firmware._chip._encoder_weights import EncoderWeights
from skemd.firmware._chip._settings import ChipSettings
from skemd.firmware._chip._word_files import read_words, write_words
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._export import export
from skemd.firmware._hls4ml import export_hls4ml
from skemd.firmware._normalization import normalize_on_chip
from skemd.firmware._onnx import export_onnx
from skemd.firmware._tensorflow import export_tensorflow
from skemd.firmware._vectors import write_verification_vectors

__all__ = [
    "LINK_FORMATS",
    "MODULE_SUM",
    "ChipSettings",
    "EconT",
    "EncoderWeights",
    "FixedPoint",
    "FloatCode",
    "IntegerEncoder",
    "export",
    "export_hls4ml",
    "export_onnx",
    "export_tensorflow",
    "normalize_on_chip",
    "read_words",
    "write_verification_vectors",
    "write_words",
]
