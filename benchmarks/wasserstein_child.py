"""The child process of ``benchmarks.peers.Wasserstein``, in its own environment."""

import sys

import numpy as np
import wasserstein


def main(wafers_path, distances_path):
    """Solve all pairs once for each line on stdin, and answer on stdout."""
    with np.load(wafers_path) as wafers:
        positions = wafers["positions"]
        events = [
            [np.column_stack([x[x > 0], positions[x > 0]]) for x in wafers[side]]
            for side in "AB"
        ]
    solver = wasserstein.PairwiseEMD(
        R=1.0, beta=1.0, norm=True, num_threads=1, verbose=0, throw_on_error=True
    )
    for _ in sys.stdin:
        solver.clear()
        solver(*events, gdim=positions.shape[1])
        np.save(distances_path, solver.emds())
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
