"""Verification vectors: wafers, codes and reconstructions that firmware is run against.

File names and the number format are those of the published training code; each file has
one row a wafer and no header.
"""

from pathlib import Path

import numpy as np

from skemd._input._scaling import with_sums
from skemd._input._wafers import as_wafers
from skemd.firmware._encoder import IntegerEncoder

__all__ = ["VECTOR_FILES", "write_verification_vectors"]

VECTOR_FILES = {
    "verify_input_calQ.csv": "charges of the trigger cells, in cell order",
    "verify_input_ae_abs.csv": "the same charges as images, flattened row by row",
    "verify_input_ae.csv": "the images divided by the power of two below their sum, "
    "which is what the encoder takes",
    "verify_output.csv": "codes of the integer encoder",
    "verify_decoded.csv": "images that the decoder makes of the codes, flattened",
    "verify_decoded_calQ.csv": "charges of the trigger cells read from them, each "
    "wafer with its own sum",
}


def write_verification_vectors(fitted, folder, X):
    """Write the six files that firmware is verified with.

    Parameters
    ----------
    fitted : EMDAutoencoder
        Fitted for the chip, as `IntegerEncoder.from_estimator` takes it.
    folder : str or path
        Where to write; it is made if need be.
    X : array-like of shape (n_samples, n_cells)
        Wafers in CALQ counts.

    Returns
    -------
    paths : list of pathlib.Path
        The files.

    Raises
    ------
    ValueError
        If the autoencoder or the wafers are unusable; nothing has been written then.

    Notes
    -----
    A wafer without charge is an image of zeros here, and its code is what the chip
    sends for it.
    """
    encoder = IntegerEncoder.from_estimator(fitted)
    X, _ = as_wafers(X, "X", fitted.geometry_, allow_empty=True)
    images = encoder.images(X)
    codes = encoder.transform(images)
    decoded = fitted.network_.predict(codes.astype(np.float32), submodel="decoder")
    rows = {
        "verify_input_calQ.csv": X,
        "verify_input_ae_abs.csv": encoder.layout.apply(X),
        "verify_input_ae.csv": images,
        "verify_output.csv": codes,
        "verify_decoded.csv": decoded,
        "verify_decoded_calQ.csv": with_sums(
            encoder.layout.invert(decoded), X.sum(axis=1)
        ),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in VECTOR_FILES:
        paths.append(folder / name)
        table = rows[name].reshape(len(X), -1)
        np.savetxt(paths[-1], table, delimiter=",", fmt="%.12f")
    return paths
