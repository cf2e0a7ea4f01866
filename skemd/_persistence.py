"""Save fitted estimators to files that hold no code, and load them again.

A pickle runs whatever its author wrote into it. The files here hold parameters, learned
attributes and weights as JSON and arrays; loading them looks up a class among those
that are listed below, and nothing else. Files say with which versions they were made.
"""

import importlib
import types

import numpy as np

from skemd._io._archive import read_archive, write_archive
from skemd._io._encoding import Decoder, encode
from skemd._number_formats._fixed_point import FixedPoint
from skemd._versions import installed_versions
from skemd.geometry import Geometry, Layout

__all__ = ["load", "save"]

_KIND = "estimator"
_BASELINE = ("n_features_in_", "geometry_", "_image_layout", "_n_features_out")
# Where each class lives, and what fit leaves in it.
_CLASSES = {
    "WaferRemapper": (
        "skemd._remapper",
        ("n_features_in_", "geometry_", "layout_"),
    ),
    "EMDRegressor": (
        "skemd._regressor",
        ("n_features_in_", "geometry_", "network_", "history_", "n_iter_"),
    ),
    "EMDAutoencoder": (
        "skemd._autoencoder",
        (
            *("n_features_in_", "geometry_", "layout_", "network_", "history_"),
            *("n_iter_", "typical_sum_", "dead_components_", "emd_regressor_"),
            *("input_format_", "weight_format_", "accumulator_format_"),
            *("latent_format_", "_returns_images", "_encodes_sum", "_n_features_out"),
        ),
    ),
    "ThresholdSum": ("skemd.baselines", (*_BASELINE, "threshold_")),
    "BestChoice": ("skemd.baselines", (*_BASELINE, "n_sent_")),
    "SuperTriggerCell": ("skemd.baselines", (*_BASELINE, "supercells_")),
    "Pipeline": ("sklearn.pipeline", ()),
    "FrozenEstimator": ("sklearn.frozen", ()),
}
# What scikit-learn leaves in any of them, or does not.
_OPTIONAL = ("feature_names_in_", "_sklearn_output_config")
_NUMBER, _NONE = (int, float), type(None)
_TYPES = {
    "geometry_": Geometry,
    "layout_": Layout,
    "_image_layout": (Layout, _NONE),
    "history_": dict,
    "typical_sum_": _NUMBER,
    "threshold_": (*_NUMBER, _NONE),
    "dead_components_": np.ndarray,
    "supercells_": np.ndarray,
    "feature_names_in_": np.ndarray,
    "_sklearn_output_config": dict,
    "_returns_images": bool,
    "_encodes_sum": bool,
    **dict.fromkeys(("n_features_in_", "n_iter_", "n_sent_", "_n_features_out"), int),
    **{
        f"{name}_format_": (FixedPoint, _NONE)
        for name in ("input", "weight", "accumulator", "latent")
    },
}
# The name that a file gives to each builder.
_BUILDER_NAMES = {"build_emd_network": "emd", "build_autoencoder": "autoencoder"}
# What a configuration from a file may ask for. Wider layers show in the weights.
_LARGEST = {
    "kernel_size": 64,
    "n_conv_layers": 100,
    "n_dense_layers": 100,
    "n_refinements": 100,
    "strides": 64,
}
_MOST_PLACES = 2**24
_LOSSES = (
    *("ExactEMD", "MeanSquaredError", "SinkhornDivergence"),
    *("TelescopeLoss", "WeightedMeanSquaredError"),
)


