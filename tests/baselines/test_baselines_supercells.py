"""SuperTriggerCell against wafers worked out by hand."""

import numpy as np
import pytest
from wafers_by_hand import busy_wafers, fitted, leading_digits, wafer

from skemd.baselines import SuperTriggerCell
from skemd.geometry import Geometry, hgcal_wafer

SQUARES = [
    [0, 1, 4, 5],
    [2, 3, 6, 7],
    [8, 9, 12, 13],
    [10, 11, 14, 15],
    [16, 17, 20, 21],
    [18, 19, 22, 23],
    [24, 25, 28, 29],
    [26, 27, 30, 31],
    [32, 33, 36, 37],
    [34, 35, 38, 39],
    [40, 41, 44, 45],
    [42, 43, 46, 47],
]
FACES = [list(range(16)), list(range(16, 32)), list(range(32, 48))]
PUBLISHED = {
    "STC4_9": {1: 2, 2: 5, 3: 8, 4: 11, 5: 12, 13: 12},
    "STC16_9": {1: 2, 2: 3, 3: 3, 4: 3, 5: 3, 13: 3},
    "CTC4_7": {1: 4, 2: 8, 3: 12, 4: 12, 5: 12, 13: 12},
    "STC4_7": {1: 3, 2: 6, 3: 10, 4: 12, 5: 12, 13: 12},
    "CTC4_9": {1: 3, 2: 6, 3: 10, 4: 12, 5: 12, 13: 12},
}
# A header of 4 bits, and 11, 13, 7 or 9 bits for each supercell.
BITS = {
    "STC4_9": {1: 26, 2: 59, 3: 92, 4: 125, 5: 136, 13: 136},
    "STC16_9": {1: 30, 2: 43, 3: 43, 4: 43, 5: 43, 13: 43},
    "CTC4_7": {1: 32, 2: 60, 3: 88, 4: 88, 5: 88, 13: 88},
    "STC4_7": {1: 31, 2: 58, 3: 94, 4: 112, 5: 112, 13: 112},
    "CTC4_9": {1: 31, 2: 58, 3: 94, 4: 112, 5: 112, 13: 112},
}
DIGITS = {"STC4_9": 5, "STC16_9": 5, "STC4_7": 4, "CTC4_7": 4, "CTC4_9": 5}
each_algorithm = pytest.mark.parametrize("algorithm", PUBLISHED)


def super_trigger_cell(*args, **parameters):
    """Return a fitted one whose charges pass no front end, to follow them by hand."""
    parameters = {"front_end": None, "dropped_bits": 0, **parameters}
    return fitted(SuperTriggerCell(*args, **parameters))


@each_algorithm
@pytest.mark.parametrize("links", [1, 2, 3, 4, 5, 13])
def test_the_links_have_room_for_the_published_number_of_sums(algorithm, links):
    X = busy_wafers(5)
    chip = super_trigger_cell(algorithm, n_output_links=links)
    cells = FACES if algorithm == "STC16_9" else SQUARES
    n_sent = PUBLISHED[algorithm][links]
    assert chip.supercells_.tolist() == cells[:n_sent]
    assert chip.payload_bits(X).tolist() == [BITS[algorithm][links]] * 5
    assert BITS[algorithm][links] <= 32 * links
    n_numbers = n_sent if algorithm.startswith("CTC") else 2 * n_sent
    assert chip.transform(X).shape == (5, n_numbers)


def test_squares_are_squares_of_neighbors_on_the_wafer():
    distances = hgcal_wafer().ground_distance
    for a, b, c, d in SQUARES:
        sides = distances[[a, b, d, c], [b, d, c, a]]
        np.testing.assert_allclose(sides, 2)


@each_algorithm
def test_sums_keep_their_leading_digits(algorithm):
    X = busy_wafers(50)
    chip = super_trigger_cell(algorithm)
    cells = FACES if algorithm == "STC16_9" else SQUARES
    expected = [
        [leading_digits(row[group].sum(), DIGITS[algorithm]) for group in cells]
        for row in X
    ]
    sums = chip.transform(X)[:, : len(cells)]
    np.testing.assert_array_equal(sums, expected)


# Squares 0 and 11: 70 = 1000110 -> 10001 = 68 or 1000 = 64; 99 = 1100011 -> 96.
HAND = {0: 10, 1: 30, 4: 30, 47: 99}


@pytest.mark.parametrize(
    ("ties", "cell", "place"), [("highest", 4, 2), ("lowest", 1, 1)]
)
def test_a_sum_goes_to_the_cell_of_the_largest_charge(ties, cell, place):
    chip = super_trigger_cell(ties=ties)
    code = chip.transform(wafer(HAND))
    assert code[0, [0, 11, 12, 23]].tolist() == [68, 96, place, 3]
    assert chip.predict(wafer(HAND)).tolist() == wafer({cell: 68, 47: 96}).tolist()


@pytest.mark.parametrize("put_back", [None, "largest"])
@pytest.mark.parametrize(("ties", "cell"), [("highest", 4), ("lowest", 1)])
def test_seven_bits_keep_a_digit_less(ties, cell, put_back):
    chip = super_trigger_cell("STC4_7", ties=ties, put_back=put_back)
    received = chip.predict(wafer(HAND))
    assert received.tolist() == wafer({cell: 64, 47: 96}).tolist()


