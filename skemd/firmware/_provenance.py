"""What made an export: the autoencoder's parameters, data, score, weights and versions.

Only plain values get into the record. Names that users give, and the folders and
workers of their machines, stay out of it.
"""

import hashlib
import platform
import re
from importlib import metadata

import numpy as np

from skemd import __version__
from skemd._number_formats._fixed_point import FixedPoint
from skemd.distance import paired_emd

__all__ = ["provenance_of"]

_PACKAGES = ("numpy", "scikit-learn", "keras", "onnx", "hls4ml")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,64}")


def provenance_of(fitted, encoder, X, reconstructed, *, more_packages=()):
    """Say what made an export.

    Parameters
    ----------
    fitted : EMDAutoencoder
        The autoencoder.
    encoder : IntegerEncoder
        Its encoder.
    X : ndarray of shape (n_samples, n_cells)
        Wafers for verification, charges in any unit.
    reconstructed : ndarray of shape (n_samples, n_cells) or None
        What the receiver makes of them; None if that is no measure.
    more_packages : sequence of str, default=()
        Packages that have written files, beside those that always do.

    Returns
    -------
    record : dict
        Plain values: "versions", "parameters", "training", "training_data", "score",
        the mean exact EMD of the wafers for verification with charge in the unit of the
        geometry, and "sha256" of the encoder's weights, in whole steps of their format,
        and of those of the network with its decoder.
    """
    charged = X.any(axis=1)
    score = None
    if reconstructed is not None and charged.any():
        pairs = X[charged], reconstructed[charged]
        score = float(paired_emd(*pairs, geometry=fitted.geometry_).mean())
    parameters = fitted.get_params(deep=False)
    kept = sorted(parameters.keys() - set(fitted._run_parameters))
    losses = {name: float(min(of_run)) for name, of_run in fitted.history_.items()}
    to_steps = encoder.weight_format.to_integers
    encoder_weights = (
        encoder.conv_kernel,
        encoder.conv_bias,
        encoder.dense_kernel,
        encoder.dense_bias,
    )
    return {
        "versions": _versions((*_PACKAGES, *more_packages)),
        "parameters": {name: _plain(parameters[name]) for name in kept},
        "training": {"epochs": int(fitted.n_iter_), "lowest": losses},
        "training_data": fitted.training_data_,
        "score": {"mean_emd": score, "n_wafers": int(charged.sum())},
        "sha256": {
            "encoder": _sha256(map(to_steps, encoder_weights), "<i8"),
            "network": _sha256(fitted.network_.weights, "<f4"),
        },
    }


def _versions(packages):
    versions = {package: metadata.version(package) for package in packages}
    return {"skemd": __version__, "python": platform.python_version(), **versions}


def _sha256(arrays, dtype):
    """Return the SHA-256 of arrays one after the other, rows first."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=dtype))
    return digest.hexdigest()


def _plain(value):
    """Return a value that JSON holds, without any text that is no plain name."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if _PLAIN_NAME.fullmatch(value) else "text that is no plain name"
    if isinstance(value, FixedPoint):
        return {name: _plain(part) for name, part in vars(value).items()}
    found = {"class": _plain(type(value).__name__)}
    if hasattr(value, "get_config"):
        config = value.get_config()
        found |= {_plain(name): _plain(part) for name, part in config.items()}
    return found
