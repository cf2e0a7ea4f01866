"""Pairs of wafers: each kind keeps its word, and groups keep wafers apart."""

import numpy as np
import pytest

from skemd.datasets._pairs import PAIR_KINDS, make_pairs
from skemd.distance import paired_emd
from skemd.geometry import grid, hgcal_wafer

GROUND = hgcal_wafer().ground_distance


def pairs_of(X, kind, n_pairs=200, **options):
    """Return the two sides of pairs of one kind."""
    options = {"layout": "stacked", "random_state": 0, **options}
    pairs, _, _ = make_pairs(X, n_pairs, kinds={kind: 1}, **options)
    return pairs[:, 0], pairs[:, 1]


def rows_among(wafers, X):
    """Return for each wafer its row in X, or -1."""
    near = np.abs(wafers[:, None] - X).max(axis=2) < 1e-12
    return np.where(near.any(axis=1), near.argmax(axis=1), -1)


def with_originals_first(A, B, X):
    """Swap pairs such that the first is a wafer of X."""
    row_a, row_b = rows_among(A, X), rows_among(B, X)
    assert ((row_a >= 0) | (row_b >= 0)).all()
    first = np.where((row_a >= 0)[:, None], A, B)
    return first, np.where((row_a >= 0)[:, None], B, A)


# All kinds


@pytest.mark.parametrize("layout", ["flat", "stacked"])
@pytest.mark.parametrize("kind", [None, *PAIR_KINDS])
def test_pairs_have_unit_sums_and_their_exact_emd(wafers, layout, kind):
    kinds = kind and {kind: 2.0}
    pairs, y, groups = make_pairs(
        wafers(30), 60, kinds=kinds, layout=layout, random_state=0
    )
    assert pairs.shape == ((60, 96) if layout == "flat" else (60, 2, 48))
    assert (y.shape, groups.shape) == ((60,), (60,))
    sides = pairs.reshape(60, 2, 48)
    assert (sides >= 0).all()
    np.testing.assert_allclose(sides.sum(axis=2), 1, rtol=1e-12)
    np.testing.assert_allclose(y, paired_emd(sides[:, 0], sides[:, 1]), rtol=1e-9)


def test_both_layouts_hold_the_same_pairs(wafers):
    flat, y, _ = make_pairs(wafers(30), 60, random_state=0)
    stacked, y_again, _ = make_pairs(wafers(30), 60, layout="stacked", random_state=0)
    np.testing.assert_array_equal(flat.reshape(60, 2, 48), stacked)
    np.testing.assert_array_equal(y, y_again)


def test_random_state_determines_the_pairs(wafers):
    X = wafers(30)
    first = make_pairs(X, 60, random_state=3)
    for random_state in (3, np.random.RandomState(3)):
        again = make_pairs(X, 60, random_state=random_state)
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)
    assert (make_pairs(X, 60, random_state=4)[1] != first[1]).any()


def test_making_pairs_leaves_the_global_random_state_and_the_wafers_alone(wafers):
    X = wafers(30)
    kept, state = X.copy(), np.random.get_state()
    make_pairs(X, 60, random_state=0)
    np.testing.assert_array_equal(X, kept)
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])
    assert np.random.get_state()[2] == state[2]


