"""Build skemd; everything static stands in pyproject.toml."""

import logging
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

WITHOUT_COMPILER = """
skemd's compiled solver could not be built (%s).
skemd works all the same: POT computes exact EMDs, several times slower.
For the fast solver install a C compiler and skemd again. Which one runs:
    python -c "import skemd; skemd.show_versions()"
"""


class BuildIfPossible(build_ext):
    """Compile the solver with optimization, and go on without it if that fails."""

    def build_extension(self, ext):
        """Compile an extension, or say what its absence means."""
        # The loops of the solver are written for a compiler that vectorizes.
        if self.compiler.compiler_type != "msvc":
            ext.extra_compile_args = ["-std=c99", "-O3"]
        try:
            super().build_extension(ext)
        except Exception as error:
            logging.getLogger(__name__).warning(WITHOUT_COMPILER, error)


setup(
    ext_modules=[
        Extension(
            "skemd.distance._simplex",
            [
                "skemd/distance/_simplex.c",
                "skemd/distance/_simplex_large.c",
                "skemd/distance/_simplexmodule.c",
            ],
            depends=[
                "skemd/distance/_simplex.h",
                "skemd/distance/_simplex_large.h",
                "skemd/distance/_simplex_wafers.h",
            ],
            libraries=[] if sys.platform == "win32" else ["m"],
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildIfPossible},
)
