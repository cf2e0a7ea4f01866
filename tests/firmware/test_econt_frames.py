"""Frames computed by hand, for every branch of the specification.

Codes are those of the input links, 4E3M. With high density, code c below 8 is 8 c + 4
counts, code 8 is 68 and code 127 is 2,031,616; an empty cell is 4 counts. With low
density an empty cell is 1 count.
"""

import numpy as np
import pytest

from skemd.firmware import ChipSettings, EconT, EncoderWeights
from skemd.firmware._chip._best_choice import best_choice_codes
from skemd.firmware._chip._encoder_arithmetic import encode_wafers
from skemd.firmware._chip._front_end import calibrate, expand, to_charges
from skemd.firmware._chip._sorting_network import largest_first
from skemd.firmware._chip._threshold_sum import pack_threshold_sum

ONLY_CELL_0 = [2048] + 47 * [0]


def link_words(*crossings, version="production", first=True):
    """Return input words of crossings, each a dict from cells to codes."""
    rows = []
    for number, codes in enumerate(crossings):
        header = 9 if number == 0 and first else 10
        words = 12 * [header << 28]
        for cell, code in codes.items():
            link, k = divmod(cell, 4)
            words[link] |= code << 7 * (3 - k if version == "production" else k)
        rows.append(words)
    return rows


def sent(chip, *crossings, version="production"):
    """Return the words of the last crossing as one string, trailing zeros taken off."""
    chip = EconT(ChipSettings(**{"version": version} | chip))
    words = chip.run(link_words(*crossings, version=version))[-1]
    text = " ".join(f"{word:08x}" for word in words)
    while text.endswith(" 00000000"):
        text = text.removesuffix(" 00000000")
    return text


# --- The front end


@pytest.mark.parametrize(
    ("code", "high", "low"),
    [
        # e = 0: m << D, and half of the last unit, 1 << (D - 1); D is 3 or 1.
        (0, 4, 1),
        (7, 60, 15),
        # e = 1: (8 + m) << D with the same unit.
        (8, 68, 17),
        (15, 124, 31),
        # e = 2: twice the unit, (8 << 1 << 3) + (1 << 3) and (8 << 1 << 1) + (1 << 1).
        (16, 136, 34),
        # e = 15: (15 << 14 << 3) + (1 << 16) and (15 << 14 << 1) + (1 << 14).
        (127, 2_031_616, 507_904),
    ],
)
def test_codes_expand_to_the_middle(code, high, low):
    assert (expand(code, True), expand(code, False)) == (high, low)


def test_the_calibration_rounds_down():
    # 68 x 1365 / 2048 = 45.3; the largest needs 22 bits: 992 x 4095.
    factors = np.full(48, 2048)
    factors[:3] = 1365, 4095, 0
    counts = np.full((1, 48), 68)
    counts[0, 1] = 2_031_616
    assert calibrate(counts, factors)[0, :4].tolist() == [45, 4_062_240, 0, 68]


def test_the_multiplexer_may_repeat_cells():
    mux = np.array([5, 5] + 46 * [7])
    words = np.array(link_words({5: 8, 7: 1}), dtype=np.uint32)
    charges = to_charges(
        words, mux, np.full(48, 2048), high_density=True, version="production"
    )
    assert charges[0].tolist() == [68, 68] + 46 * [12]


def test_the_versions_read_the_cells_of_a_word_in_opposite_order():
    # Codes 1, 2, 3, 4 in the order in which they are sent, on link 1.
    word = 10 << 28 | 1 << 21 | 2 << 14 | 3 << 7 | 4
    words = np.full((1, 12), 10 << 28, dtype=np.uint32)
    words[0, 1] = word
    found = {
        version: to_charges(
            words,
            np.arange(48),
            np.full(48, 2048),
            high_density=True,
            version=version,
        )[0, 4:8].tolist()
        for version in ("prototype", "production")
    }
    # 8 c + 4.
    assert found == {"production": [12, 20, 28, 36], "prototype": [36, 28, 20, 12]}


