"""Geometries against numbers typed from the detector's tables, and their contract."""

import copy
import pickle

import numpy as np
import pytest

from skemd.geometry import Geometry, Layout, grid, hgcal_wafer, line

CM = 1.2084  # half a trigger-cell pitch, the unit of length

# Center in cm and the neighbors across a shared edge, cell by cell, from the
# coordinates published with the code of arXiv:2306.04712.
CELLS = [
    (0.0, 0.0, [1, 4, 31]),
    (0.0, -2.417, [0, 2, 5, 27]),
    (0.0, -4.834, [1, 3, 6, 23]),
    (0.0, -7.25, [2, 7, 19, 35]),
    (2.093, -1.208, [0, 5, 8]),
    (2.093, -3.625, [1, 4, 6, 9]),
    (2.093, -6.042, [2, 5, 7, 10]),
    (2.093, -8.459, [3, 6, 11, 34]),
    (4.186, -2.417, [4, 9, 12]),
    (4.186, -4.834, [5, 8, 10, 13]),
    (4.186, -7.25, [6, 9, 11, 14]),
    (4.186, -9.667, [7, 10, 15, 33]),
    (6.279, -3.625, [8, 13]),
    (6.279, -6.042, [9, 12, 14]),
    (6.279, -8.459, [10, 13, 15]),
    (6.279, -10.876, [11, 14, 32]),
    (-8.372, -10.271, [17, 20, 47]),
    (-6.279, -9.063, [16, 18, 21, 43]),
    (-4.186, -7.855, [17, 19, 22, 39]),
    (-2.093, -6.646, [3, 18, 23, 35]),
    (-8.372, -7.855, [16, 21, 24]),
    (-6.279, -6.646, [17, 20, 22, 25]),
    (-4.186, -5.438, [18, 21, 23, 26]),
    (-2.093, -4.229, [2, 19, 22, 27]),
    (-8.372, -5.438, [20, 25, 28]),
    (-6.279, -4.229, [21, 24, 26, 29]),
    (-4.186, -3.021, [22, 25, 27, 30]),
    (-2.093, -1.813, [1, 23, 26, 31]),
    (-8.372, -3.021, [24, 29]),
    (-6.279, -1.813, [25, 28, 30]),
    (-4.186, -0.604, [26, 29, 31]),
    (-2.093, 0.604, [0, 27, 30]),
    (4.709, -12.386, [15, 33, 36]),
    (2.616, -11.178, [11, 32, 34, 37]),
    (0.523, -9.969, [7, 33, 35, 38]),
    (-1.57, -8.761, [3, 19, 34, 39]),
    (2.616, -13.594, [32, 37, 40]),
    (0.523, -12.386, [33, 36, 38, 41]),
    (-1.57, -11.178, [34, 37, 39, 42]),
    (-3.663, -9.969, [18, 35, 38, 43]),
    (0.523, -14.803, [36, 41, 44]),
    (-1.57, -13.594, [37, 40, 42, 45]),
    (-3.663, -12.386, [38, 41, 43, 46]),
    (-5.756, -11.178, [17, 39, 42, 47]),
    (-1.57, -16.011, [40, 45]),
    (-3.663, -14.803, [41, 44, 46]),
    (-5.756, -13.594, [42, 45, 47]),
    (-7.849, -12.386, [16, 43, 46]),
]
SEAMS = [(0, 31), (1, 27), (2, 23), (3, 19)]
SEAMS += [(3, 35), (7, 34), (11, 33), (15, 32)]
SEAMS += [(16, 47), (17, 43), (18, 39), (19, 35)]

