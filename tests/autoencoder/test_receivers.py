"""What the receiver is made of and told: decoders, conditions, and earlier fits."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from slow_layers import relu, slow_transposed_conv
from small_data import (
    fitted_weights,
    small_wafers,
    tiny_autoencoder,
    weights_are_equal,
)

import skemd
from skemd import WaferRemapper
from skemd.datasets import make_wafers, wafer_conditions
from skemd.geometry import hgcal_wafer

SMALL = {"decoder": "residual", "decoder_units": 30, "decoder_layers": 3}
# The wafer's small image has 4 x 4 pixels, so that two filters make 32 units.
HEAD = 3 * 3 * 2 * 2 + 2 + 3 * 3 * 2 + 1
CONDITIONS = np.linspace(0, 1, 120).reshape(60, 2)


def residual(**parameters):
    return tiny_autoencoder(**{**SMALL, **parameters})


@pytest.fixture(scope="module")
def conditional():
    """Return an autoencoder that was fitted with two conditions."""
    return residual().fit(small_wafers(), conditions=CONDITIONS)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# Decoders


@pytest.mark.parametrize(
    ("parameters", "n_decoder"),
    [
        ({}, 8 * 64 + 64 + 3 * 3 * 4 * 4 + 4 + 3 * 3 * 4 + 1),
        (SMALL, (8 + 1) * 32 + 2 * (32 + 1) * 32 + HEAD),
        ({**SMALL, "decoder_layers": 1}, (8 + 1) * 32 + HEAD),
    ],
)
def test_decoders_have_their_size(parameters, n_decoder):
    fitted = tiny_autoencoder(epochs=1, **parameters).fit(small_wafers())
    assert fitted.decoder_.count_params() == n_decoder


def test_a_residual_decoder_computes_its_formula():
    fitted = residual().fit(small_wafers())
    x = fitted.transform(small_wafers())[:5]
    w = fitted_weights(fitted)[4:]
    x = np.maximum(x @ w[0] + w[1], 0)
    x = x + np.maximum(x @ w[2] + w[3], 0)
    x = x + np.maximum(x @ w[4] + w[5], 0)
    x = [
        slow_transposed_conv(relu(slow_transposed_conv(image, *w[6:8], 2)), *w[8:10])
        for image in x.reshape(-1, 4, 4, 2)
    ]
    exponent = hgcal_wafer().layout("8x8").invert(np.array(x))
    expected = np.exp(exponent) / np.exp(exponent).sum(axis=1, keepdims=True)
    found = fitted.inverse_transform(fitted.transform(small_wafers()))[:5]
    np.testing.assert_allclose(found / fitted.typical_sum_, expected, rtol=1e-4)


@pytest.mark.parametrize("loss", ["mse", "telescope"])
def test_a_loss_sees_reconstructions_with_the_sums_of_the_wafers(loss):
    # A single wafer can be learned by heart whatever its sum over the power of two is.
    X = np.tile(1.9 * np.eye(48)[[3]] + 0.1 * np.eye(48)[[40]], (40, 1))
    fitted = residual(loss=loss, epochs=60, learning_rate=0.05).fit(X)
    assert fitted.history_["val_loss"][-1] < 0.02 * fitted.history_["val_loss"][0]


def test_the_geometry_may_be_any():
    X = small_wafers(n_cells=5)
    fitted = residual(geometry="line").fit(X)
    assert fitted.predict(X).shape == (60, 5)


@pytest.mark.parametrize(
    "parameters",
    [
        {"decoder": "mirrored"},
        {"decoder_units": 0},
        {"decoder_layers": 1.5},
        {"warm_start": "yes"},
    ],
)
def test_parameters_of_decoders_are_checked(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"^{name} must be"):
        tiny_autoencoder(**parameters).fit(small_wafers())


# Conditions


def test_conditions_reach_the_decoder_in_every_method(conditional):
    X = small_wafers()
    codes = conditional.transform(X)
    other = CONDITIONS[::-1]
    found = {
        "predict": [conditional.predict(X, conditions=c) for c in (CONDITIONS, other)],
        "inverse_transform": [
            conditional.inverse_transform(codes, conditions=c)
            for c in (CONDITIONS, other)
        ],
        "score": [conditional.score(X, conditions=c) for c in (CONDITIONS, other)],
    }
    for name, (one, two) in found.items():
        assert not np.array_equal(one, two), name
    of_one = conditional.predict(X[7:8], conditions=CONDITIONS[7:8])
    np.testing.assert_allclose(of_one[0], found["predict"][0][7], rtol=1e-4)


def test_conditions_stay_beside_their_wafers_when_empty_ones_are_left_out():
    X = small_wafers()
    with_empty = np.insert(X, 5, 0, axis=0)
    conditions = np.insert(CONDITIONS, 5, 99, axis=0)
    with pytest.warns(UserWarning, match="leaves samples out"):
        one = residual().fit(with_empty, conditions=conditions)
    assert weights_are_equal(one, residual().fit(X, conditions=CONDITIONS))


def test_conditions_help_where_codes_are_short():
    # The only component cannot tell three groups apart and be exact; conditions can.
    group = np.arange(300) % 3
    X = np.eye(48)[[0, 20, 40]][group]
    plain = residual(n_components=1, epochs=30).fit(X)
    told = residual(n_components=1, epochs=30).fit(X, conditions=np.eye(3)[group])
    assert told.score(X, conditions=np.eye(3)[group]) > plain.score(X) + 0.1


@pytest.mark.parametrize("method", ["predict", "score", "inverse_transform"])
@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (None, "got no conditions, but the decoder was fitted with 2 of them"),
        (CONDITIONS[:, :1], r"columns of fit, 2 of them; got 1 columns"),
        (CONDITIONS[:7], "one row per wafer; got 7 rows for 60"),
        (CONDITIONS * np.nan, "NaN"),
        (CONDITIONS[0], "2D array"),
    ],
)
def test_wrong_conditions_are_refused(method, conditions, message, conditional):
    X = small_wafers()
    X = conditional.transform(X) if method == "inverse_transform" else X
    with pytest.raises(ValueError, match=message):
        getattr(conditional, method)(X, conditions=conditions)


def test_conditions_that_nobody_learned_are_refused():
    fitted = residual().fit(small_wafers())
    with pytest.raises(ValueError, match="it was fitted without conditions"):
        fitted.predict(small_wafers(), conditions=CONDITIONS)


def test_names_of_conditions_are_kept_and_compared(tmp_path):
    X = small_wafers()
    named = pd.DataFrame(CONDITIONS, columns=["eta", "layer"])
    fitted = residual().fit(X, conditions=named)
    skemd.save(fitted, tmp_path / "a.skemd")
    for each in (fitted, skemd.load(tmp_path / "a.skemd")):
        assert list(each.condition_names_) == ["eta", "layer"]
        with pytest.raises(ValueError, match=r"\['eta', 'layer'\]; got \['layer'"):
            each.predict(X, conditions=named[["layer", "eta"]])
        np.testing.assert_array_equal(
            each.predict(X, conditions=named), fitted.predict(X, conditions=CONDITIONS)
        )


@pytest.mark.usefixtures("routing")
def test_pipelines_and_searches_pass_conditions_on():
    X = small_wafers()
    pipeline = make_pipeline(WaferRemapper(), residual())
    alone = residual().fit(WaferRemapper().fit_transform(X), conditions=CONDITIONS)
    pipeline.fit(X, conditions=CONDITIONS)
    found = pipeline.predict(X, conditions=CONDITIONS)
    images = WaferRemapper().fit_transform(X)
    np.testing.assert_array_equal(found, alone.predict(images, conditions=CONDITIONS))
    assert pipeline.score(X, conditions=CONDITIONS) == alone.score(
        images, conditions=CONDITIONS
    )
    decoded = pipeline.inverse_transform(pipeline.transform(X), conditions=CONDITIONS)
    assert decoded.shape == X.shape
    scores = cross_validate(
        pipeline, X, params={"conditions": CONDITIONS}, cv=2, error_score="raise"
    )
    assert np.isfinite(scores["test_score"]).all()
    grid = {"emdautoencoder__decoder_units": [16, 32]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(X, conditions=CONDITIONS)
    assert np.isfinite(search.best_score_)


# Where wafers are


def test_conditions_of_metadata_are_scaled_as_published():
    metadata = {
        "layer": [1, 47],
        "eta": [-3.1, 1.55],
        "waferu": [12, -6],
        "waferv": [0, 3],
        "wafertype": [0, 2],
        "event": [1, 2],
    }
    expected = [[1, 1, 0, 0, 1, 0, 0], [0.5, -0.5, 0.25, 1, 0, 0, 1]]
    np.testing.assert_allclose(wafer_conditions(metadata), expected)
    frame = pd.DataFrame(metadata, index=[5, 9])
    named = wafer_conditions(frame)
    assert list(named.index) == [5, 9]
    assert list(named)[:4] == ["abs(eta)", "waferu", "waferv", "layer"]
    np.testing.assert_allclose(named, expected)
    _, info = make_wafers(4, random_state=0, return_info=True)
    assert wafer_conditions(info).shape == (4, 1)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"event": [1]}, "none of the columns eta.*; got event"),
        ({"layer": [3, 0]}, r"\['layer'\] must be between 1 and 47; got 0 in row 1"),
        ({"wafertype": [0.5]}, "whole numbers below 3; got 0.5"),
        ({"eta": [np.nan]}, "must be finite; got nan"),
    ],
)
def test_wrong_metadata_is_refused(metadata, message):
    with pytest.raises(ValueError, match=message):
        wafer_conditions(metadata)


# Earlier fits


@pytest.mark.parametrize("links", [None, 3])
def test_a_warm_start_goes_on_from_the_last_fit(links, tmp_path):
    X = small_wafers(300)
    small = {"n_output_links": links, "front_end": None}
    if links:
        small |= {"n_filters": 8, "n_components": 16}
    first = residual(epochs=4, warm_start=True, **small).fit(X)
    before = fitted_weights(first)
    skemd.save(first, tmp_path / "a.skemd")
    loaded = skemd.load(tmp_path / "a.skemd")
    for each in (loaded, first):
        # A rate at which nothing is learned shows where the training began.
        each.set_params(learning_rate=1e-9, epochs=1).fit(X)
        for one, two in zip(fitted_weights(each), before, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-6)
    cold = first.set_params(warm_start=False).fit(X)
    assert not np.allclose(fitted_weights(cold)[2], before[2], atol=1e-2)


def test_a_warm_start_can_go_from_floating_point_to_the_chip():
    X = small_wafers(300)
    shape = {"n_filters": 8, "n_components": 16, "front_end": None}
    fitted = residual(epochs=3, warm_start=True, **shape).fit(X)
    fitted.set_params(n_output_links=3, epochs=1).fit(X)
    assert fitted.arithmetic_ == "chip"
    codes = fitted.transform(X)
    np.testing.assert_array_equal(codes, np.floor(codes * 16) / 16)


def test_a_warm_start_of_other_networks_is_refused():
    fitted = residual(warm_start=True).fit(small_wafers())
    weights = fitted_weights(fitted)
    with pytest.raises(ValueError, match=r"would now have .*\(8, 48\).*, or set"):
        fitted.set_params(decoder_units=33).fit(small_wafers())
    for one, two in zip(weights, fitted_weights(fitted), strict=True):
        np.testing.assert_array_equal(one, two)


# Fresh wafers


def test_each_epoch_has_its_own_table():
    tables = [small_wafers(seed=seed) for seed in range(3)]
    taken = []

    def source():
        for table in tables:
            taken.append(table)
            yield table

    fitted = tiny_autoencoder(epochs=3).fit(source())
    assert len(taken) == 3
    assert fitted.n_iter_ == 3
    again = tiny_autoencoder(epochs=3).fit(iter(tables))
    assert weights_are_equal(fitted, again)
    same = tiny_autoencoder(epochs=3).fit(itertools.repeat(tables[0]))
    assert weights_are_equal(same, tiny_autoencoder(epochs=3).fit(tables[0]))
    assert not weights_are_equal(fitted, same)


def test_an_iterator_that_ends_early_keeps_what_was_learned():
    tables = iter([small_wafers(), small_wafers(seed=1)])
    with pytest.warns(ConvergenceWarning, match=r"since the iterator .* after 2 of 9"):
        fitted = tiny_autoencoder(epochs=9).fit(tables)
    assert fitted.n_iter_ == 2


@pytest.mark.parametrize(
    ("tables", "parameters", "arguments", "message"),
    [
        ([], {}, {}, "has none"),
        ([60, 59], {}, {}, "at least as many wafers .* 60; got 59"),
        ([60], {"checkpoint_dir": "x"}, {}, "checkpoint_dir needs all wafers at once"),
        ([60], {}, {"conditions": CONDITIONS}, "conditions needs all wafers at once"),
    ],
)
def test_wrong_iterators_are_refused(tables, parameters, arguments, message):
    tables = (small_wafers(n_samples) for n_samples in tables)
    with pytest.raises(ValueError, match=message):
        tiny_autoencoder(**parameters).fit(tables, **arguments)


def test_later_tables_are_checked():
    bad = small_wafers()
    bad[3, 4] = -1
    with pytest.raises(ValueError, match="Negative values"):
        tiny_autoencoder().fit(iter([small_wafers(), bad]))


def test_files_of_receivers_are_small(conditional, tmp_path):
    skemd.save(conditional, tmp_path / "a.skemd")
    n_weights = sum(weight.size for weight in fitted_weights(conditional))
    assert (tmp_path / "a.skemd").stat().st_size < 4 * n_weights + 20_000
    stream = io.BytesIO((tmp_path / "a.skemd").read_bytes())
    assert stream.getbuffer().nbytes > 4 * n_weights
