"""The exact EMD as an operation on tensors: solved on the host, differentiated by hand.

No backend can trace the network simplex, and none has to: its dual solution is the
gradient. Each of Keras's backends has a way to call back to the host, and a way to
define the gradient of such a call.
"""

import concurrent.futures
import functools
import os

import joblib
import numpy as np

from skemd._backend import keras
from skemd.distance._solvers import SOLVERS, resolve_engine

__all__ = ["exact_emd"]

# With less work, waking another thread takes longer than it saves: 64 pairs of wafers,
# in which the cells of one side meet those of the other.
_LEAST_WORK = 64 * 48**2


def exact_emd(a, b, geometry, n_jobs=None):
    """Return the exact EMD of each row of `a` to that row of `b`, differentiable.

    Parameters
    ----------
    a, b : tensor of shape (n_samples, n_cells)
        Charges of unit sum.
    geometry : Geometry
        Where the cells are.
    n_jobs : int or None, default=None
        How many threads share the pairs; None for one per core, as the backends use.

    Returns
    -------
    distances : tensor of shape (n_samples,)
        In the unit of the geometry, float32; NaN for rows with NaN or infinity, as a
        diverging network returns. The gradient with respect to `b` is a 1-Lipschitz
        Kantorovich potential f, and that with respect to `a` is -f.
    """
    n_threads = joblib.cpu_count()
    if n_jobs is not None:
        # With a joblib backend such as dask, n_jobs counts the workers of a cluster.
        n_threads = min(n_threads, joblib.effective_n_jobs(n_jobs))
    engine = resolve_engine("auto", geometry)
    if engine == "pot":
        # POT holds the interpreter's lock.
        n_threads = 1
    solve = functools.partial(_solve_batch, engine, geometry.ground_distance, n_threads)
    return _CALLBACKS[keras.backend.backend()](solve, a, b)


def _solve_batch(engine, ground_distance, n_threads, a, b):
    """Return distances and potentials of arrays, as float32."""
    a, b = np.asarray(a), np.asarray(b)
    distances = np.full(len(a), np.nan, dtype=np.float32)
    potentials = np.full(a.shape, np.nan, dtype=np.float32)
    # Sums are one except for rounding, unless a row holds NaN, or held infinity or a
    # sum too large for float32.
    with np.errstate(invalid="ignore"):
        (rows,) = ((a.sum(axis=1) > 0) & (b.sum(axis=1) > 0)).nonzero()
    work = len(rows) * a.shape[1] ** 2
    n_parts = max(1, min(n_threads, len(rows), work // _LEAST_WORK))

    def solve(part):
        distances[part], potentials[part] = SOLVERS[engine](
            a[part], b[part], ground_distance, True
        )

    first, *others = np.array_split(rows, n_parts)
    futures = [_pool(os.getpid(), n_threads).submit(solve, part) for part in others]
    # This thread takes a part as well, rather than wait for another one to wake up.
    solve(first)
    for future in futures:
        future.result()
    return distances, potentials


@functools.cache
def _pool(pid, n_threads):
    """Keep threads between steps of a training; a forked process needs its own."""
    return concurrent.futures.ThreadPoolExecutor(n_threads, f"skemd-{pid}")


def _jax_callback(solve, a, b):
    import jax

    @jax.custom_vjp
    def distance(a, b):
        return forward(a, b)[0]

    def forward(a, b):
        shapes = (
            jax.ShapeDtypeStruct(a.shape[:1], np.float32),
            jax.ShapeDtypeStruct(a.shape, np.float32),
        )
        return jax.pure_callback(solve, shapes, a, b)

    def backward(potentials, upstream):
        slope = upstream[:, None] * potentials
        return -slope, slope

    distance.defvjp(forward, backward)
    return distance(a, b)


def _torch_callback(solve, a, b):
    import torch

    class Distance(torch.autograd.Function):
        @staticmethod
        def forward(context, a, b):
            arrays = (tensor.detach().cpu().numpy() for tensor in (a, b))
            distances, potentials = map(torch.from_numpy, solve(*arrays))
            context.save_for_backward(potentials.to(b.device))
            return distances.to(b.device)

        @staticmethod
        def backward(context, upstream):
            (potentials,) = context.saved_tensors
            slope = upstream[:, None] * potentials
            return -slope, slope

    return Distance.apply(a, b)


def _tensorflow_callback(solve, a, b):
    import tensorflow as tf

    @tf.custom_gradient
    def distance(a, b):
        distances, potentials = tf.numpy_function(
            solve, [a, b], [tf.float32, tf.float32], stateful=False
        )
        distances.set_shape(a.shape[:1])
        potentials.set_shape(a.shape)

        def backward(upstream):
            slope = upstream[:, None] * potentials
            return -slope, slope

        return distances, backward

    return distance(a, b)


_CALLBACKS = {
    "jax": _jax_callback,
    "torch": _torch_callback,
    "tensorflow": _tensorflow_callback,
}
