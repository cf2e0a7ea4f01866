"""The soft c-transform: the step of Sinkhorn's iterations, and of the learned EMD."""

from skemd._backend import keras

__all__ = ["LARGEST_EXPONENT", "soft_c_transform"]

# exp(-80) is the smallest power that float32 can add up without losing it.
LARGEST_EXPONENT = 80.0


def soft_c_transform(potentials, weights, kernel, epsilon, smallest_sum=0.0):
    r"""Return the soft minimum over the cells of potential plus distance.

    .. math:: g_i = -\epsilon \log \sum_j w_j e^{-(f_j + d_{ij}) / \epsilon}.

    With the lowest potential taken out, the sum is a product with a fixed matrix, many
    times faster than the sum of exponentials of each pair of cells.

    Parameters
    ----------
    potentials : tensor of shape (..., n_cells)
        The potentials f, in the unit of `epsilon`. They differ by no more than the
        largest distance.
    weights : tensor of shape (..., n_cells)
        The weights w, not negative; cells of weight zero do not count.
    kernel : ndarray of float32 of shape (n_cells, n_cells)
        exp(-d / epsilon), pure numbers. Twice the largest d / epsilon must be below
        `LARGEST_EXPONENT`: a difference of potentials comes on top of the distance.
    epsilon : float
        Entropy in the unit of the distances.
    smallest_sum : float, default=0.0
        Added to each sum, which keeps the transform finite where all weights are zero.

    Returns
    -------
    transform : tensor of shape (..., n_cells)
        The soft minimum g, in the unit of `epsilon`.
    terms : tensor of shape (..., n_cells)
        w_j exp(-f_j / epsilon), relative to exp(-f / epsilon) at the lowest potential.
    sums : tensor of shape (..., n_cells)
        The terms times the kernel. ``terms[j] * kernel[j, i] / sums[i]`` is the part
        that cell j has in the sum of cell i.
    """
    lowest = keras.ops.min(potentials, axis=-1, keepdims=True)
    terms = weights * keras.ops.exp((lowest - potentials) / epsilon)
    sums = keras.ops.matmul(terms, kernel) + smallest_sum
    return lowest - epsilon * keras.ops.log(sums), terms, sums
