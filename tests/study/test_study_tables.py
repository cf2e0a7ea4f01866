"""Studies: what rows, files and tables of text hold."""

import numpy as np
import pytest
from algorithms import blurs

from skemd.study import (
    link_rows,
    links_table,
    pooled_profiles,
    profile,
    profile_ratios,
    profile_rows,
    profiles_table,
    ratios_over_seeds,
    ratios_table,
    read_csv,
    write_csv,
)


def test_rows_of_algorithms_hold_means_over_seeds_and_their_range():
    comparisons = blurs()
    rows = link_rows(comparisons)
    assert [row["algorithm"] for row in rows] == ["weak", "strong", "send"]
    assert [row["n_output_links"] for row in rows] == [None, None, 3]
    of_weak = [one for one in comparisons if one.algorithm == "weak"]
    means = [one.values["emd_half_pitches"].mean() for one in of_weak]
    row = rows[0]
    assert row["emd_half_pitches_mean"] == pytest.approx(np.mean(means))
    assert row["emd_half_pitches_lowest"] == pytest.approx(min(means))
    assert row["emd_half_pitches_highest"] == pytest.approx(max(means))
    assert (row["n_seeds"], row["n_wafers"], row["lost_fraction"]) == (2, 60, 0)
    assert rows[0]["emd_half_pitches_mean"] < rows[1]["emd_half_pitches_mean"]


def test_pooled_profiles_hold_the_wafers_of_all_seeds():
    comparisons = blurs()
    edges = [0, 5, 10, 48]
    found = pooled_profiles(comparisons, "emd_half_pitches", "occupancy_cells", edges)
    assert list(found) == [("weak", None), ("strong", None), ("send", 3)]
    both = [one for one in comparisons if one.algorithm == "strong"]
    expected = profile(
        np.concatenate([one.values["emd_half_pitches"] for one in both]),
        np.concatenate([one.properties["occupancy_cells"] for one in both]),
        edges,
    )
    assert found["strong", None].n_wafers.sum() == 60
    for ours, theirs in zip(found["strong", None], expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_ratios_over_seeds_are_those_of_the_profiles():
    comparisons = blurs()
    names = ("emd_half_pitches", "occupancy_cells")
    weak, strong = ("weak", None), ("strong", None)
    found = ratios_over_seeds(comparisons, weak, strong, *names, [0, 48])
    quotients = []
    for seed in (0, 1):
        of_seed = [one for one in comparisons if one.seed == seed]
        medians = [np.median(one.values["emd_half_pitches"]) for one in of_seed]
        quotients.append(medians[0] / medians[1])
    numbers = [found.middle[0], found.low[0], found.high[0]]
    expected = [np.mean(quotients), min(quotients), max(quotients)]
    np.testing.assert_allclose(numbers, expected)
    assert found.high[0] < 1


@pytest.mark.parametrize(
    ("ours", "names", "message"),
    [
        (("other", None), ("emd_half_pitches", "charge_mip"), "no \\('other', None\\)"),
        (("weak", None), ("emd", "charge_mip"), "no metric 'emd'"),
        (("weak", None), ("emd_half_pitches", "abs_eta"), "no property 'abs_eta'"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(ours, names, message):
    with pytest.raises(ValueError, match=message):
        ratios_over_seeds(blurs(), ours, ("strong", None), *names, [0, 1])


def test_files_come_back_as_they_were(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    rows = [
        {"algorithm": "EMD, CNN", "n_output_links": 5, "emd_half_pitches": 0.125},
        {"algorithm": 'a "b"', "n_output_links": None, "emd_half_pitches": np.nan},
        {"algorithm": "é", "n_output_links": np.int64(2), "emd_half_pitches": 1 / 3},
    ]
    write_csv(path, rows)
    expected = [dict(row) for row in rows]
    expected[1]["emd_half_pitches"] = None
    expected[2]["emd_half_pitches"] = 0.333333
    assert read_csv(path) == expected
    text = path.read_bytes()
    assert text.startswith(b"algorithm,n_output_links,emd_half_pitches\n")
    assert b"\r" not in text
    write_csv(path, read_csv(path))
    assert path.read_bytes() == text


def test_rows_that_make_no_file_are_refused(tmp_path):
    path = tmp_path / "rows.csv"
    with pytest.raises(ValueError, match="no rows to write"):
        write_csv(path, [])
    with pytest.raises(ValueError, match=r"Row 1 has the columns \['b'\]"):
        write_csv(path, [{"a": 1}, {"b": 1}])
    assert not path.exists()


def test_equal_studies_write_equal_files(tmp_path):
    for name in ("one.csv", "two.csv"):
        write_csv(tmp_path / name, link_rows(blurs()))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_tables_of_text_show_the_rows(tmp_path):
    comparisons = blurs()
    names = ("emd_half_pitches", "occupancy_cells", [0, 48])
    ((key, found),) = list(pooled_profiles(comparisons, *names).items())[:1]
    rows = profile_rows(
        found,
        "occupancy_cells",
        "emd_half_pitches",
        algorithm=key[0],
        n_output_links=key[1],
    )
    table = profiles_table(rows, "occupancy_cells").splitlines()
    middle, low, high = found.middle[0], found.low[0], found.high[0]
    assert table[1].split() == ["occupancy_cells", "wafers", "weak,", "float"]
    assert table[3].split() == [
        *("0", "to", "48", "60"),
        *(f"{middle:.2f}", f"[{low:.2f}", f"{high:.2f}]"),
    ]
    # Rows read from files look the same.
    write_csv(tmp_path / "rows.csv", rows)
    again = profiles_table(read_csv(tmp_path / "rows.csv"), "occupancy_cells")
    assert again.splitlines() == table


def test_the_table_at_equal_bandwidth_has_the_best_first():
    rows = [
        {
            "algorithm": name,
            "n_output_links": links,
            "emd_half_pitches_mean": mean,
            "emd_half_pitches_lowest": mean - 0.1,
            "emd_half_pitches_highest": mean + 0.1,
            "payload_bits_mean": bits,
            "payload_bits_max": bits,
            "lost_fraction": 0.25,
        }
        for name, links, mean, bits in [
            ("floats", None, 0.5, np.nan),
            ("worse", 3, 2.0, 90.0),
            ("better", 3, 1.0, 94.0),
            ("least", 2, 3.0, 62.0),
        ]
    ]
    lines = links_table(rows).splitlines()[3:-1]
    assert [line.split()[:2] for line in lines] == [
        ["2", "least"],
        ["3", "better"],
        ["3", "worse"],
        ["float", "floats"],
    ]
    assert lines[1].split()[2:] == ["1.000", "(0.900-1.100)", "94.0", "94", "25.0%"]
    assert lines[3].split()[2:] == ["0.500", "(0.400-0.600)", "25.0%"]


def test_ratios_stand_beside_those_of_the_paper():
    edges = [0, 1, 2]
    found = profile_ratios([profile([1], [0], edges)], [profile([2], [0], edges)])
    columns = {"ours": "a", "other": "b", "n_output_links": 5}
    rows = profile_rows(found, "abs_eta", "ratio", **columns)
    papers = (0.7, None)
    rows = [{**row, "paper_ratio": p} for row, p in zip(rows, papers, strict=True)]
    table = ratios_table(rows, "abs_eta").splitlines()
    assert table[3].split() == ["0", "to", "1", "1", "0.50", "(0.50-0.50)", "0.70"]
    assert table[4].split() == ["1", "to", "2", "0"]