def test_headers_count_crossings_of_the_orbit():
    chip = EconT(ChipSettings("repeater"))
    n = 3570
    words = np.full((n, 12), 10 << 28, dtype=np.uint32)
    # Only link 0 counts.
    words[5, 1] = 9 << 28
    words[100, 0] = 9 << 28
    headers = chip.run(words)[:, 0] >> 27
    assert headers[:3].tolist() == [31, 1, 2]
    assert headers[14:18].tolist() == [14, 15, 0, 1]
    assert headers[99:102].tolist() == [99 % 16, 31, 1]
    # Without a mark before: 3563 is 11 modulo 16, and then it begins again.
    words[100, 0] = 10 << 28
    headers = chip.run(words)[:, 0] >> 27
    assert headers[3562:3566].tolist() == [10, 11, 31, 1]


def test_short_headers_have_three_bits_of_the_counter():
    chip = EconT(ChipSettings("best_choice"))
    headers = chip.run(link_words(*10 * [{}]))[:, 0] >> 28
    assert headers.tolist() == [15, 1, 2, 3, 4, 5, 6, 7, 0, 1]


# --- Repeater


# 2,031,616 >> 3 = 253,952 has 18 bits: e = 15, and behind its leading one 111: code
# 127. 12 >> 3 = 1 of cell 47 lies at bits 334 to 340: bit 20 of word 10, 1 << 11. 68 >>
# 3 = 8 has 4 bits: e = 1, m = 0: code 8, bits 5 to 11 of word 0: 8 << 20.
@pytest.mark.parametrize(
    ("crossings", "expected"),
    [
        ([{}], "f8000000"),
        ([{}, {}], "08000000"),
        ([{0: 127}], "fff00000"),
        ([{0: 8}], "f8800000"),
        ([{47: 1}], "f8000000" + 9 * " 00000000" + " 00000800"),
    ],
)
def test_repeater(crossings, expected):
    assert sent({"algorithm": "repeater"}, *crossings) == expected


def test_links_that_are_not_enabled_are_silent():
    # 48 codes of 8, 0001000, behind five ones: 1111 1000 1000 0001 0000 0010 0000 0100,
    # 0000 1000 0001 ... The third link is the last one.
    crossing = dict.fromkeys(range(48), 8)
    chip = {"algorithm": "repeater", "n_links": 3}
    assert sent(chip, crossing) == "f8810204 08102040 81020408"


@pytest.mark.parametrize(("drop", "code"), [(0, 127), (5, 127), (7, 127), (4, 120)])
def test_dropping_five_to_seven_bits_drops_none(drop, code):
    # 2,031,616 saturates 4E3M if undropped. Without its lowest four bits it is 126,976:
    # 17 bits, e = 14, and 111 behind the leading one: 14 << 3 | 7 = 119.
    code = 119 if drop == 4 else code
    chip = {"algorithm": "repeater", "drop_lsb": drop, "calibration": ONLY_CELL_0}
    assert sent(chip, {0: 127}) == f"{31 << 27 | code << 20:08x}"


# --- Super trigger cells


@pytest.mark.parametrize(
    ("stc_type", "n_links", "crossings", "expected"),
    [
        # Two sums of four. Four equal charges of 4: the highest place, 3; 16 has 5
        # bits: e = 1, m = 0: 16. Cell 5 has 68: place 1; 80 = 1010000b: e = 3, m =
        # 0100b: 52. 1111 11 01 000010000 000110100 000000
        (0, 1, [{5: 8}], "fd080d00"),
        # Four links carry 11 sums, 4 + 22 + 99 bits: 1111, 11 times 11, 11 times
        # 000010000, which is 1 << 4 nine bits apart: ends at bits 35, 44, ... 125.
        (0, 4, [{}], "ffffffc2 01008040 20100804 02010080"),
        # Six links are more than any sums need.
        (0, 6, [{5: 8}], "00000000"),
        # Three sums of sixteen, the first two of them; 16 cells of 4 are 64 = 1000000b:
        # e = 3, m = 0: 48. Cell 20 has 20: 80, which is 52 as above, at place 4.
        # Second crossing: 0001 1111 0100 000110000 000110100 00
        (1, 1, [{}, {20: 2}], "1f4180d0"),
        # Two links carry all three: 1111 1111 1111 1111 000110000 000110000 000110000
        (1, 2, [{}], "ffff180c 06000000"),
        (1, 3, [{}], "00000000"),
        # No addresses; sums without three bits as 4E3M: 16 >> 3 = 2, and four times
        # 2,031,616 >> 3 = 1,015,808 saturates: 1111 1111111 0000010 0000010 0000010.
        (2, 1, [{0: 127, 1: 127, 2: 127, 3: 127}], "ffe08102"),
        # 68 + 4 + 68 + 4 = 144 >> 3 = 18 = 10010b: e = 2, m = 001b: 17. Of the two
        # cells with 68 the one at place 2 counts. 1111 11 10 11 0000010 0010001 0000010
        # 0
        (3, 1, [{4: 8, 6: 8}], "fec11104"),
        # No addresses, nine bits: 1111 000010000 000010000 000010000 0
        (4, 1, [{}], "f0804020"),
    ],
)
def test_super_trigger_cells(stc_type, n_links, crossings, expected):
    chip = {
        "algorithm": "super_trigger_cell",
        "stc_type": stc_type,
        "n_links": n_links,
    }
    assert sent(chip, *crossings) == expected


