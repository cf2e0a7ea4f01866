"""What every estimator says about data and parameters that it cannot use.

An error says what was passed, what was expected or where the fault is, and it comes
before any training starts.
"""

import copy

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from small_data import (
    N_CELLS,
    fitted_autoencoder,
    fitted_decoder,
    fitted_line_regressor,
    fitted_regressor,
    small_pairs,
    small_wafers,
    tiny_autoencoder,
    tiny_decoder,
    tiny_regressor,
    weights_are_equal,
)

from skemd import WaferRemapper
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.geometry import grid
from skemd.losses._table import LOSSES

LARGEST = np.finfo(np.float64).max


@pytest.fixture
def no_training(monkeypatch):
    # What tests share must have been trained before, whichever of them runs first.
    networks = (fitted_regressor, fitted_line_regressor, fitted_autoencoder)
    for fitted in (*networks, fitted_decoder):
        fitted()

    def train(*arguments, **options):
        raise AssertionError("The training has started.")

    monkeypatch.setattr("skemd._autoencoder._emd_decoder.train", train)
    monkeypatch.setattr("skemd._autoencoder._fit.train", train)
    monkeypatch.setattr("skemd._regressor._estimator.train", train)


UNFITTED = {
    "WaferRemapper": WaferRemapper,
    "EMDRegressor": tiny_regressor,
    "EMDAutoencoder": tiny_autoencoder,
    "EMDDecoder": tiny_decoder,
    "ThresholdSum": ThresholdSum,
    "BestChoice": BestChoice,
    "SuperTriggerCell": SuperTriggerCell,
}
# Each fitted estimator's method that takes the same data as fit.
FITTED = {
    "WaferRemapper.transform": lambda: WaferRemapper().fit(small_wafers()).transform,
    "EMDRegressor.predict": lambda: fitted_regressor().predict,
    "EMDRegressor.score": lambda: fitted_regressor().score,
    "EMDAutoencoder.transform": lambda: fitted_autoencoder().transform,
    "EMDAutoencoder.predict": lambda: fitted_autoencoder().predict,
    "EMDAutoencoder.score": lambda: fitted_autoencoder().score,
    "EMDDecoder.predict": lambda: fitted_decoder().predict,
    "EMDDecoder.score": lambda: lambda X: fitted_decoder().score(X, small_wafers(10)),
    "ThresholdSum.transform": lambda: ThresholdSum().fit(small_wafers()).transform,
    "BestChoice.predict": lambda: BestChoice().fit(small_wafers()).predict,
    "SuperTriggerCell.score": lambda: SuperTriggerCell().fit(small_wafers()).score,
    "BestChoice.payload_bits": lambda: BestChoice().fit(small_wafers()).payload_bits,
}
# What they give back depends on the unit of the charges, which is a count.
IN_COUNTS = ("ThresholdSum", "BestChoice", "SuperTriggerCell")
each_estimator = pytest.mark.parametrize("name", UNFITTED)
each_method = pytest.mark.parametrize("name", FITTED)


def with_value(value):
    def spoil(X):
        X[3, 7] = value
        return X

    return spoil


def as_text(X):
    return np.full(X.shape, "a lot")


