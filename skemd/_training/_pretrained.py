"""Fitted estimators that ship with the package: weights, and a card for each.

They are files of ``skemd.save``, which hold arrays and JSON only: nothing in them can
run when they are read. The scripts in ``tools/`` make them.
"""

from importlib import resources
from typing import ClassVar

from skemd._io._archive import read_archive
from skemd._io._encoding import Decoder
from skemd._training._network import Network

__all__ = ["load_pretrained"]


def load_pretrained(name, names, package, builder):
    """Read an estimator's parameters and learned attributes.

    Parameters
    ----------
    name : str
        Which one.
    names : tuple of str
        Those that there are.
    package : str
        The package in whose folder ``pretrained`` they are.
    builder : callable
        Builds their networks.

    Returns
    -------
    parameters : dict
        Of the estimator's constructor.
    fitted : dict
        Its learned attributes by name, with the network at "network_".

    Raises
    ------
    ValueError
        If there is none of that name, or its file is damaged.
    """
    if name not in names:
        raise ValueError(
            f"There is no pretrained {name!r}; there is {', '.join(map(repr, names))}."
        )
    file = resources.files(package).joinpath("pretrained", f"{name}.npz")
    with resources.as_file(file) as path:
        try:
            header, arrays = read_archive(path, "estimator")
            _, parameters, fitted = _PartsDecoder(arrays).decode(header["content"])
            _, config, weights = fitted["network_"]
        # A file that skemd.save did not write may raise anything.
        except Exception as error:
            raise ValueError(
                f"The pretrained {name!r} cannot be read from {path}: {error!r}. The "
                "file is damaged; install skemd again."
            ) from error
    return parameters, {**fitted, "network_": Network(builder, config, weights)}


class _PartsDecoder(Decoder):
    """Return the parts of an estimator and of its network, without making them."""

    makers: ClassVar = {
        **Decoder.makers,
        "estimator": Decoder.decode,
        "network": Decoder.decode,
    }
