"""make_wafers: the published statistics, the promises of its knobs, its manners."""

import itertools

import numpy as np
import pytest

from skemd.datasets import make_wafers
from skemd.datasets._showers import layer_fraction, radial_scale
from skemd.datasets._wafers import read_out
from skemd.geometry import hgcal_wafer

COUNTS_PER_MIPT = 35.1


@pytest.fixture(scope="module")
def published_setting():
    return make_wafers(20_000, random_state=0, return_info=True)


def quantiles(values):
    return np.percentile(values, [16, 50, 84])


def correlation_by_distance(X, edges):
    """Mean correlation of log charge over the pairs of cells of each distance class."""
    distance = hgcal_wafer().ground_distance
    correlation = np.corrcoef(np.log1p(X).T)
    return [
        correlation[(low <= distance) & (distance < high)].mean()
        for low, high in itertools.pairwise(edges)
    ]


def test_occupancy_follows_the_published_quantiles(published_setting):
    X, _ = published_setting
    distance = np.abs(quantiles((X > 0).sum(axis=1)) - [3, 10, 36])
    assert (distance <= [1.5, 1, 3]).all()


def test_occupancy_above_one_mip_follows_the_published_quantiles(published_setting):
    X, _ = published_setting
    occupancy = (X > COUNTS_PER_MIPT).sum(axis=1)
    assert (np.abs(quantiles(occupancy) - [0, 1, 7]) <= 1).all()


def test_sum_follows_the_published_quantiles(published_setting):
    # The published log10 of the sum in MIPT, -0.34, 0.563 and 1.165, is that of 16,
    # 128 and 512 counts over 35: counts were floored to powers of two.
    X, _ = published_setting
    floored = 2.0 ** np.floor(np.log2(X.sum(axis=1)))
    assert quantiles(floored).tolist() == [16, 128, 512]


def test_largest_cell_follows_the_published_quantiles(published_setting):
    X, _ = published_setting
    largest = np.log10(X.max(axis=1) / COUNTS_PER_MIPT)
    assert np.abs(quantiles(largest) - [-0.465, 0.069, 0.649]).max() <= 0.08


def test_charges_are_whole_counts_and_no_wafer_is_empty(published_setting):
    X, _ = published_setting
    assert X.shape == (20_000, 48)
    assert X.dtype == np.float64
    assert (X == np.floor(X)).all()
    assert X.min() == 0
    assert X.sum(axis=1).min() >= 1


def test_wafers_are_uniform_over_the_area_of_the_layer(published_setting):
    _, info = published_setting
    squared = 1 / np.sinh(info["eta"]) ** 2
    low, high = 1 / np.sinh([3.05, 1.53]) ** 2
    uniform = low + (high - low) * np.array([0.25, 0.5, 0.75])
    # Empty wafers are drawn again, which takes a few percent from the rim.
    np.testing.assert_allclose(np.percentile(squared, [25, 50, 75]), uniform, rtol=0.06)


def test_neighbors_correlate_and_the_correlation_falls_with_distance():
    # At one pseudorapidity wafers have a common level only by the event's activity.
    X = make_wafers(8_000, eta_range=(2.0, 2.0), random_state=1)
    near, next_, far = correlation_by_distance(X, [1.7, 2.1, 3.2, 6.0])
    assert 0.06 < near < 0.18
    assert near > next_ + 0.02
    assert next_ > far + 0.01


def test_occupancy_rises_toward_the_beam():
    occupancy = [
        (make_wafers(500, eta_range=(eta, eta), random_state=2) > 0).sum(axis=1).mean()
        for eta in (1.6, 1.9, 2.3, 2.9)
    ]
    assert (np.diff(occupancy) > 3).all()


@pytest.mark.parametrize("name", ["pileup", "energy_scale"])
def test_more_particles_or_energy_mean_more_charge(name):
    low, high = {"pileup": (60, 200), "energy_scale": (0.5, 2.0)}[name]
    less, more = (make_wafers(3000, **{name: x}, random_state=3) for x in (low, high))
    assert np.median(more.sum(axis=1)) > 1.15 * np.median(less.sum(axis=1))
    assert (more > 0).mean() > 1.02 * (less > 0).mean()


def test_energy_scale_multiplies_the_energy_of_the_signal():
    options = {"signal_fraction": 1, "pileup": 0, "random_state": 4}
    energies = [
        make_wafers(3000, energy_scale=scale, return_info=True, **options)[1]
        for scale in (1.0, 2.0)
    ]
    ratio = energies[1]["sim_energy"].mean() / energies[0]["sim_energy"].mean()
    assert 1.6 < ratio < 2.2


