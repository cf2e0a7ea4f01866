"""Searches, cross-validation and scorers around the estimators."""

import numpy as np
import pytest
from growing import Growing
from joblib.externals.loky import get_reusable_executor
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_data import (
    fitted_regressor,
    small_pairs,
    small_wafers,
    tiny_autoencoder,
    tiny_regressor,
    weights_are_equal,
)

from skemd import EMDAutoencoder, WaferRemapper, emd_score
from skemd.datasets import make_pairs
from skemd.metrics import emd_scorer, mean_emd

RATES = {"emdautoencoder__learning_rate": [0.01, 0.02]}


def pipeline_of_images(**parameters):
    parameters = {"loss": "emdcnn", "emd_regressor": fitted_regressor(), **parameters}
    return make_pipeline(WaferRemapper(), tiny_autoencoder(epochs=1, **parameters))


def search_of(scoring, grid=None, **options):
    options = {"error_score": "raise", "cv": 2, **options}
    return GridSearchCV(pipeline_of_images(), grid or RATES, scoring=scoring, **options)


def split_scores(search):
    return np.array([search.cv_results_[f"split{k}_test_score"] for k in range(2)])


@pytest.fixture(scope="module")
def searched():
    X = small_wafers(40)
    return search_of(make_scorer(emd_score)).fit(X, X)


def test_search_with_make_scorer_gives_finite_scores(searched):
    assert np.isfinite(split_scores(searched)).all()
    assert (split_scores(searched) < 0).all()
    assert len(np.unique(split_scores(searched))) == 4


def test_search_scores_are_minus_the_mean_emd(searched):
    X = small_wafers(seed=1)
    assert searched.score(X, X) == -mean_emd(X, searched.predict(X))


@pytest.mark.exhaustive
def test_search_in_two_processes_gives_the_same_scores(searched):
    X = small_wafers(40)
    parallel = search_of(make_scorer(emd_score), n_jobs=2).fit(X, X)
    np.testing.assert_allclose(
        split_scores(parallel), split_scores(searched), rtol=1e-6
    )
    assert parallel.best_params_ == searched.best_params_
    assert weights_are_equal(fitted_regressor(), clone_of_regressor(parallel))


@pytest.mark.exhaustive
@pytest.mark.timeout(120)
def test_a_search_survives_that_joblib_replaces_workers_that_grew():
    # joblib warns of it in a thread, and as an exception the warning would end that
    # thread: the search would wait forever. pyproject.toml lets the warning pass.
    search = GridSearchCV(Growing(), {"parameter": range(4)}, n_jobs=2, cv=2)
    try:
        search.set_params(refit=False).fit(np.ones((8, 2)))
    finally:
        # Its workers must not serve other tests.
        get_reusable_executor().shutdown()
    # Each process scores by its number.
    assert len(np.unique(split_scores(search))) > 2


def clone_of_regressor(search):
    return search.best_estimator_[-1].emd_regressor


@pytest.mark.parametrize("scoring", [emd_scorer, None], ids=["emd_scorer", "default"])
def test_search_needs_no_y(scoring, searched):
    X = small_wafers(40)
    first_candidate = {name: values[:1] for name, values in RATES.items()}
    search = search_of(scoring, first_candidate, refit=False).fit(X)
    np.testing.assert_allclose(
        split_scores(search), split_scores(searched)[:, :1], rtol=1e-4
    )


@pytest.mark.exhaustive
def test_search_over_the_default_learned_emd():
    X = small_wafers(40)
    autoencoder = EMDAutoencoder(loss="emdcnn", epochs=1, random_state=0)
    search = GridSearchCV(
        make_pipeline(WaferRemapper(), autoencoder),
        {"emdautoencoder__n_filters": [4, 8]},
        scoring=make_scorer(emd_score),
        error_score="raise",
        cv=2,
    )
    search.fit(X, X)
    assert np.isfinite(split_scores(search)).all()


@pytest.mark.parametrize("given_y", [True, False])
def test_search_over_the_regressor(given_y):
    pairs, y = small_pairs(40)
    search = GridSearchCV(
        tiny_regressor(n_dense_units=4, epochs=1),
        {"learning_rate": [0.01, 0.02] if given_y else [0.01]},
        error_score="raise",
        cv=2,
    )
    search.fit(pairs, *([y] if given_y else []))
    assert np.isfinite(split_scores(search)).all()
    assert search.predict(pairs).shape == (40,)


def test_cross_val_score_of_the_regressor():
    pairs, y = small_pairs(40)
    scores = cross_val_score(
        tiny_regressor(n_dense_units=4, epochs=1),
        pairs.reshape(40, 2, -1),
        y,
        scoring="neg_mean_absolute_error",
        error_score="raise",
        cv=2,
    )
    assert scores.shape == (2,)
    assert (scores < 0).all()


