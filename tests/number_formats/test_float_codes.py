"""The float codes of the front-end chips: every code, and every number near a step."""

import numpy as np
import pytest

from skemd.firmware import FloatCode

PUBLISHED = [FloatCode(4, 3), FloatCode(5, 3), FloatCode(5, 4)]
codes_of = pytest.mark.parametrize("code", PUBLISHED, ids=["4E3M", "5E3M", "5E4M"])


def value_of(code, bits):
    """Read a code as the format is written down, digit by digit."""
    digits = f"{bits:0{code.bits}b}"
    exponent, mantissa = digits[: code.exponent_bits], digits[code.exponent_bits :]
    if int(exponent, 2) == 0:
        return int(mantissa, 2)
    return int("1" + mantissa + "0" * (int(exponent, 2) - 1), 2)


@codes_of
def test_every_code_decodes_to_its_digits(code):
    every = np.arange(2**code.bits)
    assert code.decode(every).tolist() == [value_of(code, c) for c in every.tolist()]


@codes_of
def test_a_number_gets_the_code_of_the_largest_value_that_is_not_above_it(code):
    values = code.decode(np.arange(2**code.bits))
    numbers = np.unique(np.concatenate([values - 1, values, values + 1])[1:])
    numbers = numbers[numbers >= 0]
    expected = np.searchsorted(values, numbers, side="right") - 1
    np.testing.assert_array_equal(code.encode(numbers), expected)


@codes_of
def test_the_highest_value_is_the_published_one_and_larger_numbers_saturate(code):
    e, m = code.exponent_bits, code.mantissa_bits
    assert code.highest == ((1 << (m + 1)) - 1) << ((1 << e) - 2)
    last = 2**code.bits - 1
    assert code.encode([code.highest, code.highest + 1, 2**62]).tolist() == [last] * 3


@codes_of
def test_half_of_the_last_bit_is_the_middle_of_the_numbers_of_a_code(code):
    values = code.decode(np.arange(2**code.bits))
    middles = code.decode(np.arange(2**code.bits), half_lsb=True)
    widths = np.diff(values)
    np.testing.assert_array_equal(middles[:-1], values[:-1] + widths // 2)


def test_the_sum_loses_less_than_one_part_in_sixteen():
    numbers = np.arange(1, 200_000)
    sent = FloatCode(5, 4).decode(FloatCode(5, 4).encode(numbers))
    assert (sent <= numbers).all()
    assert ((numbers - sent) * 16 < numbers).all()


@pytest.mark.parametrize(
    ("integers", "message"),
    [
        ([3, -1], "integers must hold whole numbers in .0, .*got -1"),
        ([0.5], "whole numbers; got 0.5. Round it first"),
        ([np.nan], "whole numbers; got nan"),
        ([np.inf], "whole numbers; got inf"),
        (["1"], "whole numbers; got dtype <U1"),
    ],
)
def test_what_is_no_count_is_refused(integers, message):
    with pytest.raises(ValueError, match=message):
        FloatCode(5, 4).encode(integers)


def test_whole_floats_are_counts():
    assert FloatCode(5, 4).encode([1000.0]) == FloatCode(5, 4).encode([1000])


def test_a_code_of_too_many_bits_is_refused():
    with pytest.raises(ValueError, match=r"codes must hold .* in .0, 511.; got 512"):
        FloatCode(5, 4).decode([512])


@pytest.mark.parametrize(("exponent", "mantissa"), [(0, 3), (6, 3), (5, 0), (5, 22)])
def test_a_code_beyond_integers_is_refused(exponent, mantissa):
    with pytest.raises(ValueError, match="_bits must be an integer in"):
        FloatCode(exponent, mantissa)
