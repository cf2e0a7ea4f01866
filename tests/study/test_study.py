"""Studies: profiles by hand, every algorithm with every seed, a cache that is one."""

import numpy as np
import pytest
from algorithms import Blur, Interrupted, Sender, drawn
from sklearn.exceptions import ConvergenceWarning
from small_data import (
    ProgressBar,
    fitted_autoencoder,
    interrupt_at,
    small_wafers,
    tiny_autoencoder,
)

from skemd.distance import paired_emd
from skemd.geometry import grid
from skemd.study import (
    Wafers,
    charge_in_mip,
    compare,
    emd_of_reconstructions,
    fitted,
    link_rows,
    occupancy,
    payload_bits,
    profile,
    profile_ratios,
)
from skemd.study._comparison import _origin

# Properties


def test_occupancy_counts_cells_above_the_threshold():
    X = np.zeros((3, 48))
    X[0, :4] = [35.0, 35.1, 35.2, 1000]
    X[1, 5] = 0.5
    assert occupancy(X).tolist() == [2, 0, 0]
    assert occupancy(X, threshold=0).tolist() == [4, 1, 0]
    with pytest.raises(ValueError, match="threshold must be a number"):
        occupancy(X, threshold=-1)


def test_charge_is_in_transverse_mip():
    X = np.zeros((2, 48))
    X[0, :2] = [35.1, 70.2]
    np.testing.assert_allclose(charge_in_mip(X), [3, 0])


@pytest.mark.parametrize(
    ("of", "match"),
    [
        (charge_in_mip, "charge_in_mip takes charges in CALQ counts"),
        (occupancy, "occupancy with the default threshold takes charges in CALQ"),
    ],
)
def test_charges_in_another_unit_are_told_from_counts(of, match):
    with pytest.warns(UserWarning, match=match):
        of(np.full((2, 48), 0.7))
    assert occupancy(np.full((2, 48), 0.7), threshold=0.5).tolist() == [48, 48]


# Profiles


def test_a_profile_by_hand():
    # 84% of the way through 0, 10, 20, 30, 40 is 3.36 steps of 10.
    values = [40, 0, 30, 10, 20, 7, 1, 2]
    by = [0.0, 0.5, 0.2, 0.9, 0.1, 1.0, 5.0, 7.0]
    found = profile(values, by, bins=[0, 1, 3, 4, 7])
    assert found.n_wafers.tolist() == [5, 1, 0, 2]
    np.testing.assert_allclose(found.middle, [20, 7, np.nan, 1.5])
    np.testing.assert_allclose(found.low, [6.4, 7, np.nan, 1.16])
    np.testing.assert_allclose(found.high, [33.6, 7, np.nan, 1.84])
    assert found.centers.tolist() == [0.5, 2, 3.5, 5.5]
    assert found.n_left_out == 0


def test_bins_hold_their_lower_edge_and_the_last_one_both():
    by = [-0.1, 0, 1, 2, 2.1]
    found = profile([9, 1, 2, 3, 9], by, bins=[0, 1, 2])
    assert found.n_wafers.tolist() == [1, 2]
    assert found.middle.tolist() == [1, 2.5]
    assert found.n_left_out == 2


def test_a_number_of_bins_spans_the_property():
    found = profile(np.arange(11.0), np.arange(11.0) + 5, bins=5)
    np.testing.assert_allclose(found.edges, [5, 7, 9, 11, 13, 15])
    assert found.n_wafers.tolist() == [2, 2, 2, 2, 3]


def test_wafers_without_a_number_are_left_out_and_counted():
    found = profile([1, np.nan, 3, np.inf], [0, 0, 1, 1], bins=[0, 1, 2])
    assert found.n_wafers.tolist() == [1, 1]
    assert found.middle.tolist() == [1, 3]
    assert found.n_left_out == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1]), "values has 2 entries and by 1"),
        (([], []), "at least one"),
        (([[1]], [1]), r"values must hold one number .* shape \(1, 1\)"),
        ((["a"], [1]), "values must hold one number"),
        (([1, 2], [1, np.nan]), "by must be finite; entry 1 is not"),
        (([1, 2], [3, 3]), "All wafers have the property 3"),
        (([1, 2], [1, 2], 0), "bins must be an integer"),
        (([1, 2], [1, 2], [0, 2, 2]), "at least two finite edges that rise"),
        (([1, 2], [1, 2], [1]), "at least two finite edges that rise"),
        (([1, 2], [1, 2], [0, np.inf]), "at least two finite edges that rise"),
    ],
)
def test_what_makes_no_profile_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        profile(*arguments)


