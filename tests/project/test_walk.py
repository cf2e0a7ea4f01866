"""The way of X from fit to the weights, as CONTRIBUTING.rst tells it."""

import re
import sys
from pathlib import Path

import pytest
from repository import ROOT
from small_data import small_pairs, small_wafers

import skemd
from skemd import EMDAutoencoder, EMDRegressor

PACKAGE = Path(skemd.__file__).parent
# Every room uses these; they are no stations.
EVERYWHERE = {"_backend", "_checks", "_progress"}
SMALL = {"epochs": 1, "batch_size": 20, "random_state": 0}


def told_walks():
    """Return the two lists of the page as lists of (file, function)."""
    page = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    section = page.split("The walk of X\n===")[1].split("\n===")[0]
    walks = re.split(r"^From ``", section, flags=re.MULTILINE)[1:]
    step = re.compile(r"^#\. ``skemd/(\S+)\.py``: ``([\w.]+)``", re.MULTILINE)
    return [step.findall(walk) for walk in walks]


def traced(fit):
    """Return the calls of functions of skemd as (file, function), in their order."""
    calls = []

    def note(frame, event, arg):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)):
            name = Path(path).relative_to(PACKAGE).with_suffix("").as_posix()
            calls.append((name, frame.f_code.co_name, frame.f_locals.get("self")))

    sys.setprofile(note)
    try:
        fit()
    finally:
        sys.setprofile(None)
    return [
        (path, name if owner is None else f"{type(owner).__name__}.{name}")
        for path, name, owner in calls
    ]


@pytest.fixture(scope="module", params=[0, 1], ids=["autoencoder", "regressor"])
def walk(request):
    """Return the stations of a fit that the page names, and the calls of that fit."""
    network = {"n_conv_layers": 0, "n_dense_units": 4, "n_refinements": 1}
    estimator, X = [
        (EMDAutoencoder(loss="emd", n_components=2, **SMALL), small_wafers()),
        (EMDRegressor(head="potential", **network, **SMALL), small_pairs()[0]),
    ][request.param]
    return told_walks()[request.param], traced(lambda: estimator.fit(X))


def out_of_order(told, calls):
    """Return the first station that is not reached after those before it, or None."""
    remaining = iter(calls)
    return next((station for station in told if station not in remaining), None)


def test_the_page_tells_the_calls_in_their_order(walk):
    told, calls = walk
    assert len(told) > 15
    assert out_of_order(told, calls) is None


def test_the_page_leaves_out_no_room(walk):
    told, calls = walk
    rooms = {path.split("/")[0] for path, _ in calls} - EVERYWHERE
    assert rooms == {path.split("/")[0] for path, _ in told}


def test_charges_are_checked_once(walk):
    _, calls = walk
    names = [name for _, name in calls]
    # The two wafers of pairs are two tables.
    n_tables = 2 if "EMDRegressor.fit" in names else 1
    assert names.count("check_charges") == n_tables
    assert "as_wafers" not in names


def test_a_wrong_order_would_be_found():
    calls = [("a", "f"), ("b", "g"), ("a", "f")]
    assert out_of_order([("b", "g"), ("a", "f")], calls) is None
    assert out_of_order([("b", "g"), ("b", "g")], calls) == ("b", "g")
