"""What benchmarks of trained encoders share: wafers set aside, epochs, and means."""

import itertools

import numpy as np

from skemd.study import occupancy

TEST_FRACTION = 0.2
# How a fitted autoencoder goes on with the few wafers of the real sample. In another
# split of it 0.004 was 1 to 2% better than 0.0015, and 150 epochs no better than 60.
TRAINING_ON = {"learning_rate": 0.003, "batch_size": 100, "epochs": 60}
# Cells with charge: edges of the bins.
OCCUPANCIES = (1, 4, 8, 16, 49)
OCCUPANCY_COLUMNS = [
    f"{low} to {high - 1}" for low, high in itertools.pairwise(OCCUPANCIES)
]


def set_aside(X, seed):
    """Split the wafers with charge, in random order.

    Parameters
    ----------
    X : ndarray of shape (n_samples, 48)
        Wafers, charges in any unit.
    seed : int
        Determines the order.

    Returns
    -------
    train, test : ndarray of shape (n, 48)
        Wafers to train on, and a fifth of all that is set aside.
    """
    X = np.random.default_rng(seed).permutation(X[X.any(axis=1)])
    test, train = np.split(X, [round(TEST_FRACTION * len(X))])
    return train, test


def epochs_of(n_wafers, n_steps, batch_size):
    """Return the epochs of so many steps, at least two.

    Parameters
    ----------
    n_wafers : int
        Number of wafers in fit, a tenth of which is set aside for early stopping.
    n_steps, batch_size : int
        Steps of the training, and wafers a step.

    Returns
    -------
    n_epochs : int
        Whole epochs.
    """
    return max(2, round(n_steps / -(-round(0.9 * n_wafers) // batch_size)))


def means_by_occupancy(distances, X):
    """Return the mean of all wafers, and of those of each occupancy.

    Parameters
    ----------
    distances : ndarray of shape (n_samples,)
        A number for each wafer.
    X : ndarray of shape (n_samples, 48)
        The true wafers, charges in any unit.

    Returns
    -------
    means : dict
        "mean", and "by occupancy" a list with a mean for each bin of `OCCUPANCIES`, NaN
        for an empty one.
    """
    bins = np.digitize(occupancy(X, threshold=0), OCCUPANCIES[1:-1])
    chosen = [distances[bins == place] for place in range(len(OCCUPANCIES) - 1)]
    by_bin = [float(part.mean()) if len(part) else np.nan for part in chosen]
    return {"mean": float(distances.mean()), "by occupancy": by_bin}
