"""What the chip's algorithms share: the contract of a transformer, and of receivers."""

import pickle
import re

import numpy as np
import pytest
from repository import ROOT
from sklearn.base import clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from wafers_by_hand import busy_wafers, fitted, wafer

from skemd import WaferRemapper, emd_score
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.geometry import hgcal_wafer
from skemd.metrics import emd_scorer, mean_emd

ALGORITHMS = {
    "ThresholdSum": ThresholdSum,
    "ThresholdSum-47": lambda: ThresholdSum(47, n_output_links=13, rest="even"),
    "ThresholdSum-HD": lambda: ThresholdSum(rest="even", front_end="HD"),
    "BestChoice": BestChoice,
    "BestChoice-even": lambda: BestChoice(2, sum_of="all", rest="even"),
    "BestChoice-bare": lambda: BestChoice(2, rest="even", front_end=None),
    "STC4_9": SuperTriggerCell,
    "STC16_9": lambda: SuperTriggerCell("STC16_9", n_output_links=2),
    "STC4_7": lambda: SuperTriggerCell("STC4_7", put_back="equal"),
    "CTC4_7": lambda: SuperTriggerCell("CTC4_7", n_output_links=3, front_end="HD"),
    "CTC4_9": lambda: SuperTriggerCell("CTC4_9", n_output_links=4),
}
each_algorithm = pytest.mark.parametrize("make", ALGORITHMS.values(), ids=ALGORITHMS)


@each_algorithm
def test_predict_is_what_the_receiver_makes_of_the_code(make):
    X = busy_wafers(20, seed=1)
    chip = fitted(make())
    received = chip.inverse_transform(chip.transform(X))
    np.testing.assert_array_equal(chip.predict(X), received)
    assert received.shape == X.shape
    assert received.dtype == np.float64


@each_algorithm
def test_codes_are_whole_numbers_with_a_name_each(make):
    chip = fitted(make())
    codes = chip.transform(busy_wafers(20))
    names = chip.get_feature_names_out().tolist()
    assert codes.shape == (20, len(names))
    assert len(set(names)) == len(names)
    np.testing.assert_array_equal(codes, np.floor(codes))
    addresses = [name.startswith("address") for name in names]
    assert codes[:, addresses].max(initial=0) < 48


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: BestChoice(1), ["address_0", "charge_0", "sum"]),
        (
            lambda: SuperTriggerCell("STC16_9", n_output_links=1),
            ["sum_0", "sum_1", "address_0", "address_1"],
        ),
        (
            lambda: SuperTriggerCell("CTC4_7", n_output_links=1),
            ["sum_0", "sum_1", "sum_2", "sum_3"],
        ),
        (ThresholdSum, [*(f"charge_{cell}" for cell in range(48)), "sum"]),
    ],
)
def test_names_say_what_the_numbers_are(make, names):
    assert fitted(make()).get_feature_names_out().tolist() == names


@each_algorithm
def test_a_wafer_is_sent_alike_alone_and_among_others(make):
    X = busy_wafers(20, seed=1)
    chip = fitted(make())
    for method in (chip.transform, chip.predict, chip.payload_bits):
        alone = np.concatenate([method(X[i : i + 1]) for i in range(len(X))])
        np.testing.assert_array_equal(method(X), alone)


@each_algorithm
def test_fractions_of_counts_are_rounded_down(make):
    X = busy_wafers(20, seed=1)
    chip = fitted(make())
    np.testing.assert_array_equal(chip.transform(X + 0.999), chip.transform(X))
    np.testing.assert_array_equal(chip.payload_bits(X + 0.999), chip.payload_bits(X))


@each_algorithm
def test_input_stays_as_it_is(make):
    X = busy_wafers(20)
    before = X.copy()
    chip = make().fit(X)
    codes = chip.transform(X)
    sent = codes.copy()
    chip.inverse_transform(codes)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(codes, sent)


@each_algorithm
def test_a_wafer_without_charge_comes_back_without(make):
    chip = fitted(make())
    assert not chip.predict(np.zeros((1, 48))).any()


# 15 << 14 is the largest number of 4E3M, 31 << 30 of 5E4M. Through the front end comes
# 31 << 14 at most with low density, and three empty cells are subtracted with a fourth.
@pytest.mark.parametrize(
    ("make", "largest"),
    [
        (ThresholdSum, 15 << 15),
        (lambda: ThresholdSum(front_end=None, dropped_bits=3), 15 << 17),
        (BestChoice, 15 << 15),
        (lambda: BestChoice(front_end="HD"), 15 << 17),
        (SuperTriggerCell, (31 << 14) - 4),
        (lambda: SuperTriggerCell(front_end=None), 31 << 30),
        (lambda: SuperTriggerCell("STC4_7", front_end=None), 15 << 15),
    ],
)
@pytest.mark.parametrize("charge", [1e11, 1e300])
def test_charges_beyond_the_codes_saturate(make, largest, charge):
    chip = fitted(make())
    with pytest.warns(UserWarning, match="100% of the charge is above"):
        assert chip.predict(wafer({7: charge})).max() == largest


@pytest.mark.parametrize("method", ["fit", "transform", "predict", "score"])
@pytest.mark.parametrize("make", [ThresholdSum, BestChoice, SuperTriggerCell])
@pytest.mark.parametrize(
    ("front_end", "unit", "message"),
    [
        ("LD", 1 / 35.1, r"but \d+% of the charge is in fractions .* is rounded down"),
        ("LD", 10000.0, r"but \d+% of the charge is above 524287 counts a cell"),
        ("HD", 40000.0, r"but \d+% of the charge is above 2097151 counts a cell"),
        (None, 80000.0, r"but \d+% of the charge is above 4194303 counts a cell"),
    ],
)
def test_charges_in_another_unit_give_a_warning(make, method, front_end, unit, message):
    chip = fitted(make(front_end=front_end))
    X = np.minimum(busy_wafers(20, seed=1), 100) * unit
    name = f"{type(chip).__name__}.{method} takes charges in CALQ counts, "
    with pytest.warns(UserWarning, match=name + message):
        getattr(chip, method)(X)


