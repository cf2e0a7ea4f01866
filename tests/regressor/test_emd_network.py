"""The network of the learned EMD: its size, and its numbers by slow loops in NumPy."""

import numpy as np
import pytest
from networks_by_hand import WAFER, arrays_of, emd_config, emd_networks, seeds
from scipy.special import logsumexp
from slow_layers import relu, sigmoid, slow_batch_norm, slow_conv

from skemd._regressor._network import build_emd_network

# The slow network


def slow_features(a, b, model, layout, config):
    """Return what the trunk of the learned EMD makes of one order of two wafers."""

    def arrays(name):
        return arrays_of(model.get_layer(name))

    x = np.concatenate([a, b])
    if config["n_conv_layers"]:
        x = np.concatenate([layout.apply(w[None])[0] for w in (a, b)], axis=-1)
    for number in range(1, config["n_conv_layers"] + 1):
        x = slow_conv(x, *arrays(f"conv_{number}"))
        # Only the paper's network normalizes its batches.
        if config["head"] == "linear":
            x = slow_batch_norm(x, *arrays(f"conv_{number}_norm"))
        x = relu(x)
    x = x.ravel()
    for number in range(1, config["n_dense_layers"] + 1):
        kernel, bias = arrays(f"dense_{number}")
        x = x @ kernel + bias
        if config["head"] == "linear":
            x = slow_batch_norm(x, *arrays(f"dense_{number}_norm"))
        x = relu(x)
    return x


def slow_transform(potentials, charge, other, distance, epsilon):
    """Return the soft minimum of potential plus distance over the cells with charge.

    Then what is left of each cell's charge when every cell of the other side takes its
    own by the terms of that minimum; the charge of twelve average cells is one.
    """
    exponents = -(potentials[:, None] + distance) / epsilon
    soft_minimum = -epsilon * logsumexp(exponents, axis=0, b=charge[:, None] ** 0.25)
    plan = charge[:, None] ** 0.25 * np.exp(exponents + soft_minimum / epsilon) * other
    return soft_minimum, (charge - plan.sum(axis=1)) * len(charge) / 12


def slow_potentials(features, orders, layer, config):
    """Return the learned potentials of one pair and the number behind its distance.

    `features` are those of the trunk and `orders` (leaving, entering), for the pair
    and for its wafers exchanged.
    """
    positions = np.array(config["positions"])
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
    unit = distance.max() / 4
    distance = distance / unit
    epsilon = max(distance[distance > 0].min() / 5, distance.max() / 40)
    w = {weight.name: arrays_of(layer)[k] for k, weight in enumerate(layer.weights)}
    share = sigmoid(w["share"])
    p = np.array([f @ w["guess"] for f in features])
    p = (p - p[::-1]) / 2
    hidden = [None, None]
    for number in range(config["n_refinements"] + 1):
        moved = p.copy()
        for k, (leaving, entering) in enumerate(orders):
            options = distance, epsilon
            below, left = slow_transform(p[k], leaving, entering, *options)
            above, missing = slow_transform(-p[k], entering, leaving, *options)
            above = -above
            moved[k] += share[number] * ((below + above) / 2 - p[k])
            if number < config["n_refinements"]:
                seen = np.concatenate([p[k], below - p[k], above - p[k], left, missing])
                sums = features[k] @ w["from_features"] + w["bias"]
                hidden[k] = relu(sums + seen @ w["from_potentials"])
                moved[k] += hidden[k] @ w["correction"]
        p = (moved - moved[::-1]) / 2
    low, high = config["min_distance"], config["max_distance"]
    numbers = []
    for k, (leaving, entering) in enumerate(orders):
        place = (unit * p[k] @ (entering - leaving) - low) / (high - low)
        place = min(max(place, 1e-3), 1 - 1e-3)
        numbers.append((hidden[k] @ w["to_distance"])[0] + np.log(place / (1 - place)))
    return unit * (p[0] - p[0].mean()), np.array(numbers)


def slow_emd(a, b, model, layout, config):
    """Return what the learned EMD gives for two wafers of unit sum, and potentials."""
    surplus, deficit = relu(a - b), relu(b - a)
    moved = surplus.sum()
    orders = [(a, b), (b, a)]
    if config["head"] != "linear":
        orders = [
            (surplus / moved, deficit / moved),
            (deficit / moved, surplus / moved),
        ]
    # Surplus and deficit have sums of half the number of cells in the trunk.
    scale = 1 if config["head"] == "linear" else config["n_cells"] / 2
    features = [
        slow_features(scale * one, scale * other, model, layout, config)
        for one, other in orders
    ]
    kernel, bias = arrays_of(model.get_layer("output"))
    x = np.array([(f @ kernel + bias).item() for f in features])
    if config["head"] == "linear":
        return x.mean(), None
    potentials = None
    if config["head"] == "potential":
        layer = model.get_layer("refine")
        potentials, numbers = slow_potentials(features, orders, layer, config)
        x = x + numbers
    low, high = config["min_distance"], config["max_distance"]
    return moved * (low + (high - low) * sigmoid(x.mean())), potentials


# Sizes