NO = -1  # a pixel without a cell
IMAGE_8X8 = [
    [28, 29, 30, 31, 0, 4, 8, 12],
    [24, 25, 26, 27, 1, 5, 9, 13],
    [20, 21, 22, 23, 2, 6, 10, 14],
    [16, 17, 18, 19, 3, 7, 11, 15],
    [47, 43, 39, 35, NO, NO, NO, NO],
    [46, 42, 38, 34, NO, NO, NO, NO],
    [45, 41, 37, 33, NO, NO, NO, NO],
    [44, 40, 36, 32, NO, NO, NO, NO],
]
PIXELS_8X8 = [4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31]
PIXELS_8X8 += [24, 25, 26, 27, 16, 17, 18, 19, 8, 9, 10, 11, 0, 1, 2, 3]
PIXELS_8X8 += [59, 51, 43, 35, 58, 50, 42, 34, 57, 49, 41, 33, 56, 48, 40, 32]


def typed_adjacencies():
    return {
        (cell, other)
        for cell, (_, _, neighbors) in enumerate(CELLS)
        for other in neighbors
    }


def pairs_at(distance):
    """Return the pairs of the wafer's cells that are a given distance apart."""
    near = np.isclose(hgcal_wafer().ground_distance, distance, rtol=0, atol=1e-9)
    return {tuple(pair) for pair in np.argwhere(near).tolist()}


# The wafer


def test_wafer_positions_are_those_of_the_tables():
    typed = [(x, y) for x, y, _ in CELLS]
    np.testing.assert_allclose(hgcal_wafer().positions * CM, typed, rtol=0, atol=1e-3)


def test_wafer_positions_have_their_known_center_and_size():
    geometry = hgcal_wafer()
    center = geometry.positions.mean(axis=0)
    np.testing.assert_allclose(center * CM, [-1.221, -7.552], rtol=0, atol=1e-3)
    radius = np.linalg.norm(geometry.positions - center, axis=1).max()
    assert radius * CM == pytest.approx(8.47, abs=5e-3)


def test_wafer_ground_distances_have_their_known_extremes_and_mean():
    geometry = hgcal_wafer()
    between = geometry.ground_distance[np.triu_indices(48, k=1)]
    assert geometry.max_distance == between.max()
    assert geometry.min_distance == between.min()
    assert between.max() == pytest.approx(13.757, abs=5e-4)
    assert between.mean() == pytest.approx(6.670, abs=5e-4)
    assert between.min() == pytest.approx(np.sqrt(3.25), rel=1e-12)


def test_ground_distance_is_a_metric_in_float64():
    distance = hgcal_wafer().ground_distance
    assert distance.dtype == np.float64
    assert (np.diag(distance) == 0).all()
    assert (distance == distance.T).all()
    through = distance[:, :, None] + distance[None, :, :]
    assert (distance[:, None, :] <= through + 1e-12).all()


def test_the_typed_neighbors_are_84_mutual_pairs():
    adjacencies = typed_adjacencies()
    assert len(adjacencies) == 2 * 84
    assert {(b, a) for a, b in adjacencies} == adjacencies


