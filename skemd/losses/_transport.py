"""The EMD as a loss: exact, learned, and smoothed by entropy."""

import numpy as np

from skemd._backend import keras
from skemd._checks import check_number
from skemd._input._wafers import check_width, resolve_geometry
from skemd.losses._base import Loss
from skemd.losses._bounds import SOLVER, emd_bounds
from skemd.losses._charges import to_unit_sum
from skemd.losses._exact_emd import exact_emd
from skemd.losses._soft_transform import LARGEST_EXPONENT, soft_c_transform
from skemd.losses._table import named_loss

__all__ = ["ExactEMD", "LearnedEMD", "SinkhornDivergence"]

# Stands for the logarithm of zero; infinity would make differences NaN.
_NEVER = -1e30


@named_loss(
    "emd", "the exact EMD, solved for each batch.", given=("geometry", "n_jobs")
)
@keras.saving.register_keras_serializable("skemd")
class ExactEMD(Loss):
    r"""The exact EMD, with the Kantorovich potentials as its gradient.

    The network simplex runs on the host for every batch. Its dual solution f is the
    gradient of the distance D with respect to the unit-sum reconstruction. With respect
    to the reconstruction p itself, whose sum is s, the gradient is

    .. math:: \frac{\partial D}{\partial p_k} = \frac1s \left(f_k - \frac1s
        \sum_l p_l f_l\right).

    At a kink of the EMD this is a subgradient.

    Parameters
    ----------
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    n_jobs : int or None, default=None
        How many threads share the pairs of a batch; None for one per core, as Keras's
        backends use.
    name : str, default="emd"
        Its name in Keras.
    **kwargs
        Options of ``keras.losses.Loss``.

    Notes
    -----
    Both wafers are brought to unit sum, in single precision. Negative charges count as
    zero, as in all losses, and have no gradient. A wafer without any charge counts as
    one with the same charge in every cell, and has no gradient. Where the largest
    charge of a reconstruction is below 1e-17, the gradient no longer grows. The other
    losses of this module do the same.
    """

    def __init__(self, geometry="wafer", n_jobs=None, name="emd", **kwargs):
        super().__init__(name=name, **kwargs)
        self.geometry = geometry
        self.n_jobs = n_jobs

    def call(self, y_true, y_pred):
        """Return the EMD of each sample, in the unit of the geometry."""
        geometry = _geometry_of(y_pred, self.geometry, "ExactEMD")
        return exact_emd(
            to_unit_sum(y_true), to_unit_sum(y_pred), geometry, self.n_jobs
        )


@named_loss(
    "sinkhorn",
    "the EMD smoothed by entropy, without the bias that entropy brings.",
    given=("geometry",),
)
@keras.saving.register_keras_serializable("skemd")
class SinkhornDivergence(Loss):
    r"""The EMD smoothed by entropy, without the bias that entropy brings.

    With the ground distances d and the optimal plan of the smoothed problem,

    .. math:: S(a, b) = O(a, b) - \tfrac12 O(a, a) - \tfrac12 O(b, b), \quad
        O(a, b) = \min_{P} \sum_{ij} P_{ij} d_{ij} +
        \varepsilon \sum_{ij} P_{ij} \log \frac{P_{ij}}{a_i b_j}.

    It is zero for equal wafers and tends to the EMD for small `epsilon`. The potentials
    are found by Sinkhorn's iterations on their logarithms, so nothing underflows.

    Parameters
    ----------
    geometry : {"wafer", "line"} or Geometry, default="wafer"
        Where the cells are.
    epsilon : float, default=1.0
        Weight of the entropy, in the unit of the geometry's distances. Smaller is
        closer to the EMD and needs more iterations, roughly in inverse proportion.
    n_iterations : int, default=20
        Number of Sinkhorn iterations, a fixed one. On the wafer with ``epsilon=1``, 20
        iterations leave values wrong by about 0.01 and gradients 3% off in direction;
        100 leave less than 0.001 and 0.2%.
    name : str, default="sinkhorn"
        Its name in Keras.
    **kwargs
        Options of ``keras.losses.Loss``.

    Notes
    -----
    The gradient is that of the converged problem, given by its potentials. Wafers are
    brought to unit sum as by :class:`ExactEMD`.

    References
    ----------
    J. Feydy et al., "Interpolating between Optimal Transport and MMD using Sinkhorn
    Divergences", AISTATS 2019, arXiv:1810.08278, for the divergence and the averaged,
    symmetric iterations.
    """

    def __init__(
        self,
        geometry="wafer",
        epsilon=1.0,
        n_iterations=20,
        name="sinkhorn",
        **kwargs,
    ):
        check_number(epsilon, "epsilon", low=0, open_ends=True)
        check_number(n_iterations, "n_iterations", low=1, integer=True)
        super().__init__(name=name, **kwargs)
        self.geometry = geometry
        self.epsilon = epsilon
        self.n_iterations = n_iterations

    def call(self, y_true, y_pred):
        """Return the divergence of each sample, in the unit of the geometry."""
        geometry = _geometry_of(y_pred, self.geometry, "SinkhornDivergence")
        a, b = to_unit_sum(y_true), to_unit_sum(y_pred)
        return _sinkhorn_divergence(
            a, b, geometry.ground_distance, self.epsilon, self.n_iterations
        )