def test_sums_of_low_density_wafers():
    # 1 count a cell, four of them. Seven bits: 4 >> 1 = 2, as with high density.
    chip = {"algorithm": "super_trigger_cell", "high_density": False, "n_links": 1}
    # 1111 0000010 0000010 0000010 0000010
    assert sent({**chip, "stc_type": 2}, {}) == "f0408102"
    # 1111 11 11 000000100 000000100 000000: nothing is dropped of nine bits.
    assert sent({**chip, "stc_type": 0}, {}) == "ff020100"


def test_the_largest_charge_counts_not_its_code():
    # Cell 0: 68 x 2100 / 2048 = 69, cell 1: 68. Both have code 8, and by codes the tie
    # would be cell 1's. 69 + 68 + 4 + 4 = 145 = 10010001b: e = 4, m = 0010b: 66.
    # 1111 00 11 001000010 000010000 000000
    chip = {"algorithm": "super_trigger_cell", "n_links": 1}
    chip["calibration"] = [2100] + 47 * [2048]
    assert sent(chip, {0: 8, 1: 8}) == "f3210400"


# --- Best Choice


@pytest.mark.parametrize(
    ("chip", "crossings", "expected"),
    [
        # Empty cells are 4 >> 3 = 0 and all equal, so nothing moves: cell 0 is sent.
        ({"n_links": 1}, [{}], "f0000000"),
        # 1111 00000000 000111 1111111 0000000
        ({"n_links": 1}, [{7: 127}], "f001ff80"),
        # The sum of all: 253,952 as 5E3M: e = 15, m = 7: 127.
        ({"n_links": 1, "use_sum": True}, [{7: 127}], "f7f1ff80"),
        # Not sent: 8 of cell 9 (68 >> 3), code 8. 0001 00001000 000111 1111111 0000000
        ({"n_links": 1}, [{}, {7: 127, 9: 8}], "1081ff80"),
        # Nothing dropped, so that 4,062,240 is clipped to 262,143, 18 ones: sum 127;
        # the sum of the unclipped would be 159. 1111 01111111 000000 1111111 0000000
        (
            {
                "n_links": 1,
                "use_sum": True,
                "drop_lsb": 0,
                "calibration": [4095] + 47 * [0],
            },
            [{0: 127}],
            "f7f03f80",
        ),
        # Four cells on two links: addresses rising, charges of 8 each. 1111 00000000
        # 000011 001010 010100 101000 0001000 0001000 0001000 0001000
        ({"n_links": 2}, [{3: 8, 40: 8, 20: 8, 10: 8}], "f000ca52 81020408"),
        # Nine cells on four links, a map: nine ones from its start, or at its end.
        ({"n_links": 4, "version": "prototype"}, [{}], "f00ff800"),
        ({"n_links": 4}, [{}], "f0000000 00001ff0"),
        # All 48 on 13 links; none is left for the sum.
        ({"n_links": 13}, [{0: 8}], "f00fffff fffffff1 00000000"),
    ],
)
def test_best_choice(chip, crossings, expected):
    chip = {"algorithm": "best_choice", **chip}
    version = chip.get("version", "production")
    assert sent(chip, *crossings, version=version) == expected.removesuffix(" 00000000")


def test_best_choice_sends_as_many_cells_as_fit():
    numbers = []
    for n_links in range(1, 14):
        chip = EconT(ChipSettings("best_choice", n_links=n_links))
        words = chip.run(link_words({}))
        numbers.append(chip.unpack(words)["codes"].shape[1])

        def bits(n):
            # Header, sum, addresses or a map, charges.
            return 4 + 8 + min(6 * n, 48) + 7 * n

        assert bits(numbers[-1]) <= 32 * n_links
        assert numbers[-1] == 48 or bits(numbers[-1] + 1) > 32 * n_links
    assert numbers == [1, 4, 6, 9, 14, 18, 23, 28, 32, 37, 41, 46, 48]