def test_the_scale_of_the_wafers_does_not_matter(wafers):
    X = wafers(30)
    first = make_pairs(X, 60, random_state=0)
    scaled = X * 2.0 ** np.arange(-15, 15)[:, None]
    for one, other in zip(first, make_pairs(scaled, 60, random_state=0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)


def test_kinds_are_shared_out_as_asked():
    X = np.ones((10, 48))
    kinds = {"single": 1, "unrelated": 3}
    pairs, _, _ = make_pairs(
        X, 2000, kinds=kinds, layout="stacked", random_state=0, n_jobs=1
    )
    single = (pairs > 0).sum(axis=2).max(axis=1) == 1
    assert single.mean() == pytest.approx(0.25, abs=0.04)


def test_default_shares_add_up_to_one_and_name_every_kind():
    assert sum(PAIR_KINDS.values()) == pytest.approx(1)
    assert all(f'- "{kind}"' in make_pairs.__doc__ for kind in PAIR_KINDS)


@pytest.mark.parametrize("geometry", ["line", grid(3, 4)])
def test_pairs_of_other_geometries(wafers, geometry):
    X = wafers(10, n_cells=12)
    pairs, y, _ = make_pairs(X, 40, geometry=geometry, random_state=0)
    assert pairs.shape == (40, 24)
    expected = paired_emd(pairs[:, :12], pairs[:, 12:], geometry=geometry)
    np.testing.assert_allclose(y, expected, rtol=1e-9)


def test_images_are_wafers(wafers):
    X = wafers(20)
    images = hgcal_wafer().layout("8x8").apply(X)
    one, _, _ = make_pairs(X, 30, random_state=0)
    other, _, _ = make_pairs(images, 30, random_state=0)
    np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


# Each kind alone


def test_unrelated_pairs_are_two_different_wafers(unit_wafers):
    X = unit_wafers(12)
    A, B = pairs_of(X, "unrelated")
    row_a, row_b = rows_among(A, X), rows_among(B, X)
    assert min(row_a.min(), row_b.min()) >= 0
    assert (row_a != row_b).all()
    assert len(set(row_a)) == 12


def test_mixtures_are_a_wafer_and_its_sum_with_another_or_a_flat_one():
    # With one cell per wafer, each mixture shows its parts.
    X = np.eye(48)
    A, B = with_originals_first(*pairs_of(X, "mixture"), X)
    n_cells = (B > 0).sum(axis=1)
    assert set(n_cells) == {2, 48}
    assert (n_cells == 48).mean() == pytest.approx(0.25, abs=0.1)
    assert (B[A > 0] > 0).all()
    others = np.where(A > 0, np.nan, B)
    flat = others[n_cells == 48]
    np.testing.assert_allclose(
        np.nanmax(flat, axis=1), np.nanmin(flat, axis=1), rtol=1e-9
    )
    assert np.std(B[A > 0]) > 0.2


def test_blurred_pairs_have_their_charge_spread_over_neighbors():
    X = np.eye(48)
    A, B = with_originals_first(*pairs_of(X, "blur"), X)
    for cell, blurred in zip(A.argmax(axis=1), B, strict=True):
        outwards = np.argsort(GROUND[cell])
        assert (np.diff(blurred[outwards]) <= 1e-9).all()
        assert blurred.argmax() == cell
    distances = paired_emd(A, B)
    assert distances.min() < 0.1
    assert 1 < distances.max() < 5


def test_noisy_pairs_fluctuate_and_drop_small_charges(unit_wafers):
    X = unit_wafers(10, n_charged=20)
    A, B = with_originals_first(*pairs_of(X, "noise"), X)
    assert (B[A == 0] == 0).all()
    dropped = ((A > 0) & (B == 0)).sum(axis=1)
    assert (dropped == 0).any()
    assert (dropped > 0).mean() > 0.2
    assert (np.abs(A - B).max(axis=1) > 0).all()
    large, small = A == A.max(axis=1, keepdims=True), (A > 0) & (A < 0.01)
    assert (B[large] == 0).mean() < 0.1 < (B[small] == 0).mean()


def test_reconstructions_come_from_principal_components(unit_wafers):
    # Wafers on one straight line need only one component: all are reconstructed.
    ends = unit_wafers(2, n_charged=48)
    share = np.linspace(0, 1, 30)[:, None]
    line = share * ends[0] + (1 - share) * ends[1]
    A, B = pairs_of(line, "reconstruction")
    # The leak is at most a hundredth of a wafer's charge.
    assert np.abs(A - B).max() < 0.011 / 48 + 1e-9
    # Others change, and are positive everywhere.
    X = unit_wafers(30)
    A, B = with_originals_first(*pairs_of(X, "reconstruction"), X)
    assert (B > 0).all()
    assert (A == 0).any()
    distances = paired_emd(A, B)
    assert np.median(distances) > 0.1
    # Closer to their own wafers than to any others.
    unrelated = paired_emd(A, np.roll(A, 1, axis=0))
    assert np.median(distances) < np.median(unrelated) / 2


def test_sparse_pairs_have_one_to_five_cells_of_a_wafer(unit_wafers):
    X = unit_wafers(12, n_charged=30)
    A, B = pairs_of(X, "sparse")
    counts = np.stack([(A > 0).sum(axis=1), (B > 0).sum(axis=1)])
    fewest = counts.min(axis=0)
    assert set(fewest) == {1, 2, 3, 4, 5}
    sparse = np.where((counts[0] <= counts[1])[:, None], A, B)
    for wafer in sparse:
        # A part of a wafer is that wafer times a number where it is not zero.
        ratios = X[:, wafer > 0] / wafer[wafer > 0]
        assert (np.ptp(ratios, axis=1) < 1e-9 * ratios.max(axis=1)).any()
    both = counts.max(axis=0) <= 5
    assert 0.3 < both.mean() < 0.7
    assert (counts.max(axis=0)[~both] == 48).all()


def test_sparse_pairs_of_wafers_with_fewer_cells_keep_all_of_them(unit_wafers):
    A, B = pairs_of(unit_wafers(12, n_charged=2), "sparse")
    assert np.minimum((A > 0).sum(axis=1), (B > 0).sum(axis=1)).max() == 2


def test_single_pairs_have_one_cell_each(unit_wafers):
    A, B = pairs_of(unit_wafers(5), "single")
    for side in (A, B):
        assert ((side > 0).sum(axis=1) == 1).all()
        assert (side.max(axis=1) == 1).all()
        assert len(set(side.argmax(axis=1))) > 40


def test_the_wafer_stands_on_either_side(unit_wafers):
    X = unit_wafers(10)
    A, _ = pairs_of(X, "reconstruction")
    assert (rows_among(A, X) >= 0).mean() == pytest.approx(0.5, abs=0.1)


# Groups


@pytest.mark.parametrize("n_samples", [2, 3, 5, 39, 40, 61])
def test_groups_keep_every_wafer_on_one_side(n_samples, unit_wafers):
    X = unit_wafers(n_samples)
    pairs, _, groups = make_pairs(
        X, 400, kinds={"unrelated": 1}, layout="stacked", random_state=0
    )
    groups_of_wafer = [set() for _ in X]
    for pair, group in zip(pairs, groups, strict=True):
        for row in rows_among(pair, X):
            assert row >= 0
            groups_of_wafer[row].add(int(group))
    assert max(len(found) for found in groups_of_wafer) == 1
    assert len(set(groups)) == min(20, n_samples // 2)


def test_every_other_wafer_of_the_group_may_be_the_partner(unit_wafers):
    X = unit_wafers(80)
    A, B = pairs_of(X, "unrelated", n_pairs=4000)
    found = set(zip(rows_among(A, X), rows_among(B, X), strict=True))
    # 20 groups of four wafers have twelve ordered pairs each.
    assert len(found) == 20 * 12


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.ones((1, 48))}, "at least two wafers; got n_samples=1"),
        ({"X": np.ones((5, 47))}, "X has 47 columns"),
        ({"X": np.zeros((5, 48))}, "X found 5 of 5 without any"),
        ({"X": -np.ones((5, 48))}, "Negative values in data passed to X"),
        ({"n_pairs": 0}, "n_pairs must be an integer"),
        ({"n_pairs": 2.5}, "n_pairs must be an integer"),
        ({"layout": "8x8"}, "layout must be .*'flat'.*'stacked'"),
        ({"kinds": {"other": 1}}, "key of kinds must be .*'unrelated'"),
        ({"kinds": {"blur": -1}}, r"kinds\['blur'\] must be a number"),
        ({"kinds": {"blur": np.nan}}, r"kinds\['blur'\] must be a number"),
        ({"kinds": {"blur": 0}}, "kinds must have a positive share"),
        ({"kinds": {}}, "kinds must have a positive share"),
        ({"geometry": "hexagon"}, "Unknown geometry 'hexagon'"),
    ],
)
def test_what_makes_no_pairs_is_an_error_that_says_why(changes, message):
    options = {"X": np.ones((5, 48)), "n_pairs": 10, **changes}
    with pytest.raises(ValueError, match=message):
        make_pairs(**options)
