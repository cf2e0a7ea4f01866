"""Whatever comes in: the right answer, or an error of ours that says why not.

Every public function and estimator that takes arrays is called with numbers, types and
containers of all kinds. What it answers must be finite and what it answers to the same
numbers as a plain array of float64; what it refuses, it refuses with a ValueError or
TypeError. A name that is public and neither here nor exempt fails the last tests.
"""

import atexit
import datetime
import functools
import importlib
import tempfile
import warnings

import hypothesis
import hypothesis.configuration
import numpy as np
import pandas as pd
import pytest
from hostile_values import CONTAINERS, NUMBERS, REFUSED, SAME, TYPES
from hypothesis import strategies as st
from small_data import (
    fitted_autoencoder,
    fitted_decoder,
    fitted_regressor,
    small_wafers,
    tiny_autoencoder,
    tiny_decoder,
    tiny_regressor,
)

import skemd
from skemd import WaferRemapper, baselines, datasets, distance, firmware, metrics, study
from skemd.geometry import Geometry

# Nothing that it writes belongs into the repository.
_HOME = tempfile.TemporaryDirectory(prefix="skemd-tests-")
atexit.register(_HOME.cleanup)
hypothesis.configuration.set_hypothesis_home_dir(_HOME.name)

# Cases for each subject; those that take long have fewer.
N_CASES = 100
LEAST_IN_ALL = 5_000
# Far above what any case takes once networks are compiled, and far below a hang.
DEADLINE = datetime.timedelta(seconds=60)

MOST_ROWS = 4
OTHERS = small_wafers(MOST_ROWS, seed=9)

# Subjects: what takes wafers, or what looks like them


OTHER_SHAPES = ("too narrow", "too wide", "transposed")
REORDERED = ("reordered columns",)


class Subject:
    """Something to call with an array.

    ``call(X, n)`` gets the array in its container and the number of its rows, `width`
    is that of its columns. Only if they are charges are bad ones to be refused.
    `prepare` makes usable numbers of charges, `one_row` is for those that take a single
    wafer, and `takes` names what would be refused elsewhere.
    """

    def __init__(
        self,
        call,
        *,
        width=48,
        charges=True,
        prepare=lambda X: X,
        one_row=False,
        takes=(),
    ):
        self.call = call
        self.width = width
        self.charges = charges
        self.prepare = prepare
        self.one_row = one_row
        self.refused = set(REFUSED) - set(takes)


@functools.cache
def _fitted(kind):
    X = small_wafers(30)
    make = {
        "remapper": WaferRemapper,
        "normalizing": lambda: WaferRemapper("4x4x3", normalize="msb"),
        "best": baselines.BestChoice,
        "super": baselines.SuperTriggerCell,
        "threshold": baselines.ThresholdSum,
    }
    return make[kind]().fit(X)


@functools.cache
def _chip():
    rng = np.random.RandomState(0)
    return firmware.IntegerEncoder(
        rng.randint(-16, 16, size=(3, 3, 1, 8)) / 32,
        rng.randint(-16, 16, size=8) / 32,
        rng.randint(-16, 16, size=(128, 16)) / 32,
        rng.randint(-16, 16, size=16) / 32,
    )


def _of_both_sides(function, **options):
    name = ", ".join([function.__name__, *map(str, options.values())])
    return {
        f"{name}, first": Subject(lambda X, n: function(X, OTHERS[:n], **options)),
        f"{name}, second": Subject(lambda X, n: function(OTHERS[:n], X, **options)),
    }


def _methods(name, fitted, *methods, **options):
    return {
        f"{name}.{method}": Subject(
            lambda X, n, method=method: getattr(fitted(), method)(X), **options
        )
        for method in methods
    }


