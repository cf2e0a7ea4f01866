"""What the fuzzers share: a command line, a child process, limits, progress, findings.

A case draws all that it does from a random generator, so that a seed and a number bring
it back, and raises on a finding. Cases run in a child process: a crash, a hang and much
memory are findings as well. The files that the last case leaves in its folder are kept.
"""

import argparse
import collections
import contextlib
import dataclasses
import faulthandler
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skemd._progress import ProgressBar

SECONDS_OF_WORK = 5
# By the clock, which runs on while other work has the processor.
SECONDS_PER_CASE = 60
MOST_BYTES = 1_000_000_000
# Room to ask for too much in vain without harm to the machine.
MOST_ADDRESSES = 16 * MOST_BYTES


class Finding(AssertionError):
    """What the code under test must never do."""


def check(what, holds):
    """Raise a finding, with the first place of an array that it is about."""
    holds = np.asarray(holds)
    if not holds.all():
        where = f" at {np.argwhere(~holds)[0].tolist()}" if holds.ndim else ""
        raise Finding(f"not so{where}: {what}")


@dataclasses.dataclass(frozen=True)
class Fuzzer:
    """A fuzzer, as its command line starts it.

    Attributes
    ----------
    module : str
        What ``python -m`` runs.
    unit : str
        What the command line counts, in the plural.
    n_items : int
        How many by default.
    make_cases : callable
        ``make_cases(folder, options)`` -> dict of names to cases, each of which runs as
        often. A case is ``case(rng)`` -> str, which says how it went.
    items_per_case : callable
        ``items_per_case(options)`` -> int, how many of the unit one case takes.
    add_arguments : callable
        ``add_arguments(parser)``.
    prepare : callable or None
        ``prepare(folder)`` -> dict, environment variables of the child process, whose
        addresses are then not limited.
    """

    module: str
    unit: str
    n_items: int
    make_cases: Callable
    items_per_case: Callable = lambda options: 1
    add_arguments: Callable = lambda parser: None
    prepare: Callable | None = None


def main(fuzzer, arguments=None):
    """Read the command line; start the child, or be the child; return a status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parsed(fuzzer, arguments)
    if options.folder is None:
        with tempfile.TemporaryDirectory() as folder:
            return run_child(fuzzer, arguments, options, Path(folder))
    if fuzzer.prepare is None:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    # Show where it hangs, then end as the signal does.
    faulthandler.register(signal.SIGPROF, chain=True)
    cases = fuzzer.make_cases(options.folder, options)
    statuses = [run(fuzzer, name, case, options) for name, case in cases.items()]
    return max(statuses)


def parsed(fuzzer, arguments):
    parser = argparse.ArgumentParser(prog=f"python -m {fuzzer.module}")
    counted = {"type": int, "default": fuzzer.n_items, "dest": "n_items"}
    parser.add_argument(f"--{fuzzer.unit}", **counted)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("output"))
    parser.add_argument("--folder", type=Path, help="fuzz in this process, in a folder")
    fuzzer.add_arguments(parser)
    return parser.parse_args(arguments)


def run_child(fuzzer, arguments, options, folder):
    """Fuzz in a process of its own, and keep the files with which it ended."""
    command = [sys.executable, "-m", fuzzer.module, *arguments, "--folder", str(folder)]
    environment = fuzzer.prepare(folder) if fuzzer.prepare else {}
    status = subprocess.run(command, env=os.environ | environment).returncode
    if status == 0:
        return 0
    print(f"{fuzzer.module} ended with exit status {status}", file=sys.stderr)
    name = fuzzer.module.rpartition(".")[2]
    for file in folder.glob("case*"):
        options.keep.mkdir(parents=True, exist_ok=True)
        kept = shutil.copy(file, options.keep / f"{name}_{options.seed}_{file.name}")
        print(f"the file is kept as {kept}", file=sys.stderr)
    return 1


def run(fuzzer, name, case, options):
    """Run a case again and again; return 1 on a finding, else 0."""
    items_per_case = fuzzer.items_per_case(options)
    n_cases = -(-options.n_items // items_per_case)
    outcomes = collections.Counter()
    progress = ProgressBar(n_cases, f"fuzz {name}", verbose=1)
    slowest = 0.0
    for number in range(n_cases):
        began = time.monotonic()
        try:
            with limits():
                outcomes[case(np.random.default_rng([options.seed, number]))] += 1
            check("1 GB is enough", peak_bytes() < MOST_BYTES)
        except Exception as finding:
            print(
                f"\nfinding with --seed {options.seed} in case {number} of {name}: "
                f"{type(finding).__name__}: {finding}",
                file=sys.stderr,
            )
            return 1
        slowest = max(slowest, time.monotonic() - began)
        progress.update(number + 1)
    progress.close()
    counts = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(outcomes.items()))
    print(
        f"no finding in {n_cases * items_per_case:,} {fuzzer.unit} ({name}): "
        f"{counts}; {slowest:.2f} s and {peak_bytes() / 1e6:.0f} MB at most",
        file=sys.stderr,
    )
    return 0


@contextlib.contextmanager
def limits():
    """End the process where a case takes too long."""
    faulthandler.dump_traceback_later(SECONDS_PER_CASE, exit=True, file=sys.__stderr__)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_OF_WORK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()


def peak_bytes():
    """Return the most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