# How to spoil good data, the error, and what its message says.
BAD_DATA = {
    "NaN": (with_value(np.nan), ValueError, "NaN"),
    "infinity": (with_value(np.inf), ValueError, "infinity"),
    "a negative charge": (
        with_value(-2.5),
        ValueError,
        r"Negative values in data passed to \w+: -?2?.*row 3, cell 7.*clip at zero",
    ),
    "sums that overflow": (
        lambda X: np.full(X.shape, LARGEST / 2),
        ValueError,
        "too large for floating-point numbers.*rows 0, 1, 2, 3, 4 and 5 more",
    ),
    "zero rows": (lambda X: X[:0], ValueError, r"0 sample\(s\)"),
    "strings": (as_text, ValueError, "could not convert string to float: .*a lot"),
    "a sparse matrix": (sparse.csr_matrix, TypeError, "Sparse data was passed"),
    "complex numbers": (lambda X: X + 0j, ValueError, "Complex data not supported"),
    "one wafer as a row": (lambda X: X[0], ValueError, "Reshape your data"),
    "nothing": (lambda X: None, ValueError, "Input contains NaN|NoneType|2D array"),
}
if np.finfo(np.longdouble).max > LARGEST:
    BAD_DATA["long doubles that vanish in double precision"] = (
        lambda X: X.astype(np.longdouble) * np.longdouble("1e-4900"),
        ValueError,
        "double precision.*cannot hold: [0-9.]+e-4[0-9]+ in rows 0, .*another unit",
    )
each_bad_data = pytest.mark.parametrize("kind", BAD_DATA)


def good_data(name, n_samples=10):
    if name.startswith("EMDRegressor"):
        return small_pairs(n_samples)[0]
    return small_wafers(n_samples)


@each_estimator
@each_bad_data
def test_fit_refuses_bad_data(name, kind, no_training):
    spoil, error, match = BAD_DATA[kind]
    with pytest.raises(error, match=match):
        UNFITTED[name]().fit(spoil(good_data(name)))


@each_method
@each_bad_data
def test_fitted_estimators_refuse_bad_data(name, kind):
    spoil, error, match = BAD_DATA[kind]
    run = FITTED[name]()
    with pytest.raises(error, match=match):
        run(spoil(good_data(name)))


@each_estimator
@pytest.mark.parametrize("surplus", [-1, 1])
def test_fit_insists_on_the_columns_of_the_wafer(name, surplus, no_training):
    X = good_data(name)
    width = X.shape[1] + surplus
    match = rf"{name} got {width} columns.*wafer geometry has 48 cells.*{X.shape[1]} "
    with pytest.raises(ValueError, match=match):
        UNFITTED[name]().fit(np.resize(X, (10, width)))


@each_method
@pytest.mark.parametrize("surplus", [-1, 1])
def test_fitted_estimators_insist_on_the_columns_seen_in_fit(name, surplus):
    X = good_data(name)
    width = X.shape[1] + surplus
    match = f"X has {width} features, but .* is expecting {X.shape[1]} features"
    run = FITTED[name]()
    with pytest.raises(ValueError, match=match):
        run(np.resize(X, (10, width)))


@pytest.mark.parametrize("name", [name for name in UNFITTED if name != "WaferRemapper"])
def test_fit_needs_more_than_one_row(name, no_training):
    with pytest.raises(ValueError, match=r"1 sample.*a minimum of 2"):
        UNFITTED[name]().fit(good_data(name, 1))


@pytest.mark.parametrize("name", [name for name in FITTED if "score" not in name])
def test_fitted_estimators_take_one_row(name):
    result = FITTED[name]()(good_data(name, 2)[:1])
    assert len(result) == 1
    assert np.isfinite(result).all()


@pytest.mark.parametrize("name", IN_COUNTS)
def test_fit_refuses_wafers_without_charge_and_names_their_rows(name, no_training):
    X = good_data(name)
    X[[2, 5]] = 0
    match = r"without charge.*found 2 of 10 without any \(rows 2, 5\).*Drop them first"
    with pytest.raises(ValueError, match=match):
        UNFITTED[name]().fit(X)