def test_ratios_are_taken_seed_by_seed():
    edges = [0, 1, 2, 3]
    ours = [
        profile([2, 6], [0.5, 1.5], edges),
        profile([1, 5, 3], [0.5, 0.6, 1.5], edges),
    ]
    others = [
        profile([4, 6], [0.5, 1.5], edges),
        profile([3, 1, 1], [0.5, 0.6, 1.5], edges),
    ]
    found = profile_ratios(ours, others)
    np.testing.assert_allclose(found.middle, [(0.5 + 1.5) / 2, (1 + 3) / 2, np.nan])
    np.testing.assert_allclose(found.low, [0.5, 1, np.nan])
    np.testing.assert_allclose(found.high, [1.5, 3, np.nan])
    assert found.n_wafers.tolist() == [1, 1, 0]


def test_a_seed_without_wafers_in_a_bin_does_not_count_there():
    edges = [0, 1, 2]
    ours = [profile([1, 2], [0, 1], edges), profile([3], [0], edges)]
    others = [profile([2, 4], [0, 1], edges), profile([2], [0], edges)]
    found = profile_ratios(ours, others)
    np.testing.assert_allclose(found.middle, [1.0, 0.5])
    assert found.n_wafers.tolist() == [1, 0]


def test_nothing_is_divided_by_zero():
    zero = profile([0.0], [0.5], [0, 1])
    assert np.isnan(profile_ratios([zero], [zero]).middle).all()


def test_profiles_that_do_not_match_have_no_ratios():
    one, other = profile([1, 2], [0, 1], [0, 1]), profile([1, 2], [0, 1], [0, 2])
    with pytest.raises(ValueError, match="different bins"):
        profile_ratios([one], [other])
    with pytest.raises(ValueError, match="one profile for each seed; got 1 and 2"):
        profile_ratios([one], [one, one])
    with pytest.raises(ValueError, match="got 0 and 0"):
        profile_ratios([], [])


# Comparisons


def test_every_algorithm_meets_every_seed():
    found = compare([("blur", Blur()), ("send", Sender(4))], drawn, seeds=[3, 5])
    assert [(one.algorithm, one.n_output_links, one.seed) for one in found] == [
        ("blur", None, 3),
        ("send", 4, 3),
        ("blur", None, 5),
        ("send", 4, 5),
    ]
    wafers = drawn(5)
    expected = Blur(random_state=5).fit(wafers.train).predict(wafers.test)
    emd = paired_emd(wafers.test, expected)
    np.testing.assert_array_equal(found[2].values["emd_half_pitches"], emd)
    assert found[2].properties.keys() == {"occupancy_cells", "charge_mip"}
    bits = Sender(4).payload_bits(wafers.test)
    np.testing.assert_array_equal(found[3].payload_bits, bits)
    assert np.isnan(found[2].payload_bits).all()


def test_algorithms_may_come_as_a_dict_or_alone():
    expected = compare([("Blur", Blur())], drawn, seeds=[3])
    for algorithms in ({"Blur": Blur()}, Blur()):
        found = compare(algorithms, drawn, seeds=[3])
        assert [(one.algorithm, one.seed) for one in found] == [("Blur", 3)]
        np.testing.assert_array_equal(
            found[0].values["emd_half_pitches"], expected[0].values["emd_half_pitches"]
        )


@pytest.mark.parametrize("algorithms", [np.ones((3, 48)), [Blur()], ["blur"]])
def test_what_is_no_algorithm_is_told_from_one(algorithms):
    with pytest.raises(ValueError, match="algorithms must be names and estimators"):
        compare(algorithms, drawn)


def test_wafers_are_no_function_of_a_seed():
    with pytest.raises(ValueError, match=r"draw_wafers must be a function .* lambda"):
        compare([("blur", Blur())], np.ones((3, 48)))