def test_ties_go_as_the_network_has_them():
    # Cell 32 has 5, cells 0 and 1 have 3. Step (0, 32) puts cell 0's 3 to place 32,
    # from where (16, 32), (8, 16), (4, 8) and (2, 4) bring it to place 2, behind cell
    # 1.
    charges = np.zeros((1, 48), dtype=np.int64)
    charges[0, [0, 1, 32]] = 3, 3, 5
    keys, addresses = largest_first(charges.T.astype(np.int32))
    assert keys[:4, 0].tolist() == [5, 3, 3, 0]
    assert addresses[:3, 0].tolist() == [32, 1, 0]
    cells, *_ = best_choice_codes(charges, 2, dropped_bits=0, sum_all=False)
    assert cells.tolist() == [[1, 32]]


def test_the_network_sorts():
    rng = np.random.default_rng(0)
    keys = rng.integers(2**18, size=(48, 500)).astype(np.int32)
    found, addresses = largest_first(keys)
    np.testing.assert_array_equal(found, -np.sort(-keys, axis=0))
    np.testing.assert_array_equal(np.take_along_axis(keys, addresses, axis=0), found)


# --- Threshold sum

IDLE = "f922"


def halves(chip, *crossings, version="production"):
    """Return the words of 16 bits of every crossing."""
    settings = {"algorithm": "threshold_sum", "thresholds": 48 * [5]}
    chip = EconT(ChipSettings(**settings | {"version": version} | chip))
    words = chip.run(link_words(*crossings, version=version))
    n_links = chip.settings.n_links
    assert not words[:, n_links:].any()
    texts = ["".join(f"{word:08x}" for word in row[:n_links]) for row in words]
    return [[text[i : i + 4] for i in range(0, len(text), 4)] for text in texts]


# 68 of eight cells and the map: 64 + 56 bits. 8 times 0001000, and a byte of zeros.
EIGHT = "1020 4081 0204 0800"


@pytest.mark.parametrize(
    ("chip", "codes", "expected"),
    [
        # 48 x 4 = 192 = 11000000b are not sent: e = 5, m = 100b: 44.
        # 11111 000 00101100
        ({}, {}, "f82c"),
        # 47 x 4 = 188 = 10111100b: e = 5, m = 011b: 43. 68 >> 3 = 8: code 8.
        # 11111 010 00101011  001 000101 0001000
        ({}, {5: 8}, "fa2b 2288"),
        # The sum of all: 256 = 1 << 8: e = 6, m = 0: 48.
        ({"use_sum": True}, {5: 8}, "fa30 2288"),
        # A charge equal to the threshold is sent, one below is not.
        ({"thresholds": 48 * [68]}, {5: 8}, "fa2b 2288"),
        ({"thresholds": 48 * [69]}, {5: 8}, "f830"),
        # Two: 46 x 4 = 184 = 10111000b: 43. 010 000000 101111 0001000 0001000 000
        ({}, {0: 8, 47: 8}, "fa2b 405e 2040"),
        # Seven, 164 = 10100100b: e = 5, m = 010b: 42. 3 + 42 + 49 bits:
        # 111 000000 000001 0|00010 000011 00010|0 000101 000110 000|1000 0001000 00010|
        # 00 0001000 0001000|0001000 0001000 00
        (
            {},
            dict.fromkeys(range(7), 8),
            "fa2a e002 1062 0a30 8102 0408 1020",
        ),
        # Eight, 160 = 10100000b: 42. The map begins with cell 47, or with cell 0.
        ({}, dict.fromkeys(range(8), 8), f"fc2a 0000 0000 00ff {EIGHT}"),
        (
            {"version": "prototype"},
            dict.fromkeys(range(8), 8),
            f"fc2a ff00 0000 0000 {EIGHT}",
        ),
        # All of an empty wafer: nothing is left for the sum, codes are zero.
        ({"thresholds": 48 * [4]}, {}, "fc00 ffff ffff ffff" + 21 * " 0000"),
    ],
)
def test_threshold_sum(chip, codes, expected):
    version = chip.get("version", "production")
    (row,) = halves(chip, codes, version=version)
    expected = expected.split()
    assert row == expected + (26 - len(expected)) * [IDLE]