def save(estimator, path):
    """Write an estimator to a file that holds no code.

    Parameters
    ----------
    estimator : WaferRemapper, EMDRegressor, EMDAutoencoder, one of skemd.baselines, \
            or a scikit-learn Pipeline or FrozenEstimator of these
        Fitted or not.
    path : str or path-like
        File to write; one that is there is replaced at once.

    Raises
    ------
    TypeError
        If it, or a value in it, is nothing that such a file can hold, such as a
        function as the loss.
    OSError
        If the file cannot be written; what was there before is unharmed.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    Weights, parameters and learned attributes are kept exactly, and with them all
    predictions on the same backend; Adam's moments are not. A path among the
    parameters comes back as text.

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
        As it was saved.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is truncated, changed, too large, of a newer format, or not such a file.

    Notes
    -----
    The checksum finds accidents. Whoever makes a file on purpose can make it predict
    nonsense, but no more than that.
    """
    header, arrays = read_archive(path, _KIND)
    decoder = Decoder(arrays, _OTHERS)
    try:
        return _decode_estimator(header["content"], decoder)
    # A seal can be forged; whatever comes of that is the fault of the file.
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

    if name == "Network":
        builder = _BUILDER_NAMES[value.builder.__name__]
        return {"network": inner([builder, value.config, value.weights])}
    if name in _LOSSES and home.startswith("skemd.losses"):
        return {"loss": [name, inner(value.get_config())]}
    if name not in _CLASSES or not home.startswith(_CLASSES[name][0]):
        return None
    parameters = value.get_params(deep=False)
    learned = {key: item for key, item in vars(value).items() if key not in parameters}
    unknown = set(learned) - {*_CLASSES[name][1], *_OPTIONAL}
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


def _decode_estimator(node, decoder):
    if not isinstance(node, dict) or set(node) != {"estimator"}:
        raise ValueError("there is no estimator in it")
    return decoder.decode(node)


def _estimator(body, decoder):
    name, parameters, learned = body
    home, expected = _CLASSES[name]
    parameters, learned = decoder.decode(parameters), decoder.decode(learned)
    fitted = set(learned) - set(_OPTIONAL)
    if fitted and fitted != set(expected):
        raise ValueError(f"{name} lacks or has too many of {sorted(expected)}")
    for key, value in learned.items():
        if not isinstance(value, _type_of(key)) or (
            _type_of(key) is int and isinstance(value, bool)
        ):
            raise ValueError(f"{key} is a {type(value).__name__}")
    estimator = getattr(importlib.import_module(home), name)(**parameters)
    for key, value in learned.items():
        setattr(estimator, key, value)
    return estimator


def _type_of(attribute):
    if attribute == "network_":
        from skemd._training._network import Network

        return Network
    if attribute == "emd_regressor_":
        from skemd._regressor import EMDRegressor

        return EMDRegressor, _NONE
    return _TYPES[attribute]


def _network(body, decoder):
    return _checked_network(*decoder.decode(body))


def _checked_network(builder, config, weights):
    """Return a network from a file, if its weights are those that it asks for.

    Nothing of the configuration's size is computed before it is known to be small.

    Parameters
    ----------
    builder : {"emd", "autoencoder"}
        Name of the builder.
    config : dict
        The builder's keyword arguments, without the seeds.
    weights : list of ndarray
        In the order of the model.

    Returns
    -------
    network : Network
        Not live yet.

    Raises
    ------
    ValueError
        If the configuration is too large, or the weights are others.
    """
    # Keras takes seconds to import, and not every estimator needs it.
    from skemd._autoencoder._network import build_autoencoder
    from skemd._backend import keras
    from skemd._regressor._network import build_emd_network
    from skemd._training._network import BUILD_LOCK, Network
    from skemd.layers._blocks import seeds_from

    build = {"emd": build_emd_network, "autoencoder": build_autoencoder}[builder]
    widest = max(weight.size for weight in weights)
    for name, value in config.items():
        if type(value) is int and value > _LARGEST.get(name, widest):
            raise ValueError(f"{name}={value} is more than its weights hold")
    places = len(config["cell_to_pixel"]) * float(np.prod(config["image_shape"]))
    if not 0 < places <= _MOST_PLACES:
        raise ValueError(f"its images of shape {config['image_shape']} are too large")
    # Without values variables have shapes all the same.
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


def _loss(body, decoder):
    name, config = body
    if name not in _LOSSES:
        raise ValueError(f"there is no loss {name!r}")
    from skemd import losses

    return getattr(losses, name)(**decoder.decode(config))


_OTHERS = {"estimator": _estimator, "network": _network, "loss": _loss}
