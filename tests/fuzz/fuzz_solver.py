"""Fuzz the compiled solver under sanitizers: ``python -m tests.fuzz.fuzz_solver``.

The solver is compiled anew with AddressSanitizer and UndefinedBehaviorSanitizer. A
child process, which needs nothing but NumPy, then feeds it random bit patterns: those
that make wafers must give a distance that its potentials attain, all others a
ValueError. Ends with an exit status other than zero on any finding. ``--large`` is for
65 to 1,024 cells, over which the solver has another method.
"""

import functools
import importlib.machinery
import importlib.util
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

from tests.fuzz.harness import Finding, Fuzzer, check, main
from tests.fuzz.solver_inputs import (
    GEOMETRIES,
    LARGE,
    SMALL,
    random_words,
    wafer_pairs,
)

SOURCE_FOLDER = Path(__file__).parents[2] / "skemd" / "distance"
SOURCES = ("_simplex.c", "_simplex_large.c", "_simplexmodule.c")
# "undefined" leaves out what floating-point numbers do.
SANITIZERS = "address,undefined,float-cast-overflow,float-divide-by-zero"
FLAGS = (
    f"-std=c99 -fsanitize={SANITIZERS} -fno-sanitize-recover=all "
    "-fno-omit-frame-pointer -g -O1 -fPIC -shared"
)
EXTENSION = f"_simplex{sysconfig.get_config_var('EXT_SUFFIX')}"

PAIRS_PER_BATCH = {SMALL: 512, LARGE: 8}

# Fractions of the largest distance.
BOUND_TOLERANCE = 1e-12
# Costs are rounded to whole numbers, to 1e-9 of the distance at worst.
DISTANCE_TOLERANCE = 1e-9


