"""Fitted regressors that ship with the package: weights, and a card for each.

They are files of ``skemd.save``, which hold arrays and JSON only: nothing in them can
run when they are read. ``python tools/make_pretrained.py`` makes them.
"""

from importlib import resources
from typing import ClassVar

from skemd._io._archive import read_archive
from skemd._io._encoding import Decoder

__all__ = ["PRETRAINED", "load_pretrained"]

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
    file = resources.files("skemd._regressor").joinpath("pretrained", f"{name}.npz")
    with resources.as_file(file) as path:
        try:
            header, arrays = read_archive(path, "estimator")
            _, parameters, fitted = _PartsDecoder(arrays).decode(header["content"])
            _, config, weights = fitted["network_"]
            return parameters, config, weights, fitted["history_"]
        # A file that skemd.save did not write may raise anything.
        except Exception as error:
            raise ValueError(
                f"The weights of the pretrained regressor {name!r} cannot be read from "
                f"{path}: {error!r}. The file is damaged; install skemd again."
            ) from error


class _PartsDecoder(Decoder):
    """Return the parts of an estimator and of its network, without making them."""

    makers: ClassVar = {
        **Decoder.makers,
        "estimator": Decoder.decode,
        "network": Decoder.decode,
    }
