"""BestChoice against wafers worked out by hand, and its network against others."""

import itertools

import numpy as np
import pytest
from wafers_by_hand import busy_wafers, fitted, leading_digits, wafer

from skemd.baselines import BestChoice
from skemd.firmware._chip._sorting_network import largest_first

PUBLISHED = [1, 4, 6, 9, 14, 18, 23, 28, 32, 37, 41, 46, 48]
# Header 4 + sum 8 + 13 per cell for 1, 4 and 6 cells; else a map of 48 and 7 per cell.
BITS = [25, 64, 90, 123, 158, 186, 221, 256, 284, 319, 347, 382, 396]


def best_choice(*args, **parameters):
    """Return a fitted one whose charges pass no front end, to follow them by hand."""
    return fitted(BestChoice(*args, **{"front_end": None, **parameters}))


@pytest.mark.parametrize(
    ("links", "n_sent", "bits"), list(zip(range(1, 14), PUBLISHED, BITS, strict=True))
)
def test_the_links_have_room_for_the_published_number_of_cells(links, n_sent, bits):
    chip = best_choice(links)
    X = busy_wafers(5)
    assert chip.n_sent_ == n_sent
    assert chip.payload_bits(X).tolist() == [bits] * 5
    assert bits <= 32 * links
    assert chip.transform(X).shape == (5, 2 * n_sent + 1)


def test_the_largest_cells_are_sent_in_rising_order_of_addresses():
    X = wafer({40: 900, 3: 100, 20: 48, 7: 300, 12: 46, 13: 30})
    code = best_choice(2, sum_of="all").transform(X)
    # 900 -> 450 = 111000010 -> 1110 = 448 -> 896; 300 -> 150 = 10010110 -> 1001 = 144
    # -> 288; the sum of the halves is 712 = 1011001000 -> 1011 = 704 -> 1408.
    assert code[0].tolist() == [3, 7, 20, 40, 96, 288, 48, 896, 1408]


@pytest.mark.parametrize(("sum_of", "total"), [("all", 1408), ("not_sent", 72)])
def test_the_sum_is_of_all_cells_or_of_those_not_sent(sum_of, total):
    X = wafer({40: 900, 3: 100, 20: 48, 7: 300, 12: 46, 13: 30})
    # Bits drop before the sum: 23 + 15 = 38 = 100110 -> 1001 = 36 -> 72.
    assert best_choice(2, sum_of=sum_of).transform(X)[0, -1] == total


@pytest.mark.parametrize("dropped", [0, 1, 3])
@pytest.mark.parametrize("links", [1, 3, 5, 13])
def test_what_comes_back_are_the_largest_cells_to_four_digits(links, dropped):
    X = busy_wafers(50)
    chip = best_choice(links, ties="lowest", dropped_bits=dropped)
    expected = np.zeros_like(X)
    for row, charges in enumerate(X.astype(int)):
        kept = sorted(range(48), key=lambda cell: (-(charges[cell] >> dropped), cell))
        for cell in kept[: chip.n_sent_]:
            expected[row, cell] = leading_digits(charges[cell], 4, dropped)
    np.testing.assert_array_equal(chip.predict(X), expected)


@pytest.mark.parametrize(("ties", "cells"), [("lowest", [2, 9]), ("highest", [30, 41])])
def test_equal_charges_go_by_their_numbers_where_asked(ties, cells):
    X = wafer({30: 100, 9: 100, 41: 101, 2: 100, 17: 300, 18: 300})
    code = best_choice(2, ties=ties).transform(X)
    assert code[0, :4].tolist() == sorted([*cells, 17, 18])


def test_charges_are_compared_without_the_dropped_bits():
    X = wafer({2: 100, 41: 101})
    for dropped_bits, cell in [(0, 41), (1, 2)]:
        chip = best_choice(1, ties="lowest", dropped_bits=dropped_bits)
        assert chip.transform(X)[0, 0] == cell


