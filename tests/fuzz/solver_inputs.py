"""Geometries and wafers for the solver: usual ones, and the edges of all ranges.

A geometry is ground distances of shape (n_cells, n_cells); the cells' places of shape
(n_cells,) if they are on a line, else None; and whether these distances are a metric.
"""

import dataclasses

import numpy as np

__all__ = ["GEOMETRIES", "LARGE", "SMALL", "random_words", "wafer_pairs"]


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one of the two methods of the solver takes.

    Attributes
    ----------
    fewest, most : int
        Numbers of cells.
    largest_range : float
        The largest distance divided by the smallest.
    """

    fewest: int
    most: int
    largest_range: float


SMALL = Limits(1, 64, 1000.0)
LARGE = Limits(65, 1024, 2048.0)


def on_a_line(positions):
    places = np.asarray(positions, dtype=np.float64)
    return np.abs(places[:, None] - places), places, True


def in_space(positions):
    difference = positions[:, None] - positions
    return np.sqrt((difference**2).sum(axis=-1)), None, True


def random_size(rng, limits, lowest=1):
    """Draw a number of cells, often one at the edge of what the solver takes."""
    lowest = max(lowest, limits.fewest)
    if rng.random() < 0.25:
        return int(rng.choice([lowest, lowest + 1, limits.most - 1, limits.most]))
    return int(rng.integers(lowest, limits.most, endpoint=True))


def random_positions(rng, limits):
    return in_space(rng.random((random_size(rng, limits), rng.integers(1, 5))))


def line(rng, limits):
    return on_a_line(np.arange(random_size(rng, limits)))


def grid(rng, limits):
    height = rng.integers(1, np.sqrt(limits.most), endpoint=True)
    fewest = -(-limits.fewest // height)
    width = rng.integers(fewest, limits.most // height, endpoint=True)
    return in_space(np.indices((height, width)).reshape(2, -1).T.astype(float))


def at_the_edge_of_the_range(rng, limits):
    """Place cells on a line whose distances have the largest range, or about that."""
    largest = limits.largest_range
    places = np.arange(2, largest - 1)
    if rng.random() < 0.5:
        largest = np.nextafter(largest, rng.choice([0.0, np.inf]))
    between = rng.choice(places, size=random_size(rng, limits, 3) - 3, replace=False)
    return on_a_line(np.r_[0, 1, between, largest])


def all_equally_far(rng, limits):
    return 1.0 - np.eye(random_size(rng, limits)), None, True


def coinciding_cells(rng, limits):
    size = (random_size(rng, limits), 2)
    return in_space(rng.integers(0, 4, size=size).astype(float))


def no_metric(rng, limits):
    """Draw numbers that are in range but no distances, not even symmetric."""
    n_cells = random_size(rng, limits)
    largest = limits.largest_range
    return rng.uniform(1, largest, size=(n_cells, n_cells)), None, False


GEOMETRIES = (
    random_positions,
    random_positions,
    line,
    grid,
    at_the_edge_of_the_range,
    all_equally_far,
    coinciding_cells,
    no_metric,
)


# Wafers


def wafer_pairs(rng, n, n_cells):
    """Draw pairs of wafers, each of a kind of its own."""
    A, B = np.empty((2, n, n_cells))
    for row in range(n):
        A[row] = wafer(rng, n_cells)
        if rng.random() < 0.3:
            B[row] = VARIANTS[rng.integers(len(VARIANTS))](rng, A[row])
        else:
            B[row] = wafer(rng, n_cells)
    for side in (A, B):
        (empty,) = (side.max(axis=1) == 0).nonzero()
        side[empty, rng.integers(n_cells, size=len(empty))] = 5e-324
    return A, B


def wafer(rng, n_cells):
    return WAFERS[rng.integers(len(WAFERS))](rng, n_cells)


def random_bits(rng, n_cells):
    """Draw 64-bit patterns and empty the cells in which they are no charge."""
    charges = random_words(rng, n_cells).view(np.float64)
    return np.where(charges >= 0, charges, 0.0) * np.isfinite(charges)


def random_words(rng, n):
    return rng.integers(0, 2**64, size=n, dtype=np.uint64)


def denormal(rng, n_cells):
    words = random_words(rng, n_cells) >> rng.integers(12, 64, size=n_cells, dtype="u8")
    return words.view(np.float64)


def huge(rng, n_cells):
    return np.finfo(float).max * rng.choice([1, 0.5, rng.random()], size=n_cells)


def all_scales(rng, n_cells):
    return 2.0 ** rng.uniform(-1074, 1023, size=n_cells)


def usual(rng, n_cells):
    return rng.exponential(size=n_cells)


def sparse(rng, n_cells):
    return usual(rng, n_cells) * (rng.random(n_cells) < 3 / n_cells)


def whole_numbers(rng, n_cells):
    return rng.integers(0, rng.integers(2, 6), size=n_cells).astype(float)


def single_cell(rng, n_cells):
    charges = np.zeros(n_cells)
    charges[rng.integers(n_cells)] = all_scales(rng, 1)[0]
    return charges


def negative_zeros(rng, n_cells):
    charges = sparse(rng, n_cells)
    return np.where(charges == 0, -0.0, charges)


WAFERS = (
    random_bits,
    denormal,
    huge,
    all_scales,
    usual,
    sparse,
    whole_numbers,
    single_cell,
    negative_zeros,
)


def same(rng, charges):
    return charges


def permuted(rng, charges):
    return rng.permutation(charges)


def nearly_equal(rng, charges):
    step = 10 ** rng.uniform(-16, -1)
    # No charge becomes infinite.
    return charges * (1 - step * rng.random(len(charges)))


def neighboring_numbers(rng, charges):
    toward = np.where(rng.random(len(charges)) < 0.5, 0.0, charges)
    return np.nextafter(charges, toward)


def one_cell_moved(rng, charges):
    moved = charges.copy()
    gains, loses = rng.integers(len(charges), size=2)
    moved[[gains, loses]] = moved[[loses, gains]]
    return moved


VARIANTS = (same, permuted, nearly_equal, neighboring_numbers, one_cell_moved)
