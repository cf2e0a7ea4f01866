"""Imports of what only the extra "firmware" installs."""

from skemd import _extras

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
    return _extras.import_extra(name, "firmware")
