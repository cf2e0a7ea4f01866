"""Encoders of few bits: formats, roundings, training, and what codes carry."""

import copy
import functools
import pickle

import numpy as np
import pytest
from exhaustive import rarely
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from small_data import (
    fitted_weights,
    interrupt_at,
    small_wafers,
    tiny_autoencoder,
    weights_are_equal,
)

from skemd import layers
from skemd._autoencoder._dead_components import (
    dead_components,
    revive_components,
    warn_of_dead_components,
)
from skemd._autoencoder._encoder_formats import check_exact, encoder_formats
from skemd._autoencoder._network import build_autoencoder
from skemd._autoencoder._quantization import equalize_ranges
from skemd._backend import keras, weights_of
from skemd._input._scaling import scaled
from skemd._number_formats._fixed_point import FixedPoint
from skemd._number_formats._float_code import FloatCode
from skemd._training._loop import TrainingResult
from skemd._training._network import Network
from skemd.datasets import make_wafers
from skemd.geometry import hgcal_wafer
from skemd.layers._blocks import seeds_from

LATENT_BITS = {2: 3, 3: 5, 4: 7, 5: 9}
FORMATS = [
    FixedPoint(6, 0),
    FixedPoint(6, 1),
    FixedPoint(5, 1),
    FixedPoint(8, 1, signed=False),
    FixedPoint(10, 3),
    FixedPoint(11, 3),
    FixedPoint(22, 2),
    FixedPoint(4, -2),
    FixedPoint(3, 5, signed=False),
    *(FixedPoint(bits, 1, signed=False) for bits in LATENT_BITS.values()),
]
each_link_count = pytest.mark.parametrize("links", [*rarely(2, 4), 3, 5])
only_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="takes jax's gradients"
)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def chip(links, **parameters):
    """Return an autoencoder with the formats of so many links, in exact sums."""
    parameters = {"n_filters": 8, "n_components": 16, **parameters}
    parameters = {"arithmetic": "exact", **parameters}
    return tiny_autoencoder(n_output_links=links, **parameters)


@functools.cache
def fitted_chip(links):
    return chip(links).fit(small_wafers())


# Roundings


@pytest.mark.parametrize("number_format", FORMATS, ids=str)
def test_tensors_round_as_arrays_do(number_format):
    span = number_format.highest - number_format.lowest + number_format.step
    rng = np.random.RandomState(0)
    ends = [number_format.lowest, number_format.highest]
    values = np.concatenate(
        [
            rng.uniform(ends[0] - span, ends[1] + span, size=4_000),
            # Ties, also beyond both ends.
            (rng.randint(-300, 300, size=1_000) + 0.5) * number_format.step,
            np.add.outer(ends, np.arange(-2, 3) * number_format.step / 2).ravel(),
        ]
    ).astype(np.float32)
    expected = number_format.quantize(values)
    assert {*ends} <= {*expected}
    found = numbers(layers.straight_through(values, number_format))
    np.testing.assert_array_equal(found, expected)
    layer = layers.StraightThroughQuantizer(
        number_format.bits, number_format.integer_bits, number_format.signed
    )
    np.testing.assert_array_equal(numbers(layer(values[None]))[0], expected)


def test_no_format_leaves_tensors_as_they_are():
    values = np.array([0.3, -7.123], np.float32)
    assert layers.straight_through(values, None) is values


@only_jax
@pytest.mark.parametrize("number_format", FORMATS, ids=str)
def test_gradients_pass_within_the_range_and_end_outside(number_format):
    import jax

    low, high, step = number_format.lowest, number_format.highest, number_format.step
    values = np.array(
        [low - step, low - step / 4, low, low + step / 3, high, high + step / 4, 99e9],
        np.float32,
    )
    found = jax.grad(
        lambda values: layers.straight_through(values, number_format).sum()
    )(values)
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 1, 0, 0])


# Layers


def quantized_layers():
    weights = FixedPoint(4, 0)
    return {
        "conv": layers.GridConv2D(3, 3, 2, weight_format=weights, name="conv"),
        "deconv": layers.GridConv2DTranspose(3, 3, 2, weight_format=weights),
        "dense": layers.QuantizedDense(3, weights, activation="relu", name="dense"),
    }


