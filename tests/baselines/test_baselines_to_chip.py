"""Baselines against the emulator of the chip: what is sent, to the last bit."""

import dataclasses

import numpy as np
import pytest
from wafers_by_hand import busy_wafers, fitted

from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.datasets import make_wafers
from skemd.firmware import EconT

N_WAFERS = 2000
SUPER_CELLS = {"STC4_9": 5, "STC16_9": 2, "CTC4_7": 3, "STC4_7": 4, "CTC4_9": 4}
each_density = pytest.mark.parametrize("front_end", ["LD", "HD"])
each_sum = pytest.mark.parametrize("sum_of", ["not_sent", "all"])


@pytest.fixture(scope="module")
def X():
    """Faint wafers, whose ties are many, and others up to saturation."""
    return np.concatenate([make_wafers(N_WAFERS, random_state=0), busy_wafers()])


def sent_by_the_chip(baseline, X):
    """Return words, and what a receiver reads in them."""
    chip = baseline.to_chip()
    words = chip.run(chip.link_words(X))
    return words, chip.unpack(words)


def last_bit(words):
    """Return how many bits of the words are ever used."""
    columns = np.unpackbits(words.astype(">u4").view(np.uint8), axis=1)
    return np.flatnonzero(columns.any(axis=0)).max() + 1


@each_density
@each_sum
@pytest.mark.parametrize("links", [1, 2, 3, 4, 5, 8, 13])
def test_best_choice_is_what_the_chip_sends(X, front_end, sum_of, links):
    baseline = BestChoice(links, front_end=front_end, sum_of=sum_of).fit(X)
    words, frames = sent_by_the_chip(baseline, X)
    columns = frames["addresses"], frames["charges"], frames["sum"]
    np.testing.assert_array_equal(baseline.transform(X), np.column_stack(columns))
    assert (baseline.payload_bits(X) == last_bit(words)).all()


@each_density
@pytest.mark.parametrize("dropped_bits", [0, 2, 4])
def test_other_dropped_bits_are_those_of_the_chip(X, front_end, dropped_bits):
    options = {"front_end": front_end, "dropped_bits": dropped_bits}
    _, frames = sent_by_the_chip(BestChoice(**options).fit(X), X)
    columns = frames["addresses"], frames["charges"], frames["sum"]
    expected = BestChoice(**options).fit_transform(X)
    np.testing.assert_array_equal(np.column_stack(columns), expected)
    _, frames = sent_by_the_chip(
        SuperTriggerCell("STC4_7", n_output_links=4, **options).fit(X), X
    )
    columns = frames["charges"], frames["addresses"]
    expected = SuperTriggerCell("STC4_7", n_output_links=4, **options).fit_transform(X)
    np.testing.assert_array_equal(np.column_stack(columns), expected)


@each_density
@pytest.mark.parametrize(
    ("algorithm", "links"),
    [
        (name, links)
        for name, most in SUPER_CELLS.items()
        for links in range(1, most + 1)
    ],
)
def test_supercells_are_what_the_chip_sends(X, front_end, algorithm, links):
    baseline = SuperTriggerCell(algorithm, n_output_links=links, front_end=front_end)
    words, frames = sent_by_the_chip(baseline.fit(X), X)
    columns = [frames[key] for key in ("charges", "addresses") if key in frames]
    np.testing.assert_array_equal(baseline.transform(X), np.column_stack(columns))
    assert (baseline.payload_bits(X) == last_bit(words)).all()


@each_density
@each_sum
@pytest.mark.parametrize("overflow", ["buffer", "truncate"])
@pytest.mark.parametrize("links", [1, 2, 3, 5, 13])
def test_threshold_sums_are_what_the_chip_sends(X, front_end, sum_of, overflow, links):
    options = {"front_end": front_end, "sum_of": sum_of, "overflow": overflow}
    baseline = ThresholdSum(n_output_links=links, **options).fit(X)
    _, frames = sent_by_the_chip(baseline, X)
    n_frames = len(frames["sum"])
    expected = np.zeros((n_frames, 49))
    rows, places = np.nonzero(frames["addresses"] >= 0)
    cells = frames["addresses"][rows, places]
    expected[rows, cells] = frames["charges"][rows, places]
    expected[:, -1] = frames["sum"]
    codes = baseline.transform(X)[:n_frames]
    # The buffer has cut these, which the baseline leaves to the mean payload.
    compared = (
        frames["kind"] < 0b110 if overflow == "buffer" else np.full(n_frames, True)
    )
    np.testing.assert_array_equal(codes[compared], expected[compared])
    assert n_frames > 0.99 * len(X)
    assert compared.mean() > 0.9
    bits = np.where(
        frames["n_sent"] < 8,
        16 + 13 * frames["n_sent"] + 3 * (frames["n_sent"] > 0),
        64 + 7 * frames["n_sent"],
    )
    np.testing.assert_array_equal(
        baseline.payload_bits(X)[:n_frames][compared], bits[compared]
    )


