"""Arrays that others write to while distances are computed."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from engines import skip_without_simplex
from repository import ROOT

from skemd.datasets import make_wafers
from skemd.distance import (
    _exact,
    _solvers,
    emd,
    paired_emd,
    paired_potentials,
    pairwise_emd,
)
from skemd.distance._solvers import SOLVERS
from skemd.geometry import grid, hgcal_wafer, line

BAD_CHARGES = [np.nan, np.inf, -np.inf, -1.0, -5e-324]


@pytest.fixture(params=SOLVERS)
def engine(request):
    """Run a test with the compiled solver and with POT's."""
    skip_without_simplex(request.param)
    return request.param


@pytest.fixture
def simplex():
    """Return the extension module."""
    skip_without_simplex()
    return _solvers._simplex


@pytest.fixture
def after_the_check(monkeypatch):
    """Return a function that names what to do once the arrays have been checked."""

    def do(change):
        def resolve(engine, geometry):
            change()
            return resolve_engine(engine, geometry)

        resolve_engine = _exact.resolve_engine
        monkeypatch.setattr(_exact, "resolve_engine", resolve)

    return do


def many_pairs(n_pairs):
    X = make_wafers(50, random_state=1_010)
    rows = np.random.RandomState(0).randint(50, size=(2, n_pairs))
    return X[rows[0]], X[rows[1]]


# Changes between Python's check and the solver's


@pytest.mark.parametrize("row", [0, 1, 2, 6, 7, 19])
@pytest.mark.parametrize("function", [paired_emd, paired_potentials])
def test_a_row_that_changes_after_its_check_is_named(
    engine, function, row, after_the_check, monkeypatch
):
    # Tasks count their pairs from zero, users do not.
    monkeypatch.setitem(_exact._TASK_SIZE, engine, 7)
    A, B = many_pairs(20)
    after_the_check(lambda: B[row].fill(np.nan))
    n_jobs = 2 if engine == "simplex" else 1
    with pytest.raises(ValueError, match=rf"pair {row} .* has changed .* pass a copy"):
        function(A, B, engine=engine, n_jobs=n_jobs)


@pytest.mark.parametrize("bad", [*BAD_CHARGES, 0.0])
@pytest.mark.parametrize("side", [0, 1])
def test_what_is_no_wafer_any_more_is_never_a_distance(
    engine, side, bad, after_the_check
):
    pairs = many_pairs(5)

    def change():
        if bad == 0:
            pairs[side][3] = 0
        else:
            pairs[side][3, 20] = bad

    after_the_check(change)
    with pytest.raises(ValueError, match="pair 3 has"):
        paired_emd(*pairs, engine=engine)


def test_all_pairs_of_two_sets_are_checked_when_they_are_solved(
    engine, after_the_check
):
    A, B = many_pairs(4)
    after_the_check(lambda: A[2].fill(-1))
    with pytest.raises(ValueError, match="pair 8 has"):
        pairwise_emd(A, B, engine=engine)


def test_a_wafer_that_becomes_another_one_has_the_distance_of_that(
    engine, after_the_check
):
    A, B = many_pairs(3)
    other = many_pairs(10)[0][-1]
    after_the_check(lambda: A[1].__setitem__(slice(None), other))
    found = paired_emd(A, B, engine=engine)
    np.testing.assert_array_equal(found, paired_emd(A, B, engine=engine))
    assert found[1] == paired_emd(other[None], B[1:2], engine=engine)[0]


def test_one_pair_is_copied_before_it_is_checked(after_the_check):
    (a,), (b,) = many_pairs(1)
    expected, expected_plan = emd(a, b, return_plan=True)
    after_the_check(lambda: a.fill(np.nan))
    found, plan = emd(a, b, return_plan=True)
    assert np.isnan(a).all()
    assert found == expected
    np.testing.assert_array_equal(plan, expected_plan)


# What the extension promises to direct callers


def arguments_of(n_pairs=6, n_cells=5):
    a, b = np.random.RandomState(6).rand(2, n_pairs, n_cells)
    ground = np.array(line(n_cells).ground_distance)
    return [a, b, ground, np.full(n_pairs, np.nan), np.full(a.shape, np.nan)]


@pytest.mark.parametrize("first_pair", [0, 5, 10**12, -3])
def test_the_first_pairs_number_is_the_callers(simplex, first_pair):
    arguments = arguments_of()
    arguments[1][4, 2] = np.nan
    with pytest.raises(ValueError, match=f"pair {first_pair + 4} has"):
        simplex.solve(*arguments, first_pair)