@pytest.mark.parametrize("name", quantized_layers())
def test_layers_compute_with_rounded_weights(name):
    layer = quantized_layers()[name]
    x = np.random.RandomState(0).rand(2, 4, 4, 2).astype(np.float32)
    layer.build(x.shape)
    rng = np.random.RandomState(1)
    weights = [rng.uniform(-1.2, 1.2, size=w.shape) for w in layer.weights]
    layer.set_weights(weights)
    found = numbers(layer(x))
    layer.set_weights([FixedPoint(4, 0).quantize(w) for w in weights])
    np.testing.assert_array_equal(found, numbers(layer(x)))
    twin = quantized_layers()[name]
    twin.weight_format = None
    twin.build(x.shape)
    twin.set_weights(weights)
    # None leaves the weights as they are.
    assert np.abs(numbers(twin(x)) - found).max() > 0.01


@pytest.mark.parametrize("name", quantized_layers())
def test_layers_with_a_format_survive_serialization(name):
    layer = quantized_layers()[name]
    x = np.random.RandomState(0).rand(2, 4, 4, 2).astype(np.float32)
    outputs = numbers(layer(x))
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert again.weight_format == FixedPoint(4, 0)
    again(x)
    again.set_weights(weights_of(layer))
    np.testing.assert_array_equal(numbers(again(x)), outputs)


@pytest.mark.parametrize("name", quantized_layers())
def test_weights_are_kept_in_the_range_of_their_format(name):
    layer = quantized_layers()[name]
    layer.build((2, 4, 4, 2))
    for weight in layer.weights:
        found = numbers(weight.constraint(np.array([-3, -0.3, 3], np.float32)))
        np.testing.assert_array_equal(found, np.array([-1, -0.3, 0.875], np.float32))
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer.weights[0].constraint)
    )
    assert again.weight_format == FixedPoint(4, 0)


# Formats


def test_without_parameters_nothing_is_rounded():
    assert set(encoder_formats(n_components=16).values()) == {None}


@each_link_count
def test_links_choose_the_published_formats(links):
    assert encoder_formats(n_components=16, n_output_links=links) == {
        "input_format": FixedPoint(8, 1, signed=False),
        "weight_format": FixedPoint(6, 0),
        "accumulator_format": FixedPoint(11, 3),
        "latent_format": FixedPoint(LATENT_BITS[links], 1, signed=False),
    }


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("latent_format", {"latent_bits": 5}, FixedPoint(5, 1, signed=False)),
        ("weight_format", {"weight_bits": 5}, FixedPoint(5, 0)),
        ("weight_format", {"weight_integer_bits": 1}, FixedPoint(6, 1)),
        ("input_format", {"input_bits": 7}, FixedPoint(7, 1, signed=False)),
        ("input_format", {"input_bits": FixedPoint(10, 3)}, FixedPoint(10, 3)),
        ("accumulator_format", {"accumulator_bits": 12}, FixedPoint(12, 3)),
    ],
)
def test_a_parameter_goes_before_the_links(name, parameters, expected):
    links = {"n_components": 16, "n_output_links": 5}
    published = encoder_formats(**links)
    changed = encoder_formats(**links, **parameters)
    assert changed == {**published, name: expected}
    assert published[name] != expected


def test_a_code_that_does_not_fit_the_links_is_refused():
    def asked(n_components, latent_bits=None):
        autoencoder = chip(2, n_components=n_components, latent_bits=latent_bits)
        return autoencoder.fit(small_wafers(10))

    with pytest.raises(ValueError, match=r"16 numbers of 4 bits.*leave 50 bits"):
        asked(16, 4)
    with pytest.raises(ValueError, match=r"17 numbers of 3 bits"):
        asked(17)
    assert encoder_formats(n_components=10, n_output_links=2, latent_bits=5)


def test_sums_that_float32_cannot_hold_are_refused():
    formats = encoder_formats(n_components=16, n_output_links=5, accumulator_bits=12)
    # Steps of the sum: 2047 * 32 for each product, and 256 * 32 for the bias.
    check_exact(formats, 9, 255)
    assert 256 * 2047 * 32 < 2**24 <= (256 * 2047 + 256) * 32
    with pytest.raises(ValueError, match=r"dense layer may reach 1\.68e\+07 steps"):
        check_exact(formats, 9, 256)
    autoencoder = tiny_autoencoder(input_bits=16, weight_bits=12)
    with pytest.raises(ValueError, match="sums of the convolution") as caught:
        autoencoder.fit(small_wafers(10))
    assert "Choose fewer weight_bits or input_bits" in str(caught.value)


