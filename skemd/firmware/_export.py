"""A folder with everything that an engineer needs to put an encoder on the chip."""

import json
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np

from skemd import __version__
from skemd._checks import as_whole_numbers
from skemd._extras import import_extra
from skemd._input._wafers import as_wafers
from skemd._number_formats._bits import bits_to_hex
from skemd._number_formats._links import LINK_FORMATS, N_COMPONENTS
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._folders import staged_folder
from skemd.firmware._hls4ml import hls_project, hls_type, write_project
from skemd.firmware._onnx import export_onnx
from skemd.firmware._payload import keep_mask, write_payload
from skemd.firmware._registers import write_registers
from skemd.firmware._vectors import VECTOR_FILES, verification_tables, write_tables

__all__ = ["export"]

REGISTER_FILE = "AE_Input_weights_auto_encoder.csv"
MASK_FILE = "keep_mask.txt"
PAYLOAD_FILE = "payload.csv"
ALWAYS_WRITTEN = {
    "encoder.onnx": "the encoder with all its roundings, from image to code",
    "decoder.onnx": "the decoder in floating point, from code to image",
    "hls4ml": "the encoder as a C++ project for high-level synthesis",
    **VECTOR_FILES,
}
CHIP_FILES = {
    REGISTER_FILE: "the chip's 12 registers of 1,072 bits, one hexadecimal word per "
    "line",
    MASK_FILE: "which bits of the 9-bit codes are kept: 144 bits as 36 hexadecimal "
    "digits",
    PAYLOAD_FILE: "what the links carry for each wafer, one hexadecimal word per line: "
    "header, module sum, code",
}
_PACKAGES = ("numpy", "keras", "onnx", "hls4ml")
# Far above the module sum of any real wafer.
_LARGEST_SUM = 2**40

_README = """\
An encoder for the front-end chip, written by skemd {skemd}.

Computation
  image          {image_shape}, charges divided by the power of two at or below
                 their sum
  input          rounded to {input_format}
  convolution    {n_filters} filters of {kernel}, strides {strides}, padding as
                 TensorFlow's 'same', plus bias; exact, then rounded to
                 {accumulator_format}; ReLU; flattened by rows, columns, filters
  dense layer    {n_components} outputs, plus bias; exact, then rounded to
                 {accumulator_format}; ReLU
  code           rounded to {latent_format}
  weights        {weight_format}
  rounding       {rounding}; values outside a format saturate

fixed<W,I> has W bits, I of them before the binary point, including the sign, as in HLS;
ufixed has no sign.

Files
{files}
{left_out}
verify_*.csv and {payload} have one row for each of the {n_wafers} wafers, in the
same order.
"""


def export(fitted, folder, X):
    """Write a folder with all that an engineer needs to put an encoder on the chip.

    Parameters
    ----------
    fitted : EMDAutoencoder
        Fitted for the chip, as required by `IntegerEncoder.from_estimator`.
    folder : str or path
        Where to write. The folder is made if it does not exist; it may be reached
        through a link but must hold none. Its full path may contain letters, digits,
        spaces and any of ``_-+=.,:@%()~/``. Files of the same names are replaced, all
        at once; other files stay.
    X : array-like of shape (n_samples, n_cells)
        Wafers for verification, in CALQ counts.

    Returns
    -------
    manifest : dict
        The content of ``manifest.json``: formats, versions, what each file is, and what
        was left out and why. Registers, keep mask and payload are left out, with a
        warning, if the encoder does not have the chip's shape and formats.

    Raises
    ------
    ImportError
        If onnx or hls4ml is not installed.
    ValueError
        If the autoencoder was not fitted for the chip, the wafers or the folder's path
        are not usable, or the folder holds a link.
    OSError
        If the files cannot be written. After any of these errors, nothing in `folder`
        has changed.
    """
    for package in ("onnx", "hls4ml"):
        import_extra(package, "firmware")
    encoder = IntegerEncoder.from_estimator(fitted)
    X, _ = as_wafers(X, "X", fitted.geometry_, allow_empty=True)
    sums = as_whole_numbers(X.sum(axis=1), "sums of X", low=0, high=_LARGEST_SUM)
    words, left_out = _chip_words(encoder, X, sums)
    manifest = _manifest(encoder, len(X), words, left_out)
    # The bits of a format may be NumPy integers.
    manifest_text = json.dumps(manifest, indent=2, default=np.generic.item)
    texts = {
        **words,
        "manifest.json": f"{manifest_text}\n",
        "README.txt": _readme(encoder, manifest),
    }
    project = hls_project(encoder, Path(folder) / "hls4ml")
    tables = verification_tables(fitted, encoder, X)
    with staged_folder(folder) as staging:
        export_onnx(encoder, staging / "encoder.onnx")
        export_onnx(fitted, staging / "decoder.onnx", part="decoder")
        write_project(project, staging / "hls4ml")
        write_tables(tables, staging)
        for name, text in texts.items():
            (staging / name).write_text(text, encoding="utf-8")
    if left_out:
        reasons = " ".join(f"{name}: {why}" for name, why in left_out.items())
        warnings.warn(f"export leaves files out. {reasons}", stacklevel=2)
    return manifest


