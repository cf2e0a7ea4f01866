"""Networks without training: their sizes, and their numbers by slow loops in NumPy."""

import pickle

import numpy as np
import pytest
from scipy.special import logsumexp

from skemd._autoencoder._network import build_autoencoder
from skemd._backend import keras
from skemd._number_formats._fixed_point import FixedPoint
from skemd._regressor._network import build_emd_network
from skemd._training._network import Network
from skemd.geometry import grid, hgcal_wafer
from skemd.layers._blocks import seeds_from

WAFER = hgcal_wafer()


def seeds(seed=0):
    return seeds_from(np.random.RandomState(seed))


def layout_config(geometry, name=None):
    layout = geometry.layout(name)
    return {"image_shape": layout.shape, "cell_to_pixel": layout.cell_to_pixel.tolist()}


def emd_config(geometry=WAFER, name="4x4x3", **changes):
    return {
        "n_cells": geometry.n_cells,
        **layout_config(geometry, name),
        "n_filters": 3,
        "kernel_size": 3,
        "n_conv_layers": 2,
        "n_dense_layers": 1,
        "n_dense_units": 4,
        "n_refinements": 2,
        "head": "bounded",
        "positions": geometry.positions.tolist(),
        "min_distance": geometry.min_distance,
        "max_distance": geometry.max_distance,
        **changes,
    }


def autoencoder_config(geometry=WAFER, name="8x8", **changes):
    return {
        **layout_config(geometry, name),
        "n_components": 16,
        "n_filters": 8,
        "kernel_size": 3,
        "strides": 2,
        **changes,
    }


def weights_by_hand(network, seed=0):
    """Give a network weights that every part of it can be told by."""
    rng = np.random.RandomState(seed)
    for weight in network.model.weights:
        values = rng.normal(scale=0.4, size=weight.shape)
        if weight.name in ("gamma", "moving_variance"):
            values = rng.uniform(0.5, 1.5, size=weight.shape)
        if "refine" in weight.path:
            # Potentials of the size of distances.
            values /= 4
        weight.assign(values)
    return network.pull_weights()


def arrays_of(model):
    return [keras.ops.convert_to_numpy(weight.value) for weight in model.weights]


