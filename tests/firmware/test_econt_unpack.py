"""What a receiver reads from the words, against what went in."""

import numpy as np
import plain_econt
import pytest
from random_chips import random_settings, random_weights, random_words

from skemd.firmware import ChipSettings, EconT, FloatCode
from skemd.firmware._chip._encoder_arithmetic import encode_wafers

SIZES = {"repeater": 48, "best_choice": 14, "super_trigger_cell": 12}


def charges_of(chip, words):
    return np.array(
        [plain_econt.charges_of(row, chip.settings) for row in words.tolist()]
    )


def floor_of(charges, code, dropped=0):
    """Return the lowest charge with the same code, by the definition of the code."""
    decoded = [
        plain_decoded(
            plain_econt.floated(
                int(x) >> dropped, code.exponent_bits, code.mantissa_bits
            ),
            code,
        )
        << dropped
        for x in np.ravel(charges)
    ]
    return np.reshape(decoded, np.shape(charges))


def plain_decoded(value, code):
    exponent, mantissa = divmod(value, 2**code.mantissa_bits)
    if exponent == 0:
        return mantissa
    return (2**code.mantissa_bits + mantissa) * 2 ** (exponent - 1)


@pytest.mark.parametrize("version", ["prototype", "production"])
def test_best_choice(version):
    rng = np.random.default_rng(1)
    for n_links in (1, 3, 4, 5, 13):
        chip = EconT(
            random_settings("best_choice", rng, version=version, n_links=n_links)
        )
        words = random_words(60, rng)
        frames = chip.unpack(chip.run(words))
        kept = np.minimum(
            charges_of(chip, words) >> chip.settings.dropped_bits, 2**18 - 1
        )
        addresses = frames["addresses"]
        assert (np.diff(addresses, axis=1) > 0).all()
        sent = np.take_along_axis(kept, addresses, axis=1)
        drop = chip.settings.dropped_bits
        np.testing.assert_array_equal(
            frames["charges"], floor_of(sent, FloatCode(4, 3)) << drop
        )
        rest = kept.sum(axis=1)
        if not chip.settings.use_sum:
            rest = rest - sent.sum(axis=1)
        np.testing.assert_array_equal(
            frames["sum"], floor_of(rest, FloatCode(5, 3)) << drop
        )


@pytest.mark.parametrize("stc_type", range(5))
def test_super_trigger_cells(stc_type):
    rng = np.random.default_rng(2)
    options = {"stc_type": stc_type, "n_links": 2, "version": "production"}
    chip = EconT(random_settings("super_trigger_cell", rng, **options))
    words = random_words(60, rng)
    frames = chip.unpack(chip.run(words))
    size = 16 if stc_type == 1 else 4
    n_sums = frames["codes"].shape[1]
    groups = charges_of(chip, words).reshape(60, -1, size)[:, :n_sums]
    seven = stc_type in (2, 3)
    code = FloatCode(4, 3) if seven else FloatCode(5, 4)
    drop = chip.settings.dropped_bits if seven else 0
    expected = floor_of(groups.sum(axis=2), code, drop)
    np.testing.assert_array_equal(frames["charges"], expected)
    assert ("addresses" in frames) == (stc_type in (0, 1, 3))
    if "addresses" in frames:
        largest = np.take_along_axis(groups, frames["addresses"][..., None], axis=2)
        np.testing.assert_array_equal(largest[..., 0], groups.max(axis=2))


def test_links_that_no_super_trigger_cell_needs():
    chip = EconT(ChipSettings("super_trigger_cell", n_links=13))
    frames = chip.unpack(chip.run(chip.link_words(np.ones((3, 48)))))
    assert frames["codes"].shape == (3, 0)


@pytest.mark.parametrize("version", ["prototype", "production"])
def test_threshold_sum_with_frames_over_many_crossings(version):
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(60):
        chip = EconT(
            random_settings("threshold_sum", rng, version=version, buffer_room=None)
        )
        words = random_words(80, rng)
        frames = chip.unpack(chip.run(words))
        kinds, n_sent = frames["kind"], frames["n_sent"]
        seen |= set(kinds.tolist())
        n = len(kinds)
        charges = charges_of(chip, words)[:n]
        sent = charges >= chip.settings.thresholds
        cut = kinds >= 6
        np.testing.assert_array_equal(n_sent, np.where(cut, 0, sent.sum(axis=1)))
        summed = np.where(
            sent & ~cut[:, None] & (not chip.settings.use_sum), 0, charges
        )
        np.testing.assert_array_equal(
            frames["sum"], floor_of(summed.sum(axis=1), FloatCode(5, 3))
        )
        rows, places = np.nonzero(np.arange(48) < n_sent[:, None])
        cells = frames["addresses"][rows, places]
        rows_sent, cells_sent = np.nonzero(sent & ~cut[:, None])
        np.testing.assert_array_equal(rows, rows_sent)
        np.testing.assert_array_equal(cells, cells_sent)
        found = frames["charges"][rows, places]
        drop = chip.settings.dropped_bits
        expected = floor_of(charges[rows_sent, cells_sent], FloatCode(4, 3), drop)
        np.testing.assert_array_equal(found, expected)
        behind = np.arange(48) >= n_sent[:, None]
        assert (frames["addresses"][behind] == -1).all()
        assert not frames["codes"][behind].any()
    assert seen == {0, 2, 4, 6, 7}


def test_idle_words_that_look_like_frames():
    # Eleven zeros are a frame without cells, too; the crossing tells them apart.
    chip = EconT(ChipSettings("threshold_sum", thresholds=48 * [5], idle_pattern=0))
    X = np.zeros((20, 48))
    X[::3, :12] = 500
    frames = chip.unpack(chip.run(chip.link_words(X)))
    assert len(frames["kind"]) == 20
    assert frames["n_sent"].tolist() == [12 if row % 3 == 0 else 0 for row in range(20)]


