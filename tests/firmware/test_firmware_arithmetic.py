"""Rounding of integers to a format, against Python's fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from skemd.firmware import FixedPoint
from skemd.firmware._arithmetic import patches, to_format

INTEGERS = np.array([0, 1, 2, 3, 5, 6, 7, 8, 24, 40, 1000, 2**40, 2**60 + 1, 2**61 - 1])
INTEGERS = np.concatenate([-INTEGERS, INTEGERS])


@pytest.mark.parametrize("rounding", ["half_even", "floor"])
@pytest.mark.parametrize("shift", [0, 1, 2, 4, 20, 59, 60, 61, 62, 63, 64, 70])
def test_integers_are_rounded_once_and_saturate(shift, rounding):
    number_format = FixedPoint(12, 11)
    found = to_format(INTEGERS, shift, number_format, rounding)
    round_ = math.floor if rounding == "floor" else round
    whole = [round_(Fraction(integer, 2**shift)) for integer in INTEGERS.tolist()]
    assert found.tolist() == [min(max(value, -2048), 2047) for value in whole]


def test_finer_steps_are_reached_by_shifting_to_the_left():
    number_format = FixedPoint(9, 1, signed=False)
    found = to_format(
        np.array([0, 1, 3, 127, 128, 255, 256]), 7, number_format, "floor"
    )
    assert found.tolist() == [0, 2, 6, 254, 256, 510, 511]


@pytest.mark.parametrize(
    ("side", "kernel", "step", "first", "last"),
    [
        (8, 3, 2, [1, 2, 3], [7, 8, 0]),
        (8, 3, 1, [0, 1, 2], [7, 8, 0]),
        (7, 3, 2, [0, 1, 2], [6, 7, 0]),
        (8, 2, 2, [1, 2], [7, 8]),
        (8, 1, 2, [1], [7]),
        (4, 5, 1, [0, 0, 1, 2, 3], [2, 3, 4, 0, 0]),
    ],
)
def test_patches_are_padded_as_in_tensorflow(side, kernel, step, first, last):
    # Pixels are numbered from 1, and 0 is outside.
    column = np.arange(1, side + 1).reshape(1, side, 1, 1)
    seen = patches(column, (kernel, 1), (step, 1))[0, :, 0]
    assert seen.shape == (-(-side // step), kernel)
    assert (seen[0].tolist(), seen[-1].tolist()) == (first, last)
