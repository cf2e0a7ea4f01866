"""A folder with everything that an engineer needs to put an encoder on the chip."""

import json
import re
from pathlib import Path

import numpy as np

from skemd._extras import import_extra
from skemd._input._wafers import as_wafers
from skemd._warnings import warn_user
from skemd.firmware._chip._econt import EconT
from skemd.firmware._chip._word_files import write_words
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._export_texts import (
    CHIP_FILES,
    INPUT_FILE,
    OUTPUT_FILE,
    REGISTER_FILES,
    described_files,
    formats_of,
    readme,
)
from skemd.firmware._folders import staged_folder
from skemd.firmware._hls4ml import hls_project, write_project
from skemd.firmware._onnx import export_onnx
from skemd.firmware._onnx_example import onnx_example
from skemd.firmware._provenance import provenance_of
from skemd.firmware._tensorflow import export_tensorflow
from skemd.firmware._vectors import verification_tables, write_tables

__all__ = ["export"]

_EXTRAS = ("onnx", "hls4ml", "yaml")
_NAME = re.compile(r"[A-Za-z0-9_+-]{1,64}")


def export(fitted, folder, X=None, *, mux=None, calibration=None, cmssw=None):
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
    X : array-like of shape (n_samples, n_cells) or None, default=None
        Wafers for verification, in the order of trigger cells, in CALQ counts, or with
        a calibration in counts before it. None for 1,000 wafers of random charges,
        which make no score.
    mux, calibration : sequence of 48 int or None, default=None
        Multiplexer and calibration of the chip, see `EconT.from_autoencoder`. None if
        trigger cells come in order on the input links, and for a calibration of 1.
    cmssw : str or None, default=None
        Name for the frozen graphs of CMSSW, such as "5eLinks" for
        ``encoder_5eLinks.pb`` and ``decoder_5eLinks.pb``, of letters, digits and any of
        ``_+-``; None for no such graphs. They need tensorflow.

    Returns
    -------
    manifest : dict
        The content of ``manifest.json``: formats; what each file is; what made them:
        parameters, training data, score, hashes of the weights, versions; and what was
        left out and why. Registers and words are left out, with a warning, if no chip
        sends what the autoencoder transforms to; see `EconT.from_autoencoder`.

    Raises
    ------
    ImportError
        If onnx, hls4ml or PyYAML is not installed, or tensorflow, if it is needed.
    ValueError
        If the autoencoder was not fitted for the chip, the wafers, the folder's path,
        the name or the chip's settings are not usable, or the folder holds a link.
    OSError
        If the files cannot be written. After any of these errors, nothing in `folder`
        has changed.

    Warns
    -----
    UserWarning
        If files of the chip are left out, or the decoder of CMSSW's graphs takes more
        than the code.
    """
    for package in _EXTRAS:
        import_extra(package, "firmware")
    _check_name(cmssw)
    encoder = IntegerEncoder.from_estimator(fitted)
    drawn = X is None
    if drawn:
        X = _random_charges(fitted.geometry_.n_cells)
    X, _ = as_wafers(X, "X", fitted.geometry_, allow_empty=True)
    chip, left_out = _chip_of(fitted, mux, calibration)
    words = None if chip is None else chip.link_words(X)
    tables = verification_tables(fitted, encoder, X)
    manifest = {
        **_described(encoder),
        **provenance_of(
            fitted,
            encoder,
            X,
            None if drawn else tables["verify_decoded_calQ.csv"],
            more_packages=() if cmssw is None else ("tensorflow",),
        ),
        **_of_chip(chip),
        "n_wafers": len(X),
        "files": described_files(cmssw, with_chip=chip is not None),
        "left_out": left_out,
    }
    project = hls_project(encoder, Path(folder) / "hls4ml")
    n_told = int(fitted._inputs.tells_sum)
    n_inputs = None if cmssw is None else fitted.n_components + n_told
    # The bits of a format may be NumPy integers.
    texts = {
        "manifest.json": f"{json.dumps(manifest, indent=2, default=np.generic.item)}\n",
        "README.txt": readme(encoder, manifest, cmssw_inputs=n_inputs),
        "example_onnx.py": onnx_example(encoder, n_told),
    }
    with staged_folder(folder) as staging:
        export_onnx(encoder, staging / "encoder.onnx")
        export_onnx(fitted, staging / "decoder.onnx", part="decoder")
        if cmssw is not None:
            export_tensorflow(encoder, staging / f"encoder_{cmssw}.pb")
            export_tensorflow(fitted, staging / f"decoder_{cmssw}.pb", part="decoder")
        write_project(project, staging / "hls4ml")
        write_tables(tables, staging)
        if chip is not None:
            for dialect, name in REGISTER_FILES.items():
                chip.write_registers(staging / name, dialect=dialect)
            write_words(staging / INPUT_FILE, words)
            write_words(staging / OUTPUT_FILE, chip.run(words))
        for name, text in texts.items():
            (staging / name).write_text(text, encoding="utf-8")
    _warn(left_out, cmssw, n_told)
    return manifest


def _check_name(cmssw):
    if cmssw is None:
        return
    if not (isinstance(cmssw, str) and _NAME.fullmatch(cmssw)):
        raise ValueError(
            f"cmssw must be a name of letters, digits and any of '_+-', such as "
            f"'5eLinks', or None; got {cmssw!r:.80}."
        )
    import_extra("tensorflow", "cmssw")


def _random_charges(n_cells):
    """Return charges in counts, each cell empty or not by itself."""
    rng = np.random.default_rng(0)
    charges = rng.exponential(80, size=(1000, n_cells)).round()
    return charges * (rng.random(charges.shape) < 0.3)


def _chip_of(fitted, mux, calibration):
    """Return the chip, or None and why its files are left out."""
    try:
        EconT.from_autoencoder(fitted)
    except ValueError as error:
        if mux is None and calibration is None:
            return None, dict.fromkeys(CHIP_FILES, str(error))
        raise ValueError(
            f"There is no chip for mux and calibration to be set on: {error} Or leave "
            "them out."
        ) from error
    return EconT.from_autoencoder(fitted, mux=mux, calibration=calibration), {}


def _of_chip(chip):
    """Return what the chip's files do not show of its cells."""
    if chip is None:
        return {}
    settings = chip.settings
    return {
        "mux": settings.mux.tolist(),
        "calibration": settings.calibration.tolist(),
        "trigger_cells": chip.trigger_cells.tolist(),
    }


def _described(encoder):
    """Return the computation, for programs."""
    return {
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
            for name, found in formats_of(encoder).items()
        },
        "rounding": encoder.rounding,
        "image_shape": encoder.image_shape,
        "strides": encoder.strides,
    }


def _warn(left_out, cmssw, tells_sum):
    if left_out:
        (reason,) = set(left_out.values())
        warn_user(f"export leaves out {', '.join(left_out)}. {reason}")
    if cmssw is not None and tells_sum:
        warn_user(
            f"decoder_{cmssw}.pb takes the code and the module sum in counts, with "
            "which it was trained, but CMSSW's concentrator code feeds the code alone. "
            "Change that code, or fit with encode_sum=False, or with front_end=None, "
            "since that code has no front end."
        )
