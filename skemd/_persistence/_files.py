"""Save fitted estimators to files that hold no code, and load them again.

A pickle runs the code that its author put into it. The files here hold parameters,
learned attributes and weights as JSON and arrays. Loading them creates objects of the
classes that are listed below, and of no others. Files say with which versions they were
made.
"""

import types
from typing import ClassVar

import numpy as np

from skemd._io._archive import brief, read_archive, write_archive
from skemd._io._encoding import Decoder, encode
from skemd._persistence._checks import check_fitted
from skemd._persistence._networks import (
    MOST_IN_A_FILE,
    builders,
    checked_network,
    numbers_of,
)
from skemd._persistence._tables import (
    CLASSES,
    LOSS_PARAMETERS,
    OPTIONAL,
    RUN_PARAMETERS_OF_LOSSES,
    added_later,
    class_of,
    fitted_attributes,
    has_type,
    losses,
    run_parameters,
    saved_parameters,
)
from skemd._versions import installed_versions
from skemd._warnings import warn_user

__all__ = ["load", "save"]

_KIND = "estimator"
# Whether Ctrl-C ended the fit, which does not matter to a later process.
_NOT_KEPT = "_interruption"
# Building a network takes a good part of a second. An autoencoder has up to three.
_MOST_NETWORKS = 16
_MOST_ESTIMATORS = 64


def save(estimator, path):
    """Write an estimator to a file that holds no code.

    Parameters
    ----------
    estimator : WaferRemapper, EMDRegressor, EMDAutoencoder, EMDDecoder, one of \
            skemd.baselines, or a scikit-learn Pipeline or FrozenEstimator of these
        Fitted or not.
    path : str or path-like
        File to write. An existing one is replaced in one step and keeps its
        permissions; of several hard links to it, only this one gets the new content.
        Folders on the way may be links, but the file itself may not.

    Raises
    ------
    TypeError
        If such a file cannot hold the estimator or a value in it, such as a function
        as the loss.
    ValueError
        If the estimator has attributes that do not belong together or a network that
        is too large, or if a link, a folder or another thing that is no plain file is
        at `path`.
    OSError
        If the file cannot be written; an existing one is left as it was.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    Weights, parameters and learned attributes are kept exactly, so all predictions on
    the same backend are the same. The state of the optimizer is not kept. Parameters
    that describe a run on one machine are not kept either: `checkpoint_dir`, `n_jobs`
    and `verbose`, and `memory` and `transform_input` of a Pipeline. They have their
    defaults after loading.

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
    node = _encode_object(estimator, arrays)
    if node is None or "estimator" not in node:
        raise TypeError(
            f"skemd.save takes {', '.join(CLASSES)}; got {type(estimator).__name__}."
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

    Warns
    -----
    UserWarning
        If an older version of skemd wrote a folder, a number of workers or the like to
        the file. They are left at their defaults.

    Notes
    -----
    The checksum finds accidental damage. A file that is forged on purpose can make the
    estimator predict nonsense, but it cannot run code, choose a place on the disk or a
    process, or ask for much more memory than its own size. `fit` takes the time and the
    memory that the parameters ask for, so look at these before you fit an estimator of
    unknown origin again.
    """
    header, arrays = read_archive(path, _KIND)
    try:
        return _EstimatorDecoder(arrays).estimator(header["content"])
    # The checksum can be forged, so any error may be the fault of the file.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read with the versions that are installed here: "
            f"{brief(error)}. It was saved with {_named(header.get('versions'))}."
        ) from error


def _named(versions):
    if not isinstance(versions, dict):
        return "unknown versions"
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return named if len(named) < 200 and named.isprintable() else "unknown versions"


