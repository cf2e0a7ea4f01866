"""Small wafers, pairs and networks that the tests of the estimators share.

Fitted estimators are made once a session: compiling their networks is what takes
time. Tests must not change them; a test that has to takes a copy or fits its own.
"""

import functools

import numpy as np

from skemd import EMDAutoencoder, EMDDecoder, EMDRegressor
from skemd._training._loop import ProgressBar
from skemd.baselines import SuperTriggerCell
from skemd.distance import paired_emd
from skemd.geometry import hgcal_wafer

N_CELLS = 48

TINY_TRAINING = {"epochs": 2, "batch_size": 32, "random_state": 0}
TINY_REGRESSOR = {
    "n_filters": 4,
    "kernel_size": 3,
    "n_conv_layers": 1,
    "n_dense_units": 64,
}
# Two epochs at the default rate would leave components dead.
TINY_AUTOENCODER = {
    "loss": "mse",
    "n_filters": 4,
    "kernel_size": 3,
    "n_components": 8,
    "learning_rate": 0.01,
}
TINY_DECODER = {"units": 8, "layers": 2}


def small_wafers(n_samples=60, seed=0, n_cells=N_CELLS):
    """Sparse random wafers, each with some charge, in counts."""
    rng = np.random.RandomState(seed)
    charges = rng.gamma(1.0, 30.0, size=(n_samples, n_cells))
    charges[rng.rand(n_samples, n_cells) < 0.6] = 0
    charges[np.arange(n_samples), rng.randint(n_cells, size=n_samples)] += 50
    return charges


def small_pairs(n_pairs=60, seed=0, n_cells=N_CELLS):
    """Flat pairs of unrelated wafers with their exact EMD, on the wafer or a line."""
    A = small_wafers(n_pairs, 2 * seed + 100, n_cells)
    B = small_wafers(n_pairs, 2 * seed + 101, n_cells)
    geometry = "wafer" if n_cells == N_CELLS else "line"
    return np.hstack([A, B]), paired_emd(A, B, geometry=geometry)


def tiny_regressor(**parameters):
    return EMDRegressor(**{**TINY_TRAINING, **TINY_REGRESSOR, **parameters})


def tiny_autoencoder(**parameters):
    return EMDAutoencoder(**{**TINY_TRAINING, **TINY_AUTOENCODER, **parameters})


def tiny_decoder(loss="mse", **parameters):
    return EMDDecoder(loss, **{**TINY_TRAINING, **TINY_DECODER, **parameters})


@functools.cache
def fitted_regressor(head="bounded"):
    return tiny_regressor(head=head).fit(*small_pairs())


@functools.cache
def fitted_line_regressor():
    pairs, y = small_pairs(40, n_cells=6)
    return tiny_regressor(geometry="line", n_dense_units=8).fit(pairs, y)


@functools.cache
def fitted_autoencoder(latent_bits=None):
    return tiny_autoencoder(latent_bits=latent_bits).fit(small_wafers())


@functools.cache
def fitted_image_autoencoder(layout):
    images = hgcal_wafer().layout(layout).apply(small_wafers())
    return tiny_autoencoder().fit(images)


def received_wafers(X):
    """What three links carry of wafers as sums of four cells."""
    return SuperTriggerCell("CTC4_7", n_output_links=3).fit(X).predict(X)


@functools.cache
def fitted_decoder():
    return tiny_decoder().fit(received_wafers(small_wafers()), small_wafers())


def fitted_weights(estimator):
    return [np.array(weight) for weight in estimator.network_.weights]


def weights_are_equal(one, other):
    pairs = zip(fitted_weights(one), fitted_weights(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def interrupt_at(monkeypatch, n_updates):
    """Press Ctrl-C at some step of the training."""

    class InterruptedBar(ProgressBar):
        n_left = n_updates

        def update(self, done, note=""):
            InterruptedBar.n_left -= 1
            if InterruptedBar.n_left < 0:
                raise KeyboardInterrupt

    monkeypatch.setattr("skemd._training._loop.ProgressBar", InterruptedBar)
