"""Scores: their sign, their weights, and what they say when there is nothing to do."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import make_scorer

from skemd.distance import paired_emd
from skemd.geometry import Geometry, hgcal_wafer
from skemd.metrics import emd_score, emd_scorer, mean_emd

# One unit, none, and two units of distance on a line of three cells.
LINE_TRUE = np.array([[1.0, 0, 0], [0, 5, 0], [0, 0, 2]])
LINE_PRED = np.array([[0, 1.0, 0], [0, 1, 0], [3, 0, 0]])


class Reconstruction:
    """Has what a scorer needs: transform, and an inverse that gives a fixed answer."""

    def __init__(self, answer, **attributes):
        self.answer = answer
        vars(self).update(attributes)

    def transform(self, X):
        return np.asarray(X)[:, :1]

    def inverse_transform(self, codes):
        assert codes.shape == (len(self.answer), 1)
        return self.answer


class Prediction(BaseEstimator):
    """Predicts a fixed answer."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, X):
        return self.answer


def test_mean_emd_is_the_mean_of_the_distances(wafers):
    A, B = wafers(8, seed=1), wafers(8, seed=2)
    assert mean_emd(A, B) == pytest.approx(paired_emd(A, B).mean(), rel=1e-12)
    assert mean_emd(LINE_TRUE, LINE_PRED, geometry="line") == 1.0


def test_emd_score_is_minus_the_mean(wafers):
    A, B = wafers(8, seed=1), wafers(8, seed=2)
    assert emd_score(A, B) == -mean_emd(A, B) < 0
    assert emd_score(A, 2 * A) == 0


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1], 1.0), ([2, 0, 0], 1.0), ([0, 3, 1], 0.5), ([0, 0, 0.1], 2.0)],
)
def test_weights_weigh_the_wafers(weights, expected):
    options = {"sample_weight": weights, "geometry": "line"}
    assert mean_emd(LINE_TRUE, LINE_PRED, **options) == pytest.approx(expected)
    assert emd_score(LINE_TRUE, LINE_PRED, **options) == pytest.approx(-expected)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"sample_weight must have shape \(3,\); got \(2,\)"),
        ([[1], [1], [1]], r"sample_weight must have shape \(3,\); got \(3, 1\)"),
        ([1, -1, 1], "finite, not negative and not all zero"),
        ([1, np.nan, 1], "finite, not negative and not all zero"),
        ([1, np.inf, 1], "finite, not negative and not all zero"),
        ([0, 0, 0], "finite, not negative and not all zero"),
    ],
)
@pytest.mark.parametrize("function", [mean_emd, emd_score])
def test_weights_that_make_no_sense_are_refused(function, weights, message):
    with pytest.raises(ValueError, match=message):
        function(LINE_TRUE, LINE_PRED, sample_weight=weights, geometry="line")


@pytest.mark.parametrize("function", [mean_emd, emd_score])
@pytest.mark.parametrize("true_layout", [None, "8x8", "4x4x3"])
@pytest.mark.parametrize("pred_layout", [None, "8x8", "4x4x3"])
def test_images_may_stand_on_either_side(wafers, function, true_layout, pred_layout):
    A, B = wafers(4, seed=1), wafers(4, seed=2)

    def shown(X, layout):
        return X if layout is None else hgcal_wafer().layout(layout).apply(X)

    found = function(shown(A, true_layout), shown(B, pred_layout))
    assert found == pytest.approx(function(A, B), rel=1e-12)


@pytest.mark.parametrize("function", [mean_emd, emd_score])
def test_scores_are_python_floats(wafers, function):
    X = wafers(4).astype(np.float32)
    assert type(function(X, X[::-1])) is float
    assert type(function(X, X)) is float
    assert type(function(X, X[::-1], sample_weight=np.ones(4, np.float32))) is float


@pytest.mark.parametrize("function", [mean_emd, emd_score])
@pytest.mark.parametrize(
    ("missing", "found"),
    [
        (None, "nothing"),
        (np.ones(4), r"shape \(4,\)"),
        ([1, 2, 3, 4], r"shape \(4,\)"),
        (3.0, r"shape \(\)"),
    ],
)
def test_true_wafers_that_are_missing_say_what_to_pass(
    wafers, function, missing, found
):
    message = rf"got {found}\. In a search .* search\.fit\(X, X\), .*emd_scorer"
    with pytest.raises(ValueError, match=message):
        function(missing, wafers(4))


