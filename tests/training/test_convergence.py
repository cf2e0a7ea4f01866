"""A training that ends while still improving says so, once, at the user's line."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from small_data import small_pairs, small_wafers, tiny_autoencoder, tiny_regressor

from skemd import WaferRemapper
from skemd._training._convergence import improvement, warn_of_ending
from skemd._training._loop import TrainingResult

# Wafers that a network learns by heart.
FEW = np.tile(small_wafers(2), (30, 1))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([4.0, 3.0, 2.0, 1.5], 0.5),
        ([4.0, 2.0, 3.0, 2.5], 0),
        ([4.0, 2.0, 1.0, 3.0, 2.0], 0.5),
        ([2.0, 0.0, 0.0, 0.0], 0),
        ([7.0], 0),
    ],
)
def test_improvement_is_that_of_the_second_half(losses, expected):
    assert improvement(losses) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("history", "warns"),
    [
        ({"loss": [4, 2, 1, 1]}, True),
        ({"loss": [4, 2, 1, 1], "val_loss": [4, 2, 2, 2]}, False),
        ({"loss": [4, 2, 2, 2], "val_loss": [4, 2, 1, 1]}, True),
        ({"loss": [4, 2, 1.95, 1.95]}, False),
        ({"loss": [4, 2, 1.93, 1.93]}, True),
    ],
)
@pytest.mark.parametrize("stopped_early", [False, True])
def test_the_loss_that_is_watched_decides(history, warns, stopped_early):
    result = TrainingResult(history, stopped_early=stopped_early)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_ending(result, "It")
    assert len(caught) == (warns and not stopped_early)


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (tiny_autoencoder(epochs=10, learning_rate=0.03), FEW),
        (tiny_regressor(epochs=2), small_pairs()[0]),
    ],
    ids=["EMDAutoencoder", "EMDRegressor"],
)
def test_fit_says_so_at_the_line_of_the_user(estimator, data):
    estimator.set_params(early_stopping=False)
    message = f"{type(estimator).__name__} ended while still improving, after all"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        estimator.fit(data)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_search_says_so_once():
    pipeline = make_pipeline(
        WaferRemapper(), tiny_autoencoder(epochs=10, early_stopping=False)
    )
    grid = {"emdautoencoder__learning_rate": [0.03, 0.04]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        GridSearchCV(pipeline, grid, cv=2).fit(FEW)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    assert caught[0].filename == __file__
