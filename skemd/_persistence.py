"""Save fitted estimators to files that hold no code, and load them again.

A pickle runs the code that its author put into it. The files here hold parameters,
learned attributes and weights as JSON and arrays. Loading them creates objects of the
classes that are listed below, and of no others. Files say with which versions they were
made.
"""

import importlib
import types
from typing import ClassVar

import numpy as np

from skemd._io._archive import read_archive, write_archive
from skemd._io._encoding import Decoder, encode
from skemd._versions import installed_versions

__all__ = ["load", "save"]

_KIND = "estimator"
# The classes that a file may ask for. Each declares in _fitted_attributes what fit
# leaves in it; those of scikit-learn declare nothing.
_CLASSES = {
    "WaferRemapper": "skemd._remapper",
    "EMDRegressor": "skemd._regressor",
    "EMDAutoencoder": "skemd._autoencoder",
    "ThresholdSum": "skemd.baselines",
    "BestChoice": "skemd.baselines",
    "SuperTriggerCell": "skemd.baselines",
    "Pipeline": "sklearn.pipeline",
    "FrozenEstimator": "sklearn.frozen",
}
# What scikit-learn may leave in any of them.
_OPTIONAL = {"feature_names_in_": np.ndarray, "_sklearn_output_config": dict}
# Whether Ctrl-C ended the fit, which does not matter to a later process.
_NOT_KEPT = "_interruption"
# The largest integers in a configuration. All others count weights, and cannot be
# larger than the largest array of weights.
_LARGEST = {
    "kernel_size": 64,
    "n_conv_layers": 100,
    "n_dense_layers": 100,
    "n_refinements": 100,
    "strides": 64,
}
_MOST_PLACES = 2**24


def save(estimator, path):
    """Write an estimator to a file that holds no code.

    Parameters
    ----------
    estimator : WaferRemapper, EMDRegressor, EMDAutoencoder, one of skemd.baselines, \
            or a scikit-learn Pipeline or FrozenEstimator of these
        Fitted or not.
    path : str or path-like
        File to write. An existing one is replaced in one step.

    Raises
    ------
    TypeError
        If such a file cannot hold the estimator or a value in it, such as a function
        as the loss.
    OSError
        If the file cannot be written; an existing one is left as it was.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    Weights, parameters and learned attributes are kept exactly, so all predictions on
    the same backend are the same. The state of the optimizer is not kept. A path among
    the parameters comes back as text.

    Examples
    --------
    >>> import skemd
    >>> from skemd.datasets import make_wafers
    >>> X = make_wafers(100, random_state=0)
    >>> skemd.save(skemd.WaferRemapper("4x4x3").fit(X), "remapper.skemd")
    >>> skemd.load("remapper.skemd").transform(X).shape
    (100, 4, 4, 3)
    """
    arrays = []
    node = _encode_estimator(estimator, arrays)
    if node is None:
        raise TypeError(
            f"skemd.save takes {', '.join(_CLASSES)}; got {type(estimator).__name__}."
        )
    header = {"kind": _KIND, "versions": installed_versions(), "content": node}
    write_archive(path, header, arrays)


def load(path):
    """Read an estimator that :func:`save` wrote; nothing in the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : object
        The estimator that was saved.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is truncated, changed, too large, of a newer format, or was not written
        by :func:`save`.

    Notes
    -----
    The checksum finds accidental damage. A file that is forged on purpose can make the
    estimator predict nonsense, but it cannot do more than that.
    """
    header, arrays = read_archive(path, _KIND)
    try:
        return _EstimatorDecoder(arrays).estimator(header["content"])
    # The checksum can be forged, so any error may be the fault of the file.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read with the versions that are installed here: "
            f"{error!r}. It was saved with {_named(header.get('versions'))}."
        ) from error


