"""A picture of a transport plan shows what moves, from where and to where."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd.distance import emd
from skemd.geometry import Geometry, grid, hgcal_wafer
from skemd.plot import plot_transport

TRIANGLE = Geometry([[0, 0], [3, 0], [0, 4]])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def tips_and_feet(picture):
    """Return where wedges end and where they start."""
    corners = np.array([path.vertices[:3] for path in picture.flows.get_paths()])
    return corners[:, 1], corners[:, [0, 2]].mean(axis=1)


def test_the_plan_proves_its_distance(wafers):
    a, b = wafers(2)
    picture = plot_transport(a, b)
    ways = hgcal_wafer().ground_distance[tuple(picture.moved.T)]
    assert picture.shares @ ways == pytest.approx(picture.distance)
    assert picture.distance == emd(a, b)
    # Charge that stays is not drawn, and shares decrease.
    assert (picture.moved[:, 0] != picture.moved[:, 1]).all()
    assert (np.diff(picture.shares) <= 0).all()
    assert len(picture.flows.get_paths()) == len(picture.shares)


def test_wedges_go_from_cell_to_cell_and_widen_with_their_share(wafers):
    a, b = wafers(2)
    picture = plot_transport(a, b)
    tips, feet = tips_and_feet(picture)
    positions = hgcal_wafer().positions
    ways = positions[picture.moved[:, 1]] - positions[picture.moved[:, 0]]
    np.testing.assert_allclose(tips - feet, ways, atol=1e-9)
    # The plan is drawn on a third wafer, to the right of the first.
    to_the_right = feet - positions[picture.moved[:, 0]]
    assert np.ptp(to_the_right, axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert to_the_right[0, 0] > np.ptp(positions[:, 0])
    corners = np.array([path.vertices[:3] for path in picture.flows.get_paths()])
    widths = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=1)
    per_share = widths**2 / picture.shares
    np.testing.assert_allclose(per_share, per_share[0])


def test_both_wafers_are_shares_on_one_scale(wafers):
    a, b = wafers(2)
    figure, (ax, other) = plt.subplots(1, 2)
    picture = plot_transport(a, 7 * b, ax=ax, names=("one", "two"))
    for wafer, cells in ((a, picture.original), (b, picture.reconstruction)):
        np.testing.assert_allclose(cells.get_array().filled(0), wafer / wafer.sum())
    largest = max(a.max() / a.sum(), b.max() / b.sum())
    assert picture.original.get_clim() == picture.reconstruction.get_clim()
    assert picture.original.get_clim() == pytest.approx((0, largest))
    words = [text.get_text() for text in ax.texts]
    assert words == ["one", f"EMD {emd(a, b):.2f} half trigger-cell pitches", "two"]
    assert figure.axes[2].get_ylabel() == "share of the charge"
    assert not other.collections
    assert (picture.ax_, picture.figure_) == (ax, figure)


def test_everything_lies_within_the_axes(wafers):
    picture = plot_transport(*wafers(2))
    ax = picture.flows.axes
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert len(ax.patches) == 3
    for patch in ax.patches:
        x, y = patch.get_xy().T
        assert left <= x.min() <= x.max() <= right
        assert bottom <= y.min() <= y.max() <= top


def test_on_a_line_the_plan_goes_down_from_bars_to_bars():
    figure, ax = plt.subplots()
    picture = plot_transport([2, 2, 0], [0, 2, 2], geometry="line", ax=ax)
    heights = [[bar.get_height() for bar in bars] for bars in picture[:2]]
    assert heights == [[0.5, 0.5, 0], [0, -0.5, -0.5]]
    tips, feet = tips_and_feet(picture)
    ends = sorted(zip(feet[:, 0].round(6), tips[:, 0].round(6), strict=True))
    assert ends in ([(0, 2)], [(0, 1), (1, 2)])
    assert (feet[:, 1] > tips[:, 1]).all()
    assert ax.get_title() == "EMD 1.00 units of length"
    assert len(figure.axes) == 1


@pytest.mark.parametrize(
    ("geometry", "kind"), [(grid(2, 3), "image"), (TRIANGLE, "polygons")]
)
def test_other_cells_in_a_plane(geometry, kind):
    a, b = np.eye(geometry.n_cells)[[0, -1]]
    picture = plot_transport(a, b, geometry=geometry, unit="m")
    assert picture.flows.axes.texts[1].get_text() == f"EMD {picture.distance:.2f} m"
    assert hasattr(
        picture.original, {"image": "get_extent", "polygons": "get_paths"}[kind]
    )
    ((tip,), (foot,)) = tips_and_feet(picture)
    # A grid's columns go across and its rows down.
    assert tip - foot == pytest.approx([2, 1] if kind == "image" else [0, 4])
    assert picture.flows.axes.yaxis_inverted() == (kind == "image")


def test_equal_wafers_move_nothing():
    picture = plot_transport(np.ones(48), np.ones(48))
    assert (len(picture.shares), picture.distance) == (0, 0)
    picture.flows.figure.canvas.draw()


@pytest.mark.parametrize(
    ("b", "geometry", "message"),
    [
        (np.zeros(48), "wafer", "without charge"),
        (np.ones(47), "wafer", "47"),
        (np.ones(48), Geometry(np.eye(48)), "48 coordinates"),
    ],
)
def test_what_has_no_plan_or_picture_leaves_no_figure_behind(b, geometry, message):
    with pytest.raises(ValueError, match=message):
        plot_transport(np.ones(48), b, geometry=geometry)
    assert plt.get_fignums() == []
