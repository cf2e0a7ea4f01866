"""A folder with everything that an engineer needs to put an encoder on the chip."""

import json
from importlib import metadata
from pathlib import Path

import numpy as np

from skemd import __version__
from skemd._extras import import_extra
from skemd._input._wafers import as_wafers
from skemd._warnings import warn_user
from skemd.firmware._chip._econt import EconT
from skemd.firmware._chip._word_files import write_words
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._folders import staged_folder
from skemd.firmware._hls4ml import hls_project, hls_type, write_project
from skemd.firmware._onnx import export_onnx
from skemd.firmware._vectors import VECTOR_FILES, verification_tables, write_tables

__all__ = ["export"]

REGISTER_FILES = {
    "production": "registers_production.yaml",
    "tree": "registers_prototype.yaml",
}
INPUT_FILE, OUTPUT_FILE = "testInput.csv", "testOutput.csv"
ALWAYS_WRITTEN = {
    "encoder.onnx": "the encoder with all its roundings, from image to code",
    "decoder.onnx": "the decoder in floating point, from code to image; where it is "
    "told the sum, two numbers of it follow the code",
    "hls4ml": "the encoder as a C++ project for high-level synthesis",
    **VECTOR_FILES,
}
CHIP_FILES = {
    REGISTER_FILES["production"]: "the registers of the production chip",
    REGISTER_FILES["tree"]: "the registers of the prototype",
    INPUT_FILE: "the words of the twelve input links, a crossing a line",
    OUTPUT_FILE: "the words that either chip sends for them",
}
_EXTRAS = ("onnx", "hls4ml", "yaml")
_PACKAGES = ("numpy", "keras", "onnx", "hls4ml")

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

Files
{files}
{left_out}
The tables have one row for each of the {n_wafers} wafers, in the same order.
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
        was left out and why. Registers and words are left out, with a warning, if no
        chip sends what the autoencoder transforms to; see `EconT.from_autoencoder`.

    Raises
    ------
    ImportError
        If onnx, hls4ml or PyYAML is not installed.
    ValueError
        If the autoencoder was not fitted for the chip, the wafers or the folder's path
        are not usable, or the folder holds a link.
    OSError
        If the files cannot be written. After any of these errors, nothing in `folder`
        has changed.
    """
    for package in _EXTRAS:
        import_extra(package, "firmware")
    encoder = IntegerEncoder.from_estimator(fitted)
    X, _ = as_wafers(X, "X", fitted.geometry_, allow_empty=True)
    chip, left_out = _chip_of(fitted)
    words = None if chip is None else chip.link_words(X)
    manifest = _manifest(encoder, len(X), left_out)
    # The bits of a format may be NumPy integers.
    manifest_text = json.dumps(manifest, indent=2, default=np.generic.item)
    project = hls_project(encoder, Path(folder) / "hls4ml")
    tables = verification_tables(fitted, encoder, X)
    with staged_folder(folder) as staging:
        export_onnx(encoder, staging / "encoder.onnx")
        export_onnx(fitted, staging / "decoder.onnx", part="decoder")
        write_project(project, staging / "hls4ml")
        write_tables(tables, staging)
        if chip is not None:
            for dialect, name in REGISTER_FILES.items():
                chip.write_registers(staging / name, dialect=dialect)
            write_words(staging / INPUT_FILE, words)
            write_words(staging / OUTPUT_FILE, chip.run(words))
        for name, text in {
            "manifest.json": f"{manifest_text}\n",
            "README.txt": _readme(encoder, manifest),
        }.items():
            (staging / name).write_text(text, encoding="utf-8")
    if left_out:
        (reason,) = set(left_out.values())
        warn_user(f"export leaves out {', '.join(left_out)}. {reason}")
    return manifest


def _chip_of(fitted):
    """Return the chip, or None and why its files are left out."""
    try:
        return EconT.from_autoencoder(fitted), {}
    except ValueError as error:
        return None, dict.fromkeys(CHIP_FILES, str(error))


def _manifest(encoder, n_wafers, left_out):
    return {
        "skemd": __version__,
        "versions": {package: metadata.version(package) for package in _PACKAGES},
        "arithmetic": encoder.arithmetic,
        "front_end": encoder.front_end,
        "formats": {
            name: None
            if found is None
            else {
                "bits": found.bits,
                "integer_bits": found.integer_bits,
                "signed": found.signed,
                "step": found.step,
                "lowest": found.lowest,
                "highest": found.highest,
            }
            for name, found in _formats(encoder).items()
        },
        "rounding": encoder.rounding,
        "image_shape": encoder.image_shape,
        "strides": encoder.strides,
        "n_wafers": n_wafers,
        "files": ALWAYS_WRITTEN | ({} if left_out else CHIP_FILES),
        "left_out": left_out,
    }


def _formats(encoder):
    names = ("input_format", "weight_format", "latent_format")
    formats = {name: getattr(encoder, name) for name in names}
    # Autoencoders have one format for both layers' sums.
    return formats | {"accumulator_format": encoder.accumulator_formats[0]}


def _readme(encoder, manifest):
    formats = _formats(encoder)
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
        skemd=manifest["skemd"],
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
    )