def test_thresholds_between_counts_and_beyond_all_are_those_of_the_chip():
    X = busy_wafers()
    thresholds = np.linspace(0, 100, 48) + 0.5
    thresholds[::7] = 1e9
    baseline = ThresholdSum(thresholds, n_output_links=13).fit(X)
    _, frames = sent_by_the_chip(baseline, X)
    n_sent = (baseline.transform(X)[:, :-1] > 0).sum(axis=1)
    assert n_sent.max() > 20
    np.testing.assert_array_equal((frames["charges"] > 0).sum(axis=1), n_sent)


def test_the_multiplexer_puts_a_square_of_neighbors_together():
    chip = fitted(SuperTriggerCell()).to_chip()
    assert chip.settings.mux[:8].tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
    assert sorted(chip.settings.mux) == list(range(48))
    assert fitted(BestChoice()).to_chip().settings.mux.tolist() == list(range(48))


@each_density
@pytest.mark.parametrize(
    "baseline",
    [
        BestChoice(3),
        ThresholdSum(n_output_links=13),
        *(SuperTriggerCell(name, n_output_links=2) for name in SUPER_CELLS),
    ],
    ids=lambda baseline: getattr(baseline, "algorithm", type(baseline).__name__),
)
def test_trigger_cells_go_in_whatever_the_multiplexer_is(X, baseline, front_end):
    chip = baseline.set_params(front_end=front_end).fit(X).to_chip()
    words = chip.link_words(X)
    sent = chip.run(words)
    # Trigger cells in order on the links: the words do not depend on the algorithm.
    plain = fitted(BestChoice(front_end=front_end)).to_chip()
    np.testing.assert_array_equal(words, plain.link_words(X))
    # Registers of a multiplexer that skemd sets say where trigger cells lie,
    for dialect in ["production"] + ["tree", "flat"] * (chip.settings.stc_type < 4):
        again = EconT.from_registers(chip.registers(dialect=dialect))
        np.testing.assert_array_equal(again.link_words(X), words)
    # those of any other do not, and have to be told.
    mux = np.random.default_rng(5).permutation(48)
    foreign = EconT(dataclasses.replace(chip.settings, mux=mux))
    assert foreign.trigger_cells.tolist() == list(range(48))
    foreign = EconT.from_registers(
        foreign.registers(), trigger_cells=chip.trigger_cells
    )
    assert (foreign.link_words(X) != words).any()
    np.testing.assert_array_equal(foreign.run(foreign.link_words(X)), sent)


@pytest.mark.parametrize("cells", [range(47), 48 * [0], np.arange(48.0)])
def test_bad_orders_of_trigger_cells(cells):
    settings = fitted(BestChoice()).to_chip().settings
    with pytest.raises(ValueError, match="trigger_cells must have each number from 0"):
        EconT(settings, trigger_cells=cells)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (
            BestChoice(geometry="line"),
            "BestChoice.to_chip: the chip has the wafer's 48",
        ),
        (ThresholdSum(front_end=None), "through its front end; here front_end is None"),
        (BestChoice(ties="lowest"), "sorting network; here ties is 'lowest'"),
        (SuperTriggerCell(ties="lowest"), "the highest address; here ties is 'lowest'"),
        (
            SuperTriggerCell("STC16_9", n_output_links=3),
            "more links than its sums need; got n_output_links=3. Use 2.",
        ),
    ],
)
def test_what_no_chip_sends_is_refused(baseline, message):
    with pytest.raises(ValueError, match=message):
        fitted(baseline).to_chip()


def test_ties_do_not_matter_where_no_address_is_sent():
    baseline = SuperTriggerCell("CTC4_9", n_output_links=4, ties="lowest")
    assert fitted(baseline).to_chip().settings.stc_type == 4
