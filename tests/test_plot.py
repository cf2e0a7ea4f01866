"""Pictures show the charges that they are given."""

import builtins

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd.distance import paired_emd
from skemd.geometry import grid, hgcal_wafer
from skemd.plot import plot_reconstructions, plot_wafer


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


def test_a_missing_matplotlib_is_named(monkeypatch):
    true_import = builtins.__import__

    def import_without_matplotlib(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return true_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", import_without_matplotlib)
    with pytest.raises(ImportError, match=r"skemd\[plot\]"):
        plot_wafer(np.ones(48))