@pytest.mark.parametrize("function", [mean_emd, emd_score])
@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        (
            np.ones((3, 48)),
            np.ones((2, 48)),
            "X_true and X_pred must pair up row by row; got 3 and 2",
        ),
        (np.ones((3, 48)), np.zeros((3, 48)), "X_pred found 3 of 3 without any"),
        (np.zeros((3, 48)), np.ones((3, 48)), "X_true found 3 of 3 without any"),
        (np.ones((3, 48)), -np.ones((3, 48)), "Negative values in data .* X_pred"),
        (np.ones((3, 48)), np.ones((3, 16)), "X_pred has 16 columns"),
        (np.ones((3, 48)), np.full((3, 48), np.nan), "X_pred found NaN in row 0"),
        (np.ones((3, 48)), np.ones(48), "X_pred must have one row per wafer"),
    ],
)
def test_wafers_that_cannot_be_compared_are_named(function, true, pred, message):
    with pytest.raises(ValueError, match=message):
        function(true, pred)


def test_n_jobs_does_not_change_the_score(wafers):
    A, B = wafers(4, seed=1), wafers(4, seed=2)
    assert mean_emd(A, B, n_jobs=2) == mean_emd(A, B)


def test_emd_score_makes_a_scorer_where_larger_is_better(wafers):
    X, other = wafers(4, seed=1), wafers(4, seed=2)
    scorer = make_scorer(emd_score)
    assert scorer(Prediction(X), X, X) == 0
    assert scorer(Prediction(other), X, X) == -mean_emd(X, other) < 0


# The scorer without a y


def test_emd_scorer_compares_with_what_comes_back(wafers):
    X, answer = wafers(4, seed=1), wafers(4, seed=2)
    score = emd_scorer(Reconstruction(answer), X)
    assert score == emd_score(X, answer)
    assert type(score) is float


def test_emd_scorer_needs_and_reads_no_y(wafers):
    X, answer = wafers(4, seed=1), wafers(4, seed=2)
    scores = [emd_scorer(Reconstruction(answer), X, y) for y in (None, X, np.zeros(4))]
    assert scores == [emd_score(X, answer)] * 3


def test_emd_scorer_finds_the_geometry_of_the_estimator():
    for geometry, expected in [("line", -1.0), (Geometry([[0.0], [1], [9]]), -10 / 3)]:
        estimator = Reconstruction(LINE_PRED, geometry=geometry)
        assert emd_scorer(estimator, LINE_TRUE) == pytest.approx(expected)


def test_emd_scorer_finds_the_geometry_in_a_pipeline_and_in_a_search():
    steps = [
        ("first", SimpleNamespace(geometry=Geometry([[0.0], [5], [9]]))),
        ("middle", SimpleNamespace(geometry="line")),
        ("last", SimpleNamespace()),
    ]
    pipeline = Reconstruction(LINE_PRED, steps=steps)
    assert emd_scorer(pipeline, LINE_TRUE) == -1.0
    search = Reconstruction(LINE_PRED, best_estimator_=pipeline)
    assert emd_scorer(search, LINE_TRUE) == -1.0


def test_emd_scorer_measures_on_the_wafer_by_default():
    with pytest.raises(ValueError, match="3 columns, but the wafer geometry has 48"):
        emd_scorer(Reconstruction(LINE_PRED), LINE_TRUE)


def test_emd_scorer_takes_any_transformer_with_an_inverse(wafers):
    # A first component along an axis keeps reconstructions from turning negative.
    X = wafers(6, n_charged=48)
    X[:, 1:] = X[0, 1:]
    pca = PCA(n_components=1).fit(X)
    assert emd_scorer(pca, X) == pytest.approx(0, abs=1e-12)


def test_emd_scorer_counts_an_empty_reconstruction_as_an_even_one(wafers):
    X, answer = wafers(4), wafers(4, seed=1)
    answer[2] = 0
    even = np.where(answer.any(axis=1, keepdims=True), answer, 1.0)
    assert emd_scorer(Reconstruction(answer), X) == emd_score(X, even)


def test_emd_scorer_leaves_wafers_without_charge_out_and_says_so(wafers):
    X, answer = wafers(4), wafers(4, seed=1)
    X[2] = 0
    with pytest.warns(UserWarning, match=r"emd_scorer leaves .* 1 of 4 .*\(row 2\)"):
        found = emd_scorer(Reconstruction(answer), X)
    assert found == emd_score(np.delete(X, 2, 0), np.delete(answer, 2, 0))


def test_emd_scorer_says_what_an_estimator_lacks(wafers):
    message = "PoissonRegressor has no transform. Leave scoring out"
    with pytest.raises(TypeError, match=message):
        emd_scorer(PoissonRegressor(), wafers(4))


def test_emd_scorer_says_where_a_reconstruction_is_negative(wafers):
    X = wafers(20)
    with pytest.raises(ValueError, match="Negative values in data passed to X_pred"):
        emd_scorer(PCA(n_components=3).fit(X), X)
