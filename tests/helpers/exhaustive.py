"""Parameters that only the exhaustive run takes."""

import pytest


def rarely(*values):
    return [pytest.param(value, marks=pytest.mark.exhaustive) for value in values]