@pytest.mark.parametrize("geometry", ["line", grid(2, 3)])
@pytest.mark.parametrize("name", ["EMDRegressor", "EMDAutoencoder"])
def test_fit_leaves_rows_without_charge_out_and_says_so(name, geometry):
    n_columns = 12 if name == "EMDRegressor" else 6
    X = small_wafers(20, n_cells=n_columns) + 1
    X[[2, 5], :6] = 0
    parameters = {"n_dense_units": 4} if name == "EMDRegressor" else {}
    fitted = []
    for rows in (X, np.delete(X, [2, 5], axis=0)):
        estimator = UNFITTED[name](geometry=geometry, epochs=1, **parameters)
        if len(rows) == len(X):
            match = rf"{name} leaves samples out: 2 of 20 .*\(rows 2, 5\)"
            with pytest.warns(UserWarning, match=match):
                estimator.fit(rows)
        else:
            estimator.fit(rows)
        fitted.append(estimator)
    assert weights_are_equal(*fitted)


@pytest.mark.parametrize("name", ["EMDRegressor", "EMDAutoencoder"])
def test_fit_on_a_line_needs_two_rows_with_charge(name, no_training):
    X = np.zeros((20, 12))
    X[3] = 1
    with pytest.raises(ValueError, match="at least 2 with charge; 19 of 20"):
        UNFITTED[name](geometry="line").fit(X)


def test_score_of_baselines_refuses_wafers_without_charge():
    X = good_data("SuperTriggerCell")
    X[3] = 0
    with pytest.raises(ValueError, match=r"without charge.*\(row 3\)"):
        FITTED["SuperTriggerCell.score"]()(X)


@pytest.mark.parametrize("score", ["EMDRegressor.score", "EMDAutoencoder.score"])
def test_score_leaves_rows_without_charge_out_and_says_so(score):
    X = good_data(score)
    X[3, :N_CELLS] = 0
    with pytest.warns(UserWarning, match=rf"{score} leaves samples out: .*\(row 3\)"):
        found = FITTED[score]()(X)
    np.testing.assert_allclose(found, FITTED[score]()(np.delete(X, 3, axis=0)))


def test_weights_of_pairs_without_charge_are_left_out_as_well():
    X = good_data("EMDRegressor")
    X[3, :N_CELLS] = 0
    weights = np.arange(10.0)
    with pytest.warns(UserWarning, match="leaves samples out"):
        found = fitted_regressor().score(X, sample_weight=weights)
    kept = np.delete(np.arange(10), 3)
    expected = fitted_regressor().score(X[kept], sample_weight=weights[kept])
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("y", [np.ones(9), np.full(10, np.nan), ["far"] * 10])
def test_regressor_refuses_bad_labels(y, no_training):
    with pytest.raises(ValueError, match=r"inconsistent|NaN|convert string"):
        tiny_regressor().fit(small_pairs(10)[0], y)


@each_estimator
def test_images_of_no_known_layout_are_refused(name, no_training):
    shape = (10, 2, 7, 7, 1) if name == "EMDRegressor" else (10, 7, 7, 1)
    match = rf"{name} holds images of shape \(7, 7, 1\).*'8x8': \(8, 8, 1\)"
    with pytest.raises(ValueError, match=match):
        UNFITTED[name]().fit(np.ones(shape))


@pytest.mark.parametrize(
    "name",
    [name for name in FITTED if "score" not in name and not name.startswith(IN_COUNTS)],
)
@pytest.mark.parametrize(
    "charge",
    [
        np.array(np.iinfo(np.int64).max),
        np.array(255, dtype=np.uint8),
        np.array(65504, dtype=np.float16),
        np.array(1e-300),
        np.array(1e300),
    ],
    ids=["int64", "uint8", "float16", "tiny", "large"],
)
def test_charges_near_the_limits_of_their_type_are_right(name, charge):
    hit = good_data(name) > 0
    run = FITTED[name]()
    result = run(hit.astype(charge.dtype) * charge)
    if name in ("EMDAutoencoder.transform", "EMDDecoder.predict"):
        # Codes change with the unit, unless it is a power of two. The decoder is told
        # the sum.
        assert np.isfinite(result).all()
        return
    unit = float(charge) if name != "EMDRegressor.predict" else 1.0
    tolerance = 0.05 if name == "EMDAutoencoder.predict" else 1e-4
    np.testing.assert_allclose(result, unit * run(hit.astype(float)), rtol=tolerance)


