"""The exact EMD and the Sinkhorn divergence as losses: values, gradients, training."""

import copy
import functools
import pickle
import threading

import numpy as np
import ot
import pytest
from engines import skip_without_simplex
from exhaustive import rarely
from sklearn.base import clone
from small_data import small_wafers, tiny_autoencoder, weights_are_equal

from skemd import EMDRegressor
from skemd._autoencoder._loss import resolve_loss
from skemd._backend import keras
from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.geometry import grid, hgcal_wafer, line
from skemd.losses import ExactEMD, LearnedEMD, SinkhornDivergence
from skemd.losses._table import LOSSES

BACKEND = keras.backend.backend()
# Of a side's sum: far from the rounding of float64, and from most kinks.
STEP = 1e-6

each_side = pytest.mark.parametrize("side", [0, 1], ids=["y_true", "y_pred"])
each_loss = pytest.mark.parametrize("make_loss", [ExactEMD, SinkhornDivergence])
each_normalizing_loss = pytest.mark.parametrize(
    "make_loss",
    [
        ExactEMD,
        SinkhornDivergence,
        pytest.param(
            lambda: LearnedEMD(EMDRegressor.from_pretrained()), id="LearnedEMD"
        ),
    ],
)
each_geometry = pytest.mark.parametrize(
    "geometry",
    [hgcal_wafer(), line(5), grid(8, 8), grid(9, 9)],
    ids=lambda geometry: geometry.name,
)
only_jax = pytest.mark.skipif(BACKEND != "jax", reason="compiles with jax")


def values_and_gradients(loss, *sides):
    """Return each sample's value, and its gradients with respect to both sides."""
    sides = [np.asarray(side, np.float32) for side in sides]
    values, gradients = _BY_BACKEND[BACKEND](loss.call, sides)
    return np.asarray(values), [np.asarray(gradient) for gradient in gradients]


def _with_jax(call, sides):
    import jax

    def total(*sides):
        values = call(*sides)
        return values.sum(), values

    gradients, values = jax.grad(total, argnums=(0, 1), has_aux=True)(*sides)
    return values, gradients


def _with_torch(call, sides):
    import torch

    sides = [torch.tensor(side, requires_grad=True) for side in sides]
    values = call(*sides)
    values.sum().backward()
    return values.detach().numpy(), [side.grad.numpy() for side in sides]


def _with_tensorflow(call, sides):
    import tensorflow as tf

    sides = [tf.constant(side) for side in sides]
    with tf.GradientTape() as tape:
        tape.watch(sides)
        values = call(*sides)
        total = tf.reduce_sum(values)
    return values, tape.gradient(total, sides)


_BY_BACKEND = {
    "jax": _with_jax,
    "torch": _with_torch,
    "tensorflow": _with_tensorflow,
}


def values_of(loss, *sides):
    sides = [keras.ops.convert_to_tensor(side, "float32") for side in sides]
    return keras.ops.convert_to_numpy(loss.call(*sides))


def as_float32(*sides):
    return tuple(np.asarray(side, np.float32) for side in sides)


def sums_of(X):
    return X.sum(axis=1, dtype=np.float64, keepdims=True)


def with_side(sides, side, X):
    return (X, sides[1]) if side == 0 else (sides[0], X)


@pytest.fixture
def dense_pairs(wafers):
    """Return a maker of pairs of wafers with charge in every cell, as float32."""

    def make(n=8, n_cells=48, seed=0):
        options = {"n_cells": n_cells, "n_charged": n_cells}
        sides = (wafers(n, seed=2 * seed + k, **options) for k in (1, 2))
        return as_float32(*sides)

    return make


# The exact EMD: values


def _unrelated(wafers, n_cells):
    options = {"n_cells": n_cells, "n_charged": n_cells}
    return wafers(8, seed=1, **options), wafers(8, seed=2, **options)


def _sparse(wafers, n_cells):
    options = {"n_cells": n_cells, "n_charged": 2}
    return wafers(8, seed=3, **options), wafers(8, seed=4, **options)


def _nearly_equal(wafers, n_cells):
    A, B = _unrelated(wafers, n_cells)
    return A, A * (1 + 1e-3 * B / B.max())


