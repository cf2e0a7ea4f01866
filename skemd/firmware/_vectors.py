"""Verification vectors: wafers, codes and reconstructions to run firmware against.

File names and number format are those of the published training code. Each file has one
row per wafer and no header.
"""

from pathlib import Path

import numpy as np

from skemd._input._scaling import with_sums
from skemd._input._wafers import as_wafers
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._folders import staged_folder

__all__ = [
    "VECTOR_FILES",
    "verification_tables",
    "write_tables",
    "write_verification_vectors",
]

VECTOR_FILES = {
    "verify_input_calQ.csv": "charges of the trigger cells, in cell order",
    "verify_input_ae_abs.csv": "the same charges as images, flattened row by row",
    "verify_input_ae.csv": "the images behind the front end, divided by the power of "
    "two at or below their sum, which is what the encoder takes",
    "verify_output.csv": "codes of the integer encoder",
    "verify_decoded.csv": "images that the decoder makes of the codes, flattened",
    "verify_decoded_calQ.csv": "charges of the trigger cells in those images, scaled "
    "to the sum of each wafer",
}


def write_verification_vectors(fitted, folder, X):
    """Write the six files that firmware is verified with.

    Parameters
    ----------
    fitted : EMDAutoencoder
        Fitted for the chip, as required by `IntegerEncoder.from_estimator`.
    folder : str or path
        Where to write. The folder is made if it does not exist; it may be reached
        through a link but must hold none. Files of the same names are replaced, all at
        once; other files stay.
    X : array-like of shape (n_samples, n_cells)
        Wafers in CALQ counts.

    Returns
    -------
    paths : list of pathlib.Path
        The files.

    Raises
    ------
    ValueError
        If the autoencoder or the wafers are not usable, or `folder` holds a link.
    OSError
        If the files cannot be written. Nothing in `folder` has changed then.

    Notes
    -----
    A wafer without charge becomes an image of zeros, and its code is the one that the
    chip sends for it.
    """
    encoder = IntegerEncoder.from_estimator(fitted)
    X, _ = as_wafers(X, "X", fitted.geometry_, allow_empty=True)
    tables = verification_tables(fitted, encoder, X)
    with staged_folder(folder) as staging:
        write_tables(tables, staging)
    return [Path(folder) / name for name in tables]


def verification_tables(fitted, encoder, X):
    """Compute the tables in the files of verification vectors.

    Parameters
    ----------
    fitted : EMDAutoencoder
        Fitted for the chip.
    encoder : IntegerEncoder
        Its encoder.
    X : ndarray of shape (n_samples, n_cells)
        Wafers in CALQ counts.

    Returns
    -------
    tables : dict of str to ndarray of shape (n_samples, n_columns)
        The tables by the names of their files, in the order of `VECTOR_FILES`.
    """
    images = encoder.images(X)
    codes = encoder.transform(images)
    if fitted.n_conditions_in_:
        raise ValueError(
            "Verification vectors hold what the decoder makes of codes alone, but this "
            "one was fitted with conditions. Export one that was fitted without."
        )
    told = fitted._inputs.conditions(fitted._inputs.sent_sums(X), np.empty((len(X), 0)))
    rows = np.column_stack([codes.astype(np.float32), told])
    decoded = fitted.network_.predict(rows, submodel="decoder")
    tables = {
        "verify_input_calQ.csv": X,
        "verify_input_ae_abs.csv": encoder.layout.apply(X),
        "verify_input_ae.csv": images,
        "verify_output.csv": codes,
        "verify_decoded.csv": decoded,
        "verify_decoded_calQ.csv": with_sums(
            encoder.layout.invert(decoded), X.sum(axis=1)
        ),
    }
    return {name: table.reshape(len(X), -1) for name, table in tables.items()}


def write_tables(tables, folder):
    """Write each table to the file that bears its name."""
    for name, table in tables.items():
        np.savetxt(folder / name, table, delimiter=",", fmt="%.12f")
