"""Warnings: they point at the user's line, and come once a call."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skemd._input._units import MOST_COUNTS, warn_unless_counts
from skemd._warnings import warn_user


def caught_in(call):
    with warnings.catch_warnings(record=True) as caught:
        # As in a plain process: once for each line.
        warnings.simplefilter("default")
        call()
    assert {warning.filename for warning in caught} <= {__file__}
    return [str(warning.message) for warning in caught]


@pytest.fixture
def grumbler():
    """Return the estimator as if its class stood in the package."""
    source = {"__name__": "skemd._grumbler", "warn_user": warn_user}
    source["BaseEstimator"] = BaseEstimator
    exec(
        "class Grumbler(BaseEstimator):\n"
        "    def __init__(self, level=0):\n"
        "        self.level = level\n"
        "    def fit(self, X, y=None):\n"
        "        warn_user(f'{self.level} of {X.sum():.3g} is too much.')\n"
        "        self.n_iter_ = 1\n"
        "        return self\n"
        "    def score(self, X, y=None):\n"
        "        warn_user('Nothing is good enough.')\n"
        "        return 0.0\n",
        source,
    )
    return source["Grumbler"]()


def test_a_search_warns_once_at_the_line_of_the_user(grumbler, wafers):
    search = GridSearchCV(make_pipeline(grumbler), {"grumbler__level": [1, 2]}, cv=2)
    assert len(caught_in(lambda: search.fit(wafers(8)))) == 2
    # Another call warns again.
    assert len(caught_in(lambda: search.fit(wafers(8)))) == 2


def test_a_direct_call_warns_each_time(grumbler, wafers):
    messages = []
    for level in range(2):
        grumbler.set_params(level=level)
        messages += caught_in(lambda: grumbler.fit(wafers(8)))
    assert [message[:4] for message in messages] == ["0 of", "1 of"]


def test_counts_are_told_from_other_units(wafers):
    # Wafers of the chip, some 30 counts a cell, and the same scaled a little.
    counts = np.floor(100 * wafers(50)) + 10
    for X in (counts, counts.astype(int), 0.97 * counts, np.zeros((2, 48))):
        assert caught_in(lambda X=X: warn_unless_counts(X, "A")) == []
    in_mip = np.array([[0.5, 1.5, 2.0]])
    (message,) = caught_in(lambda: warn_unless_counts(in_mip, "A", "is gone"))
    assert message.startswith("A takes charges in CALQ counts, but 25% of the charge")
    assert "is in fractions of a count and is gone" in message
    (message,) = caught_in(lambda: warn_unless_counts(1e6 * counts, "A"))
    assert f"above {MOST_COUNTS} counts" in message


def test_a_few_charges_beyond_the_chip_pass():
    X = np.full((300, 48), 1e4)
    X[0, 0] = 5e6
    assert caught_in(lambda: warn_unless_counts(X, "A")) == []