# The encoder


def integer_codes(autoencoder, X):
    """Compute codes with int64 alone, from Keras's arrays."""
    formats = {
        stage: getattr(autoencoder, f"{stage}_format_")
        for stage in ("input", "weight", "accumulator", "latent")
    }
    conv, code = (
        [
            formats["weight"].to_integers(weight)
            for weight in weights_of(autoencoder.encoder_.get_layer(name))
        ]
        for name in ("conv", "code")
    )

    def rounded(sums, step, stage):
        # A tie to the even neighbor, in integers: the formats' steps are powers of 2.
        stage = formats[stage]
        shift = round(np.log2(stage.step / step))
        if shift > 0:
            half, odd = 1 << (shift - 1), (sums >> shift) & 1
            sums = (sums + half - 1 + odd) >> shift
        else:
            sums = sums << -shift
        return np.clip(sums, stage.lowest_integer, stage.highest_integer)

    cells = scaled(X, "msb").astype(np.float32)
    images = formats["input"].to_integers(hgcal_wafer().layout("8x8").apply(cells))
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
    x = np.zeros((len(X), 4, 4, conv[1].size), np.int64)
    for row, column in np.ndindex(3, 3):
        window = padded[:, row : row + 7 : 2, column : column + 7 : 2]
        x += window @ conv[0][row, column]
    step = formats["input"].step * formats["weight"].step
    x += conv[1] << round(-np.log2(formats["input"].step))
    x = np.maximum(rounded(x, step, "accumulator"), 0).reshape(len(X), -1)
    step = formats["accumulator"].step * formats["weight"].step
    x = x @ code[0] + (code[1] << round(-np.log2(formats["accumulator"].step)))
    x = np.maximum(rounded(x, step, "accumulator"), 0)
    x = rounded(x, formats["accumulator"].step, "latent")
    return x * formats["latent"].step


@pytest.mark.parametrize(
    "weights",
    ["trained", "extreme", "saturating"],
)
@each_link_count
def test_the_encoder_computes_what_integers_compute(links, weights):
    autoencoder = copy.deepcopy(fitted_chip(links))
    if weights != "trained":
        rng = np.random.RandomState(links)
        low = -1.2 if weights == "extreme" else 0.5
        for name in ("conv", "code"):
            layer = autoencoder.encoder_.get_layer(name)
            drawn = [rng.uniform(low, 1.2, size=w.shape) for w in layer.weights]
            layer.set_weights(drawn)
        autoencoder.network_.pull_weights()
    X = make_wafers(10_000, random_state=links)
    codes = autoencoder.transform(X)
    np.testing.assert_array_equal(codes, integer_codes(autoencoder, X))
    assert codes.any()
    if weights == "saturating":
        assert (codes == autoencoder.latent_format_.highest).mean() > 0.5


@each_link_count
def test_codes_and_weights_are_numbers_of_their_formats(links):
    autoencoder = fitted_chip(links)
    codes = autoencoder.transform(small_wafers(seed=1))
    latent = autoencoder.latent_format_
    assert latent == FixedPoint(LATENT_BITS[links], 1, signed=False)
    np.testing.assert_array_equal(codes, latent.quantize(codes))
    assert len(np.unique(codes)) > 3
    for name in ("conv", "code"):
        for weight in weights_of(autoencoder.encoder_.get_layer(name)):
            np.testing.assert_array_equal(weight, FixedPoint(6, 0).quantize(weight))
    # The decoder is not on the chip.
    decoder = weights_of(autoencoder.decoder_)[0]
    assert (decoder != FixedPoint(6, 0).quantize(decoder)).any()


@pytest.mark.parametrize(
    ("parameters", "stage"),
    [
        ({"input_bits": 3}, "input"),
        ({"weight_bits": 3}, "weight"),
        ({"accumulator_bits": 9}, "accumulator"),
        ({"latent_bits": 3}, "latent"),
    ],
)
def test_each_stage_is_rounded_by_itself(parameters, stage):
    autoencoder = tiny_autoencoder(**parameters).fit(small_wafers())
    stages = ("input", "weight", "accumulator", "latent")
    found = [name for name in stages if getattr(autoencoder, f"{name}_format_")]
    assert found == [stage]
    config = {**autoencoder.network_.config, f"{stage}_format": None}
    exact = Network(build_autoencoder, config, autoencoder.network_.weights)
    images = hgcal_wafer().layout("8x8").apply(scaled(small_wafers(), "msb"))
    codes = autoencoder.network_.predict(images.astype(np.float32), "encoder")
    differ = exact.predict(images.astype(np.float32), "encoder") != codes
    # Weights have been left as what they were rounded to.
    assert differ.any() == (stage != "weight")


