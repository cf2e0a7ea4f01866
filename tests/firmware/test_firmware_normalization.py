"""The chip's normalization, in shifts, against division."""

import numpy as np
import pytest

from skemd import WaferRemapper
from skemd.datasets import make_wafers
from skemd.firmware import FixedPoint, normalize_on_chip


def counts(n_samples, seed=0):
    return np.floor(make_wafers(n_samples, random_state=seed)).astype(np.int64)


def test_charges_are_divided_and_their_low_bits_dropped():
    X = counts(2000)
    X = np.concatenate([X, X[:200] // 50, X[:200] * 1000])
    cells = normalize_on_chip(X)
    for wafer, found in zip(X.tolist(), cells, strict=True):
        total = sum(wafer)
        power = 2 ** (total.bit_length() - 1) if total else 1
        expected = [128 * charge // power / 128 for charge in wafer]
        np.testing.assert_array_equal(found, expected)


def test_it_is_the_remappers_division_rounded_down_to_eight_bits():
    X = counts(2000)
    X = X[X.sum(axis=1) > 0]
    divided = WaferRemapper("8x8", normalize="msb").fit_transform(X)
    on_chip = WaferRemapper("8x8").fit(X).transform(normalize_on_chip(X))
    rounded_down = FixedPoint(8, 1, signed=False).quantize(divided, "floor")
    np.testing.assert_array_equal(on_chip, rounded_down)
    assert (divided != rounded_down).any()


@pytest.mark.parametrize("total", [1, 127, 128, 129, 255, 256, 2**20, 2**40])
def test_the_leading_bit_of_the_sum_becomes_one(total):
    wafer = np.zeros((1, 48), dtype=np.int64)
    wafer[0, 5] = total
    cells = normalize_on_chip(wafer)
    assert 1 <= cells[0, 5] < 2
    assert cells.sum() == cells[0, 5]


def test_a_wafer_without_charge_gives_zeros():
    np.testing.assert_array_equal(normalize_on_chip(np.zeros((2, 48))), 0)


@pytest.mark.parametrize(
    ("charges", "message"),
    [
        ([[1, -1]], "charges must hold whole numbers in .*got -1"),
        ([[0.5, 1]], "charges must hold whole numbers; got 0.5"),
        ([1, 2], r"got shape \(2,\). A single wafer is charges.reshape\(1, -1\)"),
    ],
)
def test_what_are_no_counts_is_refused(charges, message):
    with pytest.raises(ValueError, match=message):
        normalize_on_chip(charges)