def test_a_number_that_is_too_large_to_count_on_from_does_no_harm(simplex):
    arguments = arguments_of()
    arguments[1][4, 2] = np.nan
    with pytest.raises(ValueError, match=r"pair .* has a charge"):
        simplex.solve(*arguments, sys.maxsize)
    with pytest.raises(OverflowError):
        simplex.solve(*arguments, sys.maxsize + 1)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("output", [3, 4])
@pytest.mark.parametrize("shift", [-1, 0, 1, 29])
def test_outputs_that_overlap_the_wafers_are_refused(simplex, side, output, shift):
    arguments = arguments_of()
    kept = arguments[side].copy()
    start = 100
    memory = np.full(300, 7.0)
    held = memory[start : start + 30].reshape(6, 5)
    held[:] = kept
    arguments[side] = held
    shape, size = arguments[output].shape, arguments[output].size
    start += shift if shift >= 0 else 1 - size
    arguments[output] = memory[start : start + size].reshape(shape)
    with pytest.raises(ValueError, match="must not overlap"):
        simplex.solve(*arguments)
    np.testing.assert_array_equal(held, kept)


@pytest.mark.parametrize("output", [3, 4])
@pytest.mark.parametrize("before", [False, True])
def test_outputs_may_lie_right_beside_the_wafers(simplex, output, before):
    expected, arguments = arguments_of(), arguments_of()
    simplex.solve(*expected)
    memory = np.full(300, 7.0)
    held = memory[100:130].reshape(6, 5)
    held[:] = arguments[0]
    arguments[0] = held
    shape, size = arguments[output].shape, arguments[output].size
    start = 100 - size if before else 130
    arguments[output] = memory[start : start + size].reshape(shape)
    simplex.solve(*arguments)
    np.testing.assert_array_equal(arguments[output], expected[output])


@pytest.mark.parametrize("distance", [5e-324, 1e-101])
@pytest.mark.parametrize("n_cells", [1, 2])
def test_distances_too_small_for_whole_numbers_are_refused(simplex, distance, n_cells):
    arguments = arguments_of(n_cells=n_cells)
    arguments[2] = np.full((n_cells, n_cells), distance)
    assert simplex.suits(arguments[2]) is False
    with pytest.raises(ValueError, match="do not suit"):
        simplex.solve(*arguments)


def test_outputs_that_overlap_each_other_are_refused(simplex):
    arguments = arguments_of()
    arguments[3] = arguments[4].ravel()[3:9]
    with pytest.raises(ValueError, match="must not overlap"):
        simplex.solve(*arguments)
    assert np.isnan(arguments[4]).all()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_walk_that_takes_too_long_ends_with_the_pairs_number_and_a_cure(tmp_path):
    package = tmp_path / "skemd" / "distance"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "setup.py", tmp_path)
    for path in (ROOT / "skemd" / "distance").glob("_simplex*.[ch]"):
        source, n_limits = re.subn(
            r"#define MAX_PIVOTS \d+", "#define MAX_PIVOTS 3", path.read_text()
        )
        assert n_limits == (path.name in ("_simplex.c", "_simplex_large.c"))
        (package / path.name).write_text(source)
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    program = f"""
import sys
sys.path.insert(0, {str(package)!r})
import _simplex, numpy as np
n_cells = int(sys.argv[1])
a, b = np.random.RandomState(0).exponential(size=(2, 3, n_cells))
a[0], b[0] = np.eye(n_cells)[:2]
places = np.random.RandomState(0).uniform(size=(n_cells, 2))
ground = np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1))
_simplex.solve(a, b, ground, np.empty(3), None)
"""
    for n_cells in ("20", "70"):
        command = [sys.executable, "-c", program, n_cells]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        assert outcome.returncode == 1
        assert "RuntimeError: the network simplex did not reach" in outcome.stderr
        assert "optimum of pair 1; use engine='pot'" in outcome.stderr


# Both ways


@pytest.mark.parametrize(
    "geometry", [hgcal_wafer(), line(2), line(17), line(64), grid(8, 8), grid(3, 5)]
)
def test_the_distance_is_symmetric_to_the_last_bit(simplex, geometry):
    rng = np.random.RandomState(3)
    A, B = rng.exponential(size=(2, 600, geometry.n_cells))
    B[:100] = rng.permutation(A[:100].T).T
    B[100:200] *= rng.rand(100, geometry.n_cells) < 0.2
    A[200:300] = rng.randint(0, 3, size=(100, geometry.n_cells))
    B[300:400] = A[300:400] * (1 + 1e-12 * rng.rand(100, geometry.n_cells))
    A[:, 0] += 1e-3
    B[:, -1] += 1e-3
    options = {"geometry": geometry, "engine": "simplex"}
    there, back = paired_emd(A, B, **options), paired_emd(B, A, **options)
    np.testing.assert_array_equal(there, back)
    np.testing.assert_array_equal(there, paired_potentials(B, A, **options)[0])