@each_algorithm
def test_score_is_minus_the_mean_emd(make):
    X = busy_wafers(20, seed=1)
    chip = fitted(make())
    assert chip.score(X) == -mean_emd(X, chip.predict(X))
    assert type(chip.score(X)) is float


def test_a_wafer_that_is_lost_scores_like_one_without_any_shape():
    X = wafer({3: 20})
    chip = fitted(ThresholdSum())
    assert not chip.predict(X).any()
    expected = -hgcal_wafer().ground_distance[3].mean()
    assert chip.score(X) == pytest.approx(expected, rel=1e-9)


@each_algorithm
def test_scorers_take_them(make):
    X = busy_wafers(20, seed=1)
    chip = fitted(make())
    scores = [emd_scorer(chip, X), make_scorer(emd_score)(chip, X, X)]
    assert scores == [chip.score(X)] * 2


@each_algorithm
@pytest.mark.parametrize("layout", ["8x8", "4x4x3"])
def test_images_are_sent_like_their_cells_and_come_back_as_images(make, layout):
    X = busy_wafers(20)
    images = hgcal_wafer().layout(layout).apply(X)
    cells, of_images = make().fit(X), make().fit(images)
    np.testing.assert_array_equal(of_images.transform(images), cells.transform(X))
    np.testing.assert_array_equal(of_images.predict(images), cells.predict(X))
    received = of_images.inverse_transform(of_images.transform(images))
    expected = hgcal_wafer().layout(layout).apply(cells.predict(X))
    np.testing.assert_array_equal(received, expected)


@each_algorithm
def test_pipelines_take_them_behind_a_remapper(make):
    X = busy_wafers(20)
    pipeline = make_pipeline(WaferRemapper(), make()).fit(X)
    expected = make().fit(X).predict(X)
    np.testing.assert_array_equal(pipeline.predict(X), expected)
    received = pipeline.inverse_transform(pipeline.transform(X))
    np.testing.assert_array_equal(received, expected)
    assert emd_scorer(pipeline, X) == -mean_emd(X, expected)


@each_algorithm
def test_clones_are_unfitted_and_pickles_are_not(make):
    X = busy_wafers(20)
    chip = make().fit(X)
    twin = clone(chip)
    assert twin.get_params() == chip.get_params()
    assert not twin.__sklearn_is_fitted__()
    loaded = pickle.loads(pickle.dumps(chip))
    np.testing.assert_array_equal(loaded.predict(X), chip.predict(X))


@pytest.mark.parametrize(
    "algorithm",
    [ThresholdSum("links"), BestChoice(), SuperTriggerCell("STC4_7")],
    ids=lambda algorithm: type(algorithm).__name__,
)
@pytest.mark.parametrize(
    "scoring",
    [None, make_scorer(emd_score, empty_pred="even")],
    ids=["default", "emd_score"],
)
def test_searches_find_that_more_links_are_better(algorithm, scoring):
    X = busy_wafers(60)
    links = {"n_output_links": [2, 3, 4]}
    search = GridSearchCV(algorithm, links, cv=2, scoring=scoring).fit(X, X)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"n_output_links": 4}
    assert (np.diff(scores) > 0).all()


@each_algorithm
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda codes: codes[:, :-1],
            r"inverse_transform got \d+ numbers per wafer; here",
        ),
        (lambda codes: codes + 0.5, r"codes must hold whole numbers; got \d*.5"),
        (lambda codes: codes - 1e4, r"codes must hold whole numbers in \[0"),
        (lambda codes: codes * np.nan, "Input contains NaN"),
        (lambda codes: codes[0], "Reshape your data"),
    ],
    ids=["a column less", "fractions", "negative", "NaN", "a row"],
)
def test_codes_that_are_none_are_refused(make, spoil, message):
    chip = fitted(make())
    codes = spoil(chip.transform(busy_wafers(5)))
    with pytest.raises(ValueError, match=message):
        chip.inverse_transform(codes)


DOCS = ROOT / "docs" / "baselines.rst"


def test_the_table_of_bits_in_the_docs_is_that_of_the_code():
    X = busy_wafers(3)
    algorithms = [
        SuperTriggerCell(n) for n in ("STC4_9", "STC16_9", "STC4_7", "CTC4_7", "CTC4_9")
    ]
    expected = []
    for links in range(1, 14):
        row = [str(links), str(32 * links)]
        for algorithm in (BestChoice(), *algorithms):
            chip = algorithm.set_params(n_output_links=links).fit(X)
            n_sent = getattr(chip, "n_sent_", None) or len(chip.supercells_)
            row.append(f"{n_sent}: {chip.payload_bits(X)[0]}")
        expected.append(row)
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    found = [re.split(" {2,}", line) for line in lines if re.match(r"\d+ .*: ", line)]
    assert found == expected


def test_the_payload_of_thresholds_in_the_docs_is_that_of_the_code():
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    cells, bits = (
        [int(number) for number in line.split()[1:]]
        for line in lines
        if re.match(r"(cells|bits) +\d", line)
    )
    X = np.where(np.arange(48) < np.array(cells)[:, None], 50, 0)
    assert fitted(ThresholdSum(47, n_output_links=13)).payload_bits(X).tolist() == bits
    assert len(bits) == 12