def test_cells_that_share_an_edge_inside_a_face_are_two_units_apart():
    adjacencies = typed_adjacencies()
    inside = {(a, b) for a, b in adjacencies if a // 16 == b // 16}
    assert len(inside) == 2 * 72
    # The short diagonal of a rhombus is as long as its sides: nine more in a face.
    diagonals = pairs_at(2.0) - inside
    assert inside < pairs_at(2.0)
    assert len(diagonals) == 2 * 27
    assert {(b - a) % 16 for a, b in diagonals if a < b} <= {3, 5}


def test_cells_that_share_an_edge_across_a_seam_are_the_closest_of_all():
    across = {(a, b) for a, b in typed_adjacencies() if a // 16 != b // 16}
    assert across == set(SEAMS) | {(b, a) for a, b in SEAMS}
    assert pairs_at(np.sqrt(3.25)) == across


@pytest.mark.parametrize("turns", [1, 2])
def test_a_third_of_a_turn_is_an_exact_isometry(turns):
    distance = hgcal_wafer().ground_distance
    turned = (np.arange(48) + 16 * turns) % 48
    moved = distance[np.ix_(turned, turned)]
    np.testing.assert_allclose(moved, distance, rtol=0, atol=1e-12)
    assert turned.tolist() in [p.tolist() for p in hgcal_wafer().symmetries]
    assert len(hgcal_wafer().symmetries) == 2


def test_a_third_of_a_turn_is_a_rotation_and_no_reflection():
    centered = hgcal_wafer().positions - hgcal_wafer().positions.mean(axis=0)
    turned = centered[(np.arange(48) + 16) % 48]
    cosine, sine = -0.5, (centered[0, 0] * turned[0, 1] - centered[0, 1] * turned[0, 0])
    sine /= (centered[0] ** 2).sum()
    assert abs(sine) == pytest.approx(np.sqrt(3) / 2, rel=1e-12)
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    np.testing.assert_allclose(centered @ rotation, turned, rtol=0, atol=1e-12)


# Layouts


def test_the_8x8_layout_is_the_typed_one():
    layout = hgcal_wafer().layout("8x8")
    assert layout.shape == (8, 8, 1)
    image = layout.apply(np.arange(1.0, 49.0)[None])[0, :, :, 0]
    np.testing.assert_array_equal(image - 1, IMAGE_8X8)
    assert layout.cell_to_pixel.tolist() == PIXELS_8X8


def test_the_4x4x3_layout_has_a_channel_for_each_face():
    layout = hgcal_wafer().layout("4x4x3")
    assert layout.shape == (4, 4, 3)
    image = layout.apply(np.arange(48)[None])[0]
    flat = image.ravel().tolist()
    assert flat[:9] == [0, 16, 32, 1, 17, 33, 2, 18, 34]
    assert flat[-3:] == [15, 31, 47]
    for face in range(3):
        np.testing.assert_array_equal(
            image[:, :, face], 16 * face + np.arange(16).reshape(4, 4)
        )


@pytest.mark.parametrize(("name", "kept"), [("8x8", 80), ("4x4x3", 72)])
def test_layouts_keep_the_known_number_of_adjacencies(name, kept):
    layout = hgcal_wafer().layout(name)
    row, column, _ = np.unravel_index(layout.cell_to_pixel, layout.shape)
    near = abs(row[:, None] - row) + abs(column[:, None] - column) == 1
    if name == "4x4x3":
        # Pixels of different channels lie on top of each other, not side by side.
        near &= np.arange(48)[:, None] // 16 == np.arange(48) // 16
    found = {tuple(pair) for pair in np.argwhere(near).tolist()}
    assert found < typed_adjacencies()
    assert len(found) == 2 * kept


@pytest.mark.parametrize(
    ("geometry", "name"),
    [
        (hgcal_wafer(), "8x8"),
        (hgcal_wafer(), "4x4x3"),
        (line(7), "line"),
        (grid(3, 5), "3x5"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_layout_is_undone_exactly(geometry, name, dtype):
    rng = np.random.RandomState(0)
    X = rng.randint(1, 1000, size=(5, geometry.n_cells)).astype(dtype)
    layout = geometry.layout(name)
    images = layout.apply(X)
    assert images.shape == (5, *layout.shape)
    assert images.dtype == dtype
    assert np.count_nonzero(images) == X.size
    np.testing.assert_array_equal(layout.invert(images), X)


def test_a_layout_of_no_wafers_is_no_images():
    layout = hgcal_wafer().layout("8x8")
    assert layout.apply(np.zeros((0, 48))).shape == (0, 8, 8, 1)
    assert layout.invert(np.zeros((0, 8, 8, 1))).shape == (0, 48)


def test_a_geometry_without_layouts_has_a_line():
    geometry = Geometry([[0.0], [2.0], [5.0]])
    assert list(geometry.layouts) == ["line"]
    assert geometry.layout().shape == (1, 3, 1)
    assert geometry.default_layout == "line"


def test_the_first_layout_is_the_geometrys_own_choice():
    assert hgcal_wafer().default_layout == "8x8"
    assert hgcal_wafer().layout() is hgcal_wafer().layout("8x8")


def test_layouts_may_be_given_as_shape_and_places():
    geometry = Geometry([[0], [1]], {"tall": ((2, 1, 1), [1, 0])})
    assert geometry.layout("tall") == Layout((2, 1, 1), [1, 0])
    assert geometry.layout().apply(np.array([[3, 4]])).ravel().tolist() == [4, 3]


# A geometry is a value


@pytest.mark.parametrize(
    "geometry", [hgcal_wafer(), line(5), grid(2, 3)], ids=lambda g: g.name
)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))]
)
def test_copies_are_equal_and_hash_alike(geometry, duplicate):
    other = duplicate(geometry)
    assert other == geometry
    assert hash(other) == hash(geometry)
    assert other.name == geometry.name
    assert list(other.layouts) == list(geometry.layouts)
    np.testing.assert_array_equal(other.ground_distance, geometry.ground_distance)
    assert not other.positions.flags.writeable


@pytest.mark.parametrize(
    "other",
    [
        Geometry([[0], [1], [3]]),
        Geometry([[0, 0], [1, 0], [2, 0]]),
        Geometry([[0], [1], [2]], {"tall": ((3, 1, 1), [0, 1, 2])}),
        Geometry([[0], [1], [2]], symmetries=[[2, 1, 0]]),
        "line",
    ],
    ids=["positions", "dimensions", "layouts", "symmetries", "type"],
)
def test_geometries_that_differ_are_not_equal(other):
    assert Geometry([[0], [1], [2]]) != other


def test_the_name_takes_no_part_in_comparisons():
    named = Geometry([[0], [1]], name="mine")
    assert named == Geometry([[0], [1]])
    assert hash(named) == hash(Geometry([[0], [1]]))


def test_layouts_compare_by_content():
    layout = Layout((1, 2, 1), [0, 1])
    assert layout == Layout((1, 2, 1), [0, 1])
    assert hash(layout) == hash(Layout((1, 2, 1), [0, 1]))
    assert layout != Layout((1, 2, 1), [1, 0])
    assert layout != Layout((2, 1, 1), [0, 1])


def test_a_geometry_is_frozen():
    geometry = Geometry([[0], [1]])
    with pytest.raises(AttributeError, match="frozen; 'positions' cannot be set"):
        geometry.positions = 0
    with pytest.raises(TypeError):
        geometry.layouts["other"] = geometry.layout()
    for array in (geometry.positions, geometry.ground_distance):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    for array in (
        geometry.layout().cell_to_pixel,
        hgcal_wafer().symmetries[0],
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_geometry_keeps_no_view_of_what_it_was_given():
    positions = np.array([[0.0], [1.0]])
    places = np.array([0, 1])
    geometry = Geometry(positions, {"line": ((1, 2, 1), places)})
    positions[1] = 9
    places[:] = [1, 0]
    assert geometry.positions[1, 0] == 1
    assert geometry.layout().cell_to_pixel.tolist() == [0, 1]


def test_ready_geometries_are_made_once():
    assert hgcal_wafer() is hgcal_wafer()
    assert line(4) is line(4)
    assert grid(2, 3) is grid(2, 3)


def test_reprs_say_what_it_is():
    assert repr(hgcal_wafer()) == (
        "Geometry('wafer', n_cells=48, layouts=['8x8', '4x4x3'], symmetries=2)"
    )
    assert repr(line(2).layout()) == "Layout(shape=(1, 2, 1), n_cells=2)"


# Lines and grids


def test_a_line_has_unit_steps_and_a_mirror_image():
    geometry = line(4)
    distance = [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]]
    np.testing.assert_array_equal(geometry.ground_distance, distance)
    assert [p.tolist() for p in geometry.symmetries] == [[3, 2, 1, 0]]
    assert geometry.layout("line").shape == (1, 4, 1)


def test_a_line_of_one_cell_has_no_distances_and_no_symmetries():
    geometry = line(1)
    assert (geometry.min_distance, geometry.max_distance) == (0.0, 0.0)
    assert geometry.symmetries == ()


@pytest.mark.parametrize(
    ("height", "width", "n_symmetries"),
    [(2, 3, 3), (3, 3, 7), (1, 4, 1), (4, 1, 1), (2, 2, 7), (1, 1, 0)],
)
def test_a_grid_has_the_symmetries_of_its_shape(height, width, n_symmetries):
    geometry = grid(height, width)
    found = {tuple(p.tolist()) for p in geometry.symmetries}
    assert len(geometry.symmetries) == len(found) == n_symmetries
    assert tuple(range(height * width)) not in found


def test_a_grid_is_numbered_row_by_row():
    geometry = grid(2, 3)
    assert geometry.positions.tolist() == [
        [0, 0],
        [0, 1],
        [0, 2],
        [1, 0],
        [1, 1],
        [1, 2],
    ]
    image = geometry.layout("2x3").apply(np.arange(6)[None])[0, :, :, 0]
    np.testing.assert_array_equal(image, [[0, 1, 2], [3, 4, 5]])
    assert geometry.ground_distance[0, 5] == np.sqrt(5)


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1],), r"positions must have shape .* got shape \(2,\)"),
        ((np.zeros((0, 2)),), "at least one cell"),
        (([[0], [np.nan]],), "positions must be finite"),
        (([[0, 1], [0, 1]],), "Two cells have the same position"),
        (([[0], [1]], {"x": ((1, 3, 1), [0, 1, 2])}), "'x' places 3 cells, .* has 2"),
        (([[0], [1]], {"x": ((1, 2), [0, 1])}), "shape is .height, width, channels."),
        (
            ([[0], [1]], {"x": ((1, 0, 1), [0, 1])}),
            "shape is .height, width, channels.",
        ),
        (
            ([[0], [1]], {"x": ((1, 2, 1), [0, 2])}),
            "a place of its own between 0 and 1",
        ),
        (([[0], [1]], {"x": ((1, 2, 1), [-1, 0])}), "a place of its own"),
        (([[0], [1]], {"x": ((1, 2, 1), [1, 1])}), "a place of its own"),
        (([[0], [1]], {"x": ((1, 2, 1), [[0, 1]])}), "a sequence of integers"),
        (([[0], [1]], None, [[0, 0]]), "A symmetry is a permutation of the 2 cells"),
        (([[0], [1]], None, [[0, 1, 2]]), "A symmetry is a permutation of the 2 cells"),
        (([[0], [1], [3]], None, [[2, 1, 0]]), "must leave every ground distance"),
    ],
)
def test_geometries_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Geometry(*arguments)


