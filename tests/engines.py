"""Which of the exact solvers the tests can run."""

import pytest

from skemd import _engines


def skip_without_simplex(engine="simplex"):
    """Skip a test of the compiled solver where it was not built."""
    if engine == "simplex" and _engines._simplex is None:
        pytest.skip("the compiled solver was not built")
