"""EMDDecoder: what it learns, what it keeps, and what it refuses."""

import copy
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_data import (
    fitted_decoder,
    fitted_regressor,
    interrupt_at,
    received_wafers,
    small_wafers,
    tiny_decoder,
    weights_are_equal,
)

import skemd
from skemd import WaferRemapper
from skemd._autoencoder._received import build_decoder, network_inputs
from skemd._training._network import Network
from skemd.baselines import BestChoice
from skemd.geometry import grid, line
from skemd.layers._blocks import seeds_from
from skemd.metrics import mean_emd

X = small_wafers()
RECEIVED = received_wafers(X)


def untrained(n_conditions=1):
    config = {"n_cells": 48, "n_conditions": n_conditions}
    config |= {"decoder_units": 8, "decoder_layers": 3}
    seeds = seeds_from(np.random.RandomState(0))
    return Network.untrained(build_decoder, config, seeds)


# The network


def test_an_untrained_network_returns_what_was_received():
    found = untrained().predict(network_inputs(RECEIVED, np.empty((len(X), 0))))
    fractions = RECEIVED / RECEIVED.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, fractions, atol=np.exp(-8))
    assert mean_emd(fractions, found) < 2e-3


def test_the_network_has_the_weights_of_its_layers():
    # 48 fractions and 3 conditions; two residual layers; two numbers for each cell, and
    # the part that was lost.
    shapes = [(51, 8), (8,), (8, 8), (8,), (8, 8), (8,), (8, 97), (97,)]
    assert [weight.shape for weight in untrained(3).weights] == shapes


def test_the_network_is_told_fractions_the_sum_and_conditions():
    received = np.array([[1, 3, 0, 0], [0.25, 0, 0, 0.25], [2**14, 0, 0, 0]])
    given = np.array([[7], [8], [9]])
    expected = [
        [0.25, 0.75, 0, 0, -2, 7],
        [0.5, 0, 0, 0.5, -2.5, 8],
        [1, 0, 0, 0, 1, 9],
    ]
    np.testing.assert_array_equal(network_inputs(received, given), expected)


# What it learns


def test_it_learns_where_the_charge_was():
    # All charge was in the first of the two cells that share what was received.
    true = np.eye(6)[np.random.RandomState(0).randint(5, size=400)]
    received = true + np.roll(true, 1, axis=1)
    decoder = tiny_decoder("emd", geometry=line(6), epochs=40, learning_rate=0.03)
    decoder.fit(received, true)
    assert mean_emd(true, received, geometry=line(6)) == 0.5
    assert decoder.score(received, true) > -0.1


def test_it_learns_from_conditions_what_the_link_does_not_say():
    received = np.ones((400, 6))
    right = np.random.RandomState(0).randint(2, size=400)
    true = np.eye(6)[5 * right]
    conditions = right[:, None] - 0.5
    decoder = tiny_decoder("emd", geometry="line", epochs=40, learning_rate=0.03)
    decoder.fit(received, true, conditions=conditions)
    assert decoder.score(received, true, conditions=conditions) > -0.2
    found = decoder.predict(received[:1], conditions=[[0.5]])
    assert found[0, 5] > 5
    with pytest.raises(ValueError, match=r"predict got no conditions.*1 of them"):
        decoder.predict(received)
    with pytest.raises(ValueError, match=r"score must have the columns of fit"):
        decoder.score(received, true, conditions=np.ones((400, 2)))


# What it keeps


def test_wafers_keep_the_sums_that_were_received():
    decoder = fitted_decoder()
    found = decoder.predict(RECEIVED)
    np.testing.assert_allclose(found.sum(axis=1), RECEIVED.sum(axis=1))
    expected = -mean_emd(X, found)
    assert decoder.score(RECEIVED, X) == pytest.approx(expected, rel=1e-9)
    images = WaferRemapper().fit_transform(RECEIVED)
    np.testing.assert_array_equal(decoder.predict(images), found)
    assert decoder.score(images, WaferRemapper().fit_transform(X)) == pytest.approx(
        expected, rel=1e-9
    )


def test_a_wafer_of_which_nothing_was_received_counts_as_an_even_one():
    received = RECEIVED.copy()
    received[3] = 0
    decoder = fitted_decoder()
    found = decoder.predict(received)
    assert not found[3].any()
    expected = -mean_emd(X, found, empty_pred="even")
    assert decoder.score(received, X) == pytest.approx(expected, rel=1e-9)


def test_fit_leaves_out_what_has_no_charge_on_either_side():
    received, true = RECEIVED.copy(), X.copy()
    received[3], true[5] = 0, 0
    with pytest.warns(UserWarning, match=r"EMDDecoder leaves samples out: 2 .*3, 5"):
        decoder = tiny_decoder().fit(received, true)
    kept = np.delete(np.arange(len(X)), [3, 5])
    assert weights_are_equal(decoder, tiny_decoder().fit(RECEIVED[kept], X[kept]))