def _encode_object(value, arrays):
    """Return the node of an estimator, a network or a loss; None for all else."""
    name, home = type(value).__name__, type(value).__module__
    if (home, name) == ("skemd._training._network", "Network"):
        (builder,) = (key for key, it in builders().items() if it is value.builder)
        if numbers_of(builder, value.config, value.weights) > MOST_IN_A_FILE:
            raise ValueError(
                "The network is too large for a file of skemd: its weights and "
                f"matrices have more than {MOST_IN_A_FILE:,} numbers. Fit one with "
                "fewer filters or convolutions, or with a smaller layout."
            )
        return {"network": encode([builder, value.config, value.weights], arrays)}
    if home.startswith("skemd.losses.") and type(value) in losses().values():
        config = {
            key: item
            for key, item in value.get_config().items()
            if key not in RUN_PARAMETERS_OF_LOSSES
        }
        _check_types(name, config, LOSS_PARAMETERS)
        return {"loss": [name, encode(config, arrays)]}
    if name in CLASSES and type(value) is class_of(name):
        return {"estimator": _encode_parts(name, value, arrays)}
    return None


def _encode_parts(name, estimator, arrays):
    """Return the name, the parameters and the learned attributes of an estimator."""
    parameters = estimator.get_params(deep=False)
    learned = {
        key: item
        for key, item in vars(estimator).items()
        if key not in parameters and key != _NOT_KEPT
    }
    unknown = learned.keys() - fitted_attributes(name).keys() - OPTIONAL.keys()
    if unknown:
        raise TypeError(f"{name} has {sorted(unknown)}, which a file cannot hold.")
    parameters = {
        key: item.item() if isinstance(item, np.generic) else item
        for key, item in parameters.items()
        if key not in run_parameters(name)
    }
    _check_types(name, parameters, saved_parameters(name))
    check_fitted(estimator)

    def items(values):
        encoded = (
            [key, _encode_steps(item, arrays)]
            if key == "steps"
            else [key, _encode_value(item, arrays)]
            for key, item in values.items()
        )
        return {"dict": list(encoded)}

    return [name, items(parameters), items(learned)]


def _encode_value(value, arrays):
    node = _encode_object(value, arrays)
    return encode(value, arrays) if node is None else node


def _encode_steps(steps, arrays):
    return [{"tuple": [name, _encode_value(step, arrays)]} for name, step in steps]


def _check_types(name, values, types_of):
    """Check that parameters have the types that files may hold."""
    for key, value in values.items():
        if isinstance(value, types.FunctionType):
            raise TypeError(
                f"{name}({key}={value!r}) cannot be saved: a function is code. Give "
                f"{key} by a name or by an object of skemd.losses first, with "
                "set_params."
            )
        if key not in types_of:
            raise TypeError(
                f"{name} has no parameter {brief(key)} that a file can hold"
            )
        if not has_type(value, types_of[key]):
            raise TypeError(
                f"{name}({key}={brief(value)}): a file can hold "
                f"{getattr(types_of[key], '__name__', types_of[key])} there, not "
                f"{type(value).__name__}"
            )