@pytest.mark.parametrize("name", ["9x9", 8, ("8x8",)])
def test_an_unknown_layout_is_an_error_that_names_the_known_ones(name):
    with pytest.raises(ValueError, match="the wafer geometry has '8x8', '4x4x3'"):
        hgcal_wafer().layout(name)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "3"])
def test_sizes_are_positive_integers(size):
    with pytest.raises(ValueError, match="n_cells must be a positive integer; got"):
        line(size)
    with pytest.raises(ValueError, match="height must be a positive integer; got"):
        grid(size, 2)
    with pytest.raises(ValueError, match="width must be a positive integer; got"):
        grid(2, size)


@pytest.mark.parametrize(
    "places", [[0.0, 1.0], [1, np.nan], [[0, 1]], [False, True], ["0", "1"]]
)
def test_places_that_are_no_integers_are_not_rounded(places):
    with pytest.raises(ValueError, match="cell_to_pixel must be a sequence of integ"):
        Layout((1, 2, 1), places)


def test_sides_and_symmetries_that_are_no_integers_are_not_rounded():
    with pytest.raises(ValueError, match=r"shape must be a sequence of .*float64"):
        Layout((1, 2.5, 1), [0, 1])
    with pytest.raises(ValueError, match=r"symmetry must be a sequence of .*float64"):
        Geometry([[0], [1], [2]], symmetries=[[2.9, 1, 0]])
