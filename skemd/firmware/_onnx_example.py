"""The script beside ONNX files: from charges to codes and back, without skemd."""

from skemd._number_formats._links import MODULE_SUM, SPREAD_LOG2, TYPICAL_LOG2
from skemd.firmware._chip._front_end import FRONT_ENDS, dropped_by_input

__all__ = ["onnx_example"]

_SCRIPT = '''\
"""Feed encoder.onnx and decoder.onnx: from charges of trigger cells to codes and back.

This needs numpy and onnxruntime. It compares with the tables in this folder.
"""

from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
IMAGE_SHAPE = {image_shape}
# For each cell its place in the flattened image.
CELL_TO_PIXEL = {cell_to_pixel}
# Bits that the read-out chips leave out of a charge before they encode it; None where
# charges do not pass a front end.
DROPPED_BITS = {dropped_bits}
# Whether pixels are rounded down to 1/128.
TRUNCATES = {truncates}
# Whether the decoder is told the sum.
TELLS_SUM = {tells_sum}


def behind_front_end(charges):
    """Return charges in counts as the chip sees them: codes of 4E3M, expanded."""
    if DROPPED_BITS is None:
        return charges
    counts = charges.astype(np.int64) >> DROPPED_BITS
    length = np.frexp(counts)[1]
    shift = np.maximum(length - 4, 0)
    kept = np.minimum(counts >> shift << shift, 15 << 14)
    shift = np.minimum(shift, 14)
    half = (1 << (shift + DROPPED_BITS)) >> 1
    return ((kept << DROPPED_BITS) + half).astype(float)


def normalized(charges):
    """Divide each wafer by the power of two at or below its sum."""
    exponent = np.frexp(charges.sum(axis=1, keepdims=True))[1]
    pixels = np.ldexp(charges, 1 - exponent)
    return np.floor(128 * pixels) / 128 if TRUNCATES else pixels


def images(cells):
    """Lay cells out as the encoder's images."""
    flat = np.zeros((len(cells), np.prod(IMAGE_SHAPE)), dtype=np.float32)
    flat[:, CELL_TO_PIXEL] = cells
    return flat.reshape(-1, *IMAGE_SHAPE)


def sent_sums(seen):
    """Return the sums as the chip sends them: five significant bits."""
    counts = np.minimum(seen.sum(axis=1), {largest_sum}).astype(np.int64)
    shift = np.maximum(np.frexp(counts)[1] - 5, 0)
    return counts >> shift << shift


def run(name, values):
    """Run a graph of this folder."""
    session = onnxruntime.InferenceSession(FOLDER / name)
    (found,) = session.run(None, {{session.get_inputs()[0].name: values}})
    return found


def table(name):
    """Read a table of this folder."""
    return np.loadtxt(FOLDER / name, delimiter=",", ndmin=2)


seen = behind_front_end(table("verify_input_calQ.csv"))
pixels = images(normalized(seen))
codes = run("encoder.onnx", pixels)
rows = codes
if TELLS_SUM:
    sums = sent_sums(seen)
    logarithms = (np.log2(np.maximum(sums, 1)) - {typical}) / {spread}
    leading = 2 * np.frexp(sums)[0]
    rows = np.column_stack([codes, logarithms, leading]).astype(np.float32)
decoded = run("decoder.onnx", rows)
print("numbers of codes that differ:", (codes != table("verify_output.csv")).sum())
for what, found, name in (
    ("pixels", pixels, "verify_input_ae.csv"),
    ("decoded images", decoded, "verify_decoded.csv"),
):
    differences = abs(found.reshape(len(found), -1) - table(name))
    print(f"largest difference of {{what}}: {{differences.max():.1e}}")
'''


def onnx_example(encoder, tells_sum):
    """Write the script that feeds the graphs of an encoder and its decoder.

    Parameters
    ----------
    encoder : IntegerEncoder
        The encoder.
    tells_sum : bool
        Whether the decoder is told the sum.

    Returns
    -------
    script : str
        Python, which reads files of its own folder only.
    """
    high_density = FRONT_ENDS.get(encoder.front_end)
    return _SCRIPT.format(
        image_shape=tuple(encoder.image_shape),
        cell_to_pixel=encoder.layout.cell_to_pixel.tolist(),
        dropped_bits=None if high_density is None else dropped_by_input(high_density),
        truncates=encoder.arithmetic == "chip",
        tells_sum=bool(tells_sum),
        largest_sum=MODULE_SUM.highest,
        typical=TYPICAL_LOG2,
        spread=SPREAD_LOG2,
    )