# Parameters

BAD_NUMBERS = [0, -1, 1.5, True, "x", None, np.nan]
BAD_OR_NONE = [number for number in BAD_NUMBERS if number is not None]
BAD_PARAMETERS = {
    "EMDRegressor": {
        **dict.fromkeys(["n_filters", "kernel_size"], BAD_NUMBERS),
        # A file may not have more.
        "n_refinements": [*BAD_NUMBERS, 11],
        **dict.fromkeys(["n_dense_units", "batch_size"], BAD_NUMBERS),
        "epochs": BAD_OR_NONE,
        "patience": BAD_OR_NONE,
        "n_conv_layers": [-1, 0.5, True, "x", None],
        "n_dense_layers": [-1, 0.5, True, "x", None],
        "learning_rate": [0, -0.1, np.nan, np.inf, True, "x", None],
        "validation_fraction": [0, 1, -0.1, 1.5, np.nan, True, "x", None],
        "loss": ["l1", "", None, 3],
        "head": ["round", "", None, True],
        "layout": ["9x9", "line", 8],
        "geometry": ["disc", "Wafer", None, 48],
    },
    "EMDAutoencoder": {
        **dict.fromkeys(["n_filters", "kernel_size", "n_components"], BAD_NUMBERS),
        **dict.fromkeys(["strides", "batch_size"], BAD_NUMBERS),
        "epochs": BAD_OR_NONE,
        "patience": BAD_OR_NONE,
        "latent_bits": [0, -1, 24, 2.5, True, "x"],
        "input_bits": [0, -1, 24, 2.5, True, "x", (8, 1)],
        "weight_bits": [0, 1, 24, 2.5, True, "x"],
        "weight_integer_bits": [-17, 17, 0.5, True, "x", None],
        "accumulator_bits": [0, 1, 24, 2.5, True, "x", (11, 3)],
        "n_output_links": [0, 1, 6, 2.5, True, "x"],
        "arithmetic": ["integer", None, True],
        "front_end": ["MD", True, 1],
        "encode_sum": [1, "yes"],
        "float_fraction": [-0.1, 1.1, np.nan, True, "x", None],
        "learning_rate": [0, -0.1, np.nan, np.inf, True, "x", None],
        "validation_fraction": [0, 1, -0.1, 1.5, np.nan, True, "x", None],
        "loss": ["emd_cnn", "", None, 3],
        "layout": ["9x9", "line", 8],
        "geometry": ["disc", "Wafer", None, 48],
    },
    "EMDDecoder": {
        **dict.fromkeys(["units", "layers", "batch_size"], BAD_NUMBERS),
        "warm_start": [1, "yes", None],
        "epochs": BAD_OR_NONE,
        "patience": BAD_OR_NONE,
        "learning_rate": [0, -0.1, np.nan, np.inf, True, "x", None],
        "validation_fraction": [0, 1, -0.1, 1.5, np.nan, True, "x", None],
        "geometry": ["disc", "Wafer", None, 48],
    },
    "WaferRemapper": {
        "layout": ["9x9", "line", 8],
        "normalize": ["mean", "", 1, True],
        "geometry": ["disc", "Wafer", None, 48],
    },
    "ThresholdSum": {
        "threshold": [-1, np.nan, np.inf, True, "x", None, [1.0, 2.0], [[1.0] * 48]],
        "n_output_links": [0, 14, 2.5, True, "x", None],
        "overflow": ["drop", "", None, True],
        "sum_of": ["none", "", None, True],
        "rest": ["largest", "", None, True],
        "dropped_bits": [-1, 5, 0.5, True, "x"],
        "front_end": ["ld", "", True, 1],
        "half_lsb": [0, 1, "yes", None],
        "geometry": ["disc", "Wafer", None, 48],
    },
    "BestChoice": {
        "n_output_links": [0, 14, 2.5, True, "x", None],
        "ties": ["first", "", None, True],
        "sum_of": ["none", "", None, True],
        "rest": ["largest", "", None, True],
        "dropped_bits": [-1, 5, 0.5, True, "x"],
        "front_end": ["ld", "", True, 1],
        "half_lsb": [0, 1, "yes", None],
        "geometry": ["disc", "Wafer", None, 48],
    },
    "SuperTriggerCell": {
        "algorithm": ["STC4", "CTC16_9", "", None, 4],
        "n_output_links": [0, 14, 2.5, True, "x", None],
        "ties": ["network", "", None, True],
        "put_back": ["max", "", True],
        "dropped_bits": [-1, 5, 0.5, True, "x"],
        "front_end": ["ld", "", True, 1],
        "half_lsb": [0, 1, "yes", None],
        "geometry": ["disc", "Wafer", None, 48],
    },
}


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        (name, parameter, value)
        for name, parameters in BAD_PARAMETERS.items()
        for parameter, values in parameters.items()
        for value in values
    ],
)
def test_fit_refuses_a_bad_parameter(name, parameter, value, no_training):
    estimator = UNFITTED[name](**{parameter: value})
    with pytest.raises(ValueError, match=parameter) as caught:
        estimator.fit(good_data(name))
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "parameter", "choices"),
    [
        ("EMDRegressor", "loss", ["mse", "huber", "msle"]),
        ("EMDRegressor", "head", ["bounded", "linear", "potential"]),
        ("EMDAutoencoder", "loss", list(LOSSES)),
        ("WaferRemapper", "normalize", ["sum", "msb", "max"]),
        ("WaferRemapper", "layout", ["8x8", "4x4x3"]),
        ("EMDAutoencoder", "layout", ["8x8", "4x4x3"]),
        ("EMDRegressor", "geometry", ["wafer", "line"]),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    name, parameter, choices, no_training
):
    estimator = UNFITTED[name](**{parameter: "unheard of"})
    with pytest.raises(ValueError, match="'unheard of'") as caught:
        estimator.fit(good_data(name))
    for choice in choices:
        assert f"'{choice}'" in str(caught.value)