@each_geometry
@pytest.mark.parametrize("kind", [_unrelated, _sparse, _nearly_equal])
def test_emd_is_the_exact_one(wafers, geometry, kind):
    sides = as_float32(*kind(wafers, geometry.n_cells))
    expected = paired_emd(*sides, geometry=geometry)
    assert (expected > 0).all()
    found = values_of(ExactEMD(geometry), *sides)
    # What rounding the charges to float32 may carry over one pitch.
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=2e-7)


@each_geometry
def test_emd_of_equal_wafers_is_zero(wafers, geometry):
    A, _ = as_float32(*_unrelated(wafers, geometry.n_cells))
    for scale in (1, 8):
        values, gradients = values_and_gradients(ExactEMD(geometry), A, scale * A)
        assert (values == 0).all()
        assert np.isfinite(gradients).all()


def test_a_line_takes_any_number_of_cells(wafers):
    for n_cells in (3, 7):
        sides = as_float32(*_unrelated(wafers, n_cells))
        for make_loss in (ExactEMD, SinkhornDivergence):
            found = values_of(make_loss("line"), *sides)
            expected = values_of(make_loss(line(n_cells)), *sides)
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(
            values_of(ExactEMD("line"), *sides),
            paired_emd(*sides, geometry="line"),
            rtol=1e-6,
        )


@each_loss
def test_called_as_keras_does_it_is_the_mean(dense_pairs, make_loss):
    sides = dense_pairs()
    mean = float(make_loss()(*sides))
    assert mean == pytest.approx(values_of(make_loss(), *sides).mean(), rel=1e-6)


# The exact EMD: gradients


def exact_slopes(sides, side, directions, geometry):
    """Return forward and backward differences of the exact EMD along directions.

    Directions are in fractions of the sum of the side that moves.
    """
    sides = [np.asarray(X, np.float64) for X in sides]
    start = paired_emd(*sides, geometry=geometry)[:, None]
    moves = STEP * sums_of(sides[side])[:, None] * directions
    pairs = [np.repeat(X, len(directions), axis=0) for X in sides]

    def moved(sign):
        X = pairs[side] + sign * moves.reshape(pairs[side].shape)
        found = paired_emd(*with_side(pairs, side, X), geometry=geometry)
        return found.reshape(len(start), -1)

    return (moved(1) - start) / STEP, (start - moved(-1)) / STEP


@each_side
@each_geometry
def test_gradient_equals_finite_differences_of_the_exact_emd(
    dense_pairs, geometry, side
):
    n_cells = geometry.n_cells
    sides = dense_pairs(10, n_cells)
    each_cell = np.eye(n_cells)
    all_at_once = np.random.RandomState(0).normal(size=(5, n_cells)) / n_cells
    directions = np.vstack([each_cell, all_at_once])
    forward, backward = exact_slopes(sides, side, directions, geometry)
    # Across a kink the two differ by about the distance between neighbors.
    is_smooth = (np.abs(forward - backward) < 1e-4).all(axis=1)
    assert is_smooth.mean() > 0.7

    _, gradients = values_and_gradients(ExactEMD(geometry), *sides)
    found = sums_of(sides[side]) * gradients[side] @ directions.T
    expected = (forward + backward) / 2
    np.testing.assert_allclose(found[is_smooth], expected[is_smooth], rtol=0, atol=1e-5)
    assert np.abs(expected[is_smooth]).max() > 0.5


def _single_cells(wafers):
    rng = np.random.RandomState(0)
    return np.eye(48)[rng.randint(48, size=20)], np.eye(48)[rng.randint(48, size=20)]


def _equal_masses(wafers):
    return tuple((wafers(20, n_charged=12, seed=seed) > 0) * 2.0 for seed in (1, 2))


def _few_cells(wafers):
    return wafers(20, n_charged=3, seed=1), 7 * wafers(20, n_charged=5, seed=2)


def _equal_wafers(wafers):
    A = wafers(20, n_charged=10, seed=1)
    return A, 4 * A


def _single_cells_against_dense(wafers):
    return _single_cells(wafers)[0], wafers(20, n_charged=48, seed=2)


