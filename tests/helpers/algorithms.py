"""Small algorithms for studies to compare, and the wafers that they meet."""

import numpy as np
from sklearn.base import BaseEstimator
from small_data import small_wafers

from skemd.study import Wafers, charge_in_mip, compare, occupancy


class Blur(BaseEstimator):
    """Adds noise from its own seed to wafers, and writes down each fit."""

    def __init__(self, strength=1.0, log=None, random_state=None, verbose=0):
        self.strength = strength
        self.log = log
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X):
        if self.log is not None:
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(f"{self.random_state} {self.verbose}\n")
        rng = np.random.RandomState(self.random_state)
        self.noise_ = self.strength * X.mean() * rng.rand(X.shape[1])
        return self

    def predict(self, X):
        return X + self.noise_


class Interrupted(Blur):
    """Is stopped in the middle of each fit, and keeps what it has."""

    def fit(self, X):
        self._interruption = "x was interrupted after 1 of 2 epochs"
        return super().fit(X)


class Sender(BaseEstimator):
    """Sends the first cells and nothing else, at eight bits per cell with charge."""

    def __init__(self, n_output_links=2):
        self.n_output_links = n_output_links

    def fit(self, X):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        kept = np.zeros_like(X)
        kept[:, : 8 * self.n_output_links] = X[:, : 8 * self.n_output_links]
        return kept

    def payload_bits(self, X):
        return 8 * (self.predict(X) > 0).sum(axis=1)


def drawn(seed, n_samples=30):
    X = small_wafers(2 * n_samples, seed)
    test = X[n_samples:]
    by = {"occupancy_cells": occupancy(test), "charge_mip": charge_in_mip(test)}
    return Wafers(X[:n_samples], test, by)


def blurs():
    """Compare a weak blur, a strong one, and a sender, for two seeds."""
    algorithms = [("weak", Blur(0.5)), ("strong", Blur(3.0)), ("send", Sender(3))]
    return compare(algorithms, drawn, seeds=[0, 1])
