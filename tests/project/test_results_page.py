"""The page of results says what the files of a study say."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest
from algorithms import blurs
from repository import ROOT

from skemd.study import (
    link_rows,
    links_table,
    pooled_profiles,
    profile_rows,
    profiles_table,
    read_csv,
    write_csv,
)

DOCS = ROOT / "docs"


@pytest.fixture
def study_files(tmp_path):
    """Write a small study as the example does, without losses to compare."""
    folder = tmp_path / "study"
    comparisons = blurs()
    names = ("emd_half_pitches", "occupancy_cells", [0, 10, 48])
    rows = [
        row
        for (name, links), found in pooled_profiles(comparisons, *names).items()
        for row in profile_rows(
            found, names[1], names[0], algorithm=name, n_output_links=links
        )
    ]
    write_csv(folder / "profile_occupancy_cells.csv", rows)
    write_csv(folder / "links.csv", link_rows(comparisons))
    write_csv(folder / "settings.csv", [{"setting": "seeds", "value": "0 1"}])
    for name in ("profiles.png", "links.png"):
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def fill_results(monkeypatch):
    """Return the script as a module."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("fill_results")


@pytest.fixture
def fill(fill_results, monkeypatch):
    """Return a function that runs the script's command line."""

    def run(*studies, page):
        words = ["fill_results.py", *studies, "--page", str(page)]
        monkeypatch.setattr(sys, "argv", words)
        fill_results.main()

    return run


@pytest.fixture
def page(tmp_path):
    return Path(shutil.copy(DOCS / "results.rst", tmp_path / "results.rst"))


def test_blocks_hold_the_tables_of_the_files(study_files, page, fill):
    before = page.read_text(encoding="utf-8")
    fill(f"real={study_files}", page=page)
    after = page.read_text(encoding="utf-8")
    assert links_table(read_csv(study_files / "links.csv")) in after
    rows = read_csv(study_files / "profile_occupancy_cells.csv")
    assert profiles_table(rows, "occupancy_cells") in after
    assert "seeds    0 1" in after
    assert ".. image:: figures/real_profiles.png" in after
    figures = {path.name: path.read_bytes() for path in page.parent.glob("figures/*")}
    assert figures == {
        "real_profiles.png": b"profiles.png",
        "real_links.png": b"links.png",
    }
    # All else is as it was.
    assert (
        after[: after.index(".. begin real")] == before[: before.index(".. begin real")]
    )
    assert after.endswith(".. end real\n")


def test_filling_again_changes_nothing(study_files, page, fill):
    fill(f"generated={study_files}", page=page)
    once = page.read_bytes()
    fill(f"generated={study_files}", page=page)
    assert page.read_bytes() == once


def test_an_unknown_study_is_named_and_the_page_left_alone(study_files, page, fill):
    before = page.read_bytes()
    with pytest.raises(SystemExit, match=r"0 blocks from '\.\. begin other'"):
        fill(f"other={study_files}", page=page)
    assert page.read_bytes() == before


def test_medians_stand_side_by_side(fill_results):
    def row(algorithm, links, first, median):
        return {
            "algorithm": algorithm,
            "n_output_links": links,
            "occupancy_cells_from": first,
            "occupancy_cells_to": first + 10,
            "n_wafers": 7,
            "emd_half_pitches_median": median,
        }

    table = fill_results.side_by_side(
        [
            row("EMD-CNN", None, 0, 9.0),
            row("EMD-CNN", 2, 0, 0.5),
            row("EMD-CNN", 2, 10, 0.25),
            row("Best Choice", 2, 10, 0.75),
            row("of no interest", 2, 10, 8.0),
        ]
    )
    rows = [line.split() for line in table.splitlines() if line[:1] == "2"]
    assert rows == [
        ["2", "0", "to", "10", "7", "0.50"],
        ["2", "10", "to", "20", "7", "0.25", "0.75"],
    ]
