"""Pictures show the charges that they are given."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd.distance import paired_emd
from skemd.geometry import Geometry, grid, hgcal_wafer
from skemd.plot import plot_reconstructions, plot_wafer


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_each_cell_is_a_rhombus_about_its_position():
    cells = plot_wafer(np.arange(1, 49)).artists_["cells"]
    corners = np.array([path.vertices[:4] for path in cells.get_paths()])
    positions = hgcal_wafer().positions
    np.testing.assert_allclose(corners.mean(axis=1), positions, atol=1e-12)
    # Neighbors within a face share an edge, and rhombi have sides of one pitch.
    sides = np.linalg.norm(np.diff(corners, axis=1), axis=2)
    np.testing.assert_allclose(sides, 2)
    shared = {tuple(c) for c in corners[0].round(6)} & {
        tuple(c) for c in corners[1].round(6)
    }
    assert len(shared) == 2


def test_colors_are_charges_and_empty_cells_are_left_out():
    wafer = np.arange(48.0)
    cells = plot_wafer(wafer, vmax=100).artists_["cells"]
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


def test_a_line_is_bars_as_high_as_its_charges():
    _, ax = plt.subplots()
    options = {"vmax": 8, "cell_numbers": True, "label": "photons"}
    picture = plot_wafer(np.arange(5), geometry="line", ax=ax, **options)
    bars = picture.artists_["cells"]
    assert [bar.get_height() for bar in bars] == [0, 1, 2, 3, 4]
    assert [bar.get_center()[0] for bar in bars] == [0, 1, 2, 3, 4]
    assert {bar.get_width() for bar in bars} == {1}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cell", "photons")
    assert ax.get_ylim()[1] == 8
    assert ax.get_yscale() == "linear"


def test_bars_go_by_the_logarithm_if_asked():
    _, ax = plt.subplots()
    plot_wafer([0, 1, 1000], geometry="line", ax=ax, log=True)
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[0] > 0


def test_a_grid_is_an_image_with_rows_going_down():
    _, ax = plt.subplots()
    options = {"geometry": grid(2, 3), "cell_numbers": True}
    image = plot_wafer(np.arange(6), ax=ax, **options).artists_["cells"]
    np.testing.assert_array_equal(image.get_array()[1], [3, 4, 5])
    assert image.get_array().mask.sum() == 1
    assert ax.yaxis_inverted()
    number_5 = ax.texts[5]
    assert (number_5.get_text(), number_5.get_position()) == ("5", (2, 1))
    (frame,) = ax.patches
    assert frame.get_path().get_extents().bounds == (-0.5, -0.5, 3, 2)


@pytest.mark.parametrize(
    "positions",
    [
        [[0, 0], [0.5, 2], [3, 1]],
        [[0, 0], [0, 1], [1, 1], [1, 0]],  # a grid, but not in the order of rows
        [[0, 0], [0, 1], [1, 0], [1.5, 1]],
        [[-2, -4], [-3, -2]],
        [[7, 3]],
        np.random.RandomState(0).rand(100, 2),
    ],
    ids=len,
)
def test_other_cells_in_a_plane_have_the_places_nearest_to_them(positions):
    positions = np.asarray(positions, float)
    charges = np.arange(len(positions))
    picture = plot_wafer(charges, geometry=Geometry(positions))
    cells = picture.artists_["cells"]
    assert cells.get_array().tolist() == [None, *charges[1:].tolist()]
    paths = cells.get_paths()
    # Of points all over the picture, those inside of cells are in the nearest one.
    points = np.random.RandomState(1).uniform(*cells_limits(picture.ax_), (500, 2))
    nearest = np.linalg.norm(points[:, None] - positions, axis=2).argmin(axis=1)
    inside = np.array([path.contains_points(points) for path in paths])
    assert inside.any(axis=0).mean() > 0.5
    for number, point in zip(*inside.nonzero(), strict=True):
        assert nearest[point] == number
    for path, position in zip(paths, positions, strict=True):
        assert path.contains_point(position)


def cells_limits(ax):
    return np.transpose([ax.get_xlim(), ax.get_ylim()])


@pytest.mark.parametrize("width", [1.0, 2.5])
def test_voronoi_cells_of_a_lattice_are_its_unit_cells(width):
    lattice = width * grid(5, 5).positions[::-1]
    picture = plot_wafer(np.ones(25), geometry=Geometry(lattice))
    areas = [area(path.vertices[:-1]) for path in picture.artists_["cells"].get_paths()]
    # Only corners are rounded off.
    inner = np.reshape(areas, (5, 5))[1:-1]
    np.testing.assert_allclose(inner, width**2, rtol=1e-6)
    assert (np.array(areas) <= width**2 * (1 + 1e-9)).all()


@pytest.mark.parametrize("shape", [(48,), (1, 48), (8, 8, 1), (1, 8, 8, 1)])
def test_a_wafer_may_come_as_a_row_or_an_image(shape):
    charges = np.arange(1.0, 49)
    wafer = charges
    if len(shape) > 2:
        wafer = hgcal_wafer().layout("8x8").apply(charges[None])
    picture = plot_wafer(np.reshape(wafer, shape))
    np.testing.assert_array_equal(picture.artists_["cells"].get_array(), charges)


def test_many_wafers_are_not_one():
    with pytest.raises(ValueError, match=r"got 2 wafers\. Pass one .* wafer\[0\]"):
        plot_wafer(np.ones((2, 48)))
    assert plt.get_fignums() == []


def test_a_picture_names_its_axes_and_its_figure():
    figure, ax = plt.subplots()
    picture = plot_wafer(np.ones(48), ax=ax)
    assert picture.ax_ is ax
    assert picture.figure_ is figure


def test_an_array_of_reconstructions_is_a_single_compression():
    picture = plot_reconstructions(np.eye(48)[:2], np.eye(48)[:2])
    assert list(picture.artists_) == ["true", "reconstruction"]


def test_cells_in_space_are_refused():
    cube = Geometry(np.eye(3))
    with pytest.raises(ValueError, match=r"3 coordinates\. Draw a projection"):
        plot_wafer(np.ones(3), geometry=cube)
    assert plt.get_fignums() == []


def test_the_outline_goes_once_around_all_cells():
    _, ax = plt.subplots()
    cells = plot_wafer(np.ones(48), ax=ax).artists_["cells"]
    (outline,) = ax.patches
    corners = outline.get_xy()[:-1]
    assert len(corners) == 9
    # The area inside is that of the cells, and of the small hole where faces meet.
    n_cells_inside = area(corners) / area(cells.get_paths()[0].vertices[:4])
    assert 48 < n_cells_inside < 48.1
    # Small steps along the seams, and sides of four cells.
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    np.testing.assert_allclose(np.sort(sides), [0.5] * 3 + [8] * 6)
    plot_wafer(np.ones(48), ax=ax, outline=False)
    assert len(ax.patches) == 1


def area(corners):
    x, y = np.transpose(corners)
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def test_numbers_stand_on_their_cells_and_can_be_read():
    _, ax = plt.subplots()
    plot_wafer([0, 1, *[500] * 46], ax=ax, cell_numbers=True)
    assert [text.get_text() for text in ax.texts] == [str(k) for k in range(48)]
    places = [text.get_position() for text in ax.texts]
    np.testing.assert_allclose(places, hgcal_wafer().positions)
    # Dark on empty and light cells, light on dark ones.
    assert [ax.texts[k].get_color() for k in (0, 1, 2)] == ["0.25", "0.25", "white"]


@pytest.mark.parametrize(
    ("charges", "vmax", "limits"),
    [
        ([0, 3, 300], None, (3, 300)),
        ([0, 3, 300], 1000, (3, 1000)),
        ([0, 300, 300], None, (30, 300)),
        ([0, 300, 500], 100, (10, 100)),
    ],
)
def test_colors_go_by_the_logarithm_if_asked(charges, vmax, limits):
    picture = plot_wafer(charges + [0] * 45, log=True, vmax=vmax)
    cells = picture.artists_["cells"]
    assert cells.get_clim() == pytest.approx(limits)
    assert isinstance(cells.norm, mpl.colors.LogNorm)


@pytest.mark.parametrize("log", [False, True])
def test_a_wafer_without_charge_is_white(log):
    cells = plot_wafer(np.zeros(48), log=log).artists_["cells"]
    assert cells.get_array().mask.all()
    cells.figure.canvas.draw()


def test_the_scale_says_the_unit():
    figure, ax = plt.subplots()
    plot_wafer(np.ones(48), ax=ax)
    assert len(figure.axes) == 1
    plot_wafer(np.ones(48), ax=ax, colorbar=True)
    assert figure.axes[1].get_ylabel() == "charge (CALQ counts)"
    # Of other detectors the unit is not known, unless it is passed.
    figure, ax = plt.subplots()
    plot_wafer(np.ones(4), geometry=grid(2, 2), ax=ax, colorbar=True)
    assert figure.axes[1].get_ylabel() == "charge"
    picture = plot_wafer(np.ones(3), geometry="line")
    assert picture.ax_.get_ylabel() == "charge"


@pytest.mark.parametrize("vmax", [0, -1, "much"])
def test_a_wrong_end_of_the_scale_is_an_error(vmax):
    with pytest.raises(ValueError, match=r"vmax must be a number in \(0, inf\)"):
        plot_wafer(np.ones(48), vmax=vmax)


def test_reconstructions_stand_below_their_wafers_with_the_exact_emd():
    rng = np.random.default_rng(0)
    X, R = rng.random((2, 4, 48))
    X[1, :40], X[2, 1:] = 0, 0
    picture = plot_reconstructions(X, {"mine": R}, n_wafers=3)
    figure = picture.figure_
    assert picture.ax_.shape == (2, 3)
    assert picture.artists_["mine"][2].axes is picture.ax_[1, 2]
    assert len(figure.axes) == 6
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["48 cells", "8 cells", "1 cell"]
    assert titles[3:] == [f"EMD {d:.2f}" for d in paired_emd(X, R)[:3]]


def test_a_lost_wafer_is_drawn_without_charge():
    received = np.eye(48)[:2] * [[1], [0]]
    picture = plot_reconstructions(np.eye(48)[:2], {"it": received})
    titles = [ax.get_title() for ax in picture.ax_[1]]
    assert titles == ["EMD 0.00", "no charge"]


def test_long_names_of_rows_stand_in_several_lines():
    name = "Best Choice, rest shared out"
    picture = plot_reconstructions(np.ones((1, 48)), {name: np.ones((1, 48))})
    picture.figure_.canvas.draw()
    (text,) = picture.ax_[1, 0].texts
    assert text.get_text().split() == name.split()
    assert text.get_window_extent().height < picture.ax_[1, 0].bbox.height


def test_reconstructions_go_into_a_part_of_a_figure():
    left, right = plt.figure().subfigures(1, 2)
    picture = plot_reconstructions(np.eye(48), {"it": np.eye(48)}, figure=right)
    assert picture.figure_ is right
    assert (len(left.axes), len(right.axes)) == (0, 10)
    assert len(plt.get_fignums()) == 1


def test_reconstructions_that_do_not_match_leave_no_figure_behind():
    with pytest.raises(ValueError, match="47 columns"):
        plot_reconstructions(np.eye(48), {"it": np.ones((48, 47))})
    assert plt.get_fignums() == []


def test_a_wrong_number_of_cells_is_an_error():
    with pytest.raises(ValueError, match="47 columns"):
        plot_wafer(np.ones(47))


def test_a_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"needs matplotlib, .*skemd\[plot\]"):
        plot_wafer(np.ones(48))


def test_pictures_in_given_axes_need_no_pyplot_and_change_no_setting():
    script = """
import sys
import matplotlib as mpl, numpy as np
from matplotlib.figure import Figure
settings = mpl.rcParams.copy()
from skemd.plot import *
axes = Figure().subplots(2, 3).ravel()
a, b = np.eye(48)[:2]
plot_wafer(a, ax=axes[0], colorbar=True)
plot_transport(a, b, ax=axes[1])
plot_learned_emd([1, 2], [2, 1], ax=axes[2])
plot_relative_difference([1, 2], [2, 1], ax=axes[3])
plot_history({"loss": [2, 1]}, ax=axes[4])
plot_reconstructions([a], {"b": [b]}, figure=Figure())
assert dict.__eq__(mpl.rcParams, settings)
assert "matplotlib.pyplot" not in sys.modules
assert "keras" not in sys.modules
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
