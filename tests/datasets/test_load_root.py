"""load_wafers on trigger ntuples in ROOT: exactly what was written, or which fault."""

import sys

import numpy as np
import pandas as pd
import pytest
from ntuples import TREE, TYPES, known_wafers, listed_cells, write_ntuple

from skemd.datasets import load_wafers
from skemd.datasets._readers._cells_to_wafers import transverse_counts
from skemd.datasets._readers._parts import start_reading
from skemd.datasets._readers._root import root_parts

X, METADATA = known_wafers()
DEFAULTS = dict.fromkeys(("layers", "zside", "unit", "tree"))
DEFAULTS |= {"columns": (), "drop_empty": False, "return_metadata": False, "verbose": 0}
EVENT_NUMBERS = [100, 101, 102, 103]


@pytest.fixture(scope="module")
def ntuple(tmp_path_factory):
    path = tmp_path_factory.mktemp("ntuple") / "ntuple.root"
    return write_ntuple(path, listed_cells(X, METADATA), numbers=EVENT_NUMBERS)


@pytest.fixture
def events():
    return listed_cells(X, METADATA)


def test_what_was_written_comes_back_exactly(ntuple):
    loaded, metadata = load_wafers(ntuple, unit="adc", return_metadata=True)
    assert loaded.dtype == np.float64
    assert (loaded == X).all()
    exact = ["event", "zside", "layer", "waferu", "waferv", "simenergy"]
    pd.testing.assert_frame_equal(
        metadata[exact], METADATA[exact], check_dtype=False, check_exact=True
    )
    assert list(metadata) == list(METADATA)
    # Means of equal numbers, to rounding.
    np.testing.assert_allclose(metadata["eta"], METADATA["eta"], rtol=1e-6)
    np.testing.assert_allclose(metadata["phi"], METADATA["phi"], rtol=1e-6)


def test_transverse_mip_come_as_the_ntuple_has_them(ntuple):
    assert (load_wafers(ntuple, unit="mipt") == X / 32).all()


def test_calq_counts_are_transverse_and_whole(ntuple):
    loaded = load_wafers(ntuple)
    sine = 1 / np.cosh(METADATA["eta"].to_numpy())[:, None]
    assert (loaded == np.floor(loaded)).all()
    assert (loaded <= X * sine).all()
    assert (loaded > X * sine - 1 - X / 4096).all()


def test_transverse_counts_are_those_of_the_chip():
    # 1 / cosh(1.5) = 0.42510: 1741 / 4096 rounded down.
    counts = transverse_counts(np.array([1.0, 3.0, 1000.0, 4096.0]), np.full(4, 1.5))
    assert counts.tolist() == [0, 1, 425, 1741]
    assert transverse_counts(np.array([4096.0]), np.array([-1.5])).tolist() == [1741]


def test_chosen_layers_and_side(ntuple):
    on = METADATA["layer"].isin([5, 9]) & (METADATA["zside"] == 1)
    assert 0 < on.sum() < len(X)
    loaded, metadata = load_wafers(
        ntuple, unit="adc", layers=(9, 5), zside=1, return_metadata=True
    )
    assert (loaded == X[on]).all()
    assert set(metadata["layer"]) == {5, 9}
    assert set(metadata["zside"]) == {1}
    assert (
        load_wafers(ntuple, unit="adc", layers=7) == X[METADATA["layer"] == 7]
    ).all()


def test_a_layer_that_is_not_there_is_named(ntuple):
    with pytest.raises(
        ValueError, match=r"no wafer on layers \[8\]; .* layers 5, 7, 9"
    ):
        load_wafers(ntuple, layers=8)


def test_named_columns_come_along(ntuple):
    _, extra = load_wafers(ntuple, columns=("tc_eta", "layer"))
    assert list(extra) == ["tc_eta", "layer"]
    np.testing.assert_allclose(extra["tc_eta"], METADATA["eta"], rtol=1e-6)
    assert extra["layer"].tolist() == METADATA["layer"].tolist()
    with pytest.raises(ValueError, match=r"no column 'pt' .* event, zside, layer"):
        load_wafers(ntuple, columns="pt")