def test_a_lost_wafer_counts_as_spread_evenly():
    X = small_wafers(3)
    received = X.copy()
    received[1] = 0
    found = emd_of_reconstructions(X, received)
    assert found[[0, 2]].tolist() == [0, 0]
    assert found[1] == paired_emd(X[1:2], np.ones((1, 48)))[0] > 1


def test_lost_wafers_are_counted():
    X = np.zeros((4, 48))
    X[:2, 0], X[2:, 40] = 1, 1
    (found,) = compare([("send", Sender())], lambda seed: Wafers(X, X, {}), seeds=[0])
    assert found.lost.tolist() == [False, False, True, True]
    (row,) = link_rows([found])
    assert row["lost_fraction"] == 0.5
    assert (row["payload_bits_mean"], row["payload_bits_max"]) == (4, 8)


@pytest.mark.parametrize(("bits", "expected"), [(3, 5 + 9 + 8 * 3), (None, np.nan)])
def test_an_autoencoder_sends_header_sum_and_code(bits, expected):
    network = fitted_autoencoder(bits)
    found = payload_bits(network, small_wafers(4))
    np.testing.assert_array_equal(found, np.full(4, expected))


def test_nothing_is_known_of_what_others_send():
    assert np.isnan(payload_bits(Blur(), small_wafers(2))).all()


def test_equal_seeds_give_equal_numbers():
    runs = [compare([("blur", Blur())], drawn, seeds=[7]) for _ in range(2)]
    first, again = (run[0].values["emd_half_pitches"] for run in runs)
    np.testing.assert_array_equal(first, again)
    (other,) = compare([("blur", Blur())], drawn, seeds=[8])
    assert not np.array_equal(first, other.values["emd_half_pitches"])


def test_metrics_of_ones_own_stand_beside_each_other():
    metrics = {
        "charge_counts": lambda X, received: received.sum(axis=1),
        "cells": lambda X, received: (received > 0).sum(axis=1),
    }
    (found,) = compare([("send", Sender())], drawn, metrics=metrics, seeds=[0])
    assert found.values.keys() == metrics.keys()
    expected = (drawn(0).test[:, :16] > 0).sum(axis=1)
    np.testing.assert_array_equal(found.values["cells"], expected)


def test_an_estimator_is_not_changed():
    blur = Blur(random_state=3)
    compare([("blur", blur)], drawn, seeds=[1])
    assert blur.random_state == 3
    assert not hasattr(blur, "noise_")