class _EstimatorDecoder(Decoder):
    """Turn JSON back into estimators, their networks and their losses.

    These may only be where a table of parameters or attributes has their type. Plain
    values hold none of them.
    """

    def __init__(self, arrays):
        super().__init__(arrays)
        self._left = {"estimator": _MOST_ESTIMATORS, "network": _MOST_NETWORKS}
        self._numbers_left = MOST_IN_A_FILE

    def estimator(self, node):
        """Return the estimator of a node that must be one."""
        tag, body = _tag_and_body(node)
        if tag != "estimator":
            raise ValueError("there is no estimator in it")
        self._count(tag)
        name, parameters, learned = body
        if name not in CLASSES:
            raise ValueError(f"{brief(name)} is no class that a file may ask for")
        expected = fitted_attributes(name)
        learned = self._values(learned, {**OPTIONAL, **expected})
        before = added_later(name)
        if learned.keys() - OPTIONAL.keys():
            learned = {key: before[key] for key in before if key in expected} | learned
        fitted = learned.keys() - OPTIONAL.keys()
        if fitted and fitted != expected.keys():
            raise ValueError(f"{name} lacks or has too many of {sorted(expected)}")
        parameters = self._without(parameters, run_parameters(name), name)
        saved = saved_parameters(name)
        parameters = self._values(parameters, saved)
        parameters = {key: before[key] for key in before if key in saved} | parameters
        estimator = class_of(name)(**parameters)
        for key, value in learned.items():
            setattr(estimator, key, value)
        check_fitted(estimator)
        return estimator

    def _values(self, node, types_of):
        """Return a dict whose values have the types of a table."""
        values = {}
        for key, item in _items(node):
            if key not in types_of:
                raise ValueError(f"{brief(key)} is nothing that can be read here")
            values[key] = self._value(item, types_of[key], key)
            if not has_type(values[key], types_of[key]):
                raise ValueError(f"{key} is a {type(values[key]).__name__}")
        return values

    def _value(self, node, types, key):
        """Return a value, if it may have the type that its tag announces."""
        if key == "steps":
            return [self._step(step) for step in node]
        tag, body = _tag_and_body(node)
        if tag not in self._objects:
            return self.decode(node)
        # Before anything is made of its parts.
        class_, make = self._objects[tag](self, body)
        if not issubclass(class_, types):
            raise ValueError(f"{key} is a {class_.__name__}")
        return make(node)

    def _step(self, node):
        tag, (name, step) = _tag_and_body(node)
        if tag != "tuple" or type(name) is not str:
            raise ValueError("a step is no name with an estimator")
        return name, step if step in (None, "passthrough") else self.estimator(step)

    def _without(self, node, names, owner):
        """Return a node without parameters that describe a run; warn if they do."""
        kept, left_out = [], []
        for key, item in _items(node):
            if key not in names:
                kept.append([key, item])
            # The defaults of all of them.
            elif item is not None and item is not False and item != 0:
                left_out.append(key)
        if left_out:
            warn_user(
                f"The file has values for {', '.join(sorted(left_out))} of {owner}. "
                "They describe a run on another machine and are left at their "
                "defaults; set them with set_params if you need them.",
            )
        return {"dict": kept}

    def _class_of_estimator(self, body):
        if body[0] not in CLASSES:
            raise ValueError(f"{brief(body[0])} is no class that a file may ask for")
        return class_of(body[0]), self.estimator

    def _class_of_network(self, body):
        from skemd._training._network import Network

        return Network, self._network

    def _class_of_loss(self, body):
        return losses()[body[0]], self._loss

    _objects: ClassVar = {
        "estimator": _class_of_estimator,
        "network": _class_of_network,
        "loss": _class_of_loss,
    }

    def _network(self, node):
        self._count("network")
        return checked_network(*self.decode(node["network"]), self._spend)

    def _spend(self, n_numbers):
        self._numbers_left -= n_numbers
        if self._numbers_left < 0:
            raise ValueError(
                "its networks are too large: their weights and matrices have more "
                f"than {MOST_IN_A_FILE:,} numbers"
            )

    def _loss(self, node):
        name, config = node["loss"]
        config = self._without(config, RUN_PARAMETERS_OF_LOSSES, name)
        return losses()[name](**self._values(config, LOSS_PARAMETERS))

    def _count(self, tag):
        self._left[tag] -= 1
        if self._left[tag] < 0:
            raise ValueError(f"it has too many parts of the kind {tag!r}")


def _tag_and_body(node):
    if type(node) is not dict:
        return None, node
    ((tag, body),) = node.items()
    return tag, body


def _items(node):
    """Return the keys and the nodes of a dict, without making anything of them."""
    tag, items = _tag_and_body(node)
    if tag != "dict" or any(type(key) is not str for key, _ in items):
        raise ValueError("there is no dict where one was expected")
    if len({key for key, _ in items}) < len(items):
        raise ValueError("there are two values of one name")
    return items