@named_loss("emdcnn", "the EMD that a network has learned.", given=("regressor",))
class LearnedEMD(Loss):
    """The EMD that a fitted EMDRegressor predicts, as a loss with frozen weights.

    Parameters
    ----------
    regressor : EMDRegressor
        Fitted; it is only read.
    name : str, default="emdcnn"
        Its name in Keras.

    Notes
    -----
    Both wafers are brought to unit sum as by :class:`ExactEMD`, since the regressor was
    trained on such wafers. The loss does not see the total charge of the
    reconstruction.
    """

    def __init__(self, regressor, name="emdcnn"):
        super().__init__(name=name)
        self.regressor = regressor
        # A copy, so that the regressor's own live model is not marked as frozen.
        self._network = regressor.network_.copy().model
        self._network.trainable = False

    def call(self, y_true, y_pred):
        """Return the EMD of each sample, in the unit of the regressor's geometry."""
        pairs = [to_unit_sum(y_true), to_unit_sum(y_pred)]
        return self._network(keras.ops.concatenate(pairs, axis=1), training=False)

    def bounds(self, y_true, y_pred):
        """Return the learned EMD of each sample, and bounds of the exact one.

        They hold whatever the network has learned, with a margin for the rounding of
        float32: 1e-4 half pitches for the wafer. Where matrix products have fewer bits,
        as by default on many accelerators, the margin is too small; ask the backend for
        float32 (``jax.default_matmul_precision("float32")``). They have no useful
        gradient.

        Parameters
        ----------
        y_true, y_pred : tensor of shape (n_samples, n_cells)
            Charges in any unit.

        Returns
        -------
        distances, lower, upper : tensor of float32 of shape (n_samples,)
            In the unit of the regressor's geometry. The first may lie outside.
        """
        a, b = to_unit_sum(y_true), to_unit_sum(y_pred)
        pairs = keras.ops.concatenate([a, b], axis=1)
        potentials = keras.ops.zeros_like(a)
        if any(layer.name == SOLVER for layer in self._network.layers):
            potentials = self._network.get_layer(SOLVER)(pairs)[:, 1:]
        distance = self.regressor.geometry_.ground_distance
        bounds = emd_bounds(keras.ops, a, b, potentials, distance)
        return self._network(pairs, training=False), *bounds


def _sinkhorn_divergence(a, b, ground_distance, epsilon, n_iterations):
    """Return the Sinkhorn divergence of rows of unit sum; see SinkhornDivergence.

    All four potentials take the same averaged steps: for equal wafers they are equal
    at every step, and the divergence is zero even far from convergence.
    """
    soft_minimum = _soft_minimum(ground_distance, epsilon)
    # f and g between a and b, then those of a and of b with themselves. Each is a soft
    # minimum over the cells of the other wafer of its problem.
    others = keras.ops.stop_gradient(keras.ops.stack([b, a, a, b]))

    def step(_, potentials):
        f, g, of_a, of_b = (potentials[k] for k in range(4))
        opposite = keras.ops.stack([g, f, of_a, of_b])
        return 0.5 * (potentials + soft_minimum(opposite, others))

    potentials = keras.ops.fori_loop(
        0, n_iterations, step, keras.ops.zeros_like(others)
    )
    f, g, of_a, of_b = (keras.ops.stop_gradient(potentials[k]) for k in range(4))
    # At the optimum a potential is the derivative with respect to its wafer.
    return keras.ops.sum(a * (f - of_a) + b * (g - of_b), axis=-1)


def _soft_minimum(ground_distance, epsilon):
    """Return a function of potentials v and weights: the soft minimum of d - v.

    It is the soft c-transform of -v. Where `epsilon` is too small for float32 to hold
    the sum of exponentials, it is computed from the logarithms of all pairs of cells,
    which is slower.
    """
    scaled = (ground_distance / epsilon).astype(np.float32)
    if 2 * scaled.max() < LARGEST_EXPONENT:
        kernel = np.exp(-scaled)

        def soft_minimum(potentials, weights):
            return soft_c_transform(-potentials, weights, kernel, epsilon)[0]

        return soft_minimum
    scaled = keras.ops.convert_to_tensor(scaled)

    def soft_minimum(potentials, weights):
        # A cell without charge must not count, even if all others are far away.
        log_weights = keras.ops.where(weights > 0, keras.ops.log(weights), _NEVER)
        logs = potentials / epsilon + log_weights
        return -epsilon * keras.ops.logsumexp(logs[..., None, :] - scaled, axis=-1)

    return soft_minimum


def _geometry_of(y_pred, geometry, caller):
    n_cells = int(y_pred.shape[-1])
    geometry = resolve_geometry(geometry, n_cells)
    check_width(n_cells, geometry.n_cells, geometry, caller)
    return geometry