def test_sums_of_the_threshold_sum_keep_their_lowest_bits():
    # 48 x 4 + 4 = 196; dropped by three bits and put back it would be 24 x 8 = 192, or
    # zero, 4 >> 3 for each. 5E3M of 68 = 1000100b: e = 4, m = 000b: 32.
    chip = {"calibration": ONLY_CELL_0, "thresholds": 48 * [69]}
    (row,) = halves(chip, {0: 8})
    assert row[0] == f"{31 << 11 | 32:04x}"


def test_the_lengths_of_frames():
    charges = np.tril(np.full((49, 48), 100), k=-1)
    frames = pack_threshold_sum(
        charges,
        np.arange(49),
        np.full(48, 1),
        dropped_bits=0,
        sum_all=False,
        version="production",
    )
    # 16 + 3 + 13 n bits, then 64 + 7 n.
    expected = [1, 2, 3, 4, 5, 6, 7, 7]
    expected += [8, 8, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 15]
    expected += [16, 16, 17, 17, 18, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 22]
    expected += [23, 23, 24, 24, 25, 25, 25]
    assert frames.lengths.tolist() == expected


# Frames of 25 words: every cell of an empty wafer.
ALL_SENT = {"thresholds": 48 * [4]}


@pytest.mark.parametrize(
    ("limits", "first"),
    [
        # F + N = 25 is not above T1.
        ((25, 500, 0), "fc00"),
        # Cut: 11111 110 and the sum of all, 192: 44.
        ((24, 500, 0), "fe2c"),
    ],
)
def test_the_first_limit(limits, first):
    t1, t2, t3 = limits
    chip = {**ALL_SENT, "n_links": 1, "t1": t1, "t2": t2, "t3": t3}
    (row,) = halves(chip, {})
    assert row == [first, "ffff" if first == "fc00" else IDLE]


@pytest.mark.parametrize(
    ("t2", "t3", "second"),
    [
        # 23 words wait, not more than T2: the frame is stored.
        (23, 25, "0c00"),
        # More than T2, and the frame has no more than T3 words: 00001 111 00101100.
        (22, 25, "0f2c"),
        # A larger frame is kept.
        (22, 24, "0c00"),
    ],
)
def test_the_second_and_third_limit(t2, t3, second):
    chip = {**ALL_SENT, "n_links": 1, "t1": 500, "t2": t2, "t3": t3}
    rows = halves(chip, *12 * [{}], {})
    stream = [half for row in rows for half in row]
    # Two words a crossing: the second frame begins with the 26th word.
    assert stream[0] == "fc00"
    assert stream[25] == second


def test_what_is_missing_is_filled_with_idle_words_of_the_crossing():
    # Frames of 1 and 2 words on 2 links; then 25 words, which take seven crossings.
    chip = {"n_links": 2, "idle_pattern": 0x7FF}
    wafer = dict.fromkeys(range(48), 8)
    rows = halves(chip, {}, {5: 8}, wafer, *8 * [{}])
    assert rows[0] == ["f82c", "ffff", "ffff", "ffff"]
    # Header 1: 00001 010 00101011 and 00001 11111111111.
    assert rows[1] == ["0a2b", "2288", "0fff", "0fff"]
    # All cells: 00010 100 00000000, and codes of 0001000.
    assert rows[2] == ["1400", "ffff", "ffff", "ffff"]
    assert rows[3] == ["1020", "4081", "0204", "0810"]
    # Sixteen codes fill seven words, so that the last of 21 is the seventh. Then the
    # frames that have waited, of crossings 3 to 5. By crossing 10 nothing waits.
    assert rows[8][0] == "0408"
    assert rows[8][1:] == ["182c", "202c", "282c"]
    assert rows[9] == ["302c", "382c", "402c", "482c"]
    assert rows[10] == ["502c", "57ff", "57ff", "57ff"]


def test_a_cut_frame_and_an_empty_buffer():
    # T1 below 2 L: the word that is left, and idle words behind it.
    rows = halves({**ALL_SENT, "n_links": 13, "t1": 24}, {}, {})
    assert rows[0] == ["fe2c"] + 25 * [IDLE]
    # Header 1: 00001 110 00101100 and 00001 00100100010.
    assert rows[1] == ["0e2c"] + 25 * ["0922"]