@pytest.mark.parametrize(
    ("algorithms", "options", "message"),
    [
        ([], {}, "at least one algorithm and one seed; got 0 and 3"),
        ([("a", Blur())], {"seeds": []}, "got 1 and 0"),
        ([("a", Blur()), ("a", Blur(2))], {}, "Two algorithms are called 'a'"),
        ([("a", Blur())], {"metrics": [paired_emd]}, "metrics must map names to"),
        (
            [("a", Blur())],
            {"metrics": {"emd": lambda X, received: 1.0}},
            r"'emd' must have a number for each of the 30 wafers .* shape \(\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(algorithms, options, message):
    with pytest.raises(ValueError, match=message):
        compare(algorithms, drawn, **options)


def test_progress_goes_to_stderr_when_asked_for(capsys):
    compare([("blur", Blur())], drawn, seeds=[0])
    assert capsys.readouterr() == ("", "")
    compare([("blur", Blur())], drawn, seeds=[0, 1], verbose=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "compare [########################] 2/2" in shown.err


@pytest.mark.parametrize(("verbose", "passed_on"), [(0, 0), (1, 0), (2, 1)])
def test_the_bars_of_algorithms_are_shown_last(verbose, passed_on, tmp_path):
    log = tmp_path / "log"
    compare([("blur", Blur(log=str(log)))], drawn, seeds=[4], verbose=verbose)
    assert log.read_text() == f"4 {passed_on}\n"


# The cache


def test_what_is_in_the_cache_is_not_fitted_again(tmp_path):
    log = tmp_path / "log"
    algorithms = [("blur", Blur(log=str(log)))]
    options = {"seeds": [0, 1], "memory": str(tmp_path / "cache")}
    first = compare(algorithms, drawn, **options)
    again = compare(algorithms, drawn, verbose=2, **options)
    assert log.read_text().splitlines() == ["0 0", "1 0"]
    fresh = compare([("blur", Blur())], drawn, seeds=[0, 1])
    for one, other, third in zip(first, again, fresh, strict=True):
        for found in (other, third):
            np.testing.assert_array_equal(
                one.values["emd_half_pitches"], found.values["emd_half_pitches"]
            )


def test_other_parameters_wafers_or_code_are_fitted_anew(tmp_path, monkeypatch):
    log = tmp_path / "log"
    X = small_wafers(10)
    memory = str(tmp_path / "cache")
    fitted(Blur(log=str(log)), X, memory=memory)
    fitted(Blur(2.0, log=str(log)), X, memory=memory)
    fitted(Blur(log=str(log)), X[1:], memory=memory)
    monkeypatch.setattr("skemd.study._comparison._origin", lambda: "other code")
    fitted(Blur(log=str(log)), X, memory=memory)
    assert len(log.read_text().splitlines()) == 4
    fitted(Blur(log=str(log)), X, memory=memory)
    assert len(log.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("layers.py", True),
        ("pretrained/x.npz", True),
        ("_simplex.c", True),
        ("plot/_wafers.py", False),
        ("study/_tables.py", False),
        ("datasets/descr/x.rst", False),
    ],
)
def test_code_counts_where_it_makes_numbers(changed, counts, tmp_path, monkeypatch):
    path = tmp_path / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("one")
    monkeypatch.setattr("skemd.__file__", str(tmp_path / "__init__.py"))
    before = _origin()
    assert _origin() == before
    path.write_text("two")
    assert (_origin() != before) == counts


def test_a_network_from_the_cache_gives_the_same_numbers(tmp_path):
    X = small_wafers(40)
    memory = str(tmp_path / "cache")
    first = fitted(tiny_autoencoder(), X, memory=memory)
    again = fitted(tiny_autoencoder(), X, memory=memory)
    assert first is not again
    np.testing.assert_array_equal(first.predict(X), again.predict(X))
    np.testing.assert_array_equal(
        first.predict(X), tiny_autoencoder().fit(X).predict(X)
    )


def test_half_a_training_is_not_kept(tmp_path):
    memory = str(tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="interrupted after 1 of 2"):
            fitted(Interrupted(), small_wafers(10), memory=memory)


def test_what_cannot_be_kept_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Blur.* cannot be a key of the cache: .*"):
        fitted(Blur(log=lambda: 0), small_wafers(10), memory=str(tmp_path))


def interrupt_once(monkeypatch):
    """Press Ctrl-C at the first step of the first training."""

    class OnceInterruptedBar(ProgressBar):
        is_whole = True

        def update(self, done, note=""):
            if OnceInterruptedBar.is_whole:
                OnceInterruptedBar.is_whole = False
                raise KeyboardInterrupt

    monkeypatch.setattr("skemd._training._loop.ProgressBar", OnceInterruptedBar)


def test_an_interrupted_network_ends_the_study(monkeypatch):
    interrupt_at(monkeypatch, 2)
    with (
        pytest.warns(ConvergenceWarning),
        pytest.raises(KeyboardInterrupt, match="was interrupted after 1 of 2"),
    ):
        fitted(tiny_autoencoder(), small_wafers(60))


def test_an_interrupted_learned_emd_within_a_network_ends_the_study(monkeypatch):
    # Its fit is interrupted, that of the autoencoder behind it is not.
    small = {"n_conv_layers": 0, "n_dense_units": 8, "epochs": 2, "n_refinements": 1}
    monkeypatch.setattr("skemd._autoencoder._loss._NETWORK", small)
    monkeypatch.setattr("skemd._autoencoder._loss._PAIRS_PER_WAFER", 2)
    interrupt_once(monkeypatch)
    network = tiny_autoencoder(loss="emdcnn", geometry=grid(2, 3), n_components=4)
    message = "EMDRegressor was interrupted after 0 of 2"
    with (
        pytest.warns(ConvergenceWarning, match=message),
        pytest.raises(KeyboardInterrupt, match=message),
    ):
        fitted(network, small_wafers(n_cells=6))