# Training


def test_filling_the_ranges_keeps_the_function_and_revives_dead_components():
    images, network = images_and_network_with_a_dead_component()
    code = network.submodel("encoder").get_layer("code")
    before = network.predict(images)

    weight, latent = FixedPoint(6, 0), FixedPoint(9, 1, signed=False)
    equalize_ranges(network, images, weight, latent)
    np.testing.assert_allclose(network.predict(images), before, rtol=1e-4)
    codes = network.predict(images, "encoder")
    assert (np.ptp(codes, axis=0) > 0).all()
    largest = np.quantile(codes, 0.999, axis=0)
    largest = np.maximum(largest, codes.max(axis=0) / 4)
    assert (largest <= 1.001 * latent.highest).all()
    for layer in ("conv", "code"):
        for values in weights_of(network.submodel("encoder").get_layer(layer)):
            assert np.abs(values).max() <= 0.901 * weight.highest
    # Each component is bounded by its weights or by its codes.
    kernel, bias = weights_of(code)
    by_weights = np.maximum(np.abs(kernel).max(axis=0), np.abs(bias)) / weight.highest
    filled = np.maximum(by_weights / 0.9, largest / latent.highest)
    np.testing.assert_allclose(filled, 1, rtol=1e-3)


def images_and_network_with_a_dead_component():
    """Return small images, and an autoencoder whose component 3 is off for all."""
    config = tiny_autoencoder().fit(small_wafers()).network_.config
    network = Network.untrained(
        build_autoencoder, config, seeds_from(np.random.RandomState(0))
    )
    code = network.submodel("encoder").get_layer("code")
    kernel, bias = weights_of(code)
    kernel[:, 3], bias[3] = -np.abs(kernel[:, 3]), -1
    code.set_weights([kernel, bias])
    cells = scaled(small_wafers(), "msb").astype(np.float32)
    images = hgcal_wafer().layout("8x8").apply(cells)
    assert not network.predict(images, "encoder")[:, 3].any()
    return images, network


def test_reviving_turns_dead_components_on_and_changes_nothing_else():
    images, network = images_and_network_with_a_dead_component()
    before, codes = network.predict(images), network.predict(images, "encoder")
    assert revive_components(network, images)
    revived = network.predict(images, "encoder")
    assert (revived[:, 3] > 0).any()
    others = np.arange(codes.shape[1]) != 3
    np.testing.assert_array_equal(revived[:, others], codes[:, others])
    np.testing.assert_allclose(network.predict(images), before, rtol=1e-5)
    assert not revive_components(network, images)


@pytest.mark.parametrize("latent_bits", [None, 9])
def test_components_that_die_in_training_are_revived(latent_bits, monkeypatch):
    asked = []

    def train(model, *, revive, options, **others):
        code = model.get_layer("encoder").get_layer("code")
        kernel, bias = weights_of(code)
        code.set_weights([-0.1 * np.abs(kernel), np.full_like(bias, -0.05)])
        asked.append(revive())
        return TrainingResult({"loss": [1.0], "val_loss": [1.0]})

    monkeypatch.setattr("skemd._autoencoder._fit.train", train)
    fitted = tiny_autoencoder(latent_bits=latent_bits).fit(small_wafers())
    assert asked == [True]
    assert fitted.dead_components_.tolist() == []


