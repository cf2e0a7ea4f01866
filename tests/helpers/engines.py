"""Which of the exact solvers the tests can run."""

import pytest

from skemd.distance._solvers import compiled_solver_is_built


def skip_without_simplex(engine="simplex"):
    """Skip a test of the compiled solver where it was not built."""
    if engine == "simplex" and not compiled_solver_is_built():
        pytest.skip("the compiled solver was not built")
