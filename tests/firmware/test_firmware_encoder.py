"""The integer encoder against fractions, against double precision, and bad input."""

import numpy as np
import pytest
from encoders import (
    FORMATS,
    fitted_in_exact_sums,
    float_codes,
    random_chip_encoder,
    random_encoder,
    reference_codes,
    try_images,
)

from skemd import WaferRemapper
from skemd.datasets import make_wafers
from skemd.firmware import (
    LINK_FORMATS,
    ChipSettings,
    EconT,
    FixedPoint,
    IntegerEncoder,
)
from skemd.firmware._chip._encoder_arithmetic import encode_images
from skemd.firmware._chip._trigger_cells import image_cells
from skemd.geometry import Layout, hgcal_wafer

all_formats = pytest.mark.parametrize("formats", FORMATS)
both_roundings = pytest.mark.parametrize("rounding", ["half_even", "floor"])
ACCUMULATORS = [(11, 3), (8, 1), (14, 2)]


@all_formats
@both_roundings
@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_codes_are_those_of_exact_fractions(formats, rounding, layout):
    encoder = random_encoder(formats, rounding=rounding, layout=layout)
    images = try_images(12, encoder)
    np.testing.assert_array_equal(
        encoder.transform(images), reference_codes(encoder, images)
    )


@both_roundings
@pytest.mark.parametrize("accumulator", ACCUMULATORS)
def test_codes_are_those_of_fractions_with_other_sums(rounding, accumulator):
    encoder = random_encoder(rounding=rounding, accumulator=accumulator)
    images = try_images(6, encoder)
    np.testing.assert_array_equal(
        encoder.transform(images), reference_codes(encoder, images)
    )


@both_roundings
@pytest.mark.parametrize(
    "pair",
    [[FixedPoint(11, 3), None], [None, FixedPoint(8, 1)], [None, None]],
    ids=str,
)
def test_sums_without_a_format_are_not_rounded(rounding, pair):
    encoder = random_encoder("six bits", rounding=rounding, accumulator=pair)
    images = try_images(6, encoder)
    codes = encoder.transform(images)
    np.testing.assert_array_equal(codes, reference_codes(encoder, images))
    np.testing.assert_array_equal(codes, float_codes(encoder, images))
    both = random_encoder("six bits", rounding=rounding, accumulator=(8, 1))
    more = try_images(500, encoder)
    assert (encoder.transform(more) != both.transform(more)).any()


def test_one_format_for_both_sums_is_the_pair_of_it():
    number_format = FixedPoint(11, 3)
    encoder = random_encoder(accumulator=[number_format, number_format])
    images = try_images(100, encoder)
    expected = random_encoder(accumulator=(11, 3)).transform(images)
    np.testing.assert_array_equal(encoder.transform(images), expected)


def test_the_chip_is_the_default_and_needs_no_formats():
    encoder = random_chip_encoder()
    assert encoder.arithmetic == "chip"
    assert encoder.rounding == "floor"
    assert encoder.input_format == FixedPoint(8, 1, signed=False)
    assert encoder.weight_format == FixedPoint(6, 0)
    assert encoder.accumulator_formats == (None, None)
    assert encoder.latent_format == LINK_FORMATS[5]
    named = random_chip_encoder(
        input_format=FixedPoint(8, 1, signed=False),
        weight_format=FixedPoint(6, 0),
        rounding="floor",
    )
    images = try_images(50, encoder)
    np.testing.assert_array_equal(named.transform(images), encoder.transform(images))