def test_the_prototype_keeps_474_words():
    # 25 words a crossing come and 2 go, so that frame k begins at position 23 k. Frame
    # 20 begins at 460: its words from the 15th on lie at 474 and above, and come out as
    # zeros. Frame 21 is cut, 483 + 25 > 505, and its word at 483 is zero as well.
    chip = {"n_links": 1, "t1": 505, "t2": 510, "t3": 0}
    wafers = 270 * [dict.fromkeys(range(48), 127)]
    found = {}
    for room in ("version", None):
        rows = halves({**chip, "buffer_room": room}, *wafers, version="prototype")
        found[room] = [half for row in rows for half in row]
    begin = 20 * 25
    assert found["version"][: begin + 14] == found[None][: begin + 14]
    assert found["version"][begin + 14 : begin + 26] == 12 * ["0000"]
    # Ones throughout but for the zeros behind 64 + 336 bits, which fill 25 words.
    assert found[None][begin + 14 : begin + 25] == 11 * ["ffff"]
    # 21 % 16 = 5: 00101 110 and the sum of 48 x 2,031,616 = 97,517,568, 27 bits, e =
    # 24, m = 011b: 195.
    assert found[None][begin + 25] == "2ec3"
    production = halves(chip, *wafers)
    assert "0000" not in [half for row in production for half in row]


# --- Autoencoder


def weights(**values):
    """Return weights that are zero but for those given by tensor and place."""
    tensors = {
        "conv_kernel": np.zeros((3, 3, 8), dtype=np.int64),
        "conv_bias": np.zeros(8, dtype=np.int64),
        "dense_kernel": np.zeros((128, 16), dtype=np.int64),
        "dense_bias": np.zeros(16, dtype=np.int64),
    }
    for name, places in values.items():
        for place, value in places.items():
            tensors[name][place] = value
    return EncoderWeights(**tensors)


def codes_of(charges, tensors):
    wafer = np.zeros((1, 48), dtype=np.int64)
    for cell, charge in charges.items():
        wafer[0, cell] = charge
    return encode_wafers(wafer, tensors)[0]


def test_every_product_is_rounded_down_by_itself():
    # One cell of 2,176: its pixel is 2176 x 128 / 2048 = 136. 136 x -1 / 32 = -4.25
    # becomes -5; with the bias 2 << 2 the output is 3. 3 x -3 / 16 = -0.56 becomes -1;
    # with the bias 1 << 3 the code is 7.
    tensors = weights(
        conv_kernel={(0, 0, 0): -1},
        conv_bias={0: 2},
        dense_kernel={(0, 0): -3},
        dense_bias={0: 1},
    )
    assert codes_of({0: 2176}, tensors)[0] == 7
    # Two products of -4.25 are -10, not -9: the second cell lies to the right.
    tensors.conv_kernel[0, 1, 0] = -1
    # 68 x -1 / 32 = -2.1 each, -3: 8 - 6 = 2; 2 x -3 / 16 is -1 again.
    tensors.dense_kernel[0, 0] = 16
    assert codes_of({0: 2176, 1: 2176}, tensors)[0] == 8 + 2


@pytest.mark.parametrize(
    ("cell", "output", "tap"),
    [
        # Cell 0 is the first pixel, under the first tap of the first output.
        (0, (0, 0), (0, 0)),
        # Cell 9 is in row 1, column 1.
        (9, (0, 0), (1, 1)),
        # Cell 31 in row 3, column 7: output (1, 3) begins at (2, 6).
        (31, (1, 3), (1, 1)),
        # Cell 32 begins the lower quarter: row 4, column 0.
        (32, (2, 0), (0, 0)),
        # Cell 47 in row 7, column 3: output (3, 1) begins at (6, 2).
        (47, (3, 1), (1, 1)),
        # Cell 18 in row 2, column 2, is the last tap of output (0, 0) as well.
        (18, (0, 0), (2, 2)),
    ],
)
def test_where_the_cells_lie_in_the_image(cell, output, tap):
    row, column = output
    # 128 x 16 / 32 = 64 of filter 5; 64 x 16 / 16 = 64.
    place = (4 * row + column) * 8 + 5
    tensors = weights(conv_kernel={(*tap, 5): 16}, dense_kernel={(place, 3): 16})
    codes = codes_of({cell: 4096}, tensors)
    assert codes.tolist() == [64 if number == 3 else 0 for number in range(16)]


