"""How well the learned EMD does on wafers that it never saw.

For each kind of pairs the relative difference (predicted - exact) / exact, and the
cosine between the gradient with respect to the second wafer and the exact potentials;
for triples of wafers how often the triangle inequality fails. Of the regressor that
ships with the package, and of the same network fitted here, on 100,000 pairs of
generated wafers, with default parameters otherwise.
"""

import functools
import time
from pathlib import Path

import numpy as np

from skemd import EMDAutoencoder, EMDRegressor
from skemd._input._scaling import normalized
from skemd.datasets import load_wafers, make_pairs, make_wafers
from skemd.datasets._pairs import PAIR_KINDS
from skemd.distance import paired_potentials
from skemd.geometry import hgcal_wafer
from skemd.losses._table import LOSSES
from skemd.study import rst_table

# Trainings use seeds below 1000.
TEST_SEED, TRAIN_SEED = 1_000, 1
REAL_SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "real_wafer_sample.csv"
# Relative differences of nearly equal wafers are those of rounding.
SMALLEST_DISTANCE = 1e-6
MOST_SPARSE_CELLS = 5
NETWORK = {"head": "potential", "n_conv_layers": 0, "n_dense_layers": 2}
N_TRIPLES = 50_000
# A detour that is shorter by less is forgiven.
TRIANGLE_TOLERANCE = 0.02


def report(n_pairs=5_000, n_train_pairs=100_000):
    """Fit, predict, and return the table and what it holds as plain values.

    Parameters
    ----------
    n_pairs : int, default=5000
        Pairs of each kind.
    n_train_pairs : int, default=100000
        Pairs on which the regressor is fitted here.

    Returns
    -------
    table : str
        For people.
    results : dict
        For JSON.
    """
    regressors = {"shipped": EMDRegressor.from_pretrained("hgcal-wafer")}
    X = make_wafers(30_000, random_state=TRAIN_SEED)
    pairs, y, _ = make_pairs(X, n_train_pairs, random_state=TRAIN_SEED)
    started = time.perf_counter()
    regressors["fitted here"] = EMDRegressor(
        **NETWORK, random_state=TRAIN_SEED, verbose=1
    ).fit(pairs, y)
    seconds = time.perf_counter() - started

    results = {name: {} for name in regressors}
    for source, wafers in test_wafers().items():
        kinds = pairs_of_every_kind(wafers, n_pairs)
        for name, regressor in regressors.items():
            for kind, (A, B) in kinds.items():
                results[name][f"{source}, {kind}"] = quality(regressor, A, B)
            results[name][f"{source}, triangles violated"] = triangles_violated(
                regressor, wafers
            )
    X = make_wafers(n_pairs, random_state=TEST_SEED + 1)
    for name, regressor in regressors.items():
        largest = np.abs(regressor.predict(np.hstack([X, X]))).max()
        results[name]["equal wafers, largest"] = float(largest)
    heading = (
        f"relative difference, mean / std, and gradient, mean cosine / its 10th "
        f"percentile; {n_pairs:,} pairs of each kind\n"
    )
    fitted = f"\n{n_train_pairs:,} pairs fitted in {seconds:.0f} s"
    return heading + as_table(results) + fitted, {
        "results": results,
        "seconds": seconds,
    }


def test_wafers():
    """Return generated wafers of an unseen seed, and real ones where they are."""
    wafers = {"generated": make_wafers(10_000, random_state=TEST_SEED)}
    if REAL_SAMPLE.exists():
        wafers["real"] = load_wafers(REAL_SAMPLE)
    return wafers