@pytest.mark.parametrize("front_end", ["LD", "HD", None])
def test_the_chips_encoder_computes_what_econt_sends(front_end):
    encoder = random_chip_encoder(front_end=front_end)
    X = make_wafers(500, random_state=1)
    X[0] = 0
    seen = encoder.images(X)
    steps = 128 * seen
    assert (steps == np.floor(steps)).all()
    image = np.moveaxis(steps[..., 0], 0, -1).astype(np.int32)
    expected = encode_images(image, encoder.weights)
    found = encoder.transform_integers(X)
    charged = slice(0 if front_end else 1, None)
    np.testing.assert_array_equal(found[charged], expected[charged])
    # Behind a front end there is no wafer without charge.
    assert found[0].any() == (front_end is not None)
    assert 0.02 < (found == 511).mean() < 0.5
    if front_end is not None:
        settings = ChipSettings(
            "autoencoder",
            high_density=front_end == "HD",
            n_links=5,
            mux=image_cells(),
            weights=encoder.weights,
        )
        chip = EconT(settings)
        sent = chip.unpack(chip.run(chip.link_words(X)))["codes"]
        np.testing.assert_array_equal(sent, found)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_format": FixedPoint(10, 3)}, "input_format is FixedPoint.bits=8"),
        ({"weight_format": FixedPoint(6, 1)}, "weight_format is FixedPoint.bits=6"),
        ({"accumulator_format": FixedPoint(11, 3)}, "accumulator_format is None; got"),
        ({"rounding": "half_even"}, "rounding is floor; got 'half_even'"),
        ({"latent_format": FixedPoint(10, 1, signed=False)}, "at most 9 bits"),
        ({"latent_format": FixedPoint(9, 2, signed=False)}, "at most 9 bits"),
        ({"conv_kernel": np.zeros((3, 3, 3, 8))}, "a conv_kernel of shape .3, 3, 1, 8"),
        ({"dense_kernel": np.zeros((72, 16))}, "a dense_kernel of shape .128, 16."),
        ({"strides": 1}, r"has strides \(2, 2\); got \(1, 1\)"),
        (
            {"layout": Layout((8, 8, 1), np.arange(48))},
            "in the layout '8x8'; got another one of shape .8, 8, 1.",
        ),
    ],
)
def test_what_the_chip_does_not_have_is_named(changed, message):
    encoder = random_chip_encoder()
    names = ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias")
    arguments = {name: getattr(encoder, name) for name in names} | changed
    with pytest.raises(ValueError, match=f"{message}.*arithmetic='exact'"):
        IntegerEncoder(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"arithmetic": "integer"}, "arithmetic must be one of"),
        ({"front_end": "MD"}, "front_end must be one of"),
    ],
)
def test_bad_choices_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        random_chip_encoder(**changed)


@pytest.mark.exhaustive
@pytest.mark.parametrize("links", LINK_FORMATS)
@all_formats
def test_not_one_of_100_000_wafers_differs_from_double_precision(links, formats):
    encoder = random_encoder(formats, latent_bits=LINK_FORMATS[links].bits, seed=links)
    images = try_images(100_000, encoder, seed=links)
    codes = encoder.transform(images)
    assert (codes != float_codes(encoder, images)).sum() == 0
    # These codes are worth comparing: many of a component's numbers occur.
    assert len(np.unique(codes)) >= 2 ** (LINK_FORMATS[links].bits - 1)
    assert 0.02 < (codes == encoder.latent_format.highest).mean() < 0.5


@both_roundings
def test_sums_and_inputs_of_the_test_wafers_saturate(rounding):
    # What the comparisons above would miss: a wider format changes codes.
    narrow = random_encoder("six bits", rounding=rounding)
    wide = random_encoder("six bits", rounding=rounding, accumulator=(14, 6))
    images = try_images(2000, narrow)
    assert (narrow.transform(images) != wide.transform(images)).any()
    assert images.max() > narrow.input_format.highest
    assert images.min() < narrow.input_format.lowest


def test_the_roundings_differ_on_the_test_wafers():
    images = try_images(100, random_encoder())
    codes = [
        random_encoder(rounding=rounding).transform_integers(images)
        for rounding in ("half_even", "floor")
    ]
    assert (codes[0] != codes[1]).mean() > 0.1