def test_the_linear_emd_cnn_has_the_parameters_of_the_paper():
    # Three convolutions of 32 5 x 5 filters and 256 units, arXiv:2306.04712.
    config = emd_config(
        n_filters=32, kernel_size=5, n_conv_layers=3, n_dense_units=256, head="linear"
    )
    model = build_emd_network(**config, seeds=seeds())
    assert model.count_params() == 189_089
    assert sum(np.prod(w.shape) for w in model.non_trainable_weights) == 704


def test_the_paper_penalizes_the_kernels_of_the_trunk():
    model = emd_networks()["linear"].model
    kernels = [
        arrays_of(model.get_layer(name))[0] for name in ("conv_1", "conv_2", "dense_1")
    ]
    expected = sum(1e-4 * (kernel**2).sum() for kernel in kernels)
    found = sum(float(penalty) for penalty in model.losses)
    assert found == pytest.approx(expected, rel=1e-5)
    assert emd_networks()["bounded"].model.losses == []


def test_every_initializer_has_a_seed_of_its_own():
    drawn = seeds(0)
    found = [next(drawn) for _ in range(100)]
    assert len(set(found)) == 100
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in found)
    model = build_emd_network(**emd_config(n_dense_layers=3), seeds=seeds())
    second, third = (arrays_of(model.get_layer(f"dense_{n}"))[0] for n in (2, 3))
    assert second.shape == third.shape
    assert (second != third).all()


# Numbers


each_head = pytest.mark.parametrize("head", ["linear", "bounded", "potential"])


@each_head
def test_the_emd_cnn_equals_a_slow_network(unit_wafers, head):
    network = emd_networks()[head]
    layout = WAFER.layout("4x4x3" if head == "linear" else "8x8")
    A, B = unit_wafers(4, seed=1), unit_wafers(4, seed=2)
    found = network.predict(np.concatenate([A, B], axis=1))
    model = network.submodel("solver") if head == "potential" else network.model
    expected, potentials = zip(
        *(
            slow_emd(a, b, model, layout, network.config)
            for a, b in zip(A, B, strict=True)
        ),
        strict=True,
    )
    assert found.shape == (4,)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if head == "potential":
        found = network.predict(np.concatenate([A, B], axis=1), submodel="solver")
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[:, 1:], potentials, rtol=1e-3, atol=1e-3)


def test_the_gradient_of_the_potential_head_is_its_potentials(unit_wafers):
    import jax

    network = emd_networks()["potential"]
    pairs = np.concatenate([unit_wafers(4, seed=1), unit_wafers(4, seed=2)], axis=1)
    pairs = pairs.astype(np.float32)
    potentials = network.predict(pairs, submodel="solver")[:, 1:]
    assert np.ptp(potentials, axis=1).min() > 0.1
    gradients = np.asarray(jax.grad(lambda x: network.model(x).sum())(pairs))
    np.testing.assert_allclose(gradients[:, 48:], potentials, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[:, :48], -potentials, rtol=1e-4, atol=1e-5)


@each_head
def test_the_emd_cnn_is_symmetric(unit_wafers, head):
    A, B = unit_wafers(6, seed=1), unit_wafers(6, seed=2)
    one_way = emd_networks()[head].predict(np.concatenate([A, B], axis=1))
    other_way = emd_networks()[head].predict(np.concatenate([B, A], axis=1))
    np.testing.assert_allclose(one_way, other_way, rtol=1e-5)


@pytest.mark.parametrize("head", ["bounded", "potential"])
def test_heads_over_the_variation_are_exactly_zero_for_equal_wafers(unit_wafers, head):
    A = unit_wafers(6)
    assert (emd_networks()[head].predict(np.concatenate([A, A], axis=1)) == 0).all()
    # This is not trivial.
    assert (emd_networks()["linear"].predict(np.concatenate([A, A], axis=1)) != 0).all()


@pytest.mark.parametrize("head", ["bounded", "potential"])
@pytest.mark.parametrize("bias", [-1e4, 0.0, 1e4])
def test_heads_over_the_variation_stay_where_the_geometry_allows(
    unit_wafers, head, bias
):
    network = emd_networks()[head].copy()
    model = network.submodel("solver") if head == "potential" else network.model
    model.get_layer("output").bias.assign([bias])
    A, B = unit_wafers(6, seed=1), unit_wafers(6, seed=2)
    moved = np.abs(A - B).sum(axis=1) / 2
    distances = network.predict(np.concatenate([A, B], axis=1))
    low, high = moved * WAFER.min_distance, moved * WAFER.max_distance
    assert (distances >= low * (1 - 1e-5)).all()
    assert (distances <= high * (1 + 1e-5)).all()
    if bias:
        end = low if bias < 0 else high
        np.testing.assert_allclose(distances, end, rtol=1e-5)


def test_the_bounded_head_scales_with_the_charge_that_moves(unit_wafers):
    A, B = unit_wafers(6, seed=1), unit_wafers(6, seed=2)
    whole = emd_networks()["bounded"].predict(np.concatenate([A, B], axis=1))
    nearer = emd_networks()["bounded"].predict(
        np.concatenate([A, (3 * A + B) / 4], axis=1)
    )
    np.testing.assert_allclose(nearer, whole / 4, rtol=1e-4)