@pytest.mark.parametrize(
    ("epochs", "float_fraction", "expected"),
    [(1, 0.9, [1]), (4, 0, [4]), (4, 0.5, [2, 2]), (5, 1, [4, 1])],
)
def test_the_epochs_are_shared_out(epochs, float_fraction, expected, monkeypatch):
    asked = []

    def train(model, *, options, rng, **others):
        quantized = "quantized_code" in [
            x.name for x in model.get_layer("encoder").layers
        ]
        asked.append((options.epochs, quantized, rng.get_state()[2]))
        rng.permutation(10)
        losses = [1.0] * options.epochs
        return TrainingResult({"loss": losses, "val_loss": losses})

    monkeypatch.setattr("skemd._autoencoder._fit.train", train)
    autoencoder = tiny_autoencoder(
        epochs=epochs, float_fraction=float_fraction, latent_bits=9
    ).fit(small_wafers())
    assert [n_epochs for n_epochs, _, _ in asked] == expected
    assert [quantized for _, quantized, _ in asked] == [False, True][-len(expected) :]
    # Both parts draw the same split.
    assert len({state for _, _, state in asked}) == 1
    assert autoencoder.n_iter_ == epochs


def test_ctrl_c_in_the_first_part_skips_the_second(monkeypatch):
    interrupt_at(monkeypatch, 3)
    autoencoder = chip(5, epochs=8, float_fraction=0.5, learning_rate=0.01)
    with pytest.warns(ConvergenceWarning, match="in floating point was interrupted"):
        autoencoder.fit(small_wafers(100))
    assert autoencoder.n_iter_ == 1
    X = make_wafers(100, random_state=0)
    np.testing.assert_array_equal(
        autoencoder.transform(X), integer_codes(autoencoder, X)
    )


@pytest.mark.filterwarnings("ignore:.* dead:UserWarning")
def test_large_steps_keep_weights_within_their_range():
    autoencoder = chip(5, learning_rate=1.0, epochs=4)
    autoencoder.fit(small_wafers())
    X = make_wafers(100, random_state=0)
    np.testing.assert_array_equal(
        autoencoder.transform(X), integer_codes(autoencoder, X)
    )


def test_without_formats_their_other_parameters_change_nothing():
    plain = tiny_autoencoder().fit(small_wafers())
    other = tiny_autoencoder(float_fraction=0.9, weight_integer_bits=1)
    assert weights_are_equal(plain, other.fit(small_wafers()))
    for stage in ("input", "weight", "accumulator", "latent"):
        assert getattr(plain, f"{stage}_format_") is None


def test_equal_random_states_give_equal_chips():
    again = chip(5).fit(small_wafers())
    assert weights_are_equal(again, fitted_chip(5))
    assert again.history_ == fitted_chip(5).history_
    assert len(again.history_["loss"]) == len(again.history_["val_loss"]) == 2


def test_clones_and_pickles_keep_formats():
    X = small_wafers(seed=1)
    autoencoder = fitted_chip(3)
    twin = pickle.loads(pickle.dumps(autoencoder))
    assert twin.weight_format_ == FixedPoint(6, 0)
    np.testing.assert_array_equal(twin.transform(X), autoencoder.transform(X))
    asked = tiny_autoencoder(
        input_bits=FixedPoint(10, 3), weight_bits=6, weight_integer_bits=1
    )
    assert clone(asked).get_params() == asked.get_params()
    fitted = clone(asked).fit(small_wafers())
    assert fitted.input_format_ == FixedPoint(10, 3)
    assert fitted.weight_format_ == FixedPoint(6, 1)


@pytest.mark.exhaustive
def test_a_search_over_bits_runs():
    search = GridSearchCV(
        tiny_autoencoder(weight_bits=6),
        {"latent_bits": [3, 9, None]},
        cv=2,
        error_score="raise",
    ).fit(small_wafers(40))
    scores = search.cv_results_["mean_test_score"]
    assert len(np.unique(scores)) == 3
    bits = search.best_params_["latent_bits"]
    found = search.best_estimator_.latent_format_
    assert (found and found.bits) == bits


# Dead components


def test_constant_components_are_dead():
    codes = np.random.RandomState(0).rand(20, 4)
    codes[:, 1], codes[:, 3] = 0, 1.75
    assert dead_components(codes).tolist() == [1, 3]
    assert dead_components(codes[:, [0, 2]]).tolist() == []


def test_dead_components_are_worth_a_warning_with_few_bits_or_many_wafers():
    dead = np.array([1, 3])
    message = r"2 of 4 .* dead.*\(1, 3; see.*another random_state"
    with pytest.warns(UserWarning, match=message):
        warn_of_dead_components(dead, 4, 20, few_bits=True)
    with pytest.warns(UserWarning, match=message):
        warn_of_dead_components(dead, 4, 1_000, few_bits=False)
    # A trial in floating point, and nothing to warn of; warnings are errors here.
    warn_of_dead_components(dead, 4, 999, few_bits=False)
    warn_of_dead_components(dead[:0], 4, 1_000, few_bits=True)