def pairs_of_every_kind(wafers, n_pairs):
    """Return for each kind both sides of its pairs, shape (n_pairs, 48) each."""
    kinds = {}
    for kind in PAIR_KINDS:
        pairs, _, _ = make_pairs(
            wafers, n_pairs, kinds={kind: 1}, layout="stacked", random_state=TEST_SEED
        )
        kinds[kind] = pairs[:, 0], pairs[:, 1]
    A = normalized(wafers[:n_pairs])
    kinds["kernel"] = A, blurred_by_kernel(A)
    sparse = few_cells(A, np.random.RandomState(TEST_SEED))
    kinds["sparse, kernel"] = sparse, blurred_by_kernel(sparse)
    for loss in LOSSES:
        kinds[f"autoencoder, {loss}"] = A, autoencoder_of(loss).predict(A)
    return kinds


def blurred_by_kernel(A):
    """Blur as the published networks were checked: exp(-(d / 2)^2 / 0.8)."""
    kernel = np.exp(-((hgcal_wafer().ground_distance / 2) ** 2) / 0.8)
    return normalized(A @ kernel)


def few_cells(A, rng):
    """Keep one to five of the cells of each wafer that hold charge."""
    rank = (rng.rand(*A.shape) * (A > 0)).argsort(axis=1)[:, ::-1].argsort(axis=1)
    kept = np.where(rank < rng.randint(1, MOST_SPARSE_CELLS + 1, (len(A), 1)), A, 0)
    return normalized(kept)


@functools.cache
def autoencoder_of(loss):
    """Return an autoencoder that was trained with a loss on generated wafers."""
    X = make_wafers(24_000, random_state=TRAIN_SEED)
    return EMDAutoencoder(loss=loss, epochs=25, random_state=TRAIN_SEED).fit(X)


def quality(regressor, A, B):
    """Return mean and standard deviation of the relative difference, and cosines."""
    exact, potentials = paired_potentials(A, B)
    pairs = np.hstack([normalized(A), normalized(B)])
    apart = exact > SMALLEST_DISTANCE
    difference = regressor.predict(pairs[apart]) / exact[apart] - 1
    gradients = gradients_of(regressor, pairs[apart])
    cosines = (gradients * potentials[apart]).sum(axis=1) / (
        np.linalg.norm(gradients, axis=1) * np.linalg.norm(potentials[apart], axis=1)
    )
    return {
        "mean": float(difference.mean()),
        "std": float(difference.std()),
        "cosine": float(cosines.mean()),
        "cosine_10": float(np.percentile(cosines, 10)),
    }


def gradients_of(regressor, pairs):
    """Return gradients with respect to the second wafer, less their mean, by jax."""
    import jax

    model = regressor.network_.model

    @jax.jit
    def gradient(a, b):
        def total(b):
            return model(jax.numpy.concatenate([a, b], axis=1), training=False).sum()

        return jax.grad(total)(b)

    a, b = np.split(pairs.astype(np.float32), 2, axis=1)
    gradients = np.asarray(gradient(a, b), dtype=np.float64)
    return gradients - gradients.mean(axis=1, keepdims=True)


def triangles_violated(regressor, wafers):
    """Return the part of random triples whose detour is shorter than the way."""
    rng = np.random.RandomState(TEST_SEED)
    triples = rng.randint(len(wafers), size=(N_TRIPLES, 3))
    # No wafer twice in a triple.
    triples = triples[[len(set(triple)) == 3 for triple in triples]]
    a, b, c = (wafers[column] for column in triples.T)
    way, first, second = (
        regressor.predict(np.hstack(pair)) for pair in ((a, c), (a, b), (b, c))
    )
    return float((way > (1 + TRIANGLE_TOLERANCE) * (first + second)).mean())


def as_table(results):
    """Return a table with a row for each kind of pairs."""
    rows = [("pairs", *results)]
    for kind in next(iter(results.values())):
        rows.append((kind, *(as_text(of_one[kind]) for of_one in results.values())))
    return rst_table(rows)


def as_text(value):
    """Return a cell of the table."""
    if isinstance(value, float):
        return f"{value:.2g}"
    return (
        f"{value['mean']:+.4f} / {value['std']:.4f}, "
        f"{value['cosine']:.3f} / {value['cosine_10']:.3f}"
    )
