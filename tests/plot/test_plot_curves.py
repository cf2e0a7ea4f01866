"""Curves and densities show the numbers that they are given, with their units."""

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd.plot import (
    plot_history,
    plot_learned_emd,
    plot_profiles,
    plot_relative_difference,
)
from skemd.study import profile, profile_ratios


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def profiles():
    edges = [0, 2, 4, 8]
    by = [0, 1, 2, 2, 6]
    return {
        "EMD-CNN": profile([1, 2, 3, 4, 5], by, edges),
        "telescope": profile([2, 3, 4, 5, 6], [*by[:2], 9, 9, 6], edges),
    }


def test_profiles_are_lines_through_medians_with_bands(profiles):
    _, (ax, other) = plt.subplots(1, 2)
    artists = plot_profiles(profiles, "cells", "EMD (1.21 cm)", ax=ax).artists_
    assert list(artists) == list(profiles)
    for name, (line, band) in artists.items():
        found = profiles[name]
        np.testing.assert_array_equal(line.get_xdata(), [1, 3, 6])
        np.testing.assert_array_equal(line.get_ydata(), found.middle)
        heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
        assert {*heights} == {*found.low[found.n_wafers > 0]} | {
            *found.high[found.n_wafers > 0]
        }
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cells", "EMD (1.21 cm)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(profiles)
    assert not other.lines


def test_lines_differ_in_more_than_color(profiles):
    artists = plot_profiles(
        dict.fromkeys("abcdef", profiles["telescope"]), "x", "y"
    ).artists_
    lines = [line for line, _ in artists.values()]
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 6


def test_bands_may_be_left_out_or_named(profiles):
    artists = plot_profiles(profiles, "", "", band=False).artists_
    assert [band for _, band in artists.values()] == [None, None]
    artists = plot_profiles(profiles, "", "", band=["telescope"]).artists_
    assert artists["EMD-CNN"][1] is None
    assert artists["telescope"][1] is not None


def test_ratios_are_drawn_like_profiles(profiles):
    ratios = profile_ratios([profiles["EMD-CNN"]], [profiles["telescope"]])
    picture = plot_profiles({"ratio": ratios}, "cells", "ratio")
    line, _ = picture.artists_["ratio"]
    np.testing.assert_allclose(line.get_ydata(), [1.5 / 2.5, np.nan, 5 / 6])


def test_a_single_profile_needs_no_name(profiles):
    picture = plot_profiles(profiles["telescope"], "cells", "EMD")
    assert list(picture.artists_) == ["median"]
    assert picture.figure_ is picture.ax_.figure
    with pytest.raises(ValueError, match=r"must be a dict of .*; got a ndarray"):
        plot_profiles(np.ones(3), "", "")


def test_more_profiles_than_colors_are_refused(profiles):
    with pytest.raises(ValueError, match="draws 1 to 6 profiles; got 0"):
        plot_profiles({}, "", "")
    seven = {str(k): profiles["telescope"] for k in range(7)}
    with pytest.raises(ValueError, match=r"got 7\. Draw them in several axes"):
        plot_profiles(seven, "", "")


def test_the_history_is_drawn_by_epoch_and_its_best_one_marked():
    history = {"loss": [4.0, 2.0, 1.0, 0.5], "val_loss": [5.0, 3.0, 2.0, 2.5]}
    _, ax = plt.subplots()
    artists = plot_history(history, ax=ax, ylabel="EMD (half pitches)").artists_
    assert list(artists) == ["loss", "val_loss", "best"]
    for name, losses in history.items():
        np.testing.assert_array_equal(artists[name].get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(artists[name].get_ydata(), losses)
    assert artists["best"].get_xydata().tolist() == [[3, 2.0]]
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["training", "validation", "best: epoch 3"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "EMD (half pitches)")
    assert ax.get_yscale() == "log"


def test_the_history_of_an_estimator_without_validation():
    estimator = SimpleNamespace(history_={"loss": [2.0, 1.0, float("nan")]})
    artists = plot_history(estimator, log=False).artists_
    assert artists["best"].get_xydata().tolist() == [[2, 1.0]]
    assert artists["loss"].axes.get_yscale() == "linear"


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (SimpleNamespace(), "SimpleNamespace without history_. Call fit first"),
        ({}, "got {}"),
        ({"val_loss": [1.0]}, "got {'val_loss': 1}"),
        ({"loss": [1.0], "val_loss": [1.0, 2.0]}, "'val_loss': 2"),
        ({"loss": [float("nan")]}, "finite"),
        ({name: [1.0] for name in ["loss", *"abcdef"]}, "1 to 6 losses; got 7"),
    ],
)
def test_what_is_no_history_is_refused(history, message):
    with pytest.raises(ValueError, match=message):
        plot_history(history)
    assert plt.get_fignums() == []


