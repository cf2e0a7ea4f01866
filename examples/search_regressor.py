"""Search the hyperparameters of the learned EMD.

Which network learns the earth mover's distance (EMD) best: how many filters, how wide,
how deep, and with which loss? This script draws candidates from the table that
arXiv:2306.04712 scanned and trains all of them for a few passes over labeled pairs of
generated wafers. Each round keeps the best third and trains them three times as long (a
halving search of scikit-learn). The script prints and draws the error of each candidate
on wafers that it never saw. The quick setting takes about two minutes on two cores;
``--full`` fits the whole table, hundreds of networks for 27 passes over 100,000 pairs,
which takes days on such a machine.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    HalvingRandomSearchCV,
)

from skemd import EMDRegressor
from skemd.datasets import make_pairs, make_wafers

# The table of the paper's scan.
GRID = {
    "n_filters": [32, 64, 128],
    "kernel_size": [1, 3, 5],
    "n_conv_layers": [2, 3, 4],
    "n_dense_layers": [1, 2],
    "n_dense_units": [32, 64, 128, 256],
    "loss": ["mse", "huber", "msle"],
}
# Below this, rounding dominates the relative difference.
SMALLEST_DISTANCE = 0.01
FULL = {"wafers": 50_000, "pairs": 100_000, "epochs": 27}
N_SHOWN = 12
# Three of the Okabe-Ito colors, which are safe for color-blind readers.
COLOR_OF_KERNEL = {1: "#E69F00", 3: "#56B4E9", 5: "#009E73"}
MARKER_OF_LOSS = {"mse": "o", "huber": "D", "msle": "^"}


def main():
    """Search, print the table, and draw the figure."""
    options = parsed_options()
    if options.full:
        for name, value in FULL.items():
            setattr(options, name, value)
    X = make_wafers(options.wafers, random_state=options.seed)
    pairs, y, groups = make_pairs(X, options.pairs, random_state=options.seed)
    apart = y > SMALLEST_DISTANCE
    search = searcher(options).fit(pairs[apart], y[apart], groups=groups[apart])
    results = rows_of(search)
    print(table(results))
    best = {"head": options.head, **results[0]["chosen"]}
    parameters = ", ".join(f"{name}={value!r}" for name, value in best.items())
    print(f"best: EMDRegressor({parameters})")
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "search_regressor.json"
    path.write_text(json.dumps(results, indent=1))
    draw(results).savefig(path.with_suffix(".png"), dpi=120)
    print(f"all results: {path}, {path.with_suffix('.png')}")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the whole table")
    parser.add_argument("--wafers", type=int, default=5_000, help="to generate")
    parser.add_argument("--pairs", type=int, default=8_000, help="to label")
    parser.add_argument("--candidates", type=int, default=9, help="to draw")
    parser.add_argument("--epochs", type=int, default=9, help="of the longest fits")
    parser.add_argument("--head", choices=["bounded", "linear"], default="linear")
    parser.add_argument("--n-jobs", type=int, help="candidates at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("output"))
    return parser.parse_args()


def searcher(options):
    """Return scikit-learn's search over the table, in full or by halving."""
    regressor = EMDRegressor(
        head=options.head,
        epochs=options.epochs,
        early_stopping=False,
        random_state=options.seed,
    )
    shared = {
        "scoring": make_scorer(minus_relative_error),
        # No wafer is in both the training and the test pairs.
        "cv": GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=options.seed),
        "refit": False,
        "error_score": "raise",
        "n_jobs": options.n_jobs,
        "verbose": 1,
    }
    if options.full:
        return GridSearchCV(regressor, GRID, **shared)
    return HalvingRandomSearchCV(
        regressor,
        GRID,
        n_candidates=options.candidates,
        resource="epochs",
        max_resources=options.epochs,
        min_resources=1,
        random_state=options.seed,
        **shared,
    )


def minus_relative_error(y_true, y_pred):
    """Return minus the median of |predicted - exact| / exact.

    The mean would be dominated by nearly equal wafers, where the linear head fails.
    """
    return -float(np.median(np.abs(y_pred / y_true - 1)))


def rows_of(search):
    """Return a plain dict for each fit of a search, the best first."""
    found = search.cv_results_
    n_fits = len(found["params"])
    epochs = found.get("n_resources", np.full(n_fits, search.estimator.epochs))
    rows = [
        {
            "chosen": {name: found["params"][k][name] for name in GRID},
            "epochs": int(epochs[k]),
            "error": -float(found["mean_test_score"][k]),
            "seconds": float(found["mean_fit_time"][k]),
        }
        for k in range(n_fits)
    ]
    return sorted(rows, key=lambda row: row["error"])


def table(rows):
    """Return the best results as text."""
    heads = ["filters", "kernel", "convs", "dense", "units", "loss"]
    lines = [
        "median of |predicted - exact| / exact EMD on wafers set aside",
        "".join(f"{head:>9}" for head in [*heads, "epochs", "error", "seconds"]),
    ]
    for row in rows[:N_SHOWN]:
        chosen = "".join(f"{value:>9}" for value in row["chosen"].values())
        lines.append(
            f"{chosen}{row['epochs']:>9}{row['error']:>9.3f}{row['seconds']:>9.1f}"
        )
    return "\n".join(lines)


def draw(rows):
    """Draw the error of each candidate against its training time."""
    figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    for row in rows:
        ax.scatter(
            row["seconds"],
            row["error"],
            s=12 * row["epochs"] + 20,
            color=COLOR_OF_KERNEL[row["chosen"]["kernel_size"]],
            marker=MARKER_OF_LOSS[row["chosen"]["loss"]],
            edgecolors="0.3",
        )
    for kernel, color in COLOR_OF_KERNEL.items():
        ax.plot([], [], "s", color=color, label=f"kernel {kernel}")
    for loss, marker in MARKER_OF_LOSS.items():
        ax.plot([], [], marker, color="0.5", label=loss)
    ax.set(
        xlabel="seconds of training (larger markers: more epochs)",
        ylabel="median of |predicted - exact| / exact EMD",
        yscale="log",
    )
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend(ncols=2)
    return figure


if __name__ == "__main__":
    main()