def test_angles_average_across_pi(tmp_path, events):
    for event in events:
        event["tc_phi"] = np.pi + np.where(
            np.arange(len(event["tc_phi"])) % 2, 0.1, -0.1
        )
        event["tc_phi"][event["tc_phi"] > np.pi] -= 2 * np.pi
    path = write_ntuple(tmp_path / "w.root", events)
    _, extra = load_wafers(path, columns="phi")
    assert (np.abs(extra["phi"]) > 3.0).all()


def test_branches_of_the_simulation_may_be_missing(tmp_path, events):
    types = {name: kind for name, kind in TYPES.items() if name != "tc_simenergy"}
    path = write_ntuple(tmp_path / "w.root", events, types=types)
    _, metadata = load_wafers(path, return_metadata=True)
    assert list(metadata) == ["zside", "layer", "waferu", "waferv", "eta", "phi"]


def test_scintillator_tiles_are_no_cells_of_a_wafer(tmp_path, events):
    events[1]["tc_waferu"][3] = events[1]["tc_waferv"][3] = -999
    events[1]["tc_cellu"][3] = 30
    path = write_ntuple(tmp_path / "w.root", events)
    assert load_wafers(path, unit="adc").sum() == X.sum() - events[1]["tc_data"][3]


def test_an_event_without_cells_does_no_harm(tmp_path, events):
    nothing = {name: [] for name in TYPES}
    path = write_ntuple(tmp_path / "w.root", [nothing, *events, nothing])
    assert (load_wafers(path, unit="adc") == X).all()


def test_files_of_a_folder_follow_each_other_by_name(tmp_path, events):
    write_ntuple(tmp_path / "b.root", events[2:])
    write_ntuple(tmp_path / "a.root", events[:2])
    assert (load_wafers(tmp_path, unit="adc") == X).all()


def test_many_small_steps_give_the_same(ntuple, monkeypatch):
    monkeypatch.setattr("skemd.datasets._readers._root_bounds.CELLS_AT_ONCE", 1)
    assert (load_wafers(ntuple, unit="adc") == X).all()
    _, request = start_reading(ntuple, **DEFAULTS)
    shares = [part.done for part in root_parts(ntuple, request)]
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_another_tree_is_read_when_named(tmp_path, events):
    path = write_ntuple(tmp_path / "w.root", events, tree="ntuple/Tree")
    assert (load_wafers(path, tree="ntuple/Tree", unit="adc") == X).all()
    message = rf"w\.root has no tree '{TREE}'; it has 'ntuple/Tree'\. .* tree="
    with pytest.raises(ValueError, match=message):
        load_wafers(path)


@pytest.mark.parametrize("branch", ["tc_data", "tc_eta", "tc_cellv"])
def test_a_missing_branch_is_named(tmp_path, events, branch):
    types = {name: kind for name, kind in TYPES.items() if name != branch}
    path = write_ntuple(tmp_path / "w.root", events, types=types)
    message = rf"w\.root: the tree lacks the branch {branch}; .* has tc_zside, tc_layer"
    with pytest.raises(ValueError, match=message):
        load_wafers(path)


@pytest.mark.parametrize(("u", "v"), [(0, 4), (7, 0), (8, 4), (-1, 0), (200, 200)])
def test_an_unknown_place_of_a_cell_is_named(tmp_path, events, u, v):
    events[2]["tc_cellu"][5], events[2]["tc_cellv"][5] = u, v
    path = write_ntuple(tmp_path / "w.root", events)
    message = rf"w\.root, entry 2: no trigger cell is at tc_cellu {u}, tc_cellv {v} of"
    with pytest.raises(ValueError, match=message):
        load_wafers(path)


