"""The emulator against a second one, written in the plainest way, on random chips."""

import numpy as np
import plain_econt
import pytest
from random_chips import random_settings, random_words

from skemd.firmware import EconT
from skemd.firmware._chip._settings import ALGORITHMS

# What the random crossings of each algorithm have to bring up.
CORNERS = {
    "threshold_sum": {
        "below T2",
        "cut by T1",
        "cut by T2 and T3",
        "kept above T2",
        "no room",
    },
    "super_trigger_cell": {"tie of the largest"},
    "best_choice": {"tie at the cut", "clipped"},
    "repeater": set(),
    "autoencoder": {
        "sum below 128",
        "no charge",
        "pixel above 100",
        "saturated code",
        "negative code",
    },
}


def compare(algorithm, n_chips, n_crossings, seed):
    """Run random chips on random crossings, and return the corners that occurred."""
    plain_econt.SEEN.clear()
    rng = np.random.default_rng(seed)
    for chip in range(n_chips):
        settings = random_settings(algorithm, rng)
        words = random_words(n_crossings, rng)
        found = EconT(settings).run(words)
        assert (found.dtype, found.shape) == (np.uint32, (n_crossings, 13))
        expected = plain_econt.run(words, settings)
        np.testing.assert_array_equal(found, expected, err_msg=f"{chip}: {settings}")
    return {corner for corner, times in plain_econt.SEEN.items() if times}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_random_chips_send_what_plain_integers_say(algorithm):
    seen = compare(algorithm, n_chips=40, n_crossings=40, seed=1)
    assert seen >= CORNERS[algorithm]


@pytest.mark.exhaustive
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_more_than_20000_crossings(algorithm):
    seen = compare(algorithm, n_chips=120, n_crossings=180, seed=2)
    assert seen >= CORNERS[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_long_runs_are_computed_in_pieces(algorithm):
    # More crossings than are computed at a time, and more than an orbit has.
    rng = np.random.default_rng(3)
    settings = random_settings(algorithm, rng, t1=200, buffer_room=None)
    words = random_words(3600, rng)
    words[:, 0] = words[:, 0] & 0x0FFFFFFF | 10 << 28
    found = EconT(settings).run(words)
    tail = plain_econt.run(words[:30], settings)
    np.testing.assert_array_equal(found[:30], tail)
    if algorithm != "threshold_sum":
        # The orbit begins anew with crossing 3564, without a mark.
        again = plain_econt.run(words[3564:], settings)
        np.testing.assert_array_equal(found[3564:], again)
