"""What ``import skemd`` costs beyond ``import sklearn``, in fresh processes."""

import subprocess
import sys

import numpy as np

STATEMENTS = ("import sklearn", "import skemd")
MOST_SECONDS_MORE = 0.3
# The clock starts in the process, so that starting Python does not count.
SCRIPT = """
import time
started = time.perf_counter()
{statement}
print(time.perf_counter() - started)
"""


def report(n_turns=9):
    """Import each package in processes of its own, in turns.

    Returns
    -------
    text : str
        Medians with their ranges, in seconds.
    results : dict of str to list of float
        Seconds of each turn.
    """
    results = {statement: [] for statement in STATEMENTS}
    for turn in range(n_turns + 1):
        for statement in STATEMENTS:
            seconds = seconds_of(statement)
            # The first turn reads files that the others find in memory.
            if turn > 0:
                results[statement].append(seconds)
    rows = [
        f"{statement:<16}{np.median(turns):.3f} s ({min(turns):.3f}-{max(turns):.3f})"
        for statement, turns in results.items()
    ]
    sklearn, skemd = (np.median(results[statement]) for statement in STATEMENTS)
    rows.append(f"skemd - sklearn {skemd - sklearn:.3f} s, at most {MOST_SECONDS_MORE}")
    return "\n".join(rows), results


def seconds_of(statement):
    """Return how long a fresh process takes for one statement."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement=statement)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)
