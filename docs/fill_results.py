"""Fill the page "Results" from the files of studies.

    python docs/fill_results.py generated=output/generated real=output/real

rewrites the blocks between the page's markers. The block of a study has its settings,
the tables of its CSV files, and its figures, which are copied to ``docs/figures``.
Studies that are not named keep their blocks. No number on the page is typed by hand.
"""

import argparse
import re
import shutil
from pathlib import Path

from skemd.study import (
    links_table,
    profiles_table,
    ratios_table,
    read_csv,
    rst_table,
)

DOCS = Path(__file__).parent
FIGURES = ("profiles.png", "links.png")
PROPERTIES = {
    "occupancy_cells": "Against occupancy, in cells above 1 transverse MIP",
    "abs_eta": "Against the pseudorapidity of the wafer",
    "charge_mip": "Against the charge of the wafer, in transverse MIP",
}
# The algorithms whose medians the last table compares.
SIDE_BY_SIDE = (
    "EMD-CNN",
    "Best Choice",
    "Best Choice, rest",
    "STC4_7",
    "CTC4_7",
    "Threshold Sum",
)
# Everything between ".. begin generated" and ".. end generated".
BLOCK = r"(?<=^\.\. begin {study}\n)(?s:.*?)(?=^\.\. end {study}$)"


def main():
    """Rewrite the blocks of the named studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--page", type=Path, default=DOCS / "results.rst")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    for study in options.studies:
        name, _, folder = study.partition("=")
        page = filled(page, name, block_of(name, Path(folder)))
        copy_figures(name, Path(folder), options.page.parent / "figures")
    options.page.write_text(page, encoding="utf-8")


def filled(page, study, block):
    """Return the page with a new block for one study."""
    pattern = re.compile(BLOCK.format(study=re.escape(study)), flags=re.MULTILINE)
    page, n_found = pattern.subn(lambda found: f"\n{block}\n\n", page)
    if n_found != 1:
        raise SystemExit(
            f"The page has {n_found} blocks from '.. begin {study}' to '.. end "
            f"{study}'; it should have one. Check the name of the study."
        )
    return page


def block_of(name, folder):
    """Return the block of one study."""
    settings = read_csv(folder / "settings.csv")
    parts = [
        rst_table(
            [
                ("setting", "value"),
                *((row["setting"], str(row["value"])) for row in settings),
            ]
        )
    ]
    for by, title in PROPERTIES.items():
        if (folder / f"profile_{by}.csv").exists():
            parts += [f"**{title}.**", *tables_against(by, folder)]
    parts += figure(name, "profiles.png")
    parts += ["**At equal bandwidth.**", links_table(read_csv(folder / "links.csv"))]
    parts += figure(name, "links.png")
    parts += [
        "**At equal bandwidth, against occupancy.** Medians.",
        side_by_side(read_csv(folder / "profile_occupancy_cells.csv")),
    ]
    return "\n\n".join(parts)


def tables_against(by, folder):
    """Return the medians of the losses, and their ratios if the study has them."""
    ratios_file = folder / f"ratios_{by}.csv"
    rows = read_csv(folder / f"profile_{by}.csv")
    if not ratios_file.exists():
        return [profiles_table(rows, by)]
    ratios = read_csv(ratios_file)
    links = ratios[0]["n_output_links"]
    names = {ratios[0]["ours"], *(row["other"] for row in ratios)}
    shown = [
        row
        for row in rows
        if row["algorithm"] in names and row["n_output_links"] == links
    ]
    return [profiles_table(shown, by), ratios_table(ratios, by)]


def side_by_side(rows):
    """Return the medians of the algorithms for each number of links and each bin."""
    medians, bins = {}, {}
    for row in rows:
        links, first = row["n_output_links"], row["occupancy_cells_from"]
        median = row["emd_half_pitches_median"]
        medians[row["algorithm"], links, first] = median
        bins[first] = f"{first:g} to {row['occupancy_cells_to']:g}", row["n_wafers"]
    table = [("links", "occupancy", "wafers", *SIDE_BY_SIDE)]
    for links in sorted({links for _, links, _ in medians if links is not None}):
        for first, (name, n_wafers) in bins.items():
            found = [medians.get((one, links, first)) for one in SIDE_BY_SIDE]
            entries = ["" if value is None else f"{value:.2f}" for value in found]
            table.append((f"{links:g}", name, f"{n_wafers:g}", *entries))
    return rst_table(table)


def figure(study, name):
    """Return the directive that shows one figure."""
    return [f".. image:: figures/{study}_{name}\n   :width: 100%"]


def copy_figures(study, folder, figures):
    """Copy the figures of one study to the folder of figures."""
    figures.mkdir(exist_ok=True)
    for name in FIGURES:
        shutil.copyfile(folder / name, figures / f"{study}_{name}")


if __name__ == "__main__":
    main()
