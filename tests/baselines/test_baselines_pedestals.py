"""What receivers make of cells that have no charge but a pedestal, worked out by hand.

The front end reads an empty cell as 1 count with low density and as 4 with high
density, and any other as the middle of the charges with its code: 10, 30, 40, 99 and
100 counts as 11, 31, 42, 100 and 100, or as 12, 28, 44, 100 and 100.
"""

import numpy as np
import pytest
from wafers_by_hand import fitted, wafer

from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum

SQUARES = {0: 10, 1: 30, 4: 30, 47: 99}


def with_rest(cell, charge, rest):
    """A wafer with the charge of one cell, and another in equal shares elsewhere."""
    expected = np.full((1, 48), rest / 47)
    expected[0, cell] = charge
    return expected


# In units of the dropped bits 100 is 50, of which 48 are sent, or 12. 10 is 5 or 1, and
# an empty cell is 0.
@pytest.mark.parametrize(("front_end", "rest"), [("LD", 10), ("HD", 8)])
def test_dropped_bits_take_the_pedestals_of_best_choice_with_them(front_end, rest):
    chip = fitted(BestChoice(1, rest="even", front_end=front_end))
    code = chip.transform(wafer({3: 100, 4: 10}))
    assert code.tolist() == [[3, 96, rest]]
    received = chip.inverse_transform(code)
    np.testing.assert_allclose(received, with_rest(3, 96, rest), rtol=1e-12)


def test_best_choice_without_dropped_bits_subtracts_pedestals():
    chip = fitted(BestChoice(1, rest="even", dropped_bits=0))
    code = chip.transform(wafer({3: 100, 4: 10}))
    # 11 + 46 = 57 = 111001 -> 1110 = 56, of which 47 are pedestals.
    assert code.tolist() == [[3, 96, 56]]
    received = chip.inverse_transform(code)
    np.testing.assert_allclose(received, with_rest(3, 95, 9), rtol=1e-12)


@pytest.mark.parametrize(
    ("front_end", "sum_of", "total", "rest"),
    [
        # 42 + 46 = 88 = 1011000 and with 100 more 188 = 10111100 -> 1011 = 176.
        ("LD", "not_sent", 88, 88 - 47),
        ("LD", "all", 176, 176 - 47 - 96),
        # 44 + 184 = 228 = 11100100 -> 224; 328 = 101001000 -> 1010 = 320.
        ("HD", "not_sent", 224, 224 - 188),
        ("HD", "all", 320, 320 - 188 - 96),
    ],
)
def test_threshold_sum_subtracts_the_pedestals_of_cells_not_sent(
    front_end, sum_of, total, rest
):
    chip = ThresholdSum(47, sum_of=sum_of, rest="even", front_end=front_end)
    chip = fitted(chip.set_params(n_output_links=13))
    code = chip.transform(wafer({0: 100, 1: 40}))
    assert code[0, [0, 1, -1]].tolist() == [96, 0, total]
    received = chip.inverse_transform(code)
    np.testing.assert_allclose(received, with_rest(0, 96, rest), rtol=1e-12)


@pytest.mark.parametrize(
    ("algorithm", "front_end", "sums", "charges"),
    [
        # 11 + 31 + 31 + 1 = 74 = 1001010 -> 72; 103 = 1100111 -> 11001 = 100; less 4.
        ("STC4_9", "LD", [72, 100], [68, 96]),
        # 12 + 28 + 28 + 4 = 72 and 112, less 16.
        ("STC4_9", "HD", [72, 112], [56, 96]),
        # 37 = 100101 -> 1001 = 36; 51 = 110011 -> 48.
        ("STC4_7", "LD", [72, 96], [68, 92]),
        ("STC4_7", "HD", [72, 112], [56, 96]),
    ],
)
def test_supercells_lose_their_pedestals(algorithm, front_end, sums, charges):
    chip = fitted(SuperTriggerCell(algorithm, front_end=front_end))
    code = chip.transform(wafer(SQUARES))
    assert code[0, [0, 11]].tolist() == sums
    empty = {"LD": 4, "HD": 16}[front_end]
    assert code[0, 1:11].tolist() == [empty] * 10
    expected = wafer(dict(zip([4, 47], charges, strict=True)))
    np.testing.assert_array_equal(chip.inverse_transform(code), expected)


@pytest.mark.parametrize("dropped_bits", range(5))
@pytest.mark.parametrize("front_end", ["LD", "HD"])
@pytest.mark.parametrize("half_lsb", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda **options: BestChoice(rest="even", **options),
        lambda **options: ThresholdSum(rest="even", **options),
        # Every cell is sent.
        lambda **options: ThresholdSum(0, n_output_links=13, **options),
        lambda **options: SuperTriggerCell("STC4_7", **options),
        lambda **options: SuperTriggerCell("STC16_9", **options),
    ],
)
def test_an_empty_wafer_comes_back_empty(make, half_lsb, front_end, dropped_bits):
    options = {"half_lsb": half_lsb, "front_end": front_end}
    chip = fitted(make(dropped_bits=dropped_bits, **options))
    assert not chip.predict(wafer({})).any()
