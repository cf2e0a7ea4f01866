"""What the files of an export are: for people in README.txt, for programs in JSON."""

import textwrap

from skemd.firmware._hls4ml import hls_type
from skemd.firmware._vectors import VECTOR_FILES

__all__ = [
    "CHIP_FILES",
    "INPUT_FILE",
    "OUTPUT_FILE",
    "REGISTER_FILES",
    "described_files",
    "formats_of",
    "readme",
]

REGISTER_FILES = {
    "production": "registers_production.yaml",
    "tree": "registers_prototype.yaml",
}
INPUT_FILE, OUTPUT_FILE = "testInput.csv", "testOutput.csv"
CHIP_FILES = {
    REGISTER_FILES["production"]: "the registers of the production chip, for its slow "
    "control; names as of June 2024",
    REGISTER_FILES["tree"]: "the same for the prototype (v1), whose names and order of "
    "the cells on a link differ",
    INPUT_FILE: "the words of the twelve input links, a crossing a line, for test "
    "benches of either chip",
    OUTPUT_FILE: "the words that either chip sends for them with its registers, for "
    "test benches and the unpacker",
}

_README = """\
An encoder for the front-end chip, written by skemd {skemd}.

Computation
  image          {image_shape}, charges{front_end} divided by the power of two at or
                 below their sum
  input          rounded to {input_format}
  convolution    {n_filters} filters of {kernel}, strides {strides}, padding as
                 TensorFlow's 'same', plus bias; {conv_sums}; ReLU;
                 flattened by rows, columns, filters
  dense layer    {n_components} outputs, plus bias; {code_sums}; ReLU
  code           rounded to {latent_format}
  weights        {weight_format}
  rounding       {rounding}; values outside a format saturate

fixed<W,I> has W bits, I of them before the binary point, including the sign, as in HLS;
ufixed has no sign.

Origin
  trained on     {training_data}
  score          {score}
  weights        SHA-256 {weights}
manifest.json has all parameters and the versions of the packages.

Files
{files}
{left_out}
The tables have one row for each of the {n_wafers} wafers, in the same order.
{notes}"""

_CHIP_NOTE = """Place i behind the multiplexer has the trigger cell number i of
"trigger_cells" in manifest.json. {mux} {calibration}"""
_OWN_MUX = "Trigger cells come in order on the input links."
_FOREIGN_MUX = "The multiplexer was passed to export."
_NO_CALIBRATION = "All cells have calibration 1."
_CALIBRATION = """The calibration was passed to export. Charges of testInput.csv are
those before it, and words of testOutput.csv are of charges times the calibration, while
verify_*.csv are of the charges as they are."""
_CMSSW_NOTE = """The concentrator code finds the input of a graph as its first node and
the output as its last one, so graphs for several numbers of links can be listed
together, with encoderShape = [1, {encoder_shape}] and decoderShape = [1, {n_decoder}].
It divides transverse MIPs by the power of two at or below their sum, without a front
end. {front_end} Codes are on the grid of their bits, so the code's own rounding
(bitsPerLink) leaves them as they are.{told}"""
_BEHIND = """This encoder was trained behind one, where an empty cell is not zero: give
it images of charges behind the front end, or train with front_end=None for that code.
"""
_IN_FRONT = "So does this encoder."
_TOLD = """ The decoder takes one number more than a code: the module sum in counts, as
the chip sends it. The concentrator code fills in the numbers of the code alone and
would leave the last one unset, so it has to be changed for this decoder. With
encode_sum=False or front_end=None there is no such number."""


def described_files(cmssw, *, with_chip):
    """Return what each file is and who reads it, by its name.

    Parameters
    ----------
    cmssw : str or None
        The name in those of the frozen graphs, if there are any.
    with_chip : bool
        Whether there are files of the chip.

    Returns
    -------
    files : dict of str to str
        In the order of the README.
    """
    files = {
        "encoder.onnx": "the encoder with all its roundings, from image to code, for "
        "ONNX Runtime from 1.13 on (operators of set 17)",
        "decoder.onnx": "the decoder in floating point, from code to image, for the "
        "same; where it is told the sum, two numbers of it follow the code",
        "example_onnx.py": "feeds both, from charges on, and compares with the tables; "
        "an example for programs that call them",
        "hls4ml": "the encoder as a C++ project for high-level synthesis with Vitis "
        "HLS; only the version of hls4ml in manifest.json writes these files",
        **{name: f"{what}; for test benches" for name, what in VECTOR_FILES.items()},
    }
    if cmssw is not None:
        files |= {
            f"encoder_{cmssw}.pb": "the encoder as a frozen TensorFlow graph, from "
            "image to code, for CMSSW's concentrator code",
            f"decoder_{cmssw}.pb": "the decoder as the same, from code to image",
        }
    return files | (CHIP_FILES if with_chip else {})


