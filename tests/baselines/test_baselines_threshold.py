"""ThresholdSum against wafers worked out by hand."""

import warnings

import numpy as np
import pytest
from wafers_by_hand import busy_wafers, fitted, leading_digits, wafer

from skemd.baselines import ThresholdSum

WAFER = {3: 100, 9: 46, 20: 47, 47: 1000}


def threshold_sum(threshold=47, **parameters):
    """Return a fitted one whose charges pass no front end, to follow them by hand."""
    parameters = {"front_end": None, "n_output_links": 13, **parameters}
    return fitted(ThresholdSum(threshold, **parameters))


def sent_cells(code):
    """The charges of a code that are not zero, cell by cell."""
    (cells,) = np.nonzero(code[0, :-1])
    return {int(cell): code[0, cell] for cell in cells}


# 100 -> 50 = 110010 -> 1100.. = 48 -> 96, and so on.
@pytest.mark.parametrize(
    ("dropped_bits", "charges"),
    [
        (0, {3: 96, 20: 44, 47: 960}),
        (1, {3: 96, 20: 44, 47: 960}),
        (3, {3: 96, 20: 40, 47: 960}),
    ],
)
def test_cells_at_or_above_threshold_are_sent_in_seven_bits(dropped_bits, charges):
    chip = threshold_sum(dropped_bits=dropped_bits)
    assert sent_cells(chip.transform(wafer(WAFER))) == charges


# 1193 = 10010101001 -> 1001 = 1152; 46 = 101110 -> 1011 = 44.
@pytest.mark.parametrize(("sum_of", "total"), [("all", 1152), ("not_sent", 44)])
def test_the_sum_is_sent_in_eight_bits(sum_of, total):
    chip = threshold_sum(sum_of=sum_of)
    assert chip.transform(wafer(WAFER))[0, -1] == total


def test_every_charge_keeps_its_four_leading_digits():
    X = busy_wafers()
    for dropped in (0, 1, 3):
        codes = threshold_sum(dropped_bits=dropped, sum_of="all").transform(X)
        expected = [
            [leading_digits(q, 4, dropped) if q >= 47 else 0 for q in row] for row in X
        ]
        np.testing.assert_array_equal(codes[:, :-1], expected)
        sums = [leading_digits(row.sum(), 4) for row in X]
        np.testing.assert_array_equal(codes[:, -1], sums)


def test_fractions_of_counts_are_rounded_down():
    chip = threshold_sum(dropped_bits=0)
    assert sent_cells(chip.transform(wafer({3: 46.99, 4: 47.99}))) == {4: 44}


def test_each_cell_may_have_a_threshold_of_its_own():
    thresholds = np.full(48, 47.0)
    thresholds[[3, 9]] = [101, 45.5]
    chip = threshold_sum(thresholds)
    assert set(sent_cells(chip.transform(wafer(WAFER)))) == {9, 20, 47}


# Header 5, type 3, sum 8; then 3 for the count and 6 + 7 a cell, or 48, and 7 a cell.
@pytest.mark.parametrize(
    ("n_sent", "bits"),
    [
        (0, 16),
        (1, 32),
        (2, 45),
        (3, 58),
        (4, 71),
        (5, 84),
        (6, 97),
        (7, 110),
        (8, 120),
        (9, 127),
        (32, 288),
        (47, 393),
        (48, 400),
    ],
)
def test_the_payload_grows_with_the_cells(n_sent, bits):
    X = wafer({cell: 50 if cell < n_sent else 46 for cell in range(48)})
    assert threshold_sum().payload_bits(X).tolist() == [bits]


def test_a_wafer_that_fits_the_links_to_the_bit_is_sent_and_one_more_cell_is_not():
    chip = threshold_sum(n_output_links=9, overflow="truncate")
    X = wafer(dict.fromkeys(range(32), 50))
    assert chip.payload_bits(X) == 9 * 32
    assert len(sent_cells(chip.transform(X))) == 32
    X[0, 40] = 50
    # Header, type and sum are left: 33 * 50 = 1650 = 11001110010 -> 1100 = 1536.
    assert chip.payload_bits(X) == 16
    assert not chip.transform(X)[0, :-1].any()
    assert chip.transform(X)[0, -1] == 1536


def test_of_a_truncated_wafer_all_charge_is_not_sent():
    chip = threshold_sum(n_output_links=1, overflow="truncate", sum_of="not_sent")
    code = chip.transform(wafer(WAFER))
    assert code[0, -1] == 1152
    assert not code[0, :-1].any()


def test_the_buffer_lets_a_wafer_exceed_the_links():
    with pytest.warns(UserWarning, match="bits on average"):
        chip = threshold_sum(n_output_links=1)
    assert chip.payload_bits(wafer(WAFER)) == 58
    assert len(sent_cells(chip.transform(wafer(WAFER)))) == 3