@each_side
@pytest.mark.parametrize(
    "kind",
    [
        _single_cells,
        _equal_masses,
        _few_cells,
        _equal_wafers,
        _single_cells_against_dense,
    ],
)
def test_gradient_at_kinks_is_a_subgradient(wafers, unit_wafers, kind, side):
    sides = as_float32(*kind(wafers))
    here = sides[side] / sums_of(sides[side])
    opposite = sides[1 - side] / sums_of(sides[1 - side])
    distances = paired_emd(*sides)
    _, gradients = values_and_gradients(ExactEMD(), *sides)
    slopes = sums_of(sides[side]) * gradients[side]
    elsewhere = [unit_wafers(20, n_charged=n, seed=n) for n in (1, 4, 48)]
    # Toward the opposite wafer the EMD falls to zero, so no gradient may vanish.
    for there in [*elsewhere, opposite]:
        for part in (1.0, 0.3, 0.001):
            other = here + part * (there - here)
            # The gradient is orthogonal to the wafer from which it starts.
            linear = distances + (slopes * other).sum(axis=1)
            found = paired_emd(*with_side(sides, side, other))
            assert (found >= linear - 1e-5).all()


@each_side
@each_loss
def test_gradient_does_not_see_the_scale_of_a_wafer(dense_pairs, make_loss, side):
    sides = dense_pairs()
    _, gradients = values_and_gradients(make_loss(), *sides)
    along_the_wafer = (gradients[side] * sides[side]).sum(axis=1)
    size = np.abs(gradients[side] * sides[side]).sum(axis=1)
    assert (size > 0.1).all()
    assert (np.abs(along_the_wafer) < 1e-6 * size).all()


@each_side
@pytest.mark.parametrize("scale", [2.0**-20, 1000.0, 2.0**20])
@each_loss
def test_gradient_falls_as_the_sum_grows(dense_pairs, make_loss, side, scale):
    sides = dense_pairs()
    values, gradients = values_and_gradients(make_loss(), *sides)
    scaled = with_side(sides, side, np.float32(scale) * sides[side])
    scaled_values, scaled_gradients = values_and_gradients(make_loss(), *scaled)
    np.testing.assert_allclose(scaled_values, values, rtol=1e-5)
    found = scale * scaled_gradients[side]
    np.testing.assert_allclose(found, gradients[side], rtol=1e-4, atol=1e-6)


@each_side
@pytest.mark.parametrize("scale", [1e-33, 1e-24, 1e-16, 1e18, 1e31])
@each_normalizing_loss
def test_losses_are_right_for_every_sum_that_float32_holds(
    dense_pairs, make_loss, side, scale
):
    loss, sides = make_loss(), dense_pairs()
    values, gradients = values_and_gradients(loss, *sides)
    scaled = with_side(sides, side, np.float32(scale) * sides[side])
    scaled_values, scaled_gradients = values_and_gradients(loss, *scaled)
    np.testing.assert_allclose(scaled_values, values, rtol=1e-5)
    # Adam takes their squares.
    assert np.isfinite(np.square(scaled_gradients)).all()
    # It falls as the sum grows, except that it has a limit for faint wafers.
    largest = scale * sides[side].max(axis=1, keepdims=True)
    found = scale * scaled_gradients[side].astype(np.float64)
    expected = gradients[side] * (np.minimum(largest, 1e-17) / 1e-17)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.max())


@each_side
@each_normalizing_loss
def test_negative_charges_count_as_zero(dense_pairs, make_loss, side):
    loss, sides = make_loss(), dense_pairs()
    negative, zero = sides[side].copy(), sides[side].copy()
    negative[:, ::3], zero[:, ::3] = -2 - sides[side][:, ::3], 0
    # One wafer has no charge left.
    negative[1], zero[1] = -1, 0
    values, gradients = values_and_gradients(loss, *with_side(sides, side, negative))
    expected, others = values_and_gradients(loss, *with_side(sides, side, zero))
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    slopes = np.where(negative < 0, 0, others[side])
    np.testing.assert_allclose(gradients[side], slopes, rtol=1e-4, atol=1e-6)


# Rows that are not wafers