@pytest.mark.parametrize(("ties", "place"), [("highest", 9), ("lowest", 2)])
def test_a_face_has_an_address_of_four_bits(ties, place):
    # 70 + 60 + 70 = 200 = 11001000 -> 11001 = 200.
    X = wafer({16 + 2: 70, 16 + 5: 60, 16 + 9: 70})
    chip = super_trigger_cell("STC16_9", ties=ties)
    # A face without charge has all its cells tied.
    empty = 15 if ties == "highest" else 0
    assert chip.transform(X)[0].tolist() == [0, 200, 0, empty, place, empty]
    assert chip.predict(X).tolist() == wafer({16 + place: 200}).tolist()


@pytest.mark.parametrize(
    ("algorithm", "share"),
    [("STC4_9", 17), ("STC4_7", 16), ("CTC4_7", 16), ("CTC4_9", 17)],
)
def test_a_sum_may_be_shared_equally(algorithm, share):
    received = super_trigger_cell(algorithm, put_back="equal").predict(wafer(HAND))
    square = dict.fromkeys([0, 1, 4, 5], share)
    assert (
        received.tolist()
        == wafer({**square, **dict.fromkeys([42, 43, 46, 47], 24)}).tolist()
    )


def test_without_addresses_sums_are_shared_equally_and_cannot_go_elsewhere():
    X = busy_wafers(20)
    shared = super_trigger_cell("CTC4_7", put_back="equal").predict(X)
    np.testing.assert_array_equal(super_trigger_cell("CTC4_7").predict(X), shared)
    with pytest.raises(ValueError, match=r"CTC4_7 sends no address.*'equal' or None"):
        super_trigger_cell("CTC4_7", put_back="largest")


def test_the_first_supercells_are_sent_whatever_they_hold():
    X = wafer({21: 8, 22: 100})
    received = super_trigger_cell(n_output_links=2).predict(X)
    # Square 4 is the last of five; 22 is in square 5.
    assert received.tolist() == wafer({21: 8}).tolist()


# 68 stands for 68..71, 96 for 96..99; 64 for 64..71, 96 for 96..103.
@pytest.mark.parametrize(
    ("algorithm", "middles"), [("STC4_9", (70, 98)), ("STC4_7", (68, 100))]
)
def test_the_receiver_may_take_the_middle_of_a_code(algorithm, middles):
    received = super_trigger_cell(algorithm, half_lsb=True).predict(wafer(HAND))
    assert received.tolist() == wafer({4: middles[0], 47: middles[1]}).tolist()


@each_algorithm
@pytest.mark.parametrize("put_back", [None, "equal"])
def test_energy_is_conserved_to_the_precision_of_the_code(algorithm, put_back):
    X = busy_wafers()
    total = X.sum(axis=1)
    chip = {"algorithm": algorithm, "put_back": put_back}
    lowest = super_trigger_cell(**chip).predict(X).sum(axis=1)
    loss = 2.0 ** (1 - DIGITS[algorithm])
    # Shares of a sum are fractions, and add up to it except for rounding.
    assert (lowest <= total * (1 + 1e-12)).all()
    assert (lowest > (1 - loss) * total).all()
    middle = super_trigger_cell(half_lsb=True, **chip).predict(X).sum(axis=1)
    assert (abs(middle - total) <= loss / 2 * total).all()


@pytest.mark.parametrize(
    "geometry", ["line", Geometry([[0.0], [1], [2], [3], [4], [5]])], ids=type
)
def test_elsewhere_supercells_are_cells_that_follow_each_other(geometry):
    X = np.array([[1.0, 2, 3, 4, 5, 6], [5, 5, 0, 0, 0, 0]])
    chip = SuperTriggerCell(front_end=None, geometry=geometry).fit(X)
    assert chip.supercells_.tolist() == [[0, 1, 2, 3], [4, 5, -1, -1]]
    # The last supercell of the second row has no charge, and its address means nothing.
    assert chip.transform(X).tolist() == [[10, 11, 3, 1], [10, 0, 1, 3]]
    assert chip.predict(X).tolist() == [[0, 0, 0, 10, 0, 11], [0, 10, 0, 0, 0, 0]]
    shared = chip.set_params(put_back="equal").predict(X)
    expected = [[2.5, 2.5, 2.5, 2.5, 5.5, 5.5], [2.5, 2.5, 2.5, 2.5, 0, 0]]
    assert shared.tolist() == expected


def test_addresses_that_the_chip_cannot_send_are_refused():
    chip = super_trigger_cell()
    codes = chip.transform(busy_wafers(3))
    codes[2, 12] = 4
    with pytest.raises(ValueError, match=r"addresses below 4; got others in row 2"):
        chip.inverse_transform(codes)


def test_an_address_of_a_cell_that_lacks_is_refused():
    X = np.ones((2, 6))
    chip = SuperTriggerCell(front_end=None, geometry="line").fit(X)
    match = "a cell that the last supercell lacks in row 1"
    with pytest.raises(ValueError, match=match):
        chip.inverse_transform([[4, 2, 3, 1], [4, 2, 3, 2]])