def prepare(folder):
    """Compile the solver with sanitizers; return the child's environment."""
    command = [
        *compiler(),
        *FLAGS.split(),
        f"-I{sysconfig.get_path('include')}",
        *(str(SOURCE_FOLDER / source) for source in SOURCES),
        *("-o", str(folder / EXTENSION), "-lm"),
    ]
    subprocess.run(command, check=True)
    return {
        "LD_PRELOAD": runtime("libasan.so"),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def compiler():
    """Return the command of the C compiler that built Python."""
    return shlex.split(sysconfig.get_config_var("CC"))


def runtime(name):
    """Return the path of a sanitizer's shared library, which a compiler brings."""
    path = subprocess.run(
        [*compiler(), f"-print-file-name={name}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if not Path(path).is_absolute():
        raise SystemExit(f"{name} is missing; install gcc with its sanitizers.")
    return path


def load(path):
    """Import an extension that lies anywhere."""
    name = "skemd.distance._simplex"
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def make_cases(folder, options):
    simplex = load(folder / EXTENSION)
    limits = chosen_limits(options)
    name = "large solver" if options.large else "solver"
    return {name: functools.partial(solve_batch, simplex, limits)}


def chosen_limits(options):
    return LARGE if options.large else SMALL


def solve_batch(simplex, limits, rng):
    """Solve pairs both ways over one geometry, and what must be refused."""
    ground, places, is_metric = suitable_ground_distance(simplex, limits, rng)
    A, B = wafer_pairs(rng, PAIRS_PER_BATCH[limits] // 2, len(ground))
    forth, potentials = solved(simplex, A, B, ground, rng.random() < 0.7, is_metric)
    back, _ = solved(simplex, B, A, ground, rng.random() < 0.2, is_metric)
    if is_metric:
        check_distances(A, B, ground, forth)
        check("both ways are as far, to the last bit", forth == back)
        if places is not None:
            expected = distances_on_a_line(A, B, places)
            check("closed form in one dimension", near(forth, expected, ground))
        if potentials is not None:
            check_potentials(A, B, ground, forth, potentials)
            again, _ = solved(simplex, A, B, ground, False, is_metric)
            check("potentials change nothing", forth == again)
    must_be_refused(simplex, rng, A, B, ground)
    return "metrics" if is_metric else "other geometries"


def solved(simplex, A, B, ground, with_potentials, is_metric):
    """Return the solver's distances and potentials, which may be None."""
    kept = A.tobytes(), B.tobytes(), ground.tobytes()
    # What is not filled in does not pass for a distance.
    distances = np.full(len(A), np.nan)
    potentials = np.full(A.shape, np.nan) if with_potentials else None
    try:
        simplex.solve(A, B, ground, distances, potentials)
    except RuntimeError:
        if is_metric:
            raise
    else:
        check("distances are finite", np.isfinite(distances))
        check(
            "potentials are finite",
            np.isfinite(0 if potentials is None else potentials),
        )
    unchanged = kept == (A.tobytes(), B.tobytes(), ground.tobytes())
    check("inputs are not changed", unchanged)
    return distances, potentials


def suitable_ground_distance(simplex, limits, rng):
    """Draw ground distances until some suit the solver; it must tell which do.

    Returns
    -------
    ground_distance : ndarray of shape (n_cells, n_cells)
        Distances between the cells.
    places : ndarray of shape (n_cells,) or None
        Where the cells are, if they are on a line.
    is_metric : bool
        Whether the solver owes an answer.
    """
    while True:
        make = GEOMETRIES[rng.integers(len(GEOMETRIES))]
        ground, places, is_metric = make(rng, limits)
        exponent = rng.uniform(-90, 90) if rng.random() < 0.5 else 0
        # Powers of two leave the range of the distances as it is.
        scale = 2.0 ** np.rint(exponent * np.log2(10))
        ground *= scale
        places = places if places is None else places * scale
        between = ground[ground > 0]
        within = len(ground) == 1 or (
            ground.max() <= limits.largest_range * between.min(initial=np.inf)
        )
        check("suits() tells the range", simplex.suits(ground) == within)
        if within:
            return ground, places, is_metric
        refuse(simplex, *np.ones((2, 1, len(ground))), ground)


# What distances and potentials have to obey


def unit_sums(X):
    # Denormals lose bits in a division; scaled by a power of two they do not.
    _, exponent = np.frexp(X.max(axis=1, keepdims=True))
    X = np.ldexp(X, -exponent)
    return X / X.sum(axis=1, keepdims=True)


def near(found, expected, ground):
    allowed = DISTANCE_TOLERANCE * expected + BOUND_TOLERANCE * ground.max()
    return np.abs(found - expected) <= allowed


def check_distances(A, B, ground, distances):
    """Compare with the bounds by the charge that moves and by one distance."""
    moved = np.abs(unit_sums(A) - unit_sums(B)).sum(axis=1) / 2
    between = ground[~np.eye(len(ground), dtype=bool)]
    rounding = BOUND_TOLERANCE * ground.max()
    lowest, largest = between.min(initial=ground.max()), ground.max()
    check("distances are not negative", distances >= 0)
    check("distances are at most the largest", distances <= largest * (1 + 1e-12))
    check("no less than the charge moved", distances >= moved * lowest - rounding)
    check("no more than the charge moved", distances <= moved * largest + rounding)
    single = ((A > 0).sum(axis=1) == 1) & ((B > 0).sum(axis=1) == 1)
    expected = ground[A[single].argmax(axis=1), B[single].argmax(axis=1)]
    check("single cells", near(distances[single], expected, ground))


def check_potentials(A, B, ground, distances, potentials):
    """Check that potentials are 1-Lipschitz and attain the distances."""
    rounding = BOUND_TOLERANCE * ground.max()
    differences = potentials[:, :, None] - potentials[:, None, :]
    check("potentials are 1-Lipschitz", differences <= ground + rounding)
    attained = (potentials * (unit_sums(B) - unit_sums(A))).sum(axis=1)
    check("potentials attain", np.abs(attained - distances) <= rounding)
    check("potentials average to 0", np.abs(potentials.mean(axis=1)) <= rounding)


def distances_on_a_line(A, B, places):
    """Return the closed form: what crosses each gap, times its width."""
    order = places.argsort()
    crossing = np.cumsum((unit_sums(A) - unit_sums(B))[:, order], axis=1)[:, :-1]
    return np.abs(crossing) @ np.diff(places[order])


# What must be refused


def must_be_refused(simplex, rng, A, B, ground):
    """Spoil a charge, all charges, a whole wafer and a distance, one at a time."""
    n = min(len(A), 8)
    A, B = A[:n].copy(), B[:n].copy()
    row, cell = rng.integers(n), rng.integers(len(ground))
    for side in (A, B):
        kept = side.copy()
        side[row, cell] = bad_number(rng)
        refuse(simplex, A, B, ground)
        side[row] = rng.choice([0.0, -0.0])
        refuse(simplex, A, B, ground)
        side[:] = kept
        random_patterns(rng, side)
        refuse(simplex, A, B, ground)
        side[:] = kept
    spoilt = ground.copy()
    spoilt[rng.integers(len(ground)), cell] = bad_number(rng)
    check("suits() refuses", not simplex.suits(spoilt))
    refuse(simplex, A, B, spoilt)


def bad_number(rng):
    """Draw any of the 64-bit patterns that are NaN, infinite or negative."""
    payload = random_words(rng, 1) >> np.uint64(12)
    not_a_number = (payload | np.uint64(0xFFF << 52)).view(np.float64)[0]
    positive = random_words(rng, 1) & np.uint64(0x7FEF << 48 | (1 << 48) - 1)
    negative = -max(positive.view(np.float64)[0], 5e-324)
    return rng.choice([not_a_number, np.nan, np.inf, -np.inf, -5e-324, negative])


def random_patterns(rng, X):
    """Fill an array with any 64-bit patterns, one of which is no charge."""
    X.view(np.uint64)[:] = random_words(rng, X.size).reshape(X.shape)
    X[rng.integers(len(X)), rng.integers(X.shape[1])] = bad_number(rng)


def refuse(simplex, A, B, ground):
    """Check that the solver raises a ValueError, with potentials and without."""
    for potentials in (None, np.empty(A.shape)):
        try:
            simplex.solve(A, B, ground, np.empty(len(A)), potentials)
        except ValueError:
            continue
        raise Finding("bad input was not refused")


FUZZER = Fuzzer(
    module="tests.fuzz.fuzz_solver",
    unit="pairs",
    n_items=1_000_000,
    items_per_case=lambda options: PAIRS_PER_BATCH[chosen_limits(options)],
    add_arguments=lambda parser: parser.add_argument("--large", action="store_true"),
    make_cases=make_cases,
    prepare=prepare,
)

if __name__ == "__main__":
    sys.exit(main(FUZZER))
