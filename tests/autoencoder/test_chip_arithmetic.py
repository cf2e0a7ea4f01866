"""Training through the chip: what the encoder sees and sends, and what is told."""

import copy
import dataclasses

import numpy as np
import plain_econt
import pytest
from encoders import fitted_for_the_chip
from exhaustive import rarely
from networks_by_hand import autoencoder_config, seeds, weights_by_hand
from small_data import fitted_weights, small_wafers, tiny_autoencoder

from skemd._autoencoder._encoder_formats import encoder_formats
from skemd._autoencoder._inputs import NetworkInputs
from skemd._autoencoder._network import build_autoencoder
from skemd._autoencoder._quantization import make_up_for_truncation
from skemd._input._scaling import truncated_pixels
from skemd._number_formats._fixed_point import FixedPoint
from skemd._training._network import Network
from skemd.datasets import make_wafers
from skemd.firmware import LINK_FORMATS, EconT, EncoderWeights, IntegerEncoder
from skemd.geometry import grid, hgcal_wafer

# Some of these wafers have fractions of counts, or more than the front end can tell.
pytestmark = pytest.mark.filterwarnings("ignore:.* takes charges in CALQ counts")

# Trigger cells in the order of the encoder's image: the upper four rows, eight wide,
# and the lower four, four wide.
IMAGE = [
    *(28, 29, 30, 31, 0, 4, 8, 12, 24, 25, 26, 27, 1, 5, 9, 13),
    *(20, 21, 22, 23, 2, 6, 10, 14, 16, 17, 18, 19, 3, 7, 11, 15),
    *(47, 43, 39, 35, 46, 42, 38, 34, 45, 41, 37, 33, 44, 40, 36, 32),
]
WEIGHTS = FixedPoint(6, 0)
EMPTY_CELL = {"LD": 1, "HD": 4}
# Weights of the default decoder behind the chip: 512 units, which are 32 filters.
RESIDUAL = (16 + 1) * 512 + (9 * 32 + 1) * 32 + 9 * 32 + 1
each_front_end = pytest.mark.parametrize("front_end", EMPTY_CELL)
each_link_count = pytest.mark.parametrize("links", LINK_FORMATS)


def nothing(n_samples):
    """Return what a decoder is told that is told nothing by the user."""
    return np.empty((n_samples, 0), dtype=np.float32)


def chip(**parameters):
    """Return an autoencoder of the chip's shape."""
    parameters = {"n_filters": 8, "n_components": 16, **parameters}
    return tiny_autoencoder(**{"n_output_links": 5, **parameters})


def fitted_chip(links=5, front_end="LD", latent_bits=None):
    """Return the same weights for other links, and behind another front end."""
    fitted = fitted_for_the_chip(5)
    bits = latent_bits or LINK_FORMATS[links].bits
    fitted.latent_format_ = FixedPoint(bits, 1, signed=False)
    fitted.front_end_, fitted.n_output_links_ = front_end, links
    network = fitted.network_
    config = {**network.config, "latent_format": fitted.latent_format_}
    fitted.network_ = Network(build_autoencoder, config, network.weights)
    return fitted


def wafers(n_samples, seed=0):
    """Return wafers in counts, some of them empty, faint, bright or of one cell."""
    X = make_wafers(n_samples, random_state=seed)
    X[0], X[1], X[2], X[3] = 0, 1, 2**22, 2.5
    X[4] = 0
    X[4, 17] = 2**22
    X[5] = 0
    X[5, 3] = 3
    X[6] = np.eye(48)[9] * 900
    return X


