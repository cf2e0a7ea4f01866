"""The drawn frames of the page about ECON-T are those that the emulator sends."""

import importlib
import re

import numpy as np
import pytest
from repository import ROOT

ALGORITHMS = [
    "repeater",
    "super_trigger_cell",
    "best_choice",
    "threshold_sum",
    "autoencoder",
]


@pytest.fixture
def chip_frames(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module("chip_frames")


def test_figures_are_those_of_the_emulator(chip_frames):
    frames = chip_frames.frames()
    assert [*frames] == ALGORITHMS
    for algorithm, drawn in frames.items():
        figure = ROOT / "docs" / "figures" / f"frame_{algorithm}.svg"
        assert figure.read_text() == chip_frames.svg(algorithm, drawn), (
            "run python docs/chip_frames.py"
        )


def test_fields_hold_what_is_written_in_them(chip_frames):
    for drawn in chip_frames.frames().values():
        for title, words, fields in drawn:
            bits = "".join(f"{word:032b}" for word in words)
            assert len(bits) == sum(width for *_, width in fields), title
            place = 0
            for kind, text, width in fields:
                found = bits[place : place + width]
                place += width
                written = re.search(r"\w+$", text)[0]
                if kind in ("map", "kind"):
                    assert found == written
                elif kind == "idle":
                    assert int(found[:5], 2) == int(re.search(r"\d+", text)[0])
                else:
                    assert int(found, 2) == int(written), (title, text)
    # Not all cells were sent, and there are frames of few cells and of many.
    best = chip_frames.frames()["best_choice"]
    kinds = [{kind for kind, *_ in fields} for *_, fields in best]
    assert "address" in kinds[0] - kinds[1]
    assert "map" in kinds[1] - kinds[0]
    sums = [np.int64(re.search(r"sum (\d+)", fields[1][1])[1]) for *_, fields in best]
    assert min(sums) > 0