def formats_of(encoder):
    """Return the formats of the encoder's stages, by name."""
    names = ("input_format", "weight_format", "latent_format")
    formats = {name: getattr(encoder, name) for name in names}
    # Autoencoders have one format for both layers' sums.
    return formats | {"accumulator_format": encoder.accumulator_formats[0]}


def readme(encoder, manifest, *, cmssw_inputs=None):
    """Return README.txt.

    Parameters
    ----------
    encoder : IntegerEncoder
        The encoder.
    manifest : dict
        The content of ``manifest.json``.
    cmssw_inputs : int or None, default=None
        How many numbers the decoder's frozen graph takes, if there is one.

    Returns
    -------
    text : str
        For people.
    """
    formats = formats_of(encoder)
    accumulator = formats.pop("accumulator_format")
    formats = {name: hls_type(found) for name, found in formats.items()}
    if encoder.arithmetic == "chip":
        steps = [2 ** -(x.bits - 1 - x.integer_bits) for x in encoder.sum_formats]
        sums = [f"each product rounded down to {step:g}" for step in steps]
    else:
        sums = 2 * [f"exact, then rounded to {hls_type(accumulator)}"]
    files, front_end = manifest["files"], encoder.front_end
    width = max(map(len, files))
    left_out = "".join(
        f"  left out: {name}. {why}\n" for name, why in manifest["left_out"].items()
    )
    return _README.format(
        **formats,
        **_origin(manifest),
        skemd=manifest["versions"]["skemd"],
        image_shape=encoder.image_shape,
        front_end=f" behind the front end {front_end!r}," if front_end else "",
        n_filters=encoder.conv_kernel.shape[3],
        kernel=encoder.conv_kernel.shape[:2],
        strides=encoder.strides,
        conv_sums=sums[0],
        code_sums=sums[1],
        n_components=encoder.dense_kernel.shape[1],
        rounding={"half_even": "to the nearest, ties to even", "floor": "down"}[
            encoder.rounding
        ],
        files="\n".join(f"  {name:<{width}}  {what}" for name, what in files.items()),
        left_out=left_out,
        n_wafers=manifest["n_wafers"],
        notes=_chip_note(manifest) + _cmssw_note(encoder, cmssw_inputs),
    )


def _origin(manifest):
    data, score = manifest["training_data"], manifest["score"]
    mean = score["mean_emd"]
    return {
        "training_data": "wafers of an iterator, or of an earlier version: no record"
        if data is None
        else f"{data['n_wafers']} wafers, SHA-256 {data['sha256']}",
        "score": "none, since the wafers of the tables are random or empty"
        if mean is None
        else f"mean exact EMD {mean:.4f} on the {score['n_wafers']} wafers of the "
        "tables with charge",
        "weights": manifest["sha256"]["encoder"],
    }


def _chip_note(manifest):
    if manifest["left_out"]:
        return ""
    own = manifest["mux"] == manifest["trigger_cells"]
    calibrated = set(manifest["calibration"]) != {2048}
    text = _CHIP_NOTE.format(
        mux=_OWN_MUX if own else _FOREIGN_MUX,
        calibration=_CALIBRATION if calibrated else _NO_CALIBRATION,
    )
    return _paragraph("Multiplexer and calibration", text)


def _cmssw_note(encoder, n_inputs):
    if n_inputs is None:
        return ""
    text = _CMSSW_NOTE.format(
        front_end=_IN_FRONT if encoder.front_end is None else _BEHIND,
        told=_TOLD if n_inputs > encoder.dense_kernel.shape[1] else "",
        encoder_shape=", ".join(map(str, encoder.image_shape)),
        n_decoder=n_inputs,
    )
    return _paragraph("CMSSW", text)


def _paragraph(head, text):
    indents = {"initial_indent": "  ", "subsequent_indent": "  "}
    return f"\n{head}\n{textwrap.fill(' '.join(text.split()), 86, **indents)}\n"
