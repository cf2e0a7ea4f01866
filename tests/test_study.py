"""Studies: profiles by hand, tables, files that come back, and a cache that is one."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from small_data import interrupt_at, small_wafers, tiny_autoencoder

from skemd.distance import paired_emd
from skemd.study import (
    Wafers,
    charge_in_mip,
    compare,
    emd_of_reconstructions,
    fitted,
    link_rows,
    links_table,
    occupancy,
    payload_bits,
    pooled_profiles,
    profile,
    profile_ratios,
    profile_rows,
    profiles_table,
    ratios_over_seeds,
    ratios_table,
    read_csv,
    write_csv,
)


class Blur(BaseEstimator):
    """Adds noise from its own seed to wafers, and writes down each fit."""

    def __init__(self, strength=1.0, log=None, random_state=None, verbose=0):
        self.strength = strength
        self.log = log
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X):
        if self.log is not None:
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(f"{self.random_state} {self.verbose}\n")
        rng = np.random.RandomState(self.random_state)
        self.noise_ = self.strength * X.mean() * rng.rand(X.shape[1])
        return self

    def predict(self, X):
        return X + self.noise_


class Interrupted(Blur):
    """Is stopped in the middle of each fit, and keeps what it has."""

    def fit(self, X):
        warnings.warn("x was interrupted after 1 of 2 epochs", stacklevel=2)
        return super().fit(X)


class Sender(BaseEstimator):
    """Sends the first cells and nothing else, at eight bits a cell with charge."""

    def __init__(self, n_output_links=2):
        self.n_output_links = n_output_links

    def fit(self, X):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        kept = np.zeros_like(X)
        kept[:, : 8 * self.n_output_links] = X[:, : 8 * self.n_output_links]
        return kept

    def payload_bits(self, X):
        return 8 * (self.predict(X) > 0).sum(axis=1)


def drawn(seed, n_samples=30):
    X = small_wafers(2 * n_samples, seed)
    test = X[n_samples:]
    by = {"occupancy_cells": occupancy(test), "charge_mip": charge_in_mip(test)}
    return Wafers(X[:n_samples], test, by)


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


@pytest.mark.parametrize(("bits", "expected"), [(3, 62), (None, np.nan)])
def test_an_autoencoder_sends_header_sum_and_code(bits, expected):
    X = small_wafers(40)
    with warnings.catch_warnings():
        # So short a training leaves dead components.
        warnings.filterwarnings("ignore", ".* dead", UserWarning)
        network = tiny_autoencoder(n_components=16, latent_bits=bits).fit(X)
    np.testing.assert_array_equal(payload_bits(network, X), np.full(40, expected))


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


def test_an_interrupted_network_ends_the_study(monkeypatch):
    interrupt_at(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt, match="was interrupted after"):
        fitted(tiny_autoencoder(), small_wafers(60))


# Tables and files


def blurs(**options):
    algorithms = [("weak", Blur(0.5)), ("strong", Blur(3.0)), ("send", Sender(3))]
    return compare(algorithms, drawn, seeds=[0, 1], **options)


def test_rows_of_algorithms_hold_means_over_seeds_and_their_range():
    comparisons = blurs()
    rows = link_rows(comparisons)
    assert [row["algorithm"] for row in rows] == ["weak", "strong", "send"]
    assert [row["n_output_links"] for row in rows] == [None, None, 3]
    of_weak = [one for one in comparisons if one.algorithm == "weak"]
    means = [one.values["emd_half_pitches"].mean() for one in of_weak]
    row = rows[0]
    assert row["emd_half_pitches_mean"] == pytest.approx(np.mean(means))
    assert row["emd_half_pitches_lowest"] == pytest.approx(min(means))
    assert row["emd_half_pitches_highest"] == pytest.approx(max(means))
    assert (row["n_seeds"], row["n_wafers"], row["lost_fraction"]) == (2, 60, 0)
    assert rows[0]["emd_half_pitches_mean"] < rows[1]["emd_half_pitches_mean"]


def test_pooled_profiles_hold_the_wafers_of_all_seeds():
    comparisons = blurs()
    edges = [0, 5, 10, 48]
    found = pooled_profiles(comparisons, "emd_half_pitches", "occupancy_cells", edges)
    assert list(found) == [("weak", None), ("strong", None), ("send", 3)]
    both = [one for one in comparisons if one.algorithm == "strong"]
    expected = profile(
        np.concatenate([one.values["emd_half_pitches"] for one in both]),
        np.concatenate([one.properties["occupancy_cells"] for one in both]),
        edges,
    )
    assert found["strong", None].n_wafers.sum() == 60
    for ours, theirs in zip(found["strong", None], expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_ratios_over_seeds_are_those_of_the_profiles():
    comparisons = blurs()
    names = ("emd_half_pitches", "occupancy_cells")
    weak, strong = ("weak", None), ("strong", None)
    found = ratios_over_seeds(comparisons, weak, strong, *names, [0, 48])
    quotients = []
    for seed in (0, 1):
        of_seed = [one for one in comparisons if one.seed == seed]
        medians = [np.median(one.values["emd_half_pitches"]) for one in of_seed]
        quotients.append(medians[0] / medians[1])
    numbers = [found.middle[0], found.low[0], found.high[0]]
    expected = [np.mean(quotients), min(quotients), max(quotients)]
    np.testing.assert_allclose(numbers, expected)
    assert found.high[0] < 1


@pytest.mark.parametrize(
    ("ours", "names", "message"),
    [
        (("other", None), ("emd_half_pitches", "charge_mip"), "no \\('other', None\\)"),
        (("weak", None), ("emd", "charge_mip"), "no metric 'emd'"),
        (("weak", None), ("emd_half_pitches", "abs_eta"), "no property 'abs_eta'"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(ours, names, message):
    with pytest.raises(ValueError, match=message):
        ratios_over_seeds(blurs(), ours, ("strong", None), *names, [0, 1])


def test_files_come_back_as_they_were(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    rows = [
        {"algorithm": "EMD, CNN", "n_output_links": 5, "emd_half_pitches": 0.125},
        {"algorithm": 'a "b"', "n_output_links": None, "emd_half_pitches": np.nan},
        {"algorithm": "é", "n_output_links": np.int64(2), "emd_half_pitches": 1 / 3},
    ]
    write_csv(path, rows)
    expected = [dict(row) for row in rows]
    expected[1]["emd_half_pitches"] = None
    expected[2]["emd_half_pitches"] = 0.333333
    assert read_csv(path) == expected
    text = path.read_bytes()
    assert text.startswith(b"algorithm,n_output_links,emd_half_pitches\n")
    assert b"\r" not in text
    write_csv(path, read_csv(path))
    assert path.read_bytes() == text


def test_rows_that_make_no_file_are_refused(tmp_path):
    path = tmp_path / "rows.csv"
    with pytest.raises(ValueError, match="no rows to write"):
        write_csv(path, [])
    with pytest.raises(ValueError, match=r"Row 1 has the columns \['b'\]"):
        write_csv(path, [{"a": 1}, {"b": 1}])
    assert not path.exists()


def test_equal_studies_write_equal_files(tmp_path):
    for name in ("one.csv", "two.csv"):
        write_csv(tmp_path / name, link_rows(blurs()))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_tables_of_text_show_the_rows(tmp_path):
    comparisons = blurs()
    names = ("emd_half_pitches", "occupancy_cells", [0, 48])
    ((key, found),) = list(pooled_profiles(comparisons, *names).items())[:1]
    rows = profile_rows(
        found,
        "occupancy_cells",
        "emd_half_pitches",
        algorithm=key[0],
        n_output_links=key[1],
    )
    table = profiles_table(rows, "occupancy_cells").splitlines()
    middle, low, high = found.middle[0], found.low[0], found.high[0]
    assert table[1].split() == ["occupancy_cells", "wafers", "weak,", "float"]
    assert table[3].split() == [
        *("0", "to", "48", "60"),
        *(f"{middle:.2f}", f"[{low:.2f}", f"{high:.2f}]"),
    ]
    # What was read from files looks the same.
    write_csv(tmp_path / "rows.csv", rows)
    again = profiles_table(read_csv(tmp_path / "rows.csv"), "occupancy_cells")
    assert again.splitlines() == table


def test_the_table_at_equal_bandwidth_has_the_best_first():
    rows = [
        {
            "algorithm": name,
            "n_output_links": links,
            "emd_half_pitches_mean": mean,
            "emd_half_pitches_lowest": mean - 0.1,
            "emd_half_pitches_highest": mean + 0.1,
            "payload_bits_mean": bits,
            "payload_bits_max": bits,
            "lost_fraction": 0.25,
        }
        for name, links, mean, bits in [
            ("floats", None, 0.5, np.nan),
            ("worse", 3, 2.0, 90.0),
            ("better", 3, 1.0, 94.0),
            ("least", 2, 3.0, 62.0),
        ]
    ]
    lines = links_table(rows).splitlines()[3:-1]
    assert [line.split()[:2] for line in lines] == [
        ["2", "least"],
        ["3", "better"],
        ["3", "worse"],
        ["float", "floats"],
    ]
    assert lines[1].split()[2:] == ["1.000", "(0.900-1.100)", "94.0", "94", "25.0%"]
    assert lines[3].split()[2:] == ["0.500", "(0.400-0.600)", "25.0%"]


def test_ratios_stand_beside_those_of_the_paper():
    edges = [0, 1, 2]
    found = profile_ratios([profile([1], [0], edges)], [profile([2], [0], edges)])
    columns = {"ours": "a", "other": "b", "n_output_links": 5}
    rows = profile_rows(found, "abs_eta", "ratio", **columns)
    papers = (0.7, None)
    rows = [{**row, "paper_ratio": p} for row, p in zip(rows, papers, strict=True)]
    table = ratios_table(rows, "abs_eta").splitlines()
    assert table[3].split() == ["0", "to", "1", "1", "0.50", "(0.50-0.50)", "0.70"]
    assert table[4].split() == ["1", "to", "2", "0"]


def test_importing_it_does_not_import_keras():
    script = "import sys, skemd.study; sys.exit('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == 0
