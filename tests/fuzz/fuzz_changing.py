"""Solve pairs while others write to all arrays: ``python -m tests.fuzz.fuzz_changing``.

Under the sanitizers of ``fuzz_solver``, while another thread and another process write
good numbers and bad ones to the wafers, the ground distances and the outputs. Each call
must end, and with distances or a ValueError.

Reads and writes race here on purpose. The solver reads each number once, by a volatile
read, which no compiler may repeat or leave out. It gets the old number or the new one,
or, where a double is written in two halves, bits of both. Whatever it gets, it checks
and uses that copy, and never looks at the array again.
"""

import functools
import sys
import time

import numpy as np

from tests.fuzz.changing_arrays import N_PAIRS, changing_arrays
from tests.fuzz.fuzz_solver import EXTENSION, load, prepare
from tests.fuzz.harness import Fuzzer, check, main


def make_cases(folder, options):
    simplex = load(folder / EXTENSION)
    return {"arrays": functools.partial(solve_for_a_second, simplex, folder / "memory")}


def solve_for_a_second(simplex, file, rng):
    """Call the solver for a second at least, and until the writers have met it."""
    outcomes = {"solved": 0, "refused": 0}
    with changing_arrays(file, seed=int(rng.integers(2**32))) as arrays:
        start = time.monotonic()
        # A busy machine gives the writers no turn for seconds.
        while time.monotonic() < start + (1 if min(outcomes.values()) else 60):
            outcomes[call(simplex, rng, arrays)] += 1
    check(f"some calls are refused, others are not: {outcomes}", min(outcomes.values()))
    return "with calls solved and calls refused"


def call(simplex, rng, arrays):
    """Solve some pairs, half of the time into the memory that is written to."""
    n_cells = int(rng.choice([1, 2, 7, 8, 9, 48, 63, 64, 65, 128, 129]))
    n_pairs = int(rng.integers(1, N_PAIRS, endpoint=True))
    a, b = (table(arrays[name], n_pairs, n_cells) for name in ("a", "b"))
    ground = table(arrays["ground"], n_cells, n_cells)
    if rng.random() < 0.7:
        # Those that suit leave it to the charges to be refused.
        ground = 1.0 - np.eye(n_cells)
    simplex.suits(ground)
    is_shared = rng.random() < 0.5
    distances = arrays["distances"][:n_pairs] if is_shared else np.full(n_pairs, np.nan)
    potentials = table(arrays["potentials"], n_pairs, n_cells) if is_shared else None
    try:
        simplex.solve(a, b, ground, distances, potentials)
    except ValueError:
        return "refused"
    if not is_shared:
        check("distances are numbers", np.isfinite(distances) & (distances >= 0))
    return "solved"


def table(numbers, n_rows, n_columns):
    return numbers[: n_rows * n_columns].reshape(n_rows, n_columns)


FUZZER = Fuzzer(
    module="tests.fuzz.fuzz_changing",
    unit="seconds",
    n_items=60,
    make_cases=make_cases,
    prepare=prepare,
)

if __name__ == "__main__":
    sys.exit(main(FUZZER))
