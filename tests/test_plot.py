"""Pictures show the charges that they are given."""

import builtins

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd.distance import paired_emd
from skemd.geometry import grid, hgcal_wafer
from skemd.plot import plot_profiles, plot_reconstructions, plot_wafer
from skemd.study import profile, profile_ratios


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_each_cell_is_a_rhombus_about_its_position():
    cells = plot_wafer(np.arange(1, 49))
    corners = np.array([path.vertices[:4] for path in cells.get_paths()])
    positions = hgcal_wafer().positions
    np.testing.assert_allclose(corners.mean(axis=1), positions, atol=1e-12)
    # Neighbours within a face share an edge, and rhombi have sides of one pitch.
    sides = np.linalg.norm(np.diff(corners, axis=1), axis=2)
    np.testing.assert_allclose(sides, 2)
    shared = {tuple(c) for c in corners[0].round(6)} & {
        tuple(c) for c in corners[1].round(6)
    }
    assert len(shared) == 2


def test_colours_are_charges_and_empty_cells_are_left_out():
    wafer = np.arange(48.0)
    cells = plot_wafer(wafer, vmax=100)
    shown = cells.get_array()
    assert shown.mask.tolist() == [True] + [False] * 47
    np.testing.assert_array_equal(shown[1:], wafer[1:])
    assert cells.get_clim() == (0, 100)


def test_it_draws_where_it_is_told():
    figure, (ax, other) = plt.subplots(1, 2)
    plot_wafer(np.ones(48), ax=ax)
    assert len(ax.collections) == 1
    assert len(other.collections) == 0
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(("geometry", "n_cells"), [("line", 5), (grid(2, 3), 6)])
def test_other_geometries_are_dots(geometry, n_cells):
    cells = plot_wafer(np.arange(n_cells), geometry=geometry)
    assert len(cells.get_offsets()) == n_cells
    assert cells.get_array().mask.tolist() == [True] + [False] * (n_cells - 1)


def test_reconstructions_stand_below_their_wafers_with_the_exact_emd():
    rng = np.random.default_rng(0)
    X, R = rng.random((2, 4, 48))
    figure = plot_reconstructions(X, {"mine": R}, n_wafers=3)
    assert len(figure.axes) == 6
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["48 cells"] * 3
    assert titles[3:] == [f"EMD {d:.2f}" for d in paired_emd(X, R)[:3]]


def test_a_wrong_number_of_cells_is_an_error():
    with pytest.raises(ValueError, match="47 columns"):
        plot_wafer(np.ones(47))


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
    artists = plot_profiles(profiles, "cells", "EMD (1.21 cm)", ax=ax)
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


def test_lines_differ_in_more_than_colour(profiles):
    artists = plot_profiles(dict.fromkeys("abcdef", profiles["telescope"]), "x", "y")
    lines = [line for line, _ in artists.values()]
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 6


def test_bands_may_be_left_out_or_named(profiles):
    assert [
        band for _, band in plot_profiles(profiles, "", "", band=False).values()
    ] == [None, None]
    artists = plot_profiles(profiles, "", "", band=["telescope"])
    assert artists["EMD-CNN"][1] is None
    assert artists["telescope"][1] is not None


def test_ratios_are_drawn_like_profiles(profiles):
    ratios = profile_ratios([profiles["EMD-CNN"]], [profiles["telescope"]])
    ((line, _),) = plot_profiles({"ratio": ratios}, "cells", "ratio").values()
    np.testing.assert_allclose(line.get_ydata(), [1.5 / 2.5, np.nan, 5 / 6])


def test_more_profiles_than_colours_are_refused(profiles):
    with pytest.raises(ValueError, match="draws 1 to 6 profiles; got 0"):
        plot_profiles({}, "", "")
    seven = {str(k): profiles["telescope"] for k in range(7)}
    with pytest.raises(ValueError, match=r"got 7\. Draw them in several axes"):
        plot_profiles(seven, "", "")


def test_a_missing_matplotlib_is_named(monkeypatch):
    true_import = builtins.__import__

    def import_without_matplotlib(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return true_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", import_without_matplotlib)
    with pytest.raises(ImportError, match=r"skemd\[plot\]"):
        plot_wafer(np.ones(48))