def test_equal_charges_leave_the_network_as_its_comparisons_have_it():
    # Places 0 and 2 swap, then nothing does: the second 2 is ahead of the first.
    _, order = largest_first(np.array([[1], [2], [2], [1]]))
    assert order[:, 0].tolist() == [2, 1, 0, 3]


def merge_exchange(charges):
    """Batcher's merge exchange as Knuth writes it, one comparison after the other."""
    n = len(charges)
    values, order = list(charges), list(range(n))
    t = int(np.ceil(np.log2(n)))
    p = 2 ** (t - 1)
    while p > 0:
        q, r, d = 2 ** (t - 1), 0, p
        while True:
            for i in range(n - d):
                if i & p == r and values[i] < values[i + d]:
                    values[i], values[i + d] = values[i + d], values[i]
                    order[i], order[i + d] = order[i + d], order[i]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return order


# More than 128 places need keys of 64 bits.
@pytest.mark.parametrize("n_cells", [48, 7, 130])
def test_the_network_makes_the_same_exchanges_as_the_plain_algorithm(n_cells):
    charges = np.random.default_rng(0).integers(0, 4, size=(100, n_cells)) << 22
    expected = [merge_exchange(row) for row in charges.tolist()]
    _, order = largest_first(charges.T)
    assert order.T.tolist() == expected
    assert expected != np.argsort(-charges, axis=1, kind="stable").tolist()


@pytest.mark.parametrize("n", range(1, 11))
def test_the_network_sorts_all_zeros_and_ones_and_thereby_everything(n):
    charges = np.array(list(itertools.product([0, 1], repeat=n)))
    ordered, order = largest_first(charges.T)
    np.testing.assert_array_equal(ordered.T, -np.sort(-charges, axis=1))
    np.testing.assert_array_equal(np.take_along_axis(charges.T, order, 0), ordered)


def test_cells_without_charge_may_be_among_those_sent():
    chip = best_choice(2, ties="lowest", sum_of="all")
    X = wafer({20: 100, 30: 8})
    assert chip.transform(X)[0].tolist() == [0, 1, 20, 30, 0, 0, 96, 8, 104]
    assert chip.predict(X).tolist() == wafer({20: 96, 30: 8}).tolist()


# 60 and 20 of the halves: 10100 -> 1010 = 20 -> 40 is not sent; 80 = 1010000 -> 160.
@pytest.mark.parametrize(("sum_of", "rest"), [("all", 40), ("not_sent", 40)])
def test_charge_known_by_the_sum_alone_may_be_shared_equally(sum_of, rest):
    chip = best_choice(1, sum_of=sum_of, rest="even")
    received = chip.predict(wafer({7: 120, 8: 40}))
    expected = np.full((1, 48), rest / 47)
    expected[0, 7] = 120
    np.testing.assert_allclose(received, expected, rtol=1e-12)


def test_the_receiver_may_take_the_middle_of_a_code():
    X = wafer({7: 100, 8: 10})
    received = best_choice(2, half_lsb=True).predict(X)
    assert received.tolist() == wafer({7: 100, 8: 11}).tolist()


@pytest.mark.parametrize("links", [1, 5, 13])
def test_energy_is_conserved_to_the_precision_of_the_codes(links):
    X = busy_wafers()
    total = X.sum(axis=1)
    chip = {"sum_of": "not_sent", "rest": "even", "dropped_bits": 0}
    lowest = best_choice(links, **chip).predict(X).sum(axis=1)
    assert (lowest <= total).all()
    assert (lowest > 7 / 8 * total).all()
    middle = best_choice(links, half_lsb=True, **chip).predict(X).sum(axis=1)
    assert (abs(middle - total) <= total / 16).all()


@pytest.mark.parametrize("addresses", [[3, 3, 7, 9], [3, 2, 7, 9], [3, 4, 7, 48]])
def test_addresses_that_the_chip_cannot_send_are_refused(addresses):
    chip = best_choice(2)
    codes = chip.transform(busy_wafers(3))
    codes[1, :4] = addresses
    match = r"addresses of 4 different cells below 48, in rising order; .* row 1"
    with pytest.raises(ValueError, match=match):
        chip.inverse_transform(codes)
