"""What a bug report needs: the versions of all packages, and which solver runs."""

import platform
import sys
from importlib import metadata

from skemd import __version__
from skemd.distance._solvers import compiled_solver_is_built

__all__ = ["installed_versions", "show_versions"]

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "joblib",
    "pot",
    "keras",
    "jax",
    "torch",
    "tensorflow",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "hls4ml",
)


def show_versions():
    """Print the versions of skemd and its dependencies, and which solver runs.

    It imports nothing heavy.

    Examples
    --------
    >>> import skemd
    >>> skemd.show_versions()  # doctest: +SKIP
    """
    engine = (
        "compiled network simplex (up to 1,024 cells), POT above"
        if compiled_solver_is_built()
        else "POT; the compiled solver was not built (a C compiler was missing)"
    )
    rows = {
        "skemd": __version__,
        "exact EMD": engine,
        "python": sys.version.replace("\n", " "),
        "machine": platform.platform(),
        **{package: _version_of(package) for package in PACKAGES},
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:>{width}}: {value}")


def installed_versions(packages=("keras", "numpy", "scikit-learn")):
    """Return the versions of skemd and of some packages, by name."""
    return {"skemd": __version__, **{name: _version_of(name) for name in packages}}


def _version_of(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