def test_padding_is_at_the_bottom_and_right_only():
    kernel = np.zeros((3, 3, 1, 1))
    kernel[2, 2] = 0.5
    encoder = IntegerEncoder(
        kernel,
        [0.0],
        np.eye(16),
        np.zeros(16),
        arithmetic="exact",
        input_format=FixedPoint(8, 1, signed=False),
        weight_format=FixedPoint(6, 1),
        accumulator_format=FixedPoint(11, 3),
        latent_format=FixedPoint(9, 1, signed=False),
    )
    image = np.zeros((1, 8, 8, 1))
    image[0, 2:, 2:, 0] = np.arange(36).reshape(6, 6) / 64
    # The last tap of output (i, j) is pixel (2 i + 2, 2 j + 2): outside for the last
    # row and column.
    expected = np.zeros((4, 4))
    expected[:3, :3] = image[0, 2::2, 2::2, 0] / 2
    np.testing.assert_array_equal(encoder.transform(image)[0], expected.ravel())


def test_integers_are_codes_in_steps():
    encoder = random_encoder()
    images = try_images(50, encoder)
    integers = encoder.transform_integers(images)
    assert integers.dtype == np.int64
    assert (integers.min(), integers.max()) == (0, 511)
    np.testing.assert_array_equal(encoder.transform(images), integers / 256)


@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_cells_are_divided_by_the_power_of_two_below_their_sum(layout):
    encoder = random_encoder(layout=layout)
    X = 0.1 * make_wafers(3000, random_state=3)
    images = WaferRemapper(layout, normalize="msb").fit_transform(X)
    images = images.astype(np.float32)
    np.testing.assert_array_equal(encoder.transform(X), encoder.transform(images))
    # In single precision, as networks see them.
    assert encoder.images(X).dtype == np.float32
    np.testing.assert_array_equal(encoder.images(X), images)
    np.testing.assert_array_equal(encoder.transform(X), encoder.transform(32 * X))


def test_a_wafer_without_charge_gives_zeros_and_its_image_the_bias():
    encoder = random_encoder()
    X = np.zeros((2, 48))
    X[1, 3] = 5
    codes = encoder.transform(X)
    assert not codes[0].any()
    assert codes[1].any()
    assert encoder.transform(np.zeros((1, 8, 8, 1))).any()


def test_wafers_at_a_time_do_not_matter(monkeypatch):
    encoder = random_encoder()
    images = try_images(101, encoder)
    at_once = encoder.transform(images)
    monkeypatch.setattr("skemd.firmware._encoder._CHUNK", 10)
    np.testing.assert_array_equal(encoder.transform(images), at_once)


def test_images_of_any_layout_that_fits_are_taken():
    encoder = random_encoder(layout="4x4x3")
    assert encoder.image_shape == (4, 4, 3)
    own = Layout((7, 7, 1), np.arange(49)[:48])
    same_weights = random_encoder(layout="8x8")
    with_own = IntegerEncoder(**constructor_arguments(same_weights), layout=own)
    assert with_own.image_shape == (7, 7, 1)
    images = np.random.default_rng(0).random((5, 7, 7, 1))
    np.testing.assert_array_equal(
        with_own.transform(images), reference_codes(with_own, images)
    )


def test_an_encoder_of_no_layout_takes_images_but_no_cells():
    arguments = constructor_arguments(random_encoder())
    arguments["dense_kernel"] = np.zeros((9 * 8, 16))
    encoder = IntegerEncoder(**arguments)
    assert encoder.transform(np.ones((2, 6, 5, 1))).shape == (2, 16)
    with pytest.raises(ValueError, match=r"No layout of the wafer fits .*Pass layout="):
        encoder.transform(np.ones((2, 48)))


