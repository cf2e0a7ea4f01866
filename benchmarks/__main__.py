"""Run the benchmarks: ``python -m benchmarks``, or some by name."""

import argparse
import json
import platform
from pathlib import Path

from benchmarks import exact, networks
from benchmarks._compare import table

BENCHMARKS = {
    "exact": exact.compare,
    "regressor": networks.compare_regressor,
    "autoencoder": networks.compare_autoencoder,
}


def main():
    """Read the command line, run, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--turns", type=int, default=5, help="repeats of each rival")
    parser.add_argument("--output", type=Path, default=Path("output/benchmarks.json"))
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark {unknown}; there are {', '.join(BENCHMARKS)}")
    comparisons = []
    for name in options.names or BENCHMARKS:
        comparisons += BENCHMARKS[name](options.turns)
    print(table(comparisons))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "turns": options.turns,
        "comparisons": [comparison.as_json() for comparison in comparisons],
    }
    options.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
