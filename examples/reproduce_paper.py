"""The paper's comparison of losses, and the comparison with the chip's algorithms.

Is an encoder trained on a learned earth mover's distance (EMD) better than one trained
on squared errors, and better than what the concentrator chip can send without a
network? This script trains encoders with the paper's number formats and in floating
point, on generated wafers or on your own (``--data FILE_OR_FOLDER``), for 2 to 5 output
links and three seeds. It prints and draws the exact EMD of wafers set aside against
occupancy, |eta| and charge, like the figures of arXiv:2306.04712, with the paper's
ratios next to ours. It also prints the table of all algorithms at equal bandwidth, with
the bits that they really send. As in the paper sums are rounded once and nobody sees
the charges through the chip's front end. All other parameters are defaults, but for the
steps: the quick setting has an eighth, and takes about 15 minutes on two cores;
``--full`` takes hours. ``--cache FOLDER`` keeps trained networks, so that they are not
trained again.
"""

import argparse
import functools
import math
from pathlib import Path

import numpy as np
from paper_figures import (
    EDGES,
    LABELS,
    METRIC,
    draw_links,
    draw_profiles,
    paper_ratios,
)

from skemd import EMDAutoencoder, study
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.datasets import load_wafers, make_wafers
from skemd.metrics import (
    center_shift,
    energy_response,
    lost_fraction,
    squared_difference,
    width_change,
)

# Where the names of losses in tables and figures are not those of skemd.losses.
NAMES = {
    "emdcnn": "EMD-CNN",
    "emd": "exact EMD",
    "sinkhorn": "Sinkhorn",
    "weighted_mse": "weighted MSE",
    "mse": "MSE",
}
# All of them are in links.csv. A reconstruction without charge counts as an even one.
METRICS = {
    METRIC: study.emd_of_reconstructions,
    "center_shift_half_pitches": functools.partial(center_shift, empty_pred="even"),
    "width_change_half_pitches": functools.partial(width_change, empty_pred="even"),
    "squared_difference": functools.partial(squared_difference, empty_pred="even"),
    "energy_response": energy_response,
    "lost_cells_fraction": lost_fraction,
}
QUICK = {"wafers": 20_000, "test_wafers": 20_000, "steps": 1_500}
FULL = {"wafers": 200_000, "test_wafers": 100_000, "steps": 40_000}
BATCH_SIZE = EMDAutoencoder().batch_size
# Bins with fewer wafers per seed are drawn, but not used for claims.
ENOUGH_WAFERS = 200


def main():
    """Fit and measure everything, print the tables, and write the files."""
    options = parsed_options()
    comparisons = study.compare(
        algorithms_of(options),
        functools.partial(wafers_of, options),
        metrics=METRICS,
        seeds=options.seeds,
        memory=options.cache,
        verbose=1,
    )
    properties = list(comparisons[0].properties)
    reference = name_of(options.losses[0]), max(options.links)
    others = [(name_of(loss), max(options.links)) for loss in options.losses[1:]]
    files = {"links.csv": study.link_rows(comparisons)}
    for by in properties:
        files[f"profile_{by}.csv"] = rows_of_profiles(comparisons, by)
        files[f"ratios_{by}.csv"] = rows_of_ratios(comparisons, reference, others, by)
    files["settings.csv"] = rows_of_settings(options, comparisons)
    for name, rows in files.items():
        if rows:
            study.write_csv(options.output / name, rows)
    print_tables(files, properties, [reference, *others])
    shown = [reference, *others, *drawn_baselines(comparisons, max(options.links))]
    figure = draw_profiles(comparisons, properties, shown, len(others))
    figure.savefig(options.output / "profiles.png", dpi=120)
    draw_links(files["links.csv"]).savefig(options.output / "links.png", dpi=120)
    print(f"{', '.join(files)}, profiles.png and links.png: {options.output}")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--full", action="store_true", help="more wafers and steps")
    add("--data", help="CSV file of wafers, or a folder of them")
    add("--eta-column", help="of the file, such as tc_eta; default: no |eta|")
    add("--wafers", type=int, help=f"to train on, default {QUICK['wafers']}")
    add("--test-wafers", type=int, help="set aside; with --data a fifth is")
    add("--steps", type=int, help=f"of each training, default {QUICK['steps']}")
    add("--seeds", type=int, nargs="+", default=[1000, 1001, 1002])
    add("--links", type=int, nargs="+", default=[2, 3, 4, 5], choices=[2, 3, 4, 5])
    losses = ["emdcnn", "telescope", "weighted_mse"]
    add("--losses", nargs="+", default=losses, help="of skemd.losses; ours first")
    add("--cache", help="folder that keeps what has been trained")
    add("--output", type=Path, default=Path("output") / "reproduce_paper")
    options = parser.parse_args()
    for name, value in (FULL if options.full else QUICK).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def name_of(loss):
    """Return what tables and figures call a loss."""
    return NAMES.get(loss, loss)


def wafers_of(options, seed):
    """Return wafers to train on and wafers set aside, shuffled by the seed."""
    if options.data is None:
        n_samples = options.wafers + options.test_wafers
        X, known = make_wafers(n_samples, random_state=seed, return_info=True)
        n_test, eta = options.test_wafers, known["eta"]
    else:
        X, eta = loaded(options.data, options.eta_column)
        n_test = max(1, round(0.2 * len(X)))
    order = np.random.default_rng(seed).permutation(len(X))
    test, train = np.split(order, [n_test])
    properties = {"occupancy_cells": study.occupancy(X[test])}
    if eta is not None:
        properties["abs_eta"] = np.abs(eta[test])
    properties["charge_mip"] = study.charge_in_mip(X[test])
    return study.Wafers(X[train], X[test], properties)