def plain_codes(fitted, X, front_end):
    """Compute codes with Python's integers, one wafer at a time."""
    high_density = front_end == "HD"
    weights = EncoderWeights(
        *(
            np.clip(np.round(32 * weight), -32, 31).astype(int).reshape(shape)
            for weight, shape in zip(
                fitted_weights(fitted)[:4],
                [(3, 3, 8), (8,), (128, 16), (16,)],
                strict=True,
            )
        )
    )
    dropped = 3 if high_density else 1
    rows = []
    for wafer in X:
        codes = [plain_econt.floated(int(x) >> dropped, 4, 3) for x in wafer]
        counts = [plain_econt.counts_of(code, high_density) for code in codes]
        encoded = plain_econt.encoded([counts[cell] for cell in IMAGE], weights)
        shift = 9 - fitted.latent_format_.bits
        encoded = [code >> shift << shift for code in encoded]
        exponent = plain_econt.floated(sum(counts), 5, 4)
        # As 5E4M is decoded.
        unit = 2 ** max(exponent // 16 - 1, 0)
        total = (exponent % 16 + (16 if exponent > 15 else 0)) * unit
        rows.append([code / 256 for code in encoded] + [total])
    return np.array(rows)


# One arithmetic


@each_front_end
@each_link_count
def test_the_network_the_integers_and_the_chip_send_the_same(links, front_end):
    fitted, X = fitted_chip(links, front_end), wafers(3_000, links)
    codes = fitted.transform(X)
    assert codes.shape == (3_000, 17)
    econt = EconT.from_autoencoder(fitted)
    sent = econt.unpack(econt.run(econt.link_words(X)))
    np.testing.assert_array_equal(sent["codes"], codes[:, :16] * 256)
    np.testing.assert_array_equal(sent["sum"], codes[:, 16])
    integers = IntegerEncoder.from_estimator(fitted).transform(X)
    np.testing.assert_array_equal(integers, codes[:, :16])
    latent = fitted.latent_format_
    assert len(np.unique(integers)) > 0.9 * 2**latent.bits
    np.testing.assert_array_equal(codes[:100], plain_codes(fitted, X[:100], front_end))


@pytest.mark.exhaustive
@each_front_end
@pytest.mark.parametrize("links", LINK_FORMATS)
def test_not_one_of_100_000_wafers_differs(links, front_end):
    # The wider decoder would leave a component dead in so short a training.
    of_chip = {"n_output_links": links, "front_end": front_end, "decoder": "mirror"}
    fitted = chip(**of_chip).fit(small_wafers(300))
    X = wafers(100_000, links)
    codes = fitted.transform(X)
    econt = EconT.from_autoencoder(fitted)
    sent = econt.unpack(econt.run(econt.link_words(X)))
    assert (sent["codes"] != codes[:, :16] * 256).sum() == 0
    assert (sent["sum"] != codes[:, 16]).sum() == 0
    integers = IntegerEncoder.from_estimator(fitted).transform(X)
    assert (integers != codes[:, :16]).sum() == 0


def test_fewer_bits_than_the_links_carry_are_top_bits():
    X = wafers(200)
    codes = fitted_chip(4).transform(X)
    fitted = fitted_chip(4, latent_bits=2)
    cut = fitted.transform(X)
    np.testing.assert_array_equal(cut[:, :16], np.floor(codes[:, :16] * 2) / 2)
    econt = EconT.from_autoencoder(fitted)
    sent = econt.unpack(econt.run(econt.link_words(X)))
    np.testing.assert_array_equal(sent["codes"] / 256, cut[:, :16])


def test_the_chip_has_the_density_the_links_and_the_top_bits():
    settings = EconT.from_autoencoder(fitted_chip(3, "HD")).settings
    assert (settings.algorithm, settings.n_links) == ("autoencoder", 3)
    assert settings.high_density
    assert settings.mux.tolist() == IMAGE
    assert f"{settings.keep_mask:0144b}" == 16 * "111110000"
    assert not EconT.from_autoencoder(fitted_chip()).settings.high_density


def test_without_a_front_end_pixels_are_those_of_the_charges():
    fitted = fitted_chip(front_end=None)
    # In any unit.
    X = 0.37 * make_wafers(500, random_state=1)
    X[0] = 0
    seen = (
        hgcal_wafer()
        .layout("8x8")
        .invert(IntegerEncoder.from_estimator(fitted).images(X))
    )
    power = 2.0 ** np.floor(np.log2(np.maximum(X.sum(axis=1), 1e-9)))
    np.testing.assert_array_equal(seen, np.floor(X * 128 / power[:, None]) / 128)
    codes = fitted.transform(X)
    other_unit = fitted.transform(X / 1024)
    np.testing.assert_array_equal(codes[:, :16], other_unit[:, :16])
    integers = IntegerEncoder.from_estimator(fitted)
    np.testing.assert_array_equal(integers.transform(X), codes[:, :16])
    assert not codes[0].any()


def test_pixels_are_rounded_down_in_the_type_of_the_charges():
    # The sum is just below 2, and the first charge just below a pixel more.
    X = np.zeros((1, 48))
    X[0, :2] = 3 / 128 - 1e-12, 1
    assert truncated_pixels(X)[0, :2].tolist() == [2 / 128, 1]
    assert truncated_pixels(X).dtype == np.float32
    # By hand: a sum of 300 is divided by 256.
    X[0, :3] = 255, 43, 2
    assert (128 * truncated_pixels(X)[0, :3]).tolist() == [127, 21, 1]


def test_a_wafer_by_hand():
    # Without weights the code is the bias, and the first product of the convolution
    # reaches it through one weight of the dense layer.
    fitted = copy.deepcopy(fitted_chip())
    weights = [np.zeros_like(weight) for weight in fitted.network_.weights]
    weights[0][0, 0, 0, 0] = -3 / 32
    weights[1][0] = 1 / 32
    weights[2][0, 5] = 5 / 32
    weights[3][:] = 2 / 32
    fitted.network_ = Network(build_autoencoder, fitted.network_.config, weights)
    X = np.zeros((2, 48))
    # 301 counts have the code of 288 to 303 and come out as 304 - 16 + 8 = 296 without
    # the last bit; with 47 empty cells the sum is 343, and the pixel 148 below 256.
    X[0, 28] = 301
    codes = 256 * fitted.transform(X)[:, :16]
    pixel = 296 * 128 // 256
    hidden = max(4 + (pixel * -3 >> 5), 0)
    expected = [[16.0] * 16, [16.0] * 16]
    expected[0][5] += hidden * 5 >> 4
    # An empty cell of an empty wafer is 1 of 48 counts: 4 of 128.
    expected[1][5] += (4 + (4 * -3 >> 5)) * 5 >> 4
    assert hidden == 0
    assert codes.tolist() == expected
    assert expected[1][5] == 16


# Sums


@each_front_end
def test_sums_are_sent_with_the_pedestal_and_estimated_without(front_end):
    empty = EMPTY_CELL[front_end]
    fitted = fitted_chip(front_end=front_end)
    X = np.zeros((3, 48))
    X[1, 4], X[2] = 1_000, 400
    codes = fitted.transform(X)
    # 1,000 counts are the middle of a code, and 5E4M cuts the sum to five bits.
    middle = {"LD": 992, "HD": 992}[front_end]
    total = middle + 47 * empty
    assert codes[0, 16] == 48 * empty
    assert codes[1, 16] == total // 32 * 32 if total < 1024 else total // 64 * 64
    found = fitted.inverse_transform(codes).sum(axis=1)
    expected = np.maximum(codes[:, 16] - 48 * empty, empty)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # predict knows the sums themselves.
    np.testing.assert_allclose(fitted.predict(X).sum(axis=1), X.sum(axis=1), rtol=1e-6)


def test_the_decoder_is_told_the_sum():
    fitted = fitted_chip()
    X = make_wafers(50, random_state=2)
    codes = fitted.transform(X)
    wafers = fitted.inverse_transform(codes)
    own = fitted.predict(X)
    np.testing.assert_allclose(
        wafers / wafers.sum(axis=1, keepdims=True),
        own / own.sum(axis=1, keepdims=True),
        atol=1e-6,
    )
    codes[:, 16] *= 8
    other = fitted.inverse_transform(codes)
    shares = other / other.sum(axis=1, keepdims=True)
    assert np.abs(shares - own / own.sum(axis=1, keepdims=True)).max() > 1e-4


def test_conditions_are_the_logarithm_and_the_leading_digits():
    inputs = NetworkInputs(hgcal_wafer().layout("8x8"), "chip", "LD", True)
    told = inputs.conditions([1024, 48, 1, 0, 31 << 30], nothing(5))
    assert told.dtype == np.float32
    expected = [[0, 1], [(np.log2(48) - 10) / 4, 1.5], [-2.5, 1], [-2.5, 0]]
    expected.append([(np.log2(31 << 30) - 10) / 4, 31 / 16])
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    X = wafers(20)
    rows = inputs(X, nothing(20))
    np.testing.assert_array_equal(rows[:, :64], inputs.images(X).reshape(20, -1))
    expected = inputs.conditions(inputs.sent_sums(X), nothing(20))
    np.testing.assert_array_equal(rows[:, 64:], expected)
    given = np.full((20, 1), 0.25)
    more = dataclasses.replace(inputs, n_given=1)(X, given)
    np.testing.assert_array_equal(more, np.hstack([rows, given]))
    silent = NetworkInputs(inputs.layout, "chip", "LD")
    np.testing.assert_array_equal(silent(X, nothing(20)), silent.images(X))
    assert silent.conditions([1, 2], nothing(2)).shape == (2, 0)


@pytest.mark.parametrize(
    "case",
    [
        ({}, 17, RESIDUAL + 2 * 512),
        ({"decoder": "mirror"}, 17, 2_833 + 2 * 128),
        ({"front_end": None}, 16, RESIDUAL),
        *rarely(
            ({"encode_sum": False}, 16, RESIDUAL),
            ({"front_end": None, "encode_sum": True}, 17, RESIDUAL + 2 * 512),
            ({"arithmetic": "exact"}, 16, 2_833),
            ({"arithmetic": "exact", "encode_sum": True}, 17, 2_833),
        ),
    ],
    ids=str,
)
def test_codes_have_the_sum_where_the_decoder_is_told(case):
    parameters, n_columns, n_decoder = case
    X = small_wafers()
    fitted = chip(epochs=1, **parameters).fit(X)
    codes = fitted.transform(X)
    assert codes.shape == (len(X), n_columns)
    assert fitted.inverse_transform(codes).shape == X.shape
    assert fitted.encoder_.count_params() == 2_144
    assert fitted.decoder_.count_params() == n_decoder
    assert fitted.accumulator_format_ == (
        FixedPoint(11, 3) if "arithmetic" in parameters else None
    )


# Training


def test_training_changes_weights_and_leaves_them_on_the_grid():
    fitted = chip(epochs=3, learning_rate=0.01).fit(small_wafers(300))
    short = chip(epochs=1, learning_rate=1e-9).fit(small_wafers(300))
    pairs = zip(fitted_weights(fitted), fitted_weights(short), strict=True)
    for place, (one, other) in enumerate(pairs):
        assert np.isfinite(one).all()
        # The encoder's biases need longer than this for a step of 1/32, and a softmax
        # does not see the last one, which all pixels share.
        assert place in (1, 3, 9) or (one != other).any()
    for weight in fitted_weights(fitted)[:4]:
        np.testing.assert_array_equal(weight, FixedPoint(6, 0).quantize(weight))
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]