# The slow networks


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def padding_before(size, kernel_size, stride):
    n_outputs = -(-size // stride)
    return max((n_outputs - 1) * stride + kernel_size - size, 0) // 2


def slow_conv(image, kernel, bias, stride=1):
    """Convolve an image with 'same' padding, pixel by pixel."""
    height, width, _ = image.shape
    k = kernel.shape[0]
    top, left = padding_before(height, k, stride), padding_before(width, k, stride)
    result = np.zeros((-(-height // stride), -(-width // stride), kernel.shape[3]))
    for i, j in np.ndindex(result.shape[:2]):
        result[i, j] = bias
        for di, dj in np.ndindex(k, k):
            row, column = i * stride + di - top, j * stride + dj - left
            if 0 <= row < height and 0 <= column < width:
                result[i, j] += image[row, column] @ kernel[di, dj]
    return result


def slow_transposed_conv(image, kernel, bias, stride=1):
    """Let each pixel paint the kernel into an image that is `stride` times as large."""
    height, width = image.shape[0] * stride, image.shape[1] * stride
    k = kernel.shape[0]
    top, left = padding_before(height, k, stride), padding_before(width, k, stride)
    result = np.zeros((height, width, kernel.shape[2])) + bias
    for i, j in np.ndindex(image.shape[:2]):
        for di, dj in np.ndindex(k, k):
            row, column = i * stride + di - top, j * stride + dj - left
            if 0 <= row < height and 0 <= column < width:
                result[row, column] += kernel[di, dj] @ image[i, j]
    return result


def slow_batch_norm(x, gamma, beta, mean, variance):
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


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


@pytest.mark.parametrize(
    ("name", "encoder", "decoder"), [("8x8", 2144, 2833), ("4x4x3", 2288, 2979)]
)
def test_autoencoders_have_the_parameters_of_the_paper(name, encoder, decoder):
    # Of arXiv:2105.01683 and arXiv:2306.04712.
    model = build_autoencoder(**autoencoder_config(name=name), seeds=seeds())
    assert model.get_layer("encoder").count_params() == encoder
    assert model.get_layer("decoder").count_params() == decoder


def test_an_autoencoder_of_one_cell_is_refused():
    config = autoencoder_config() | {"image_shape": (1, 1, 1), "cell_to_pixel": [0]}
    with pytest.raises(ValueError, match="needs two cells; got 1"):
        build_autoencoder(**config, seeds=seeds())


def test_the_linear_emd_cnn_has_the_parameters_of_the_paper():
    # Three convolutions of 32 5 x 5 filters and 256 units, arXiv:2306.04712.
    config = emd_config(
        n_filters=32, kernel_size=5, n_conv_layers=3, n_dense_units=256, head="linear"
    )
    model = build_emd_network(**config, seeds=seeds())
    assert model.count_params() == 189_089
    assert sum(np.prod(w.shape) for w in model.non_trainable_weights) == 704


@pytest.fixture(scope="module")
def emd_networks():
    """Return small EMD networks of both heads with weights set by hand."""
    configs = {
        "linear": emd_config(name="4x4x3", head="linear"),
        "bounded": emd_config(name="8x8", n_conv_layers=1, n_dense_layers=2),
        "potential": emd_config(name="8x8", n_conv_layers=0, head="potential"),
    }
    return {
        head: weights_by_hand(Network.untrained(build_emd_network, config, seeds()))
        for head, config in configs.items()
    }


def test_the_paper_penalizes_the_kernels_of_the_trunk(emd_networks):
    model = emd_networks["linear"].model
    kernels = [
        arrays_of(model.get_layer(name))[0] for name in ("conv_1", "conv_2", "dense_1")
    ]
    expected = sum(1e-4 * (kernel**2).sum() for kernel in kernels)
    found = sum(float(penalty) for penalty in model.losses)
    assert found == pytest.approx(expected, rel=1e-5)
    assert emd_networks["bounded"].model.losses == []


# Numbers


each_head = pytest.mark.parametrize("head", ["linear", "bounded", "potential"])


@each_head
def test_the_emd_cnn_equals_a_slow_network(emd_networks, unit_wafers, head):
    network = emd_networks[head]
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


def test_the_gradient_of_the_potential_head_is_its_potentials(
    emd_networks, unit_wafers
):
    import jax

    network = emd_networks["potential"]
    pairs = np.concatenate([unit_wafers(4, seed=1), unit_wafers(4, seed=2)], axis=1)
    pairs = pairs.astype(np.float32)
    potentials = network.predict(pairs, submodel="solver")[:, 1:]
    assert np.ptp(potentials, axis=1).min() > 0.1
    gradients = np.asarray(jax.grad(lambda x: network.model(x).sum())(pairs))
    np.testing.assert_allclose(gradients[:, 48:], potentials, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[:, :48], -potentials, rtol=1e-4, atol=1e-5)


@each_head
def test_the_emd_cnn_is_symmetric(emd_networks, unit_wafers, head):
    A, B = unit_wafers(6, seed=1), unit_wafers(6, seed=2)
    one_way = emd_networks[head].predict(np.concatenate([A, B], axis=1))
    other_way = emd_networks[head].predict(np.concatenate([B, A], axis=1))
    np.testing.assert_allclose(one_way, other_way, rtol=1e-5)


@pytest.mark.parametrize("head", ["bounded", "potential"])
def test_heads_over_the_variation_are_exactly_zero_for_equal_wafers(
    emd_networks, unit_wafers, head
):
    A = unit_wafers(6)
    assert (emd_networks[head].predict(np.concatenate([A, A], axis=1)) == 0).all()
    # This is not trivial.
    assert (emd_networks["linear"].predict(np.concatenate([A, A], axis=1)) != 0).all()


@pytest.mark.parametrize("head", ["bounded", "potential"])
@pytest.mark.parametrize("bias", [-1e4, 0.0, 1e4])
def test_heads_over_the_variation_stay_where_the_geometry_allows(
    emd_networks, unit_wafers, head, bias
):
    network = emd_networks[head].copy()
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


def test_the_bounded_head_scales_with_the_charge_that_moves(emd_networks, unit_wafers):
    A, B = unit_wafers(6, seed=1), unit_wafers(6, seed=2)
    whole = emd_networks["bounded"].predict(np.concatenate([A, B], axis=1))
    nearer = emd_networks["bounded"].predict(
        np.concatenate([A, (3 * A + B) / 4], axis=1)
    )
    np.testing.assert_allclose(nearer, whole / 4, rtol=1e-4)


@pytest.mark.parametrize(
    ("geometry", "name", "latent_bits"),
    [(WAFER, "8x8", None), (WAFER, "4x4x3", 3), (grid(5, 6), None, None)],
    ids=["8x8", "4x4x3 of three bits", "odd side"],
)
def test_autoencoders_equal_slow_networks(geometry, name, latent_bits, unit_wafers):
    config = autoencoder_config(
        geometry,
        name,
        n_components=5,
        n_filters=3,
        latent_format=latent_bits and FixedPoint(latent_bits, 1, signed=False),
    )
    network = Network.untrained(build_autoencoder, config, seeds())
    weights_by_hand(network, seed=3)
    layout = geometry.layout(name)
    # The stride is left out where a side has no more than four pixels.
    stride = 1 if name == "4x4x3" else 2
    side = -(-layout.shape[0] // stride), -(-layout.shape[1] // stride)
    X = unit_wafers(3, n_cells=geometry.n_cells, n_charged=geometry.n_cells) * 40
    images = layout.apply(X).astype(np.float32)

    codes = network.predict(images, submodel="encoder")
    decoded = network.predict(codes, submodel="decoder")
    encoder, decoder = (network.submodel(part) for part in ("encoder", "decoder"))
    for image, code, pixels in zip(images, codes, decoded, strict=True):
        x = relu(slow_conv(image, *arrays_of(encoder.get_layer("conv")), stride))
        kernel, bias = arrays_of(encoder.get_layer("code"))
        expected = relu(x.ravel() @ kernel + bias)
        if latent_bits:
            step = 2.0 ** (1 - latent_bits)
            expected = np.round(np.clip(expected, 0, 2 - step) / step) * step
        np.testing.assert_allclose(code, expected, rtol=1e-4, atol=1e-5)
        kernel, bias = arrays_of(decoder.get_layer("dense"))
        x = relu(code @ kernel + bias).reshape(*side, 3)
        deconv = arrays_of(decoder.get_layer("deconv"))
        x = relu(slow_transposed_conv(x, *deconv, stride))
        x = x[: layout.shape[0], : layout.shape[1]]
        x = sigmoid(slow_transposed_conv(x, *arrays_of(decoder.get_layer("pixels"))))
        np.testing.assert_allclose(pixels, x, rtol=1e-4, atol=1e-5)
    assert np.ptp(codes) > 0.5
    np.testing.assert_allclose(
        network.predict(images), layout.invert(decoded), rtol=1e-5
    )


# Seeds


def test_equal_seeds_give_equal_weights_and_others_do_not():
    first, again, other = (
        arrays_of(build_autoencoder(**autoencoder_config(), seeds=seeds(seed)))
        for seed in (1, 1, 2)
    )
    for weight, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(weight, same)
        # Biases start at zero.
        assert weight.ndim == 1 or (weight != different).all()


def test_every_initializer_has_a_seed_of_its_own():
    drawn = seeds(0)
    found = [next(drawn) for _ in range(100)]
    assert len(set(found)) == 100
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in found)
    model = build_emd_network(**emd_config(n_dense_layers=3), seeds=seeds())
    second, third = (arrays_of(model.get_layer(f"dense_{n}"))[0] for n in (2, 3))
    assert second.shape == third.shape
    assert (second != third).all()


# A network as plain values


@pytest.fixture
def pairs(unit_wafers):
    return np.concatenate([unit_wafers(7, seed=1), unit_wafers(7, seed=2)], axis=1)


def test_pickles_are_small_the_same_each_time_and_whole(emd_networks, pairs):
    network = emd_networks["bounded"].copy()
    unused = pickle.dumps(network)
    expected = network.predict(pairs)
    assert pickle.dumps(network) == unused
    n_bytes = sum(weight.nbytes for weight in network.weights)
    assert len(unused) < n_bytes + 5_000
    again = pickle.loads(unused)
    assert pickle.dumps(again) == unused
    np.testing.assert_array_equal(again.predict(pairs), expected)


def test_predictions_do_not_depend_on_their_company(emd_networks, pairs):
    network = emd_networks["bounded"]
    together = network.predict(pairs)
    alone = np.concatenate([network.predict(pairs[row : row + 1]) for row in range(7)])
    np.testing.assert_allclose(alone, together, rtol=1e-6)
    # More rows than one batch.
    many = network.predict(np.tile(pairs, (100, 1)))
    np.testing.assert_allclose(many, np.tile(together, 100), rtol=1e-6)


def test_copies_share_no_live_weights(emd_networks, pairs):
    network = emd_networks["linear"].copy()
    expected = network.predict(pairs)
    other = network.copy()
    other.model.get_layer("output").bias.assign([100.0])
    np.testing.assert_array_equal(network.predict(pairs), expected)
    assert (other.predict(pairs) > expected + 50).all()


def test_weights_may_be_read_only(emd_networks, pairs):
    network = emd_networks["linear"]
    frozen = [weight.copy() for weight in network.weights]
    for weight in frozen:
        weight.setflags(write=False)
    other = Network(network.builder, network.config, frozen)
    np.testing.assert_array_equal(other.predict(pairs), network.predict(pairs))


def test_a_run_sees_weights_that_changed(emd_networks, pairs):
    network = emd_networks["linear"].copy()
    before = network.predict(pairs)
    bias = network.model.get_layer("output").bias
    bias.assign(keras.ops.convert_to_numpy(bias.value) + 1)
    np.testing.assert_allclose(network.predict(pairs), before + 1, rtol=1e-4)
