"""The soft c-transform: the step of Sinkhorn's iterations, and of the learned EMD."""

import numpy as np

from skemd._backend import keras

__all__ = ["LARGEST_EXPONENT", "soft_c_transform", "transform_kernel"]

# exp(-80) is the smallest power that float32 can add up without losing it.
LARGEST_EXPONENT = 80.0


def transform_kernel(distance, epsilon):
    """Return the matrix exp(-d / epsilon) of :func:`soft_c_transform`.

    Parameters
    ----------
    distance : ndarray of shape (n_cells, n_cells)
        Distances d between the cells, in any unit of length.
    epsilon : float
        Entropy in that unit. Twice the largest distance over it must stay below
        `LARGEST_EXPONENT`: potentials differ by up to the largest distance, which
        comes on top of the distance itself.

    Returns
    -------
    kernel : ndarray of float32 of shape (n_cells, n_cells)
        Pure numbers.
    """
    return np.exp(-distance / epsilon).astype(np.float32)


def soft_c_transform(potentials, weights, kernel, epsilon, smallest_sum=0.0):
    r"""Return the soft minimum over the cells of distance minus potential.

    .. math:: f_i = -\epsilon \log \sum_j w_j e^{(v_j - d_{ij}) / \epsilon}.

    With the largest potential taken out, the sum is a product with a fixed matrix, many
    times faster than the sum of exponentials of each pair of cells.

    Parameters
    ----------
    potentials : tensor of shape (..., n_cells)
        The potentials v, in the unit of `epsilon`, with differences no larger than the
        largest distance.
    weights : tensor of shape (..., n_cells)
        The weights w, not negative; cells of weight zero do not count.
    kernel : ndarray of float32 of shape (n_cells, n_cells)
        As :func:`transform_kernel` gives it.
    epsilon : float
        Entropy in the unit of the distances.
    smallest_sum : float, default=0.0
        Added to each sum, which keeps the transform finite where all weights are zero.

    Returns
    -------
    transform : tensor of shape (..., n_cells)
        The soft minimum f, in the unit of `epsilon`.
    terms : tensor of shape (..., n_cells)
        w_j exp(v_j / epsilon), over that of the largest potential.
    sums : tensor of shape (..., n_cells)
        The terms times the kernel. ``terms[j] * kernel[j, i] / sums[i]`` is the part
        that cell j has in the sum of cell i.
    """
    largest = keras.ops.max(potentials, axis=-1, keepdims=True)
    terms = weights * keras.ops.exp((potentials - largest) / epsilon)
    sums = keras.ops.matmul(terms, kernel) + smallest_sum
    return -epsilon * keras.ops.log(sums) - largest, terms, sums