@each_side
@pytest.mark.parametrize("charge", [np.nan, np.inf], ids=str)
@each_loss
def test_a_row_without_a_finite_sum_spoils_only_itself(
    dense_pairs, make_loss, charge, side
):
    sides = dense_pairs()
    values, gradients = values_and_gradients(make_loss(), *sides)
    spoilt = sides[side].copy()
    spoilt[2, :8] = charge
    found, found_gradients = values_and_gradients(
        make_loss(), *with_side(sides, side, spoilt)
    )
    assert np.isnan(found[2])
    others = np.arange(len(values)) != 2
    np.testing.assert_allclose(found[others], values[others], rtol=1e-5)
    for after, before in zip(found_gradients, gradients, strict=True):
        np.testing.assert_allclose(after[others], before[others], rtol=1e-4, atol=1e-6)


@each_side
@each_normalizing_loss
def test_a_row_without_charge_counts_as_the_even_wafer(dense_pairs, make_loss, side):
    sides = dense_pairs()
    empty, even = sides[side].copy(), sides[side].copy()
    empty[2], even[2] = 0, 1
    found, gradients = values_and_gradients(make_loss(), *with_side(sides, side, empty))
    expected = values_of(make_loss(), *with_side(sides, side, even))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(gradients).all()
    assert (gradients[side][2] == 0).all()


@each_normalizing_loss
def test_two_rows_without_charge_are_equal(make_loss):
    nothing = np.zeros((8, 48))
    values, gradients = values_and_gradients(make_loss(), nothing, nothing)
    assert (values == 0).all()
    assert np.isfinite(gradients).all()


@each_loss
def test_a_wrong_number_of_cells_is_an_error_that_names_the_geometry(make_loss):
    name = make_loss.__name__
    match = f"{name} got 47 columns, but the wafer geometry has 48 cells"
    with pytest.raises(ValueError, match=match):
        values_of(make_loss(), np.ones((2, 47)), np.ones((2, 47)))
    with pytest.raises(ValueError, match=r"got 48 columns.*line\(5\) geometry has 5"):
        values_of(make_loss(line(5)), np.ones((2, 48)), np.ones((2, 48)))
    with pytest.raises(ValueError, match="Unknown geometry 'disc'"):
        values_of(make_loss("disc"), np.ones((2, 48)), np.ones((2, 48)))


# Threads, compilation, and the other solver


@pytest.mark.parametrize("n_samples", [1, 129, 300])
def test_the_number_of_threads_does_not_matter(dense_pairs, n_samples):
    sides = dense_pairs(n_samples)
    values, gradients = values_and_gradients(ExactEMD(n_jobs=1), *sides)
    np.testing.assert_allclose(values, paired_emd(*sides), rtol=1e-6)
    for n_jobs in (2, 3, None, -1):
        found, found_gradients = values_and_gradients(ExactEMD(n_jobs=n_jobs), *sides)
        np.testing.assert_array_equal(found, values)
        np.testing.assert_array_equal(found_gradients, gradients)


@only_jax
def test_compiled_losses_take_batches_of_any_size(dense_pairs):
    import jax

    sides = dense_pairs(130)
    for loss in (ExactEMD(n_jobs=2), SinkhornDivergence()):
        compiled = jax.jit(loss.call)
        expected = values_of(loss, *sides)
        for n_samples in (130, 1, 64, 130):
            found = compiled(*(side[:n_samples] for side in sides))
            np.testing.assert_allclose(found, expected[:n_samples], rtol=1e-5)