@pytest.mark.parametrize("links", [1, 2, 5, 13])
def test_the_threshold_of_the_links_is_the_lowest_that_fits_on_average(links):
    X = busy_wafers()
    chip = threshold_sum("links", n_output_links=links)
    lowest = next(
        threshold
        for threshold in range(1, 5000)
        if threshold_sum(threshold).payload_bits(X).mean() <= 32 * links
    )
    assert chip.threshold_ == lowest
    assert chip.payload_bits(X).mean() <= 32 * links
    assert (lowest == 1) == (links == 13)


@pytest.mark.parametrize("links", [1, 3])
def test_by_default_wafers_fit_the_links_on_average(links):
    X = busy_wafers()
    chip = ThresholdSum(n_output_links=links).fit(X)
    mean = chip.payload_bits(X).mean()
    assert 0.7 * 32 * links < mean <= 32 * links


# Three cells need 58 bits, two need 45.
@pytest.mark.parametrize(
    ("links", "overflow", "warns"),
    [(1, "buffer", True), (2, "buffer", False), (1, "truncate", False)],
)
def test_a_threshold_that_exceeds_the_links_on_average_is_a_warning(
    links, overflow, warns
):
    X = np.concatenate([wafer({1: 50, 2: 50, 3: 50}), wafer({1: 50, 2: 50})])
    chip = ThresholdSum(47, n_output_links=links, overflow=overflow)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chip.fit(X)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == warns
    if warns:
        assert "need 51.5 bits on average, and n_output_links=1 carry 32" in messages[0]
        assert caught[0].filename == __file__


def test_charge_known_by_the_sum_alone_is_dropped_by_default():
    received = threshold_sum().predict(wafer({0: 100, 1: 40}))
    assert received.tolist() == wafer({0: 96}).tolist()


# 140 = 10001100 -> 1000 = 128, of which 96 were sent; 40 = 101000 -> 1010 = 40.
@pytest.mark.parametrize(("sum_of", "rest"), [("all", 32), ("not_sent", 40)])
def test_charge_known_by_the_sum_alone_may_be_shared_equally(sum_of, rest):
    chip = threshold_sum(sum_of=sum_of, rest="even")
    received = chip.predict(wafer({0: 100, 1: 40}))
    expected = np.full((1, 48), rest / 47)
    expected[0, 0] = 96
    np.testing.assert_allclose(received, expected, rtol=1e-12)


def test_cells_that_exceed_the_sum_leave_nothing_to_share():
    # 60 = 111100 has four digits, and arrives in full.
    chip = threshold_sum(rest="even", dropped_bits=0, sum_of="all")
    code = chip.transform(wafer({0: 60, 1: 60}))
    code[0, -1] = 112
    assert chip.inverse_transform(code).tolist() == wafer({0: 60, 1: 60}).tolist()


def test_nothing_is_shared_when_all_cells_are_sent():
    X = wafer(dict.fromkeys(range(48), 64))
    chip = threshold_sum(rest="even")
    assert chip.predict(X).tolist() == X.tolist()


def test_a_wafer_below_threshold_comes_back_even_or_not_at_all():
    X = wafer({5: 24})
    assert not threshold_sum().predict(X).any()
    even = threshold_sum(rest="even").predict(X)
    np.testing.assert_allclose(even, np.full((1, 48), 0.5))


# 96 stands for 96..103, 44 for 44..47, 10 for 10 and 11.
@pytest.mark.parametrize(
    ("dropped_bits", "middles"),
    [(0, {3: 100, 20: 46, 21: 10}), (1, {3: 100, 20: 46, 21: 11})],
)
def test_the_receiver_may_take_the_middle_of_a_code(dropped_bits, middles):
    chip = threshold_sum(5, dropped_bits=dropped_bits, half_lsb=True)
    received = chip.predict(wafer({3: 100, 20: 47, 21: 10}))
    assert received.tolist() == wafer(middles).tolist()


@pytest.mark.parametrize("sum_of", ["all", "not_sent"])
def test_energy_is_conserved_to_the_precision_of_the_codes(sum_of):
    X = busy_wafers()
    total = X.sum(axis=1)
    chip = {"sum_of": sum_of, "rest": "even", "dropped_bits": 0}
    lowest = threshold_sum(**chip).predict(X).sum(axis=1)
    assert (lowest <= total).all()
    assert (lowest > 7 / 8 * total).all()
    middle = threshold_sum(half_lsb=True, **chip).predict(X).sum(axis=1)
    # The cells may exceed the sum of all; then only they are left.
    assert (abs(middle - total) <= total / 16).all()
