"""Imports of what only the extra "firmware" installs."""

import importlib

__all__ = ["import_extra"]


def import_extra(name):
    """Import a package of the extra, or say how to install it.

    Parameters
    ----------
    name : str
        The package or a module of it.

    Returns
    -------
    module : module
        What was imported.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"This needs {name.split('.')[0]}, which is not installed. Run: "
            'python -m pip install "skemd[firmware]"'
        ) from error
