"""Fitted regressors that ship with the package: weights, and a card for each.

A file holds arrays and JSON only, nothing that could run code when it is read. The
script that made one stands beside it: ``python tools/make_pretrained.py``.
"""

import json
import zipfile
import zlib
from importlib import resources

import numpy as np

__all__ = ["PRETRAINED", "load_pretrained", "save_pretrained"]

PRETRAINED = ("hgcal-wafer",)


def load_pretrained(name):
    """Read a regressor's parameters, network configuration, weights and history.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`.

    Returns
    -------
    parameters : dict
        Of the estimator's constructor.
    config : dict
        Of the network's builder.
    weights : list of ndarray
        In the network's order.
    history : dict of lists
        Losses for each epoch of the training.

    Raises
    ------
    ValueError
        If there is none of that name, or its file is damaged.
    """
    if name not in PRETRAINED:
        raise ValueError(
            f"There is no pretrained regressor {name!r}; there is "
            f"{', '.join(map(repr, PRETRAINED))}."
        )
    path = resources.files("skemd._regressor").joinpath("pretrained", f"{name}.npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            header = json.loads(str(archive["header"]))
            weights = [archive[f"weight_{k}"] for k in range(header["n_weights"])]
        return header["parameters"], header["config"], weights, header["history"]
    except (
        EOFError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"The weights of the pretrained regressor {name!r} cannot be read from "
            f"{path}: {error!r}. The file is damaged; install skemd again."
        ) from error


def save_pretrained(path, regressor):
    """Write what :func:`load_pretrained` reads.

    Parameters
    ----------
    path : str or path-like
        File to write, ending in ".npz".
    regressor : EMDRegressor
        Fitted; its parameters must be plain values.
    """
    network = regressor.network_
    header = {
        "parameters": regressor.get_params(),
        "config": network.config,
        "n_weights": len(network.weights),
        "history": regressor.history_,
    }
    weights = {f"weight_{k}": weight for k, weight in enumerate(network.weights)}
    np.savez_compressed(path, header=json.dumps(header), **weights)
