"""From a fitted encoder to the chip: integers, registers, payload, ONNX and hls4ml."""

from skemd._number_formats._bits import bits_to_hex, hex_to_bits
from skemd._number_formats._fixed_point import FixedPoint
from skemd._number_formats._float_code import FloatCode
from skemd._number_formats._links import LINK_FORMATS
from skemd.firmware._chip._econt import EconT
from skemd.firmware._chip._encoder_weights import EncoderWeights
from skemd.firmware._chip._settings import ChipSettings
from skemd.firmware._chip._word_files import read_words, write_words
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._export import export
from skemd.firmware._hls4ml import export_hls4ml
from skemd.firmware._normalization import normalize_on_chip
from skemd.firmware._onnx import export_onnx
from skemd.firmware._payload import (
    MODULE_SUM,
    Payload,
    apply_keep_mask,
    keep_mask,
    read_payload,
    write_payload,
)
from skemd.firmware._registers import read_registers, write_registers
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
    "Payload",
    "apply_keep_mask",
    "bits_to_hex",
    "export",
    "export_hls4ml",
    "export_onnx",
    "hex_to_bits",
    "keep_mask",
    "normalize_on_chip",
    "read_payload",
    "read_registers",
    "read_words",
    "write_payload",
    "write_registers",
    "write_verification_vectors",
    "write_words",
]
