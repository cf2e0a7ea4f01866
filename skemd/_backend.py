"""The one place where Keras is imported, on the backend that the user has chosen.

If Keras is already imported, it keeps its backend. Otherwise the environment variable
KERAS_BACKEND decides, then the file keras.json, then what is installed, in the order
jax, torch, tensorflow. Import Keras from here, ``from skemd._backend import keras``,
and nowhere else.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np

__all__ = ["keras", "layers_with_weights", "weights_of"]

_PREFERRED = ("jax", "torch", "tensorflow")
# Keras writes this file itself on its first import, on any backend. A file with exactly
# this content is not a choice of the user.
_WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def _chosen_backend():
    """Return the backend that the user chose and where, or (None, None)."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"], "the environment variable KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    path = Path(home) / "keras.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):
        return None, None
    if config == _WRITTEN_BY_KERAS or "backend" not in config:
        return None, None
    return config["backend"], str(path)


def _is_installed(package):
    return importlib.util.find_spec(package) is not None


def _select_backend():
    """Make sure that Keras will start on the chosen or the preferred backend."""
    if "keras" in sys.modules:
        return
    name, where = _chosen_backend()
    if name is not None:
        if name in _PREFERRED and not _is_installed(name):
            raise ImportError(
                f"{where} names the Keras backend {name!r}, which is not installed. "
                f"Run: python -m pip install {name}, or choose another backend."
            )
        return
    for candidate in _PREFERRED:
        if _is_installed(candidate):
            # Processes that joblib starts inherit the choice through the environment,
            # which is also where Keras itself looks for it.
            os.environ["KERAS_BACKEND"] = candidate
            return
    raise ImportError(
        "skemd's networks need a Keras backend, and none of "
        f"{', '.join(_PREFERRED)} is installed. Run: python -m pip install jax"
    )


_select_backend()
# The import has to follow the choice.
import keras  # noqa: E402


def layers_with_weights(model):
    """Return the layers of a chain that have weights, from the input to the output.

    Parameters
    ----------
    model : keras.Model
        A chain of layers.

    Returns
    -------
    layers : list of keras.Layer
        Such as the encoder's convolution and its dense layer.
    """
    return [layer for layer in model.layers if layer.weights]


def weights_of(model):
    """Return copies of a model's weights as NumPy arrays, in ``get_weights``'s order.

    Keras's own method causes a deprecation warning of NumPy 2 on some backends.
    """
    values = [weight.value for weight in model.weights]
    return [np.array(keras.ops.convert_to_numpy(value)) for value in values]
