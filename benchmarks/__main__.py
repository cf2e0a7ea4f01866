"""Run the benchmarks: ``python -m benchmarks`` for speed, or some by name."""

import argparse
import inspect
import json
import platform
from pathlib import Path

from benchmarks import (
    bounds,
    chip_cost,
    chip_epoch,
    chip_training,
    decoders,
    defaults,
    econt,
    exact,
    exactness,
    import_time,
    learned_emd,
    links,
    loss_table,
    memory,
    networks,
    other_geometries,
    ready_encoders,
    receivers,
    scaling,
)
from benchmarks._compare import table

SPEED = {
    "exact": exact.compare,
    "regressor": networks.compare_regressor,
    "autoencoder": networks.compare_autoencoder,
    "losses": networks.compare_losses,
}
REPORTS = {
    "exactness": exactness.report,
    "learned-emd": learned_emd.report,
    "bounds": bounds.report,
    "other-geometries": other_geometries.report,
    "scaling": scaling.report,
    "defaults": defaults.report,
    "links": links.report,
    "decoders": decoders.report,
    "ready-encoders": ready_encoders.report,
    "receivers": receivers.report,
    "import-time": import_time.report,
    "memory": memory.report,
    "loss-table": loss_table.report,
    "chip-cost": chip_cost.report,
    "chip-epoch": chip_epoch.report,
    "chip-training": chip_training.report,
    "econt": econt.report,
}
# Options of reports that have rows for each of these.
FEWER = {"links": int, "seeds": int, "sources": str}


def main():
    """Read the command line, run, print tables and write the JSON."""
    names = [*SPEED, *REPORTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--turns", type=int, default=5, help="repeats of each rival")
    for name, kind in FEWER.items():
        help = f"{name} of a report that has them, for fewer of its rows"
        parser.add_argument(f"--{name}", type=kind, nargs="+", help=help)
    parser.add_argument("--output", type=Path, default=Path("output/benchmarks.json"))
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no benchmark {unknown}; there are {', '.join(names)}")
    chosen = options.names or SPEED

    written = {"python": platform.python_version(), "turns": options.turns}
    comparisons = []
    for name in [name for name in SPEED if name in chosen]:
        comparisons += SPEED[name](options.turns)
    if comparisons:
        print(table(comparisons))
        written["speed"] = [comparison.as_json() for comparison in comparisons]
    for name in [name for name in REPORTS if name in chosen]:
        takes = inspect.signature(REPORTS[name]).parameters
        given = {name: getattr(options, name) for name in FEWER if name in takes}
        fewer = {name: values for name, values in given.items() if values}
        text, written[name] = REPORTS[name](**fewer)
        print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