def test_codes_saturate_at_both_ends():
    # A bias of 31 << 2 = 124 for filter 0 at all sixteen places: 124 x 31 / 16 = 240
    # each, 3,840 in all; 31 << 3 = 248 more. The other way round -241 each.
    every = {(8 * place, 15): 31 for place in range(16)}
    every |= {(8 * place, 14): -31 for place in range(16)}
    tensors = weights(
        conv_bias={0: 31}, dense_kernel=every, dense_bias={15: 31, 14: 31}
    )
    codes = codes_of({0: 1}, tensors)
    assert codes[14:].tolist() == [0, 511]
    # Negative outputs of the convolution are zero before the dense layer.
    tensors.conv_bias[0] = -32
    assert codes_of({0: 1}, tensors)[14:].tolist() == [248, 248]


def test_pixels_of_faint_and_empty_wafers():
    # A sum of 3 is above 2: 3 x 128 / 2 = 192, shifted up. 192 x 32 / 32 = 192 ...
    tensors = weights(conv_kernel={(0, 0, 0): -32}, conv_bias={0: 31})
    tensors.conv_kernel[0, 0, 1] = 31
    tensors.dense_kernel[1, 0] = 16
    # ... here x 31 / 32 = 186.
    assert codes_of({0: 3}, tensors)[0] == 186
    # 255 is the largest pixel: 2047 / 1024 x 128. 255 x 31 / 32 = 247.
    assert codes_of({0: 2047}, tensors)[0] == 247
    # No charge, no pixel.
    assert codes_of({}, tensors)[0] == 0


# The same weights for all frames: OUT_0 = 7, OUT_15 = 511 and OUT_5 = 19 from biases
# and the sixteen outputs of 124. 2 << 3 = 16 and 124 x 1 / 16 = 7 of one place: 23.
FRAME_WEIGHTS = weights(
    conv_bias={0: 31},
    dense_kernel={(0, 0): 1, (0, 5): 1, **{(8 * i, 15): 31 for i in range(16)}},
    dense_bias={5: 2},
)


@pytest.mark.parametrize(
    ("chip", "expected"),
    [
        # The sum, 2,176 = 100010000000b: e = 8, m = 0001b: 129. 11111 010000001 and
        # 146 bits: two zeros, OUT_15 ... OUT_0. OUT_15 fills bits 16 to 24 of word 0;
        # OUT_5, nine bits before the last 45, bits 160 - 54 = 106 to 114, 23 << (127 -
        # 114) in word 3; OUT_0 ends word 4.
        ({"n_links": 5}, "fa04ff80 00000000 00000000 0002e000 00000007"),
        ({"n_links": 13}, "fa04ff80 00000000 00000000 0002e000 00000007"),
        # 50 bits: OUT_4 ... OUT_0, and the last five bits of OUT_5, 10111b, in front:
        # bits 14 to 18 of word 0, 23 << 13.
        ({"n_links": 2}, "fa06e000 00000007"),
        # 18 bits: OUT_1 and OUT_0.
        ({"n_links": 1}, "fa040007"),
        # The top three bits of each: 48 of 50, two zeros in front. OUT_15 gives 111.
        (
            {"n_links": 2, "keep_mask": sum(0b111000000 << 9 * i for i in range(16))},
            "fa04e000",
        ),
        # The lowest bit of each: 34 zeros in front, bits 48 to 63: OUT_15, OUT_5,
        # OUT_0.
        (
            {"n_links": 2, "keep_mask": sum(1 << 9 * i for i in range(16))},
            "fa040000 00008021",
        ),
        ({"n_links": 3, "keep_mask": 0}, "fa040000"),
    ],
)
def test_the_frame_of_the_code(chip, expected):
    chip = {"algorithm": "autoencoder", "weights": FRAME_WEIGHTS, **chip}
    # Code 48: e = 6: (8 << 5 << 3) + (1 << 7) = 2,176.
    assert sent({**chip, "calibration": ONLY_CELL_0}, {0: 48}) == expected


def test_the_frame_of_a_wafer_without_charge():
    # Only the module sum changes.
    chip = {"algorithm": "autoencoder", "weights": FRAME_WEIGHTS, "n_links": 1}
    assert sent({**chip, "calibration": 48 * [0]}, {0: 48}) == "f8000007"