def test_the_density_counts_every_pair():
    exact = np.array([1.0, 1.0, 1.0, 4.0])
    figure, ax = plt.subplots()
    picture = plot_learned_emd(exact, [2.0, 2.0, 2.0, 4.0], ax=ax)
    density, diagonal = picture.artists_.values()
    assert sorted(density.get_array()) == [1, 3]
    places = density.get_offsets()[density.get_array() == 3]
    np.testing.assert_allclose(places, [[1, 2]], atol=4.2 / 40)
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert ax.get_xlim() == ax.get_ylim() == pytest.approx((0, 4.2))
    assert ax.get_xlabel() == "exact EMD (half trigger-cell pitches)"
    assert ax.get_ylabel() == "learned EMD (half trigger-cell pitches)"
    assert figure.axes[1].get_ylabel() == "pairs"


def test_another_geometry_has_another_unit():
    for unit, words in ((None, "units of length"), ("mm", "mm")):
        picture = plot_learned_emd([1.0], [2.0], geometry="line", unit=unit)
        assert picture.ax_.get_xlabel() == f"exact EMD ({words})"


def test_relative_differences_are_shares_of_all_pairs():
    exact = np.array([1.0, 2.0, 4.0, 1.0])
    _, ax = plt.subplots()
    outlines = plot_relative_difference(
        exact, {"mine": [1.05, 2.1, 3.8, 9.0]}, ax=ax, limit=0.2, n_bins=4
    ).artists_
    # +5% twice, -5% once, and one beyond the limit.
    shares, edges, _ = outlines["mine"].get_data()
    np.testing.assert_allclose(edges, [-0.2, -0.1, 0, 0.1, 0.2])
    assert shares.tolist() == [0, 0.25, 0.5, 0.25]
    differences = np.array([0.05, 0.05, -0.05, 8.0])
    mean, spread = differences.mean(), differences.std()
    (words,) = ax.get_legend().get_texts()
    assert words.get_text() == f"mine: {mean:+.1%} ± {spread:.1%}"
    assert ax.get_xlabel() == "(learned - exact) / exact EMD"
    labeled = ax.xaxis.get_major_formatter()
    assert [labeled(x) for x in (-0.15, -1e-17, 0.025)] == ["-15%", "0%", "2.5%"]


def test_several_regressors_differ_in_more_than_color():
    many = {name: np.array([1.0, 2.0]) for name in "abcdef"}
    outlines = plot_relative_difference([1.0, 2.0], many).artists_
    for look in ("get_edgecolor", "get_linestyle"):
        assert len({str(getattr(o, look)()) for o in outlines.values()}) == 6
    with pytest.raises(ValueError, match="1 to 6 regressors; got 7"):
        plot_relative_difference([1.0, 2.0], many | {"g": [1.0, 2.0]})
    assert [*plot_relative_difference([1.0], [1.0]).artists_] == ["learned"]


@pytest.mark.parametrize("draw", [plot_learned_emd, plot_relative_difference])
@pytest.mark.parametrize(
    ("exact", "predicted", "message"),
    [
        ([1.0, 2.0], [1.0], r"got shapes \(2,\) and \(1,\)"),
        ([], [], r"got shapes \(0,\) and \(0,\)"),
        ([[1.0]], [[1.0]], r"got shapes \(1, 1\)"),
        ([1.0, -2.0], [1.0, 1.0], r"not negative; got -2.0 \(row 1\)"),
        ([1.0, 2.0], [np.nan, 1.0], r"predicted must hold .* got nan \(row 0\)"),
    ],
)
def test_distances_that_cannot_be_drawn_are_refused(draw, exact, predicted, message):
    with pytest.raises(ValueError, match=message):
        draw(exact, predicted)
    assert plt.get_fignums() == []


def test_equal_wafers_have_no_relative_difference():
    with pytest.raises(ValueError, match=r"zero: row 1\. Leave"):
        plot_relative_difference([1.0, 0.0], [1.0, 0.0])