def test_lists_of_different_lengths_are_named(tmp_path, events):
    n_cells = len(events[3]["tc_data"])
    events[3]["tc_data"] = events[3]["tc_data"][1:]
    path = write_ntuple(tmp_path / "w.root", events)
    message = rf"entry 3: tc_data lists {n_cells - 1} .* tc_zside lists {n_cells}\."
    with pytest.raises(ValueError, match=message):
        load_wafers(path)


@pytest.mark.parametrize("cells_at_once", [1, 100_000])
def test_a_cell_listed_twice_is_named(tmp_path, events, monkeypatch, cells_at_once):
    bounds = "skemd.datasets._readers._root_bounds"
    monkeypatch.setattr(f"{bounds}.CELLS_AT_ONCE", cells_at_once)
    doubled = {name: np.append(values, values[4]) for name, values in events[1].items()}
    doubled["tc_data"][-1] = 5
    path = write_ntuple(tmp_path / "w.root", [events[0], doubled])
    message = r"w\.root: trigger cell \d+ is listed twice \(entry 1, .* and 5\."
    with pytest.raises(ValueError, match=message):
        load_wafers(path, unit="adc")


@pytest.mark.parametrize(
    ("branch", "value", "unit", "fault"),
    [
        ("tc_data", -3, "adc", "tc_data holds the charge -3"),
        ("tc_mipPt", np.nan, "mipt", "tc_mipPt holds the charge nan"),
        ("tc_mipPt", np.inf, "mipt", "tc_mipPt holds the charge inf"),
        ("tc_eta", np.nan, "calq", "tc_eta holds nan"),
        ("tc_layer", 7.5, "adc", r"tc_layer holds 7\.5 where a whole number"),
    ],
)
def test_a_bad_value_is_named(tmp_path, events, branch, value, unit, fault):
    events[2][branch] = np.array(events[2][branch], dtype=float)
    events[2][branch][1] = value
    types = {**TYPES, branch: "var * float64"}
    path = write_ntuple(tmp_path / "w.root", events, types=types)
    with pytest.raises(ValueError, match=rf"w\.root, entry 2: {fault}"):
        load_wafers(path, unit=unit)


def test_a_branch_without_lists_is_named(tmp_path):
    import uproot

    with uproot.recreate(tmp_path / "w.root") as file:
        written = file.mktree(TREE, dict.fromkeys(TYPES, "int32"))
        written.extend({name: np.arange(3, dtype=np.int32) for name in TYPES})
    with pytest.raises(ValueError, match="branch tc_zside holds no list of numbers"):
        load_wafers(tmp_path / "w.root")


def test_a_tree_without_entries_is_named(tmp_path):
    import uproot

    with uproot.recreate(tmp_path / "w.root") as file:
        file.mktree(TREE, TYPES)
    with pytest.raises(ValueError, match=r"w\.root: the tree has no entries"):
        load_wafers(tmp_path / "w.root")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_truncated_file_is_named(tmp_path, ntuple, share):
    whole = ntuple.read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"cut\.root cannot be read as ROOT: .*copy"):
        load_wafers(path)


@pytest.mark.parametrize(
    ("package", "options", "name"),
    [("uproot", {}, "uproot"), ("pandas", {"return_metadata": True}, "pandas")],
)
def test_a_missing_extra_is_named(ntuple, monkeypatch, package, options, name):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf'needs {name}, .* python -m pip install "skemd\[data\]"'
    with pytest.raises(ImportError, match=message):
        load_wafers(ntuple, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "gev"}, r"unit must be one of 'calq', 'adc', 'mipt'; got 'gev'"),
        ({"zside": 2}, "zside is -1 or 1.*got 2"),
        ({"layers": 9.5}, r"layers must be a whole number .*got \(9\.5,\)"),
        ({"layers": ()}, r"layers must be .*got \(\)"),
        ({"layers": "9"}, "layers must be"),
    ],
)
def test_a_wrong_option_is_named(ntuple, options, message):
    with pytest.raises(ValueError, match=message):
        load_wafers(ntuple, **options)
