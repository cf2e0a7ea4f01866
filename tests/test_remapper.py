"""WaferRemapper: cells to images and back, for every layout and scale."""

import copy
import pickle

import cloudpickle
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from small_data import N_CELLS, fitted_autoencoder, small_wafers

from skemd import WaferRemapper
from skemd.geometry import Geometry, grid, hgcal_wafer

IMAGE_SHAPES = {"8x8": (8, 8, 1), "4x4x3": (4, 4, 3)}

each_layout = pytest.mark.parametrize("layout", list(IMAGE_SHAPES))
each_scale = pytest.mark.parametrize("normalize", [None, "sum", "msb", "max"])


@each_layout
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_images_have_the_shape_of_the_layout_and_keep_the_dtype(layout, dtype):
    X = small_wafers().astype(dtype)
    images = WaferRemapper(layout).fit_transform(X)
    assert images.shape == (len(X), *IMAGE_SHAPES[layout])
    assert images.dtype == dtype


@each_layout
def test_images_hold_each_charge_once_and_are_zero_elsewhere(layout):
    X = np.arange(1.0, 2 * N_CELLS + 1).reshape(2, N_CELLS)
    images = WaferRemapper(layout).fit_transform(X)
    for charges, image in zip(X, images, strict=True):
        assert sorted(image[image > 0]) == sorted(charges)


@each_layout
def test_images_place_cells_where_the_geometry_says(layout):
    X = small_wafers()
    expected = hgcal_wafer().layout(layout).apply(X)
    np.testing.assert_array_equal(WaferRemapper(layout).fit_transform(X), expected)


@each_layout
def test_inverse_transform_undoes_the_layout_exactly(layout):
    X = small_wafers()
    remapper = WaferRemapper(layout).fit(X)
    np.testing.assert_array_equal(remapper.inverse_transform(remapper.transform(X)), X)


@each_layout
@each_scale
def test_inverse_transform_with_sums_gives_the_charges_back(layout, normalize):
    X = small_wafers()
    remapper = WaferRemapper(layout, normalize=normalize).fit(X)
    images = remapper.transform(X)
    cells = remapper.inverse_transform(images, sums=X.sum(axis=1))
    np.testing.assert_allclose(cells, X, rtol=1e-12)


@each_layout
@each_scale
def test_inverse_transform_without_sums_leaves_the_charges_divided(layout, normalize):
    X = small_wafers()
    divisor = {
        None: np.ones(len(X)),
        "sum": X.sum(axis=1),
        "msb": 2 ** np.floor(np.log2(X.sum(axis=1))),
        "max": X.max(axis=1),
    }[normalize]
    remapper = WaferRemapper(layout, normalize=normalize).fit(X)
    cells = remapper.inverse_transform(remapper.transform(X))
    np.testing.assert_allclose(cells, X / divisor[:, None], rtol=1e-12)


@pytest.mark.parametrize(
    ("total", "divisor"),
    [(1.0, 1), (8.0, 8), (np.nextafter(8.0, 0), 4), (15.99, 8), (0.75, 0.5)],
)
def test_msb_divides_by_the_power_of_two_at_or_below_the_sum(total, divisor):
    X = np.zeros((2, N_CELLS))
    X[:, 5] = total
    images = WaferRemapper(normalize="msb").fit_transform(X)
    assert images.max() == total / divisor


@each_layout
@each_scale
def test_a_wafer_without_charge_gives_a_blank_image(layout, normalize):
    remapper = WaferRemapper(layout, normalize=normalize).fit(small_wafers())
    X = small_wafers(3)
    X[1] = 0
    images = remapper.transform(X)
    assert np.isfinite(images).all()
    assert not images[1].any()
    np.testing.assert_array_equal(images[[0, 2]], remapper.transform(X[[0, 2]]))


def test_transform_leaves_its_input_as_it_is():
    X = small_wafers()
    before = X.copy()
    remapper = WaferRemapper(normalize="max").fit(X)
    images = remapper.transform(X)
    images[:] = 0
    np.testing.assert_array_equal(X, before)