def _chip_words(encoder, X, sums):
    """Return the texts of the files that only the chip's encoder has, or why not."""
    writers = {
        REGISTER_FILE: lambda: write_registers(encoder),
        MASK_FILE: lambda: [keep_mask(_n_output_links(encoder)).hex()],
        PAYLOAD_FILE: lambda: bits_to_hex(
            write_payload(
                encoder.transform_integers(encoder.images(X)),
                sums,
                n_output_links=_n_output_links(encoder),
            )
        ),
    }
    words, left_out = {}, {}
    for name, write in writers.items():
        try:
            words[name] = "\n".join([*write(), ""])
        except ValueError as error:
            left_out[name] = str(error)
    return words, left_out


def _n_output_links(encoder):
    n_components = encoder.dense_kernel.shape[1]
    if n_components != N_COMPONENTS:
        raise ValueError(
            f"The chip sends codes of {N_COMPONENTS} numbers; this encoder's have "
            f"{n_components}."
        )
    for links, latent_format in LINK_FORMATS.items():
        if latent_format == encoder.latent_format:
            return links
    raise ValueError(
        f"No number of links sends codes of {encoder.latent_format}; the published "
        f"formats are {LINK_FORMATS}."
    )


def _manifest(encoder, n_wafers, words, left_out):
    names = ("input_format", "weight_format", "accumulator_format", "latent_format")
    formats = {name: getattr(encoder, name) for name in names}
    return {
        "skemd": __version__,
        "versions": {package: metadata.version(package) for package in _PACKAGES},
        "formats": {
            name: {
                "bits": found.bits,
                "integer_bits": found.integer_bits,
                "signed": found.signed,
                "step": found.step,
                "lowest": found.lowest,
                "highest": found.highest,
            }
            for name, found in formats.items()
        },
        "rounding": encoder.rounding,
        "image_shape": encoder.image_shape,
        "strides": encoder.strides,
        "n_wafers": n_wafers,
        "files": ALWAYS_WRITTEN | {name: CHIP_FILES[name] for name in words},
        "left_out": left_out,
    }


def _readme(encoder, manifest):
    formats = {name: hls_type(getattr(encoder, name)) for name in manifest["formats"]}
    files = manifest["files"]
    width = max(map(len, files))
    left_out = "".join(
        f"  left out: {name}. {why}\n" for name, why in manifest["left_out"].items()
    )
    return _README.format(
        **formats,
        skemd=manifest["skemd"],
        image_shape=encoder.image_shape,
        n_filters=encoder.conv_kernel.shape[3],
        kernel=encoder.conv_kernel.shape[:2],
        strides=encoder.strides,
        n_components=encoder.dense_kernel.shape[1],
        rounding={"half_even": "to the nearest, ties to even", "floor": "down"}[
            encoder.rounding
        ],
        files="\n".join(f"  {name:<{width}}  {what}" for name, what in files.items()),
        left_out=left_out,
        payload=PAYLOAD_FILE,
        n_wafers=manifest["n_wafers"],
    )
