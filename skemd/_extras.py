"""Imports of packages that only an extra of skemd installs."""

import importlib

__all__ = ["import_extra"]


def import_extra(name, extra):
    """Import a package that an extra installs, or say how to install it.

    Parameters
    ----------
    name : str
        The package or one of its modules.
    extra : str
        The extra that installs it, such as "data".

    Returns
    -------
    module : module
        The imported module.

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
            f'python -m pip install "skemd[{extra}]"'
        ) from error