def _first_row(X):
    """Return a container of one wafer; what has no rows stays as it is."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[0]
    return X if X is None or np.isscalar(X) else X[0]


def _emd_of_row(X, n):
    return distance.emd(_first_row(X), OTHERS[0]) if n else 0.0


def _encoders(name, kind):
    methods = ("transform", "predict", "score", "payload_bits")
    subjects = _methods(name, lambda: _fitted(kind), *methods)
    make = type(_fitted(kind))
    subjects[f"{name}.fit"] = Subject(lambda X, n: make().fit(X).transform(X))
    return subjects


SUBJECTS = {
    "WaferRemapper.fit": Subject(lambda X, n: WaferRemapper().fit(X).transform(X)),
    **_methods("WaferRemapper", lambda: _fitted("remapper"), "transform"),
    **_methods("WaferRemapper, msb", lambda: _fitted("normalizing"), "transform"),
    "WaferRemapper.inverse_transform": Subject(
        lambda X, n: _fitted("remapper").inverse_transform(X, OTHERS[:n].sum(axis=1))
    ),
    **_methods("EMDRegressor", fitted_regressor, "predict", "score", width=96),
    **_methods("EMDAutoencoder", fitted_autoencoder, "transform", "predict", "score"),
    **_methods(
        "EMDAutoencoder",
        fitted_autoencoder,
        "inverse_transform",
        width=8,
        charges=False,
    ),
    **_methods("EMDDecoder", fitted_decoder, "predict"),
    "EMDDecoder.score, received": Subject(
        lambda X, n: fitted_decoder().score(X, OTHERS[:n])
    ),
    "EMDDecoder.score, true": Subject(
        lambda X, n: fitted_decoder().score(OTHERS[:n], X)
    ),
    **_encoders("BestChoice", "best"),
    **_encoders("SuperTriggerCell", "super"),
    **_encoders("ThresholdSum", "threshold"),
    **_of_both_sides(distance.paired_emd),
    **_of_both_sides(distance.paired_emd, engine="pot"),
    **_of_both_sides(distance.paired_potentials),
    # A Series has no columns.
    "emd": Subject(_emd_of_row, one_row=True, takes=REORDERED),
    "pairwise_emd": Subject(lambda X, n: distance.pairwise_emd(X)),
    "make_pairs": Subject(lambda X, n: datasets.make_pairs(X, 4, random_state=0)),
    **_of_both_sides(metrics.emd_per_wafer),
    **_of_both_sides(metrics.mean_emd),
    **_of_both_sides(metrics.emd_score, empty_pred="even"),
    **_of_both_sides(metrics.center_shift),
    **_of_both_sides(metrics.width_change),
    **_of_both_sides(metrics.squared_difference),
    **_of_both_sides(metrics.energy_response),
    **_of_both_sides(metrics.zero_fraction),
    **_of_both_sides(metrics.lost_fraction),
    "mean_metric": Subject(
        lambda X, n: metrics.mean_metric(X, OTHERS[:n], metric=metrics.width_change)
    ),
    "emd_scorer": Subject(lambda X, n: metrics.emd_scorer(_fitted("remapper"), X)),
    "IntegerEncoder.transform": Subject(lambda X, n: _chip().transform(X)),
    "normalize_on_chip": Subject(
        lambda X, n: firmware.normalize_on_chip(X), takes=OTHER_SHAPES
    ),
    "occupancy": Subject(lambda X, n: study.occupancy(X)),
    "charge_in_mip": Subject(lambda X, n: study.charge_in_mip(X)),
    **_of_both_sides(study.emd_of_reconstructions),
    "Geometry": Subject(
        lambda X, n: Geometry(X).ground_distance,
        charges=False,
        # Coordinates may have any number and order.
        takes=OTHER_SHAPES + REORDERED,
    ),
}


# Counts may insist on numbers.
NUMERIC = set(TYPES) - {"bool", "object"}


class Refused:
    """An error of ours."""


def outcome(subject, X, n):
    """Return the numbers of the answer, or Refused; let all other errors through."""
    try:
        answer = subject.call(X, n)
    except (ValueError, TypeError) as error:
        # An error that says nothing is none of ours.
        return Refused if len(str(error)) > 10 else error
    found = numbers_of(answer)
    assert np.isfinite(found).all()
    return found


def numbers_of(answer):
    if isinstance(answer, dict):
        answer = tuple(answer.values())
    if isinstance(answer, tuple):
        return np.concatenate([numbers_of(part) for part in answer])
    return np.asarray(answer, dtype=np.float64).ravel()


def numbers_for(subject, numbers, dtype, n, seed):
    """Return an array of a type, and the same numbers as float64."""
    X = subject.prepare(small_wafers(n, seed, subject.width)) if n else OTHERS[:0]
    X = X[:, : subject.width] if n else np.zeros((0, subject.width))
    with np.errstate(all="ignore"):
        if n:
            X = NUMBERS[numbers](X, np.random.RandomState(seed))
        dtype = np.dtype(TYPES[dtype])
        if dtype.kind in "iu":
            # Integers hold neither NaN nor what is beyond them.
            limits = np.iinfo(dtype)
            X = np.clip(np.nan_to_num(X), limits.min, limits.max / 2)
        X = X.astype(dtype)
        return X, X.astype(np.float64)


@pytest.fixture(autouse=True)
def quiet_about_names_and_units():
    """Pass over what scikit-learn and fit say of usable input."""
    with warnings.catch_warnings():
        for message in (
            "X has feature names",
            ".* leaves samples out",
            ".* takes charges in CALQ counts",
        ):
            warnings.filterwarnings("ignore", message, UserWarning)
        yield


CASES = {
    "numbers": st.sampled_from(list(NUMBERS)),
    "dtype": st.sampled_from(list(TYPES)),
    "container": st.sampled_from(list(CONTAINERS)),
    "n": st.integers(0, MOST_ROWS),
    "seed": st.integers(0, 2**16),
}
as_everywhere = hypothesis.settings(
    max_examples=N_CASES,
    derandomize=True,
    database=None,
    deadline=DEADLINE,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def are_charges(X):
    with np.errstate(all="ignore"):
        return bool((X >= 0).all() and np.isfinite(X.sum(axis=1)).all())


def check(subject, numbers, dtype, container, n, seed):
    n = min(n, 1) if subject.one_row else n
    X, plain = numbers_for(subject, numbers, dtype, n, seed)
    expected = outcome(subject, plain, n)
    if numbers == "counts" and n > (0 if subject.one_row else 1):
        assert expected is not Refused
    if subject.charges and not are_charges(plain):
        assert expected is Refused
    if n == 0:
        # There may be nothing to refuse, and a list without rows has no columns.
        if container not in REFUSED:
            outcome(subject, CONTAINERS[container](X), n)
        return
    found = outcome(subject, CONTAINERS[container](X), n)
    if container in subject.refused:
        assert found is Refused
    elif container in SAME and dtype in NUMERIC and expected is not Refused:
        assert found is not Refused
    elif expected is Refused and container not in REFUSED:
        assert found is Refused
    if container not in REFUSED and found is not Refused:
        scale = np.abs(expected).max(initial=0)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * scale)


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_answer_is_right_or_an_error_of_ours(name):
    subject = SUBJECTS[name]

    @as_everywhere
    @hypothesis.given(**CASES)
    def test(**case):
        check(subject, **case)

    test()


def test_there_are_enough_cases():
    assert N_CASES * len(SUBJECTS) >= LEAST_IN_ALL


# How to make and fit each network, and where its training starts.
NETWORKS = {
    "EMDRegressor": (lambda X, n: tiny_regressor().fit(X), "_regressor._estimator"),
    "EMDAutoencoder": (lambda X, n: tiny_autoencoder().fit(X), "_autoencoder._fit"),
    "EMDDecoder, received": (
        lambda X, n: tiny_decoder().fit(X, OTHERS[:n]),
        "_autoencoder._emd_decoder",
    ),
    "EMDDecoder, true": (
        lambda X, n: tiny_decoder().fit(OTHERS[:n], X),
        "_autoencoder._emd_decoder",
    ),
}


@pytest.mark.parametrize("estimator", NETWORKS)
@hypothesis.settings(as_everywhere, max_examples=10)
@hypothesis.given(**CASES)
def test_fit_begins_with_usable_numbers_only(estimator, **case):
    def begin(X, n):
        # The training itself has nothing left to find fault with.
        fit, room = NETWORKS[estimator]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"skemd.{room}.train", _begun)
            return _begin(fit, X, n)

    width = 96 if estimator == "EMDRegressor" else 48
    check(Subject(begin, width=width), **case)


class _BegunError(Exception):
    """What the training would have begun with."""


def _begun(model, inputs, targets, *arguments, **options):
    raise _BegunError(inputs[np.arange(len(inputs))], targets[np.arange(len(targets))])


def _begin(fit, X, n):
    try:
        fit(X, n)
    except _BegunError as begun:
        return begun.args


def test_a_table_of_other_columns_than_in_fit_is_refused():
    table = pd.DataFrame(small_wafers(5)).add_prefix("CALQ_")
    remapper = WaferRemapper().fit(table)
    expected = remapper.transform(table)
    np.testing.assert_array_equal(expected, WaferRemapper().fit_transform(table.values))
    for other in (table.iloc[:, ::-1], table.add_suffix("_new")):
        with pytest.raises(ValueError, match="feature names should match"):
            remapper.transform(other)


# What needs no such test

OF_TENSORS = "takes tensors of a network, not data of a user"
OF_FILES = "takes files, which have tests of their own"
OF_RESULTS = "takes what other functions here return"
OF_NUMBERS = "takes no arrays"
DRAWS = "checks its wafers with as_wafers, as the functions above, and draws"
EXEMPT = {
    **dict.fromkeys(
        ["show_versions", "make_wafers", "grid", "hgcal_wafer"], OF_NUMBERS
    ),
    **dict.fromkeys(["line", "FixedPoint", "FloatCode"], OF_NUMBERS),
    **dict.fromkeys(importlib.import_module("skemd.layers").__all__, OF_TENSORS),
    **dict.fromkeys(importlib.import_module("skemd.losses").__all__, OF_TENSORS),
    **dict.fromkeys(["load_wafers", "read_csv", "write_csv"], OF_FILES),
    **dict.fromkeys(
        ["export", "export_hls4ml", "export_onnx", "export_tensorflow"], OF_FILES
    ),
    **dict.fromkeys(["EconT", "read_words", "write_words"], OF_FILES),
    **dict.fromkeys(["ChipSettings", "EncoderWeights"], OF_NUMBERS),
    "Layout": OF_RESULTS,
    "wafer_conditions": OF_RESULTS,
    **dict.fromkeys(["Comparison", "Profile", "Ratios", "Wafers"], OF_RESULTS),
    **dict.fromkeys(["compare", "fitted", "link_rows", "links_table"], OF_RESULTS),
    **dict.fromkeys(["payload_bits", "pooled_profiles", "profile"], OF_RESULTS),
    **dict.fromkeys(["profile_ratios", "profile_rows", "profiles_table"], OF_RESULTS),
    **dict.fromkeys(["ratios_over_seeds", "ratios_table", "rst_table"], OF_RESULTS),
    **dict.fromkeys(["with_range", "plot_profiles"], OF_RESULTS),
    **dict.fromkeys(["plot_wafer", "plot_reconstructions", "plot_transport"], DRAWS),
    **dict.fromkeys(["plot_learned_emd", "plot_relative_difference"], DRAWS),
    **dict.fromkeys(["plot_history", "Picture", "TransportPicture"], OF_RESULTS),
    **dict.fromkeys(["iter_wafers", "save", "load"], OF_FILES),
    "replicating_client": OF_NUMBERS,
    "write_verification_vectors": OF_FILES,
}


def public_names():
    names = set()
    for place in (skemd, *(getattr(skemd, name) for name in skemd._MODULES)):
        names |= {name for name in place.__all__ if callable(getattr(place, name))}
    return names


def test_no_public_name_is_forgotten():
    covered = {name.replace(",", ".").split(".")[0] for name in SUBJECTS}
    assert public_names() == covered | set(EXEMPT)
    assert not covered & set(EXEMPT)
