"""What a file of an estimator may hold: classes, and the parameters of each.

Each class of skemd declares beside its constructor which parameters describe the
estimator, with their types (`_saved_parameters`), and which describe a run on one
machine, such as folders and workers (`_run_parameters`). Only the former are in files.
The tables of the classes of scikit-learn and of Keras are here.
"""

import importlib

import numpy as np
from sklearn.base import BaseEstimator

from skemd.geometry import Geometry

__all__ = [
    "CLASSES",
    "LOSS_PARAMETERS",
    "OPTIONAL",
    "RUN_PARAMETERS_OF_LOSSES",
    "added_later",
    "class_of",
    "fitted_attributes",
    "has_type",
    "losses",
    "run_parameters",
    "saved_parameters",
]

# The classes that a file may ask for.
CLASSES = {
    "WaferRemapper": "skemd._remapper",
    "EMDRegressor": "skemd._regressor",
    "EMDAutoencoder": "skemd._autoencoder",
    "EMDDecoder": "skemd._autoencoder",
    "ThresholdSum": "skemd.baselines",
    "BestChoice": "skemd.baselines",
    "SuperTriggerCell": "skemd.baselines",
    "Pipeline": "sklearn.pipeline",
    "FrozenEstimator": "sklearn.frozen",
}
# What scikit-learn may leave in any of them.
OPTIONAL = {"feature_names_in_": np.ndarray, "_sklearn_output_config": dict}
# Of the classes that cannot declare them: parameters in files, and those of a run.
# `memory` is a folder of pickles, and `transform_input` needs metadata routing.
_SAVED = {"Pipeline": {"steps": list}, "FrozenEstimator": {"estimator": BaseEstimator}}
_RUN = {"Pipeline": ("memory", "transform_input", "verbose")}
# Of all losses. Keras would look a `dtype` up among its classes.
LOSS_PARAMETERS = {
    "name": str,
    "reduction": str,
    "weights": str,
    "geometry": str | Geometry,
    "epsilon": int | float,
    "n_iterations": int,
}
RUN_PARAMETERS_OF_LOSSES = ("dtype", "n_jobs")


def class_of(name):
    """Return one of the classes that a file may ask for."""
    return getattr(importlib.import_module(CLASSES[name]), name)


def fitted_attributes(name):
    """Return the types of the attributes that fit leaves in a class, by name."""
    return getattr(class_of(name), "_fitted_attributes", {})


def saved_parameters(name):
    """Return the types of the parameters of a class that files hold, by name."""
    return _SAVED.get(name) or class_of(name)._saved_parameters


def added_later(name):
    """Return what files of earlier versions lack, with what it was then, by name."""
    return getattr(class_of(name), "_added_later", {})


def run_parameters(name):
    """Return the parameters of a class that never come from files."""
    return _RUN.get(name) or getattr(class_of(name), "_run_parameters", ())


def losses():
    """Return the losses that a file may ask for: those made of plain values."""
    # Keras takes seconds to import, and not every estimator needs it.
    from skemd.losses._table import LOSSES

    rows = [row for row in LOSSES.values() if "regressor" not in row.given]
    return {row.loss.__name__: row.loss for row in rows}


def has_type(value, types):
    """Return whether a value is of a type, or of one of a union.

    True is an int to Python, but no number of cells.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool in (getattr(types, "__args__", None) or (types,))
    return isinstance(value, types)