def finishes(work, seconds):
    """Run work on a thread that a deadlock may leave behind."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


@only_jax
def test_many_compiled_steps_in_flight_do_not_lock_up(unit_wafers):
    import jax

    y = as_float32(unit_wafers(500, seed=1))[0]
    loss = ExactEMD()

    @jax.jit
    def step(p):
        mean, slope = jax.value_and_grad(lambda p: loss.call(y, p).mean())(p)
        return jax.numpy.maximum(p - 0.5 * slope, 0), mean

    means = []

    def descend():
        p = np.full_like(y, 1 / 48)
        # All steps are dispatched before any result is awaited.
        for _ in range(200):
            p, mean = step(p)
            means.append(mean)
        means[:] = [float(mean) for mean in means]

    assert finishes(descend, seconds=60)
    assert means[-1] < 0.5 * means[0]


def test_pot_takes_over_where_the_compiled_solver_is_missing(dense_pairs, monkeypatch):
    skip_without_simplex()
    sides = dense_pairs(20)
    values, gradients = values_and_gradients(ExactEMD(), *sides)
    monkeypatch.setattr("skemd.distance._solvers._simplex", None)
    for n_jobs in (None, 2):
        found, found_gradients = values_and_gradients(ExactEMD(n_jobs=n_jobs), *sides)
        np.testing.assert_allclose(found, values, rtol=1e-6)
        np.testing.assert_allclose(found_gradients, gradients, atol=1e-6)


# The Sinkhorn divergence: values


def entropic_cost(a, b, geometry, epsilon):
    ground = geometry.ground_distance
    options = {"reg": epsilon, "reg_type": "KL", "max_iter": 100_000, "tol": 1e-10}
    return ot.solve(ground, a, b, **options).value


def pot_divergences(y, p, geometry, epsilon):
    """Return the divergence of each pair of wafers, converged and in float64."""
    cost = functools.partial(entropic_cost, geometry=geometry, epsilon=epsilon)
    y, p = (X / sums_of(X) for X in (y, p))
    return np.array(
        [
            cost(a, b) - cost(a, a) / 2 - cost(b, b) / 2
            for a, b in zip(y, p, strict=True)
        ]
    )


def positive(*sides):
    """Fill empty cells a little: POT warns of them, and converges slowly."""
    return as_float32(*(X + 0.1 * X.mean(axis=1, keepdims=True) for X in sides))


@pytest.fixture(params=["one product", "all pairs of cells"])
def each_soft_minimum(request, monkeypatch):
    """Compute soft minima by a product with a matrix where it can be, or never."""
    if request.param == "all pairs of cells":
        monkeypatch.setattr("skemd.losses._transport.LARGEST_EXPONENT", 0)


@pytest.mark.usefixtures("each_soft_minimum")
@pytest.mark.parametrize(
    ("geometry", "epsilon", "n_iterations"),
    [
        (hgcal_wafer(), 5.0, 50),
        (hgcal_wafer(), 1.0, 300),
        (grid(3, 4), 0.5, 1000),
        # So small that the product is never used.
        (line(2), 0.02, 2000),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_sinkhorn_agrees_with_pot(wafers, geometry, epsilon, n_iterations):
    options = {"n_cells": geometry.n_cells, "n_charged": 8}
    sides = positive(wafers(2, seed=1, **options), wafers(2, seed=2, **options))
    expected = pot_divergences(*sides, geometry, epsilon)
    loss = SinkhornDivergence(geometry, epsilon=epsilon, n_iterations=n_iterations)
    np.testing.assert_allclose(values_of(loss, *sides), expected, rtol=0, atol=1e-5)
    assert (expected > 0.01).all()


@pytest.mark.parametrize("epsilon", [0.01, *rarely(0.35, 1.0), 20.0])
def test_sinkhorn_of_single_cells_is_their_distance(epsilon):
    # There is only one plan, for any weight of the entropy.
    one, other = np.indices((48, 48)).reshape(2, -1)
    loss = SinkhornDivergence(epsilon=epsilon)
    found = values_of(loss, np.eye(48)[one], np.eye(48)[other])
    expected = hgcal_wafer().ground_distance[one, other]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_iterations", [1, *rarely(2, 20), 300])
@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_sinkhorn_is_a_divergence_at_every_step(dense_pairs, epsilon, n_iterations):
    y, p = dense_pairs()
    loss = SinkhornDivergence(epsilon=epsilon, n_iterations=n_iterations)
    forth, back = values_of(loss, y, p), values_of(loss, p, y)
    assert (forth > -1e-5).all()
    np.testing.assert_allclose(forth, back, rtol=1e-5, atol=1e-5)
    assert (values_of(loss, y, y) == 0).all()
    np.testing.assert_allclose(values_of(loss, y, 3 * y), 0, atol=1e-5)


def test_sinkhorn_tends_to_the_emd(wafers):
    sides = as_float32(*(wafers(6, n_cells=4, n_charged=4, seed=k) for k in (1, 2)))
    exact = paired_emd(*sides, geometry="line")
    errors = []
    for epsilon in (1.0, 0.3, 0.1, 0.03):
        loss = SinkhornDivergence("line", epsilon=epsilon, n_iterations=5000)
        errors.append(np.abs(values_of(loss, *sides) - exact).max())
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.02


@pytest.mark.parametrize("epsilon", [0.01, 0.35])
def test_sinkhorn_does_not_underflow(wafers, epsilon):
    sides = as_float32(*(wafers(20, n_charged=2, seed=seed) for seed in (1, 2)))
    values, gradients = values_and_gradients(
        SinkhornDivergence(epsilon=epsilon), *sides
    )
    assert (values > -1e-5).all()
    assert (values < hgcal_wafer().max_distance).all()
    assert np.isfinite(gradients).all()
    assert (np.abs(gradients).max(axis=-1) > 0).all()


@pytest.mark.parametrize("n_charged", [3, 48])
@pytest.mark.parametrize("epsilon", [0.4, *rarely(1.0), 5.0])
def test_both_soft_minima_agree(wafers, monkeypatch, epsilon, n_charged):
    sides = [wafers(10, n_charged=n_charged, seed=seed) for seed in (1, 2)]
    loss = SinkhornDivergence(epsilon=epsilon)
    by_product = values_and_gradients(loss, *sides)
    monkeypatch.setattr("skemd.losses._transport.LARGEST_EXPONENT", 0)
    by_pairs = values_and_gradients(loss, *sides)
    np.testing.assert_allclose(by_product[0], by_pairs[0], rtol=1e-5, atol=1e-5)
    for one, other in zip(by_product[1], by_pairs[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# The Sinkhorn divergence: gradients


@each_side
def test_sinkhorn_gradient_equals_finite_differences_of_pot(wafers, side):
    sides = positive(*(wafers(2, n_charged=8, seed=seed) for seed in (1, 2)))
    sides = [side.astype(np.float64) for side in sides]
    loss = SinkhornDivergence(epsilon=2.0, n_iterations=100)
    _, gradients = values_and_gradients(loss, *sides)
    for seed in range(3):
        moves = sides[side] * np.random.RandomState(seed).normal(size=(2, 48))
        ends = [
            pot_divergences(
                *with_side(sides, side, sides[side] + sign * 1e-4 * moves),
                hgcal_wafer(),
                loss.epsilon,
            )
            for sign in (-1, 1)
        ]
        expected = (ends[1] - ends[0]) / 2e-4
        found = (gradients[side] * moves).sum(axis=1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        assert (np.abs(expected) > 1e-3).all()


# Parameters


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("epsilon", value) for value in (0, -1.0, np.nan, np.inf, "x", None, True)),
        *(("n_iterations", value) for value in (0, -1, 1.5, np.nan, "x", None, True)),
    ],
)
def test_sinkhorn_refuses_a_bad_parameter(parameter, value):
    with pytest.raises(ValueError, match=f"{parameter} must be") as caught:
        SinkhornDivergence(**{parameter: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "loss",
    [
        ExactEMD(),
        ExactEMD("line", n_jobs=2, name="far"),
        SinkhornDivergence(),
        SinkhornDivergence("line", epsilon=0.5, n_iterations=7, reduction="sum"),
    ],
    ids=lambda loss: f"{loss.name}-{loss.geometry}",
)
def test_losses_survive_their_configuration_and_serialization(dense_pairs, loss):
    serialized = keras.saving.serialize_keras_object(loss)
    sides = dense_pairs()
    for again in (
        type(loss).from_config(loss.get_config()),
        keras.saving.deserialize_keras_object(serialized),
        pickle.loads(pickle.dumps(loss)),
        copy.deepcopy(loss),
    ):
        assert type(again) is type(loss)
        assert again.get_config() == loss.get_config()
        np.testing.assert_array_equal(values_of(again, *sides), values_of(loss, *sides))


def test_losses_of_other_geometries_survive_their_configuration():
    for make_loss in (ExactEMD, SinkhornDivergence):
        loss = make_loss(grid(2, 3))
        assert make_loss.from_config(loss.get_config()).geometry == grid(2, 3)


def test_names_stand_for_losses_over_the_geometry(dense_pairs):
    sides = dense_pairs(n_cells=6)
    for name, make_loss in (("emd", ExactEMD), ("sinkhorn", SinkhornDivergence)):
        call = resolve_loss(name, grid(2, 3), n_jobs=2)
        found = keras.ops.convert_to_numpy(
            call(*map(keras.ops.convert_to_tensor, sides))
        )
        expected = values_of(make_loss(grid(2, 3)), *sides)
        np.testing.assert_array_equal(found, expected)


def test_an_unknown_loss_is_answered_with_all_known_ones():
    with pytest.raises(ValueError, match="'wasserstein'") as caught:
        tiny_autoencoder(loss="wasserstein").fit(small_wafers())
    for name in LOSSES:
        assert f"'{name}'" in str(caught.value)


# Autoencoders

AUTOENCODER_LOSSES = {
    "emd": lambda: "emd",
    "sinkhorn": lambda: "sinkhorn",
    "ExactEMD": ExactEMD,
    "SinkhornDivergence": lambda: SinkhornDivergence(epsilon=2.0, n_iterations=5),
}
each_autoencoder_loss = pytest.mark.parametrize("name", AUTOENCODER_LOSSES)
LONGER_TRAINING = {"epochs": 30, "patience": 30, "random_state": 1}


@functools.cache
def fitted_for(name):
    loss = AUTOENCODER_LOSSES[name]()
    return tiny_autoencoder(loss=loss, **LONGER_TRAINING).fit(small_wafers())


@each_autoencoder_loss
def test_an_autoencoder_learns(name):
    history = fitted_for(name).history_
    assert history["loss"][-1] < 0.95 * history["loss"][0]
    assert len(history["val_loss"]) == len(history["loss"])
    assert np.isfinite(history["val_loss"]).all()
    X = small_wafers(20, seed=1)
    reconstructed = fitted_for(name).predict(X)
    np.testing.assert_allclose(reconstructed.sum(axis=1), X.sum(axis=1), rtol=1e-5)
    assert (reconstructed >= 0).all()


@each_autoencoder_loss
def test_an_autoencoder_pickles(name):
    again = pickle.loads(pickle.dumps(fitted_for(name)))
    X = small_wafers(20, seed=1)
    np.testing.assert_array_equal(again.predict(X), fitted_for(name).predict(X))


@pytest.mark.parametrize("name", ["ExactEMD", "SinkhornDivergence"])
def test_a_clone_has_the_same_loss_and_learns_the_same(name):
    twin = clone(fitted_for(name))
    assert type(twin.loss) is type(fitted_for(name).loss)
    assert twin.loss.get_config() == fitted_for(name).loss.get_config()
    assert weights_are_equal(twin.fit(small_wafers()), fitted_for(name))


def test_the_name_and_the_number_of_workers_do_not_change_the_weights():
    assert weights_are_equal(fitted_for("emd"), fitted_for("ExactEMD"))
    twin = clone(fitted_for("emd")).set_params(n_jobs=2)
    assert weights_are_equal(twin.fit(small_wafers()), fitted_for("emd"))


@pytest.mark.parametrize("loss", ["emd", "sinkhorn"])
def test_an_autoencoder_learns_on_a_line(loss):
    X = small_wafers(n_cells=6)
    autoencoder = tiny_autoencoder(loss=loss, geometry="line", **LONGER_TRAINING)
    history = autoencoder.fit(X).history_
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert autoencoder.predict(X).shape == X.shape
    assert autoencoder.score(X) < 0


@pytest.mark.parametrize("loss", ["emd", "sinkhorn"])
def test_a_training_that_diverges_says_so(loss):
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        tiny_autoencoder(loss=loss, learning_rate=1e30).fit(small_wafers())


@pytest.mark.exhaustive
def test_training_for_the_emd_gives_a_lower_emd_than_for_squared_errors():
    X = make_wafers(1000, random_state=0)
    held_out = make_wafers(300, random_state=1)
    parameters = {"epochs": 15, "batch_size": 100, "random_state": 0}
    scores = {
        loss: tiny_autoencoder(loss=loss, **parameters).fit(X).score(held_out)
        for loss in ("emd", "mse")
    }
    # Scores are minus the mean EMD.
    assert scores["emd"] > 0.85 * scores["mse"]
