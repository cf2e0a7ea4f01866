"""The exact EMD as an operation on tensors: solved on the host, differentiated by hand.

The network simplex is no program that a backend could trace, and needs no tracing: its
dual solution is the gradient. Each of Keras's backends has a way to call back to the
host, and a way to say what the gradient of a call is.
"""

import numpy as np

from skemd._backend import keras
from skemd.distance import paired_potentials

__all__ = ["exact_emd"]


def exact_emd(a, b, geometry, n_jobs=None):
    """Return the exact EMD of each row of `a` to that row of `b`, differentiable.

    Parameters
    ----------
    a, b : tensor of shape (n_samples, n_cells)
        Charges of unit sum.
    geometry : Geometry
        Where the cells are.
    n_jobs : int or None, default=None
        How many joblib workers share the pairs.

    Returns
    -------
    distances : tensor of shape (n_samples,)
        In the unit of the geometry, float32; NaN for rows with NaN or infinity, as of
        a network that diverges. The gradient with respect to `b` are 1-Lipschitz
        Kantorovich potentials f, and -f with respect to `a`.
    """

    def solve(a, b):
        a, b = np.asarray(a), np.asarray(b)
        distances = np.full(len(a), np.nan, dtype=np.float32)
        potentials = np.full(a.shape, np.nan, dtype=np.float32)
        finite = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
        if finite.any():
            distances[finite], potentials[finite] = paired_potentials(
                a[finite], b[finite], geometry=geometry, n_jobs=n_jobs
            )
        return distances, potentials

    return _BRIDGES[keras.backend.backend()](solve, a, b)


def _jax_bridge(solve, a, b):
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


def _torch_bridge(solve, a, b):
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


def _tensorflow_bridge(solve, a, b):
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


_BRIDGES = {
    "jax": _jax_bridge,
    "torch": _torch_bridge,
    "tensorflow": _tensorflow_bridge,
}
