"""The choice of Keras's backend, which falls before Keras is imported.

Keras reads its backend once, from the environment variable KERAS_BACKEND or from the
file keras.json, and stays with tensorflow if neither says otherwise. ``import skemd``
sets the variable where the user has not chosen, so that a later ``import keras`` starts
on a backend that is installed.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

__all__ = ["check_backend", "choose_backend"]

_PREFERRED = ("jax", "torch", "tensorflow")
# Keras writes this file itself on its first import, on any backend. A file with exactly
# this content is not a choice of the user.
_WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def choose_backend():
    """Choose a backend for the user, unless the user or an imported Keras has one.

    The first one installed of jax, torch and tensorflow becomes KERAS_BACKEND. That is
    where Keras looks for it, and processes that joblib starts inherit it.
    """
    if "keras" in sys.modules or _chosen_backend()[0] is not None:
        return
    for candidate in _PREFERRED:
        if _is_installed(candidate):
            os.environ["KERAS_BACKEND"] = candidate
            return


def check_backend():
    """Check that Keras can start on the backend that is chosen.

    Raises
    ------
    ImportError
        If the backend is not installed, or there is none.
    """
    if "keras" in sys.modules:
        return
    choose_backend()
    name, where = _chosen_backend()
    if name is None:
        raise ImportError(
            "skemd's networks need a Keras backend, and none of "
            f"{', '.join(_PREFERRED)} is installed. Run: python -m pip install jax"
        )
    if name in _PREFERRED and not _is_installed(name):
        raise ImportError(
            f"{where} names the Keras backend {name!r}, which is not installed. "
            f"Run: python -m pip install {name}, or choose another backend."
        )


def _chosen_backend():
    """Return the backend that is chosen and where, or (None, None)."""
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
