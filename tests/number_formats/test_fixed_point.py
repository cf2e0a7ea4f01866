"""Fixed-point formats against what they are on paper."""

import numpy as np
import pytest

from skemd.firmware import LINK_FORMATS, FixedPoint


@pytest.mark.parametrize(
    ("number_format", "lowest", "highest", "step"),
    [
        (FixedPoint(6, 0), -1, 31 / 32, 1 / 32),
        (FixedPoint(6, 1), -2, 2 - 1 / 16, 1 / 16),
        (FixedPoint(5, 1), -2, 2 - 1 / 8, 1 / 8),
        (FixedPoint(8, 1, signed=False), 0, 2 - 1 / 128, 1 / 128),
        (FixedPoint(10, 3), -8, 8 - 1 / 64, 1 / 64),
        (FixedPoint(11, 3), -8, 8 - 1 / 128, 1 / 128),
        (FixedPoint(3, 1, signed=False), 0, 1.75, 0.25),
        (FixedPoint(4, 6), -64, 56, 8),
        (FixedPoint(3, -2), -0.25, 0.1875, 0.0625),
    ],
)
def test_the_range_and_step_of(number_format, lowest, highest, step):
    found = number_format.lowest, number_format.highest, number_format.step
    assert found == (lowest, highest, step)
    span = number_format.highest_integer - number_format.lowest_integer
    assert span == 2**number_format.bits - 1


@pytest.mark.parametrize(
    ("links", "highest"), [(2, 1.75), (3, 2 - 2**-4), (4, 2 - 2**-6), (5, 2 - 2**-8)]
)
def test_the_codes_of_each_number_of_links_reach_just_below_two(links, highest):
    assert (LINK_FORMATS[links].lowest, LINK_FORMATS[links].highest) == (0, highest)


def test_half_even_takes_ties_to_the_even_neighbor():
    values = np.array([-1.5, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.25, 1.3]) / 16
    steps = FixedPoint(6, 1).to_integers(values * 2)
    assert steps.tolist() == [-3, -2, -1, 0, 0, 1, 2, 2, 3]


def test_floor_takes_the_next_number_below():
    values = np.array([-0.51, -0.5, -0.01, 0.0, 0.49, 0.5, 0.99])
    whole = FixedPoint(8, 7).to_integers(values, "floor")
    assert whole.tolist() == [-1, -1, -1, 0, 0, 0, 0]


@pytest.mark.parametrize("rounding", ["half_even", "floor"])
def test_what_lies_outside_saturates(rounding):
    signed, unsigned = FixedPoint(6, 0), FixedPoint(5, 0, signed=False)
    assert (
        signed.quantize([-3, -1.01, 1, 9], rounding).tolist()
        == [-1, -1] + [31 / 32] * 2
    )
    assert unsigned.quantize([-3, 1, 9], rounding).tolist() == [0, 31 / 32, 31 / 32]


def test_every_number_of_a_format_stays_as_it_is():
    number_format = FixedPoint(9, 1)
    integers = np.arange(-256, 256)
    for rounding in ("half_even", "floor"):
        found = number_format.to_integers(integers * number_format.step, rounding)
        np.testing.assert_array_equal(found, integers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0), r"bits must be an integer in \[2, 52\]; got 1"),
        ((0, 0, False), r"bits must be an integer in \[1, 52\]; got 0"),
        ((53, 0), r"bits must be an integer in \[2, 52\]; got 53"),
        ((6.0, 0), r"bits must be an integer .*; got 6.0"),
        ((6, 0.5), r"integer_bits must be an integer .*; got 0.5"),
        ((6, 65), r"integer_bits must be an integer .*; got 65"),
    ],
)
def test_a_format_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FixedPoint(*arguments)


def test_an_unknown_rounding_is_refused():
    with pytest.raises(ValueError, match="rounding must be one of 'half_even', 'flo"):
        FixedPoint(6, 0).quantize([0.1], "up")