def test_telescope_is_refused_away_from_the_wafer(no_training):
    estimator = tiny_autoencoder(loss="telescope", geometry=grid(2, 3))
    with pytest.raises(ValueError, match=r"does not work with the grid\(2, 3\)"):
        estimator.fit(small_wafers(10, n_cells=6))


@pytest.mark.parametrize("random_state", ["seed", -1, 0.5])
@pytest.mark.parametrize("name", ["EMDRegressor", "EMDAutoencoder"])
def test_fit_refuses_a_bad_random_state(name, random_state, no_training):
    estimator = UNFITTED[name](random_state=random_state)
    with pytest.raises(ValueError, match=r"seed|Seed"):
        estimator.fit(good_data(name))


# The learned EMD and the decoder


@pytest.mark.parametrize(
    ("regressor", "error", "match"),
    [
        (lambda: tiny_regressor(), NotFittedError, "emd_regressor is not fitted yet"),
        (
            fitted_line_regressor,
            ValueError,
            r"fitted for the line\(6\) geometry of 6 cells.*wafer geometry of 48",
        ),
        (lambda: Ridge(), ValueError, "fitted EMDRegressor or None; got Ridge"),
        (lambda: "hgcal-wafer", ValueError, "fitted EMDRegressor or None; got str"),
        (
            fitted_autoencoder,
            ValueError,
            "fitted EMDRegressor or None; got EMDAutoencoder",
        ),
    ],
    ids=["unfitted", "other geometry", "Ridge", "name", "autoencoder"],
)
def test_a_regressor_that_cannot_serve_is_refused(regressor, error, match, no_training):
    estimator = tiny_autoencoder(loss="emdcnn", emd_regressor=regressor())
    with pytest.raises(error, match=match):
        estimator.fit(small_wafers())


