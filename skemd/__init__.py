"""Learned and exact earth mover's distances for detector wafers.

skemd compresses the read-out of calorimeter wafers with small neural encoders that
are trained for where the energy is, behind the interface of scikit-learn.
"""

import importlib

from skemd._backend_choice import choose_backend

__version__ = "0.1.0.dev0"

# Before anyone imports Keras, as the next line of the user may do.
choose_backend()

# Names are looked up when they are first used: Keras takes seconds to import.
_HOME_OF = {
    "WaferRemapper": "skemd._remapper",
    "EMDRegressor": "skemd._regressor",
    "EMDAutoencoder": "skemd._autoencoder",
    "emd_score": "skemd.metrics",
    "EMDDecoder": "skemd._autoencoder",
    "load": "skemd._persistence",
    "save": "skemd._persistence",
    "show_versions": "skemd._versions",
}
_MODULES = (
    "baselines",
    "cluster",
    "datasets",
    "distance",
    "firmware",
    "geometry",
    "layers",
    "losses",
    "metrics",
    "plot",
    "study",
)

__all__ = [*_HOME_OF, *_MODULES]


def __getattr__(name):
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"skemd.{name}")
    raise AttributeError(f"module 'skemd' has no attribute {name!r}")


def __dir__():
    return [*__all__, "__version__"]