def loaded(path, eta_column):
    """Return the wafers with charge in a file, and their eta if it has one."""
    if eta_column is None:
        return load_wafers(path, drop_empty=True), None
    X, extra = load_wafers(path, columns=(eta_column,), drop_empty=True)
    return X, extra[eta_column]


def algorithms_of(options):
    """Return names and estimators, with those in floating point first."""
    n_train = len(wafers_of(options, options.seeds[0]).train)
    # A tenth of the wafers is used for early stopping.
    steps_per_epoch = math.ceil(0.9 * n_train / BATCH_SIZE)
    epochs = max(2, round(options.steps / steps_per_epoch))
    # The paper's networks round sums once, where the chip rounds every product.
    network = functools.partial(EMDAutoencoder, arithmetic="exact", epochs=epochs)
    algorithms = [
        (name_of(loss), network(loss=loss, n_output_links=links))
        for links in [None, *options.links]
        for loss in options.losses
    ]
    for links in options.links:
        # Like the networks, the chip's algorithms see charges as they are.
        seen = {"n_output_links": links, "front_end": None}
        algorithms += [
            ("Threshold Sum", ThresholdSum(**seen)),
            ("Best Choice", BestChoice(**seen)),
            *(
                (kind, SuperTriggerCell(algorithm=kind, **seen))
                for kind in ("STC4_9", "STC16_9", "STC4_7", "CTC4_7")
            ),
        ]
        # These receivers spread the charge that was not sent, as known from the sum.
        algorithms += [
            ("Threshold Sum, rest", ThresholdSum(**seen, rest="even")),
            ("Best Choice, rest", BestChoice(**seen, rest="even")),
        ]
    return algorithms


def rows_of_profiles(comparisons, by):
    """Return the profile of every algorithm against one property."""
    found = study.pooled_profiles(comparisons, METRIC, by, EDGES[by])
    return [
        row
        for (name, links), one in found.items()
        for row in study.profile_rows(
            one, by, METRIC, algorithm=name, n_output_links=links
        )
    ]


def rows_of_ratios(comparisons, reference, others, by):
    """Return the ratios of our medians to those of other losses, and the paper's."""
    rows = []
    for other in others:
        found = study.ratios_over_seeds(
            comparisons, reference, other, METRIC, by, EDGES[by]
        )
        columns = {"ours": reference[0], "other": other[0], "n_output_links": other[1]}
        papers = paper_ratios(by, other[0])
        for row, paper in zip(
            study.profile_rows(found, by, "ratio", **columns), papers, strict=True
        ):
            rows.append({**row, "paper_ratio": paper})
    return rows


def rows_of_settings(options, comparisons):
    """Return the settings that reproduce the study."""
    first = wafers_of(options, options.seeds[0])
    settings = {
        "wafers": "generated" if options.data is None else Path(options.data).name,
        "n_train": len(first.train),
        "n_test": len(first.test),
        "steps": options.steps,
        "seeds": " ".join(map(str, options.seeds)),
        "losses": " ".join(options.losses),
        "links": " ".join(map(str, options.links)),
        "n_comparisons": len(comparisons),
    }
    return [{"setting": name, "value": value} for name, value in settings.items()]


def print_tables(files, properties, networks):
    """Print profiles and ratios of the losses, and the table at equal bandwidth."""
    print("\nexact EMD of wafers set aside, in half trigger-cell pitches (1.2084 cm)")
    for by in properties:
        of_networks = [
            row
            for row in files[f"profile_{by}.csv"]
            if (row["algorithm"], row["n_output_links"]) in networks
        ]
        print(f"\nmedian [16% 84%] against {LABELS[by]}")
        print(study.profiles_table(of_networks, by, METRIC))
        ratios = files[f"ratios_{by}.csv"]
        if ratios:
            print(
                "\nratios of medians, mean (range) over seeds; fewest wafers of a seed"
            )
            print(study.ratios_table(ratios, by))
            print("\n".join(verdicts(ratios)))
    print("\nall algorithms at equal bandwidth, mean (range) over seeds")
    print(study.links_table(files["links.csv"], METRIC))


def verdicts(ratios):
    """Return a line for each other loss, over all bins with enough wafers."""
    lines = []
    for other in dict.fromkeys(row["other"] for row in ratios):
        rows = [
            row
            for row in ratios
            if row["other"] == other and row["n_wafers"] >= ENOUGH_WAFERS
        ]
        if not rows:
            continue
        means = [row["ratio_mean"] for row in rows]
        line = (
            f"{rows[0]['ours']} / {other} over {len(rows)} bins of at least "
            f"{ENOUGH_WAFERS} wafers: mean {np.mean(means):.2f}, "
            f"{min(means):.2f} to {max(means):.2f}"
        )
        papers = [row["paper_ratio"] for row in rows]
        if None not in papers:
            line += f"; the paper's there {min(papers):.2f} to {max(papers):.2f}"
        lines.append(line)
    return lines


def drawn_baselines(comparisons, links):
    """Return the algorithms without a network that the figure shows."""
    known = {(one.algorithm, one.n_output_links) for one in comparisons}
    names = ("Best Choice", "Threshold Sum", "STC4_9")
    return [(name, links) for name in names if (name, links) in known]


if __name__ == "__main__":
    main()