@pytest.mark.parametrize("width", [7, 9, 48])
def test_decoder_refuses_codes_of_another_width(width):
    match = f"got codes of {width} numbers; this autoencoder's have 8"
    with pytest.raises(ValueError, match=match):
        fitted_autoencoder().inverse_transform(np.ones((3, width)))


@pytest.mark.parametrize(
    ("codes", "match"),
    [
        (np.full((3, 8), np.nan), "NaN"),
        (np.full((3, 8), np.inf), "infinity"),
        (np.ones(8), "Reshape your data"),
        (np.ones((0, 8)), r"0 sample\(s\)"),
        (np.ones((3, 4, 2)), "dim 3"),
    ],
    ids=["NaN", "infinity", "one code as a row", "zero rows", "images"],
)
def test_decoder_refuses_bad_codes(codes, match):
    with pytest.raises(ValueError, match=match):
        fitted_autoencoder().inverse_transform(codes)


def test_an_unknown_pretrained_regressor_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no pretrained 'lhcb'.*hgcal-wafer"):
        type(fitted_regressor()).from_pretrained("lhcb")


@pytest.mark.parametrize("name", ["EMDRegressor", "EMDAutoencoder"])
def test_a_fitted_estimator_that_refuses_a_fit_works_as_before(name):
    fitted = fitted_regressor() if name == "EMDRegressor" else fitted_autoencoder()
    estimator = copy.deepcopy(fitted)
    X = good_data(name)
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(with_value(np.nan)(X.copy()))
    np.testing.assert_array_equal(estimator.predict(X), fitted.predict(X))


def labeled_pairs(n_pairs=40):
    return small_pairs(n_pairs)


def test_fit_refuses_negative_distances_and_names_their_rows(no_training):
    pairs, y = labeled_pairs()
    y[[3, 8]] = -0.25
    match = r"y holds negative distances \(rows 3, 8: -0.25 first\).*leave y out"
    with pytest.raises(ValueError, match=match):
        tiny_regressor().fit(pairs, y)


@pytest.mark.parametrize(
    ("spoil", "ratio"),
    [
        # In centimeters.
        (lambda pairs, y: 1.2084 * y, "1.21"),
        # The cost of the wafers as they are, without bringing them to unit sum.
        (lambda pairs, y: y * pairs[:, :48].sum(axis=1), r"\d+"),
        (lambda pairs, y: np.full_like(y, y.mean()), r"\d"),
    ],
    ids=["centimeters", "not normalized", "constant"],
)
def test_fit_warns_of_labels_that_are_not_the_emd(spoil, ratio):
    pairs, y = labeled_pairs()
    match = (
        rf"off the exact EMD by more than 5% for \d+ of 40 pairs.*y over it is {ratio}"
        r".*half trigger-cell pitches \(1.2084 cm\), between wafers of unit sum"
    )
    with pytest.warns(UserWarning, match=match):
        tiny_regressor(epochs=1).fit(pairs, spoil(pairs, y))


def test_fit_names_the_unit_of_other_geometries():
    pairs, y = small_pairs(40, n_cells=6)
    match = "expected in the unit of the geometry's positions"
    with pytest.warns(UserWarning, match=match):
        tiny_regressor(geometry="line", epochs=1).fit(pairs, 2 * y)


@pytest.mark.parametrize("error", [0.04, -0.04])
def test_fit_takes_labels_that_are_nearly_the_emd(error):
    # Warnings are errors here.
    pairs, y = labeled_pairs()
    tiny_regressor(epochs=1).fit(pairs, (1 + error) * y)


def test_fit_takes_labels_of_which_less_than_half_are_off():
    pairs, y = labeled_pairs()
    y[:19] *= 2
    tiny_regressor(epochs=1).fit(pairs, y)