def test_cross_val_score_of_the_autoencoder():
    X = small_wafers(40)
    scores = cross_val_score(
        pipeline_of_images(loss="mse"),
        X,
        X,
        scoring=make_scorer(emd_score),
        error_score="raise",
        cv=2,
    )
    assert scores.shape == (2,)
    assert (scores < 0).all()


def test_groups_and_weights_of_pairs_are_routed():
    pairs, y, groups = make_pairs(small_wafers(40), 60, random_state=0)
    with config_context(enable_metadata_routing=True):
        regressor = tiny_regressor(n_dense_units=4, epochs=1)
        regressor.set_score_request(sample_weight=True)
        results = cross_validate(
            regressor,
            pairs,
            y,
            cv=GroupKFold(2),
            params={"groups": groups, "sample_weight": np.arange(60.0)},
            error_score="raise",
            return_indices=True,
        )
    assert np.isfinite(results["test_score"]).all()
    indices = results["indices"]
    for train, test in zip(indices["train"], indices["test"], strict=True):
        assert not set(groups[train]) & set(groups[test])


def zero_suppressed(X):
    return np.where(X > 30, X, 0)


@pytest.mark.filterwarnings("ignore:.* leaves samples out:UserWarning")
@pytest.mark.parametrize("scoring", [emd_scorer, None], ids=["emd_scorer", "default"])
def test_a_step_that_empties_a_wafer_leaves_each_fold_a_score(scoring):
    X = small_wafers(40)
    # One for each fold to train on, and to be tested on.
    X[[5, 25]] /= 100
    threshold = FunctionTransformer(zero_suppressed, lambda X: X, check_inverse=False)
    scores = cross_val_score(
        make_pipeline(threshold, *pipeline_of_images(loss="mse")),
        X,
        scoring=scoring,
        error_score="raise",
        cv=2,
    )
    assert np.isfinite(scores).all()


# Scorers


@pytest.fixture(scope="module")
def fitted_pipeline():
    return pipeline_of_images(loss="mse").fit(small_wafers(40))


def test_emd_scorer_compares_with_the_round_trip(fitted_pipeline):
    X = small_wafers(seed=1)
    round_trip = fitted_pipeline.inverse_transform(fitted_pipeline.transform(X))
    assert emd_scorer(fitted_pipeline, X) == -mean_emd(X, round_trip)
    labels = np.arange(len(X))
    assert emd_scorer(fitted_pipeline, X, labels) == emd_scorer(fitted_pipeline, X)


def test_emd_scorer_measures_raw_charges_behind_a_logarithm():
    X = small_wafers(seed=1)
    logarithm = FunctionTransformer(np.log1p, np.expm1, check_inverse=False)
    pipeline = make_pipeline(logarithm, WaferRemapper(), tiny_autoencoder(epochs=1))
    pipeline.fit(X)
    score = emd_scorer(pipeline, X)
    back = pipeline.inverse_transform(pipeline.transform(X))
    assert score == -mean_emd(X, back)
    assert score != pytest.approx(pipeline[1:].score(np.log1p(X)), rel=1e-3)


def test_emd_scorer_is_zero_for_a_lossless_transformer_behind_a_logarithm():
    X = small_wafers(seed=1)
    logarithm = FunctionTransformer(np.log1p, np.expm1, check_inverse=False)
    clipped = FunctionTransformer(inverse_func=lambda X: np.clip(X, 0, None))
    lossless = make_pipeline(logarithm, clipped, PCA(48)).fit(X)
    assert emd_scorer(lossless, X) == pytest.approx(0, abs=1e-6)


def test_emd_scorer_finds_the_geometry_of_the_estimator():
    X = small_wafers(20, n_cells=6)
    remapper = WaferRemapper(geometry="line").fit(X)
    assert emd_scorer(remapper, X) == 0
    assert emd_scorer(make_pipeline(FunctionTransformer(), remapper), X) == 0


def test_make_scorer_without_y_says_what_to_pass(fitted_pipeline):
    X = small_wafers(10)
    with pytest.raises(ValueError, match=r"got nothing.*search\.fit\(X, X\)"):
        make_scorer(emd_score)(fitted_pipeline, X, None)
    with pytest.raises(ValueError, match=r"got shape \(10,\).*search\.fit\(X, X\)"):
        make_scorer(emd_score)(fitted_pipeline, X, np.arange(10))


def test_search_with_make_scorer_and_labels_says_what_to_pass():
    search = search_of(make_scorer(emd_score))
    with pytest.raises(ValueError, match=r"got shape \(20,\).*search\.fit\(X, X\)"):
        search.fit(small_wafers(40), np.arange(40) % 2)


def test_search_with_make_scorer_without_y_names_what_is_missing():
    with pytest.raises(TypeError, match="y_true"):
        search_of(make_scorer(emd_score)).fit(small_wafers(40))