def test_weights_count_in_the_score():
    decoder = fitted_decoder()
    true, weights = X.copy(), np.zeros(len(X))
    true[0], weights[:5] = 0, 2
    expected = decoder.score(RECEIVED[1:5], X[1:5])
    with pytest.warns(UserWarning, match=r"EMDDecoder\.score leaves samples out: 1 "):
        found = decoder.score(RECEIVED, true, sample_weight=weights)
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_learned_emd_is_shared_by_clones_and_never_refitted():
    regressor = fitted_regressor()
    decoder = tiny_decoder("emdcnn", emd_regressor=regressor, epochs=1)
    assert clone(decoder).emd_regressor is regressor
    assert decoder.fit(RECEIVED, X).emd_regressor_ is None


def test_it_goes_on_from_the_last_fit():
    decoder = copy.deepcopy(fitted_decoder())
    decoder.set_params(warm_start=True, learning_rate=1e-9, epochs=1)
    decoder.fit(RECEIVED, X)
    for after, before in zip(
        decoder.network_.weights, fitted_decoder().network_.weights, strict=True
    ):
        np.testing.assert_allclose(after, before, atol=1e-6)
    decoder.set_params(units=16)
    with pytest.raises(ValueError, match=r"warm_start=True goes on .* whose shapes"):
        decoder.fit(RECEIVED, X)


def test_ctrl_c_keeps_the_best_weights(monkeypatch):
    interrupt_at(monkeypatch, 3)
    with pytest.warns(ConvergenceWarning, match="was interrupted after 1 of 2"):
        decoder = tiny_decoder().fit(RECEIVED, X)
    assert np.isfinite(decoder.predict(RECEIVED)).all()


def test_a_killed_fit_resumes_from_its_folder(tmp_path, monkeypatch):
    folder = {"checkpoint_dir": tmp_path / "fit"}
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        with pytest.warns(ConvergenceWarning):
            tiny_decoder(**folder).fit(RECEIVED, X)
    resumed = tiny_decoder(**folder).fit(RECEIVED, X)
    assert weights_are_equal(resumed, fitted_decoder())
    with pytest.raises(ValueError, match="another fit"):
        tiny_decoder(**folder).fit(RECEIVED, X[::-1])


def test_pickles_and_files_predict_the_same(tmp_path):
    fitted = fitted_decoder()
    skemd.save(fitted, tmp_path / "decoder.skemd")
    loaded = skemd.load(tmp_path / "decoder.skemd")
    assert repr(loaded) == repr(fitted)
    for other in (loaded, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.predict(RECEIVED), fitted.predict(RECEIVED))
        assert other.history_ == fitted.history_


# Searches and pipelines


def test_searches_and_pipelines_pass_conditions_on():
    with sklearn.config_context(enable_metadata_routing=True):
        chip = FunctionTransformer(BestChoice(2).fit(X).predict)
        pipeline = make_pipeline(chip, tiny_decoder(epochs=1))
        conditions = np.linspace(0, 1, len(X))[:, None]
        search = GridSearchCV(
            pipeline, {"emddecoder__units": [4]}, cv=2, error_score="raise"
        )
        search.fit(X, X, conditions=conditions)
        decoder = search.best_estimator_[-1]
        assert decoder.n_conditions_in_ == 1
        score = search.score(X, X, conditions=conditions)
    expected = decoder.score(chip.transform(X), X, conditions=conditions)
    assert score == expected


# What it refuses


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, "fit requires y to be passed, but the target y is None"),
        (X[:-1], "one row for each received wafer; got 59 rows for 60"),
        (X[:, :47], "y of EMDDecoder.fit has 47 columns.* 48 cells"),
        (-X, "Negative values in data passed to y of EMDDecoder.fit"),
        (np.full_like(X, np.nan), "y of EMDDecoder.fit found NaN in row 0"),
        (np.arange(60), "must have one row per wafer"),
        (np.zeros_like(X), "EMDDecoder needs at least 2 with charge"),
    ],
    ids=["none", "rows", "columns", "negative", "NaN", "labels", "empty"],
)
def test_true_wafers_that_cannot_be_used_are_refused(y, match):
    with pytest.raises(ValueError, match=match):
        tiny_decoder().fit(RECEIVED, y)


def test_true_wafers_on_a_line_may_have_fewer_cells():
    received = small_wafers(n_cells=6)
    decoder = tiny_decoder(geometry="line", epochs=1).fit(received, received[:, :2] + 1)
    score = decoder.score(received, received[:, :2] + 1)
    padded = np.pad(received[:, :2] + 1, ((0, 0), (0, 4)))
    assert decoder.score(received, padded) == score
    with pytest.raises(ValueError, match="2 columns"):
        tiny_decoder(geometry=grid(2, 3)).fit(received, received[:, :2])