@pytest.mark.parametrize("bits", [3, 9])
def test_biases_make_up_for_what_rounding_down_takes_away(bits):
    config = autoencoder_config()
    network = weights_by_hand(Network.untrained(build_autoencoder, config, seeds()))
    layers = [network.submodel("encoder").get_layer(name) for name in ("conv", "code")]
    for layer in layers:
        layer.set_weights([WEIGHTS.quantize(w) / 2 for w in layer.get_weights()])
    latent = FixedPoint(bits, 1, signed=False)
    X = make_wafers(2_000, random_state=0)
    images = NetworkInputs(hgcal_wafer().layout("8x8"), "chip", "LD").images(X)
    exact = network.predict(images, "encoder")
    formats = {
        "input_format": FixedPoint(8, 1, signed=False),
        "weight_format": FixedPoint(11, 0),
        "latent_format": latent,
        "arithmetic": "chip",
    }

    def mean_loss():
        weights = network.pull_weights().weights
        chip = Network(build_autoencoder, {**config, **formats}, weights)
        codes = chip.predict(images, "encoder")
        within = (exact > 0.5) & (exact < 1.5)
        return (exact - codes)[within].mean()

    before = mean_loss()
    make_up_for_truncation(network, images, latent)
    assert before > 0.04 + latent.step / 2
    assert abs(mean_loss()) < 0.2 * before


