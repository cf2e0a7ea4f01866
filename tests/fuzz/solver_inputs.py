"""Geometries and wafers for the solver: usual ones, and the edges of all ranges.

A geometry is ground distances of shape (n_cells, n_cells); the cells' places of shape
(n_cells,) if they are on a line, else None; and whether these distances are a metric.
"""

import numpy as np

__all__ = ["GEOMETRIES", "LARGEST_RANGE", "random_words", "wafer_pairs"]

MAX_CELLS = 64
LARGEST_RANGE = 1000.0


def on_a_line(positions):
    places = np.asarray(positions, dtype=np.float64)
    return np.abs(places[:, None] - places), places, True


def in_space(positions):
    difference = positions[:, None] - positions
    return np.sqrt((difference**2).sum(axis=-1)), None, True


def random_size(rng, lowest=1):
    """Draw a number of cells, often one at the edge of what the solver takes."""
    if rng.random() < 0.25:
        return int(rng.choice([lowest, lowest + 1, MAX_CELLS - 1, MAX_CELLS]))
    return int(rng.integers(lowest, MAX_CELLS, endpoint=True))


def random_positions(rng):
    return in_space(rng.random((random_size(rng), rng.integers(1, 5))))


def line(rng):
    return on_a_line(np.arange(random_size(rng)))


def grid(rng):
    height = rng.integers(1, 9)
    width = rng.integers(1, MAX_CELLS // height, endpoint=True)
    return in_space(np.indices((height, width)).reshape(2, -1).T.astype(float))


def at_the_edge_of_the_range(rng):
    """Place cells on a line whose distances range over 1000, or a bit more or less."""
    largest = LARGEST_RANGE
    if rng.random() < 0.5:
        largest = np.nextafter(largest, rng.choice([0.0, np.inf]))
    between = rng.choice(np.arange(2, 999), size=random_size(rng, 3) - 3, replace=False)
    return on_a_line(np.r_[0, 1, between, largest])


def all_equally_far(rng):
    n_cells = random_size(rng)
    return 1.0 - np.eye(n_cells), None, True


def coinciding_cells(rng):
    return in_space(rng.integers(0, 4, size=(random_size(rng), 2)).astype(float))


def no_metric(rng):
    """Draw numbers that are in range but no distances, not even symmetric."""
    n_cells = random_size(rng)
    return rng.uniform(1, 1000, size=(n_cells, n_cells)), None, False


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