def _named(versions):
    if not isinstance(versions, dict):
        return "unknown versions"
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _encode_estimator(value, arrays):
    """Return the node of an estimator, a network or a loss; None for all else."""
    name, home = type(value).__name__, type(value).__module__

    def inner(value):
        return encode(value, arrays, lambda other: _encode_estimator(other, arrays))

    if (home, name) == ("skemd._training._network", "Network"):
        (builder,) = (key for key, it in _builders().items() if it is value.builder)
        return {"network": inner([builder, value.config, value.weights])}
    if home.startswith("skemd.losses.") and type(value) in _losses().values():
        return {"loss": [name, inner(value.get_config())]}
    if name not in _CLASSES or type(value) is not _class(name):
        return None
    parameters = value.get_params(deep=False)
    learned = {
        key: item
        for key, item in vars(value).items()
        if key not in parameters and key != _NOT_KEPT
    }
    unknown = learned.keys() - _fitted_attributes(name).keys() - _OPTIONAL.keys()
    if unknown:
        raise TypeError(f"{name} has {sorted(unknown)}, which a file cannot hold.")
    for key, item in parameters.items():
        if isinstance(item, types.FunctionType):
            raise TypeError(
                f"{name}({key}={item!r}) cannot be saved: a function is code. Give "
                f"{key} by a name or by an object of skemd.losses first, with "
                "set_params."
            )
    return {"estimator": [name, inner(parameters), inner(learned)]}


def _class(name):
    """Return one of the classes that a file may ask for."""
    return getattr(importlib.import_module(_CLASSES[name]), name)


def _fitted_attributes(name):
    """Return the types of the attributes that fit leaves in a class, by name."""
    return getattr(_class(name), "_fitted_attributes", {})


# Keras takes seconds to import, and not every estimator needs what follows.


def _builders():
    """Return the builders that a file may ask for, by the names in files."""
    from skemd._autoencoder._network import build_autoencoder
    from skemd._regressor._network import build_emd_network

    return {"autoencoder": build_autoencoder, "emd": build_emd_network}


def _losses():
    """Return the losses that a file may ask for: those made of plain values."""
    from skemd.losses._table import LOSSES

    rows = [row for row in LOSSES.values() if "regressor" not in row.given]
    return {row.loss.__name__: row.loss for row in rows}


class _EstimatorDecoder(Decoder):
    """Turn JSON back into estimators, their networks and their losses."""

    def estimator(self, node):
        """Return the estimator of a node that must be one."""
        if not isinstance(node, dict) or set(node) != {"estimator"}:
            raise ValueError("there is no estimator in it")
        return self.decode(node)

    def _estimator(self, body):
        name, parameters, learned = body
        class_, expected = _class(name), _fitted_attributes(name)
        parameters, learned = self.decode(parameters), self.decode(learned)
        fitted = learned.keys() - _OPTIONAL.keys()
        if fitted and fitted != expected.keys():
            raise ValueError(f"{name} lacks or has too many of {sorted(expected)}")
        estimator = class_(**parameters)
        for key, value in learned.items():
            type_ = {**_OPTIONAL, **expected}[key]
            # True is an int to Python, but no number of cells.
            is_wrong_flag = type_ is int and isinstance(value, bool)
            if not isinstance(value, type_) or is_wrong_flag:
                raise ValueError(f"{key} is a {type(value).__name__}")
            setattr(estimator, key, value)
        return estimator

    def _network(self, body):
        return _checked_network(*self.decode(body))

    def _loss(self, body):
        name, config = body
        return _losses()[name](**self.decode(config))

    makers: ClassVar = {
        **Decoder.makers,
        "estimator": _estimator,
        "network": _network,
        "loss": _loss,
    }


def _checked_network(builder, config, weights):
    """Return a network from a file, if its weights fit its configuration.

    Sizes in the configuration are checked before anything is computed from them.

    Parameters
    ----------
    builder : {"emd", "autoencoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        In the order of ``keras.Model.get_weights``.

    Returns
    -------
    network : Network
        Not live yet.

    Raises
    ------
    ValueError
        If the configuration is too large, or the weights do not fit it.
    """
    from skemd._backend import keras
    from skemd._training._network import BUILD_LOCK, Network
    from skemd.layers._blocks import seeds_from

    build = _builders()[builder]
    widest = max(weight.size for weight in weights)
    for name, value in config.items():
        if type(value) is int and value > _LARGEST.get(name, widest):
            raise ValueError(f"{name}={value} is more than its weights hold")
    places = len(config["cell_to_pixel"]) * float(np.prod(config["image_shape"]))
    if not 0 < places <= _MOST_PLACES:
        raise ValueError(f"its images of shape {config['image_shape']} are too large")
    # Variables have shapes even if they get no values.
    with BUILD_LOCK, keras.StatelessScope(initialize_variables=False):
        seeds = seeds_from(np.random.RandomState(0))
        model = build(**config, seeds=seeds)
    expected = [tuple(weight.shape) for weight in model.weights]
    found = [weight.shape for weight in weights]
    if found != expected:
        raise ValueError(f"its weights have shapes {found}, not {expected}")
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError("its weights are not finite")
    return Network(build, config, weights)