def constructor_arguments(encoder, **changed):
    names = ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias", "strides")
    names += ("input_format", "weight_format", "accumulator_format", "latent_format")
    names += ("arithmetic",)
    return {name: getattr(encoder, name) for name in names} | changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"conv_kernel": np.full((3, 3, 1, 8), 1.5)},
            r"conv_kernel does not fit weight_format: its values lie in \[1.5, 1.5\], "
            r"and FixedPoint\(bits=6.* multiples of 0.03125 in \[-1, 0.96875\]",
        ),
        ({"conv_bias": np.full(8, 1 / 64)}, "conv_bias does not fit weight_format"),
        ({"dense_kernel": np.full((128, 16), 1.0)}, "dense_kernel does not fit"),
        ({"dense_bias": np.full(16, -1.1)}, "dense_bias does not fit"),
        ({"dense_bias": np.full(16, np.nan)}, "dense_bias contains NaN"),
        ({"dense_bias": np.zeros(15)}, r"dense_bias must have shape \(16,\).*\(15,\)"),
        ({"conv_bias": np.zeros((8, 1))}, "conv_bias must have 1 dim.*shape .8, 1."),
        ({"dense_kernel": np.zeros((127, 16))}, "127 inputs, which is not a multiple"),
        ({"strides": (2, 2, 2)}, "strides must be one number or two"),
        ({"strides": 0}, "strides must be an integer in .1, inf.; got 0"),
        ({"rounding": "up"}, "rounding must be one of"),
        ({"input_format": (8, 1)}, r"input_format must be a FixedPoint.*got \(8, 1\)"),
        (
            {"latent_format": FixedPoint(9, 1)},
            "latent_format must be unsigned; got .*Pass signed=False",
        ),
        (
            {"accumulator_format": FixedPoint(11, 3, signed=False)},
            "accumulator_format must be signed; got .*Pass signed=True",
        ),
        (
            {"input_format": FixedPoint(52, 1), "weight_format": FixedPoint(12, 1)},
            "within 64 bits. Choose shorter formats",
        ),
        ({"input_format": FixedPoint(8, 64)}, "within 64 bits. Choose shorter formats"),
        ({"input_format": FixedPoint(8, -64)}, "within 64 bits"),
        ({"accumulator_format": FixedPoint(11, -64)}, "within 64 bits"),
        ({"latent_format": FixedPoint(9, -64, signed=False)}, "within 64 bits"),
        ({"layout": "8x8"}, "layout must be a skemd.geometry.Layout or None; got str"),
        (
            {"layout": hgcal_wafer().layout("4x4x3")},
            r"layout of shape \(4, 4, 3\) does not fit conv_kernel of shape \(3, 3, 1",
        ),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    arguments = constructor_arguments(random_encoder(), **changed)
    with pytest.raises(ValueError, match=message):
        IntegerEncoder(**arguments)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((2, 47)), "X has 47 columns, but the wafer geometry has 48 cells"),
        (np.ones(48), r"got shape \(48,\). A single wafer is X.reshape\(1, -1\)"),
        (np.ones((2, 4, 4, 3)), r"images of shape \(4, 4, 3\), but this .*\(8, 8, 1\)"),
        (np.full((2, 48), np.nan), "X found NaN in row 0"),
        (-np.ones((2, 48)), "Negative values in data passed to X"),
        (np.full((2, 8, 8, 1), np.inf), "NaN or infinity in image 0"),
        (np.full((2, 8, 8, 1), "a"), "X must hold numbers; got images of dtype <U1"),
        (np.ones((0, 8, 8, 1)), "X holds no image"),
        (np.ones((0, 48)), "X holds no wafer"),
    ],
)
def test_wafers_that_cannot_be_encoded_are_named(X, message):
    with pytest.raises(ValueError, match=message):
        random_encoder().transform(X)


def test_the_estimators_weights_are_rounded_to_their_format():
    fitted = fitted_in_exact_sums()
    encoder = IntegerEncoder.from_estimator(fitted)
    names = ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias")
    # The encoder's tensors come first.
    for name, weight in zip(names, fitted.network_.weights[:4], strict=True):
        expected = np.clip(np.round(weight * 32), -32, 31) / 32
        np.testing.assert_array_equal(getattr(encoder, name), expected)
    # Some had to be cut off.
    assert np.abs(fitted.network_.weights[2]).max() > 1
    assert encoder.rounding == "half_even"
    assert encoder.strides == (2, 2)
    assert encoder.latent_format == FixedPoint(9, 1, signed=False)


@pytest.mark.parametrize("name", ["input", "weight", "accumulator", "latent"])
def test_an_autoencoder_in_floating_point_is_refused(name):
    message = f"has no {name}_format_. Set {name}_bits before fit, or n_output_links"
    with pytest.raises(ValueError, match=message):
        IntegerEncoder.from_estimator(fitted_in_exact_sums(**{f"{name}_format_": None}))