def test_charges_that_the_chip_has_no_bits_for_are_refused_before_training():
    X = small_wafers(20)
    X[7, 3] = 2**22 + 1
    with pytest.raises(ValueError, match=r"counts from 0 to 2\*\*22.*row 7.*front_end"):
        chip().fit(X)
    with pytest.raises(ValueError, match=r"counts from 0 to 2\*\*22"):
        fitted_chip().predict(X)


@pytest.mark.parametrize("method", ["transform", "predict", "score"])
def test_charges_in_mip_are_told_from_counts(method):
    X = np.round(small_wafers(20)) / 35.1
    message = r"front_end='LD'\) takes charges in CALQ counts, but \d+% of the charge"
    with pytest.warns(UserWarning, match=message) as caught:
        getattr(fitted_chip(), method)(X)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_filters": 4}, "has n_filters=8; got n_filters=4"),
        ({"n_components": 8}, "has n_components=16; got n_components=8"),
        ({"kernel_size": 5}, "has kernel_size=3; got kernel_size=5"),
        ({"strides": 1}, "has strides=2; got strides=1"),
        ({"weight_bits": 5}, "weight_format is .*; weight_bits asks for"),
        ({"weight_integer_bits": 1}, "weight_format is .*; weight_bits asks for"),
        ({"input_bits": 7}, "input_bits asks for FixedPoint.bits=7"),
        ({"accumulator_bits": 11}, "accumulator_format is None; accumulator_bits"),
        ({"latent_bits": FixedPoint(5, 2)}, "latent_format is .*; latent_bits asks"),
        ({"layout": "4x4x3"}, r"layout '8x8'; got images of shape \(4, 4, 3\)"),
        ({"geometry": "line"}, "the wafer's 48 trigger cells .* line.48. geometry"),
        ({"geometry": grid(6, 8)}, "the wafer's 48 trigger cells .*geometry"),
    ],
)
def test_what_the_chip_does_not_have_is_refused(parameters, message):
    with pytest.raises(ValueError, match=f"{message}.*arithmetic='exact'"):
        chip(**parameters).fit(small_wafers())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"arithmetic": "integer"}, "arithmetic must be one of"),
        ({"arithmetic": None}, "arithmetic must be one of"),
        ({"front_end": "MD"}, "front_end must be one of"),
        ({"front_end": True}, "front_end must be one of"),
        ({"encode_sum": "yes"}, "encode_sum"),
    ],
)
def test_bad_choices_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        chip(**parameters).fit(small_wafers())


def test_the_chips_own_formats_may_be_named():
    own = {"weight_bits": 6, "input_bits": 8, "latent_bits": 4}
    formats = encoder_formats(
        n_components=16, n_output_links=5, arithmetic="chip", **own
    )
    assert formats == {
        "input_format": FixedPoint(8, 1, signed=False),
        "weight_format": FixedPoint(6, 0),
        "accumulator_format": None,
        "latent_format": FixedPoint(4, 1, signed=False),
    }


@pytest.mark.parametrize(
    ("attribute", "value", "cure"),
    [
        ("arithmetic_", "exact", "arithmetic='chip'"),
        ("front_end_", None, "front_end='LD' or 'HD'"),
        ("n_output_links_", None, "n_output_links=2 to 5"),
    ],
)
def test_an_autoencoder_that_is_no_chips_has_none(attribute, value, cure):
    fitted = fitted_chip()
    setattr(fitted, attribute, value)
    with pytest.raises(ValueError, match=f"was not fitted .* Set {cure} and fit again"):
        EconT.from_autoencoder(fitted)
    with pytest.raises(ValueError, match="not fitted yet"):
        EconT.from_autoencoder(chip())
