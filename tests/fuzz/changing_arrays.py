"""Memory that the solver reads while another thread and another process write to it.

``python -m tests.fuzz.changing_arrays FILE SEED`` is that process.
"""

import contextlib
import mmap
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from tests.fuzz.solver_inputs import random_words

__all__ = ["N_PAIRS", "changing_arrays"]

N_PAIRS = 64
# The solver has one method up to 64 cells, and another one above.
MAX_CELLS = 129
N_NUMBERS = {
    "a": N_PAIRS * MAX_CELLS,
    "b": N_PAIRS * MAX_CELLS,
    "ground": MAX_CELLS * MAX_CELLS,
    "distances": N_PAIRS,
    "potentials": N_PAIRS * MAX_CELLS,
}

N_TURNS = 20


@contextlib.contextmanager
def changing_arrays(file, seed):
    """Give arrays by name, to which a thread and a process write all the time."""
    rng = np.random.default_rng(seed)
    np.concatenate([good_numbers(rng, name) for name in N_NUMBERS]).tofile(file)
    arrays = mapped(file)
    command = [sys.executable, "-m", "tests.fuzz.changing_arrays", file, seed + 1]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*map(str, command)], **pipes) as process:
        # It has begun.
        process.stdout.readline()
        stop = threading.Event()
        thread = threading.Thread(
            target=keep_writing, args=(arrays, seed, lambda: not stop.is_set())
        )
        thread.start()
        try:
            yield arrays
            assert process.poll() is None, "the process that writes has ended"
        finally:
            stop.set()
            thread.join()
            process.stdin.close()


def mapped(file):
    """Return the arrays as parts of a file's memory."""
    with file.open("r+b") as opened:
        numbers = np.frombuffer(mmap.mmap(opened.fileno(), 0), dtype=np.float64)
    ends = np.cumsum([*N_NUMBERS.values()])[:-1]
    return dict(zip(N_NUMBERS, np.split(numbers, ends), strict=True))


def keep_writing(arrays, seed, goes_on):
    """Spoil and mend arrays in quick turns: a call meets many of them."""
    rng = np.random.default_rng(seed)
    names = [*N_NUMBERS]
    while goes_on():
        name = names[rng.integers(len(names))]
        good, bad = good_numbers(rng, name), bad_numbers(rng, name)
        for _ in range(N_TURNS):
            arrays[name][:] = bad
            arrays[name][:] = good


def good_numbers(rng, name):
    """Draw charges, and distances that suit the solver; outputs may hold the same."""
    if name == "ground":
        return rng.uniform(1, 2, size=N_NUMBERS[name])
    return rng.exponential(size=N_NUMBERS[name])


def bad_numbers(rng, name):
    """Draw any bits, or one number that is no charge, or nearly."""
    if rng.random() < 0.3:
        return random_words(rng, N_NUMBERS[name]).view(np.float64)
    return rng.choice([np.nan, np.inf, -1.0, -5e-324, 0.0, -0.0, 5e-324, 1e308])


def main():
    """Write until the process that started this one closes its standard input."""
    file, seed = sys.argv[1:]
    print("begun", flush=True)
    reader = threading.Thread(target=sys.stdin.read, daemon=True)
    reader.start()
    keep_writing(mapped(Path(file)), int(seed), reader.is_alive)


if __name__ == "__main__":
    main()