def test_bits_behind_the_last_charge_are_none():
    # Eight cells fill 120 bits of eight words; the last eight bits mean nothing.
    chip = EconT(ChipSettings("threshold_sum", n_links=4, thresholds=48 * [60]))
    X = np.zeros((1, 48))
    X[0, :8] = 68
    words = chip.run(chip.link_words(X))
    frames = chip.unpack(words)
    words[0, 3] |= 0xFF
    np.testing.assert_equal(chip.unpack(words), frames)


def test_frames_that_are_still_waiting_are_left_out():
    chip = EconT(ChipSettings("threshold_sum", n_links=1, thresholds=48 * [4], t1=500))
    frames = chip.unpack(chip.run(chip.link_words(np.zeros((30, 48)))))
    # 60 words were sent, of frames of 25.
    assert frames["n_sent"].tolist() == [48, 48]


def test_streams_that_begin_elsewhere_are_refused():
    chip = EconT(ChipSettings("threshold_sum", n_links=2, thresholds=48 * [5]))
    X = np.zeros((40, 48))
    X[:, :20] = 900
    words = chip.run(chip.link_words(X))
    with pytest.raises(ValueError, match=r"crossing \d+ do not begin a frame"):
        chip.unpack(words[7:])
    words[0, 0] ^= 1 << 24
    with pytest.raises(
        ValueError, match=r"crossing 0 .*: there is no frame of kind 101"
    ):
        chip.unpack(words)


def test_a_prototype_that_has_lost_words_is_refused():
    chip = EconT(
        ChipSettings(
            "threshold_sum",
            version="prototype",
            n_links=1,
            thresholds=48 * [4],
            t1=505,
            t2=510,
        )
    )
    words = chip.run(chip.link_words(np.full((400, 48), 5000)))
    with pytest.raises(ValueError, match="rises above 474 words sends zeros"):
        chip.unpack(words)


def test_maps_of_another_number_of_cells_are_refused():
    chip = EconT(ChipSettings("best_choice", n_links=5))
    words = chip.run(chip.link_words(np.ones((5, 48))))
    words[3, 1] ^= 1 << 31
    with pytest.raises(ValueError, match=r"Crossing 3 .* names 1[35] cells, not 14"):
        chip.unpack(words)


def test_the_code_comes_back_as_far_as_it_is_kept():
    rng = np.random.default_rng(5)
    weights = random_weights(rng)
    words = random_words(100, rng)
    masks = [2**144 - 1, sum(0b111100000 << 9 * i for i in range(16))]
    masks.append(int.from_bytes(rng.bytes(18), "big"))
    for mask in masks:
        chip = EconT(ChipSettings("autoencoder", weights=weights, keep_mask=mask))
        charges = charges_of(chip, words)
        codes = encode_wafers(charges, weights)
        kept = np.array([mask >> 9 * number & 511 for number in range(16)])
        frames = chip.unpack(chip.run(words))
        np.testing.assert_array_equal(frames["codes"], codes & kept)
        expected = floor_of(charges.sum(axis=1), FloatCode(5, 4))
        np.testing.assert_array_equal(frames["sum"], expected)


def test_bits_that_had_no_room_come_back_as_zeros():
    rng = np.random.default_rng(6)
    weights = random_weights(rng)._replace(dense_bias=np.full(16, 31))
    words = random_words(20, rng)
    frames = {}
    for n_links in (2, 5):
        chip = EconT(ChipSettings("autoencoder", weights=weights, n_links=n_links))
        frames[n_links] = chip.unpack(chip.run(words))["codes"]
    # 50 bits: five numbers and the lower five bits of the sixth.
    kept = np.array(5 * [511] + [31] + 10 * [0])
    np.testing.assert_array_equal(frames[2], frames[5] & kept)


def test_the_repeater_on_few_links():
    X = np.arange(48)[None] * 100
    full = EconT(ChipSettings("repeater"))
    codes = full.unpack(full.run(full.link_words(X)))["codes"]
    # (32 - 5) // 7 on one link; the eleventh word holds the rest of the 48.
    for n_links, n_cells in ((1, 3), (2, 8), (10, 45), (11, 48)):
        chip = EconT(ChipSettings("repeater", n_links=n_links))
        found = chip.unpack(chip.run(chip.link_words(X)))["codes"]
        np.testing.assert_array_equal(found, codes[:, :n_cells])


def test_the_middle_of_what_has_a_code():
    chip = EconT(ChipSettings("repeater"))
    # Codes 0, 1, 8 + 7 and 2 << 3: the units are 8 counts, 8 and 16.
    X = np.zeros((1, 48), dtype=int)
    X[0, :4] = 0, 8, 120, 128
    words = chip.run(chip.link_words(X))
    lowest = chip.unpack(words)["charges"]
    middle = chip.unpack(words, half_lsb=True)["charges"]
    assert lowest[0, :4].tolist() == [0, 8, 120, 128]
    assert middle[0, :4].tolist() == [0, 12, 124, 136]
    # Sums of the autoencoder drop nothing: 48 x 4 = 192 is 12 << 4, of a unit of 8.
    zeros = random_weights(np.random.default_rng(0))
    chip = EconT(ChipSettings("autoencoder", weights=zeros))
    words = chip.run(chip.link_words(np.zeros((1, 48))))
    assert chip.unpack(words)["sum"].tolist() == [192]
    assert chip.unpack(words, half_lsb=True)["sum"].tolist() == [196]
