"""Other ways to the EMD of pairs of wafers: each peer that is found installed.

Each takes wafers of unit sum, rows of A and of B, and the geometry, and gives a
function without arguments that solves them.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import ot
import scipy.optimize
import scipy.sparse

ROOT = Path(__file__).parents[1]
# python -m venv .venv-wasserstein
# .venv-wasserstein/bin/python -m pip install "numpy<2" wasserstein
WASSERSTEIN_PYTHON = ROOT / ".venv-wasserstein" / "bin" / "python"
CHILD = Path(__file__).with_name("wasserstein_child.py")
# Weight of the entropy in the iterations of Sinkhorn, in half trigger-cell pitches.
EPSILON = 0.1
N_SINKHORN_ITERATIONS = 100


def loop_over_pot(A, B, geometry):
    """Call ``ot.emd2`` pair by pair, as its users do."""
    ground_distance = geometry.ground_distance

    def run():
        pairs = zip(A, B, strict=True)
        return np.array([ot.emd2(a, b, ground_distance) for a, b in pairs])

    return run


def pot_batch(A, B, geometry):
    """Call POT's batch solver, a proximal method that stops short of the optimum."""
    costs = np.broadcast_to(geometry.ground_distance, (len(A), *[A.shape[1]] * 2))

    def run():
        # It takes logarithms of the charges.
        a, b = (np.maximum(side, 1e-12) for side in (A, B))
        return ot.solve_batch(costs.copy(), a=a, b=b).value_linear

    return run


def linear_program(A, B, geometry):
    """Call SciPy's HiGHS for each pair, with all flows between cells as variables."""
    one = scipy.sparse.identity(A.shape[1])
    row = np.ones((1, A.shape[1]))
    marginals = scipy.sparse.vstack(
        [scipy.sparse.kron(one, row), scipy.sparse.kron(row, one)]
    ).tocsr()
    costs = geometry.ground_distance.ravel()

    def run():
        return np.array(
            [
                scipy.optimize.linprog(costs, A_eq=marginals, b_eq=np.r_[a, b]).fun
                for a, b in zip(A, B, strict=True)
            ]
        )

    return run


def jax_sinkhorn(A, B, geometry):
    """Run Sinkhorn's iterations in plain jax: log domain, one compiled function."""
    import jax
    from jax.scipy.special import logsumexp

    costs = np.asarray(geometry.ground_distance, dtype=np.float32) / EPSILON

    @jax.jit
    def transport_cost(a, b):
        log_a, log_b = (jax.numpy.log(side + 1e-30) for side in (a, b))

        def step(_, g):
            f = -logsumexp((g + log_b)[:, None, :] - costs, axis=2)
            return -logsumexp((f + log_a)[:, :, None] - costs, axis=1)

        g = jax.lax.fori_loop(0, N_SINKHORN_ITERATIONS, step, jax.numpy.zeros_like(a))
        f = -logsumexp((g + log_b)[:, None, :] - costs, axis=2)
        exponents = (f + log_a)[:, :, None] + (g + log_b)[:, None, :] - costs
        return EPSILON * (jax.numpy.exp(exponents) * costs).sum(axis=(1, 2))

    a, b = A.astype(np.float32), B.astype(np.float32)
    return lambda: np.asarray(transport_cost(a, b))


class Wasserstein:
    """``wasserstein.PairwiseEMD`` on one thread, in an environment of its own.

    The package needs an older NumPy, so a child process holds the wafers and solves all
    pairs of a row of A and a row of B whenever it is told to.
    """

    def __init__(self, A, B, geometry):
        self.shape = (len(A), len(B))
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "wafers.npz"
        np.savez(path, A=A, B=B, positions=geometry.positions)
        self.distances = Path(self.folder.name) / "distances.npy"
        self.child = subprocess.Popen(
            [WASSERSTEIN_PYTHON, CHILD, path, self.distances],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def is_installed():
        """Return whether there is an environment with the package."""
        return WASSERSTEIN_PYTHON.exists()

    def __call__(self):
        """Solve all pairs, and return their distances row by row."""
        print("solve", file=self.child.stdin, flush=True)
        answer = self.child.stdout.readline()
        if not answer:
            raise RuntimeError("the child process with the wasserstein package died")
        return np.load(self.distances).reshape(self.shape).ravel()

    def close(self):
        """End the child process."""
        self.child.communicate()
        self.folder.cleanup()