def test_inverse_transform_leaves_rows_of_cells_in_place():
    X = small_wafers()
    cells = WaferRemapper().fit(X).inverse_transform(X)
    np.testing.assert_array_equal(cells, X)
    assert not np.shares_memory(cells, X)


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (np.ones((2, 4, 4, 3)), r"images of shape \(8, 8, 1\); got .*\(2, 4, 4, 3\)"),
        (np.ones((2, 47)), r"inverse_transform got 47 columns.*48"),
        (np.ones(48), r"got an array of shape \(48,\)"),
    ],
    ids=["other layout", "47 columns", "one row"],
)
def test_inverse_transform_says_which_images_it_takes(images, match):
    remapper = WaferRemapper("8x8").fit(small_wafers())
    with pytest.raises(ValueError, match=match):
        remapper.inverse_transform(images)


def test_inverse_transform_wants_a_sum_for_each_wafer():
    X = small_wafers(5)
    remapper = WaferRemapper().fit(X)
    with pytest.raises(ValueError, match=r"sums must have shape \(5,\).*\(4,\)"):
        remapper.inverse_transform(remapper.transform(X), sums=np.ones(4))


@pytest.mark.parametrize(
    ("geometry", "n_cells", "shape"),
    [
        ("line", 7, (1, 7, 1)),
        (grid(3, 5), 15, (3, 5, 1)),
        (Geometry([[0, 0], [3, 0], [0, 4]]), 3, (1, 3, 1)),
        (hgcal_wafer(), 48, (8, 8, 1)),
    ],
    ids=["line", "grid", "custom", "wafer"],
)
def test_default_layout_works_with_every_geometry(geometry, n_cells, shape):
    X = small_wafers(4, n_cells=n_cells)
    remapper = WaferRemapper(geometry=geometry).fit(X)
    images = remapper.transform(X)
    assert images.shape == (4, *shape)
    assert remapper.n_features_in_ == n_cells
    np.testing.assert_array_equal(remapper.inverse_transform(images), X)


def test_cells_keep_their_names():
    remapper = WaferRemapper().fit(small_wafers())
    assert remapper.get_feature_names_out().tolist() == [f"x{i}" for i in range(48)]


def test_set_output_leaves_images_as_arrays():
    remapper = WaferRemapper().set_output(transform="pandas")
    assert isinstance(remapper.fit_transform(small_wafers()), np.ndarray)


def test_columns_of_a_data_frame_are_remembered():
    pandas = pytest.importorskip("pandas")
    names = [f"cell_{number}" for number in range(N_CELLS)]
    frame = pandas.DataFrame(small_wafers(), columns=names)
    remapper = WaferRemapper().fit(frame)
    assert remapper.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names"):
        remapper.transform(frame[names[::-1]])


def test_clone_keeps_every_parameter_and_is_unfitted():
    parameters = {"layout": "4x4x3", "normalize": "msb", "geometry": hgcal_wafer()}
    twin = clone(WaferRemapper(**parameters).fit(small_wafers()))
    assert twin.get_params() == parameters
    with pytest.raises(NotFittedError):
        twin.transform(small_wafers())


@pytest.mark.parametrize(
    "round_trip",
    [
        copy.deepcopy,
        lambda fitted: pickle.loads(pickle.dumps(fitted)),
        lambda fitted: pickle.loads(cloudpickle.dumps(fitted)),
    ],
    ids=["deepcopy", "pickle", "cloudpickle"],
)
def test_copies_give_the_same_images(round_trip):
    X = small_wafers()
    remapper = WaferRemapper("4x4x3", normalize="sum").fit(X)
    twin = round_trip(remapper)
    np.testing.assert_array_equal(twin.transform(X), remapper.transform(X))


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_unfitted_remapper_says_so(method):
    with pytest.raises(NotFittedError, match="WaferRemapper instance is not fitted"):
        getattr(WaferRemapper(), method)(small_wafers())


def test_autoencoder_takes_images_or_rows_of_cells_alike():
    X = small_wafers()
    autoencoder = fitted_autoencoder()
    pipeline = make_pipeline(WaferRemapper("8x8").fit(X), autoencoder)
    np.testing.assert_array_equal(pipeline.transform(X), autoencoder.transform(X))


def test_one_wafer_will_do():
    X = small_wafers(1)
    images = WaferRemapper().fit(X).transform(X)
    assert images.shape == (1, 8, 8, 1)


def test_wafers_without_charge_will_do():
    X = np.zeros((2, 48))
    np.testing.assert_array_equal(WaferRemapper().fit_transform(X), 0)