def test_fit_names_dead_components_and_warns():
    assert fitted_chip(5).dead_components_.tolist() == []
    # Steps so large that they kill.
    autoencoder = chip(2, learning_rate=50.0, epochs=6)
    with pytest.warns(UserWarning, match="components of the code are dead") as caught:
        autoencoder.fit(small_wafers())
    # Keras warns of its own on some backends.
    ours = [warning for warning in caught if "are dead" in str(warning.message)]
    assert [warning.filename for warning in ours] == [__file__]
    codes = autoencoder.transform(small_wafers())
    constant = np.flatnonzero(np.ptp(codes, axis=0) == 0)
    assert autoencoder.dead_components_.tolist() == constant.tolist()
    assert len(constant)


# Sums


def slow_float_code(value):
    """Decode what 5E4M keeps of an integer, by its definition."""
    values = [*range(16)]
    values += [(16 + m) << (e - 1) for e in range(1, 32) for m in range(16)]
    return max(v for v in values if v <= value)


def test_float_codes_keep_five_leading_bits():
    code = FloatCode(5, 4)
    rng = np.random.RandomState(0)
    values = [*range(200), *(2 ** rng.uniform(0, 40, size=300)).astype(int)]
    values += [2**k + d for k in range(5, 36) for d in (-1, 0, 1)] + [31 << 30]
    codes = code.encode(values)
    assert codes.min() == 0
    assert codes.max() == 511
    decoded = code.decode(codes)
    assert decoded.tolist() == [slow_float_code(value) for value in values]
    assert code.highest == 31 << 30
    np.testing.assert_array_equal(code.encode(code.decode(np.arange(512))), range(512))


def test_codes_end_with_the_sum_that_is_sent():
    X = np.round(small_wafers(seed=1))
    X[3] = 0
    X[4] *= 1e9
    autoencoder = tiny_autoencoder(encode_sum=True).fit(small_wafers())
    plain = tiny_autoencoder().fit(small_wafers())
    with pytest.warns(UserWarning, match="100% of the charge is above 4194303 counts"):
        codes = autoencoder.transform(X)
    assert codes.shape == (len(X), 9)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes[:, :-1], plain.transform(X))
    expected = [slow_float_code(int(total)) for total in X.sum(axis=1)]
    np.testing.assert_array_equal(codes[:, -1], expected)
    wafers = autoencoder.inverse_transform(codes)
    np.testing.assert_allclose(wafers.sum(axis=1), expected, rtol=1e-6)
    assert autoencoder.get_feature_names_out().tolist()[-1] == "emdautoencoder8"
    # predict knows the sums themselves.
    np.testing.assert_array_equal(autoencoder.predict(X), plain.predict(X))


def test_sums_in_mip_are_told_from_counts():
    X = small_wafers() / 35.1
    message = r"encode_sum=True\) takes charges in CALQ counts, but \d+% of the charge"
    with pytest.warns(UserWarning, match=message) as caught:
        autoencoder = tiny_autoencoder(encode_sum=True).fit(X)
    ours = [warning for warning in caught if "CALQ" in str(warning.message)]
    assert [warning.filename for warning in ours] == [__file__]
    with pytest.warns(UserWarning, match=message):
        autoencoder.transform(X)
    # It needs no sums.
    autoencoder.predict(X)


def test_inverse_transform_refuses_codes_without_a_sum():
    autoencoder = tiny_autoencoder(encode_sum=True).fit(small_wafers())
    codes = autoencoder.transform(small_wafers(5))
    with pytest.raises(ValueError, match=r"got codes of 8 numbers; .* have 9"):
        autoencoder.inverse_transform(codes[:, :-1])
    codes[2, -1] = -3
    with pytest.raises(ValueError, match="got -3 among row 2"):
        autoencoder.inverse_transform(codes)


def test_changing_parameters_after_fit_changes_nothing():
    X = small_wafers(seed=1)
    autoencoder = copy.deepcopy(fitted_chip(5))
    autoencoder.set_params(encode_sum=True, n_output_links=2)
    np.testing.assert_array_equal(autoencoder.transform(X), fitted_chip(5).transform(X))
    assert len(fitted_weights(autoencoder)) == 10