def test_zero_suppression_follows_the_noise():
    # At the rim a threshold of 3 x 0.2 MIP is 8 counts; without noise 1 count is kept.
    options = {"eta_range": (1.6, 1.6), "random_state": 5}
    cosh = np.cosh(1.6)
    loud, quiet = (make_wafers(500, noise=x, **options) for x in (0.2, 0.0))
    assert loud[loud > 0].min() >= np.floor(0.6 * COUNTS_PER_MIPT / cosh) - 1
    assert quiet[quiet > 0].min() == 1


def test_noise_alone_fires_as_often_as_a_gaussian_beyond_three_sigma():
    rng = np.random.RandomState(0)
    X = read_out(np.zeros((20_000, 48)), np.full(20_000, 1.6), 0.2, rng)
    assert (X > 0).mean() == pytest.approx(4 * 0.00135, rel=0.1)


def test_read_out_truncates_twice():
    # 153 MIP are 5373.8 counts, kept as 5373; 1/cosh(2.6) is 303 steps of 2^-11.
    # Truncating once gives 795, an exact 1/cosh(2.6) 793.
    charges, eta = np.full((1, 48), 153.0), np.array([2.6])
    X = read_out(charges, eta, 0.0, np.random.RandomState(0))
    assert (X == 794).all()


def test_signal_fraction_decides_who_has_signal_energy():
    for fraction in (0.0, 0.4, 1.0):
        _, info = make_wafers(
            2000, signal_fraction=fraction, random_state=6, return_info=True
        )
        share = (info["sim_energy"] > 0).mean()
        assert share == fraction or abs(share - fraction) < 0.05 * (fraction == 0.4)


def test_a_shower_fills_one_to_three_cells():
    X = make_wafers(2000, signal_fraction=1, pileup=0, noise=0, random_state=7)
    ordered = np.sort(X, axis=1)[:, ::-1]
    core = ordered[:, :3].sum(axis=1) / ordered.sum(axis=1)
    assert np.median(core) > 0.9


def test_info_describes_the_wafers(published_setting):
    X, info = published_setting
    assert set(info) == {"eta", "sim_energy", "occupancy", "n_pileup_crossings"}
    assert (info["occupancy"] == (X > 0).sum(axis=1)).all()
    assert info["eta"].min() >= 1.53
    assert info["eta"].max() <= 3.05
    without_signal = info["sim_energy"] == 0
    charge, crossings = X.sum(axis=1)[without_signal], info["n_pileup_crossings"]
    assert np.corrcoef(charge, crossings[without_signal])[0, 1] > 0.6


def test_showers_widen_with_depth_and_peak_near_layer_seven():
    # FastShower's figures at the layer indices 0, 8, 15 and 27.
    widths = [radial_scale(layer) for layer in (1, 9, 16, 28)]
    np.testing.assert_allclose(widths, [0.31, 0.54, 1.0, 2.4], rtol=0.04)
    fractions = [layer_fraction(30.0, layer) for layer in range(1, 29)]
    assert 6 <= np.argmax(fractions) + 1 <= 9
    assert 0.9 < sum(fractions) < 1.0


def test_equal_seeds_give_equal_wafers():
    first, again = (make_wafers(50, random_state=8) for _ in range(2))
    other = make_wafers(50, random_state=9)
    state = make_wafers(50, random_state=np.random.RandomState(8))
    assert (first == again).all()
    assert (first == state).all()
    assert not (first == other).all()


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    make_wafers(20, random_state=0)
    assert (np.random.get_state()[1] == before).all()


def test_info_does_not_change_the_wafers():
    X, _ = make_wafers(50, random_state=10, return_info=True)
    assert (X == make_wafers(50, random_state=10)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_samples", 0),
        ("n_samples", 2.5),
        ("pileup", -1),
        ("signal_fraction", 1.5),
        ("energy_scale", 0),
        ("noise", -0.1),
        ("layer", 29),
        ("eta_range", (2.0, 1.8)),
        ("eta_range", (1.0, 3.0)),
        ("eta_range", 2.0),
    ],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        make_wafers(**{name: value})


def test_nothing_that_makes_charge_is_an_error():
    with pytest.raises(ValueError, match="signal_fraction=1, or raise pileup or noise"):
        make_wafers(10, pileup=0, noise=0)


def test_hardly_any_charge_is_an_error_and_no_endless_search():
    with pytest.raises(ValueError, match=r"without charge after .* Raise pileup"):
        make_wafers(3, pileup=1e-9, noise=0, signal_fraction=0)
