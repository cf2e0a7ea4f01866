"""An estimator whose processes joblib takes for grown, so that it replaces them."""

import os

import numpy as np
from joblib.externals.loky import process_executor
from sklearn.base import BaseEstimator


class Growing(BaseEstimator):
    """Makes any growth of its process too much for joblib, and scores by its number."""

    def __init__(self, parameter=0):
        self.parameter = parameter

    def fit(self, X, y=None):
        # joblib asks after each task, once it has seen what a first one takes.
        process_executor._MAX_MEMORY_LEAK_SIZE = -np.inf
        process_executor._MEMORY_LEAK_CHECK_DELAY = 0
        return self

    def score(self, X, y=None):
        return os.getpid()
