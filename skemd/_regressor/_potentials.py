r"""The part of the learned EMD that finds Kantorovich potentials.

The dual of the transport problem asks for potentials f that differ by no more than the
distance between cells and maximize the gain of charge b over charge a,

.. math:: \max_f \sum_j (b_j - a_j) f_j, \quad |f_i - f_j| \le d_{ij}.

The maximum is the EMD, and the best f is its gradient with respect to b. The best f at
the cells that lose charge follows from the best f at those that gain it, and vice
versa, by a minimum over distances, the c-transform. So the network only has to guess:
transforms correct the guess, and show the network where it was wrong. They also tell
where charge would go by the guess. Where more arrives than there is, or less, the
potentials have to fall or rise.
"""

import numpy as np
from scipy.spatial.distance import cdist

from skemd._backend import keras
from skemd.losses._soft_transform import LARGEST_EXPONENT, soft_c_transform

__all__ = ["LearnedPotentials", "with_potentials_as_gradient"]

# Entropy of the transforms, in units of the distance between neighboring cells.
_RELATIVE_EPSILON = 0.2
# Charges enter with this power: cells with charge count much alike, others not at all.
_CHARGE_POWER = 0.25
# Keeps the logarithm finite at cells that no charge reaches.
_SMALLEST_SUM = 1e-35
# Potentials are of this order, in units of the geometry's largest distance.
_TYPICAL_POTENTIAL = 0.25
# The network sees imbalances in units of this many cells' mean charge. In the unit of
# the trunk, half a mean charge, the refinements trained worse.
_IMBALANCE_UNIT = 12.0


@keras.saving.register_keras_serializable("skemd")
class LearnedPotentials(keras.layers.Layer):
    r"""Guess the potentials of pairs and refine them by c-transforms.

    With the charge :math:`w_i` that leaves cell i and the entropy :math:`\epsilon`, the
    transform of the potentials at the cells that charge leaves is

    .. math:: f_j = -\epsilon \log \sum_i w_i^{1/4} \exp(-(f_i + d_{ij}) / \epsilon),

    nearly the smallest of :math:`f_i + d_{ij}`, and mirrored for those that it enters.
    The terms of the sum, over the sum, are the fractions of cell j's charge that would
    come from each cell i. The charge of cell i, less all that would come from it, is
    its imbalance, which is zero at the optimum. Each refinement moves the potentials
    part of the way to the transforms, and adds the output of a hidden layer that sees
    both and the imbalances. All refinements share their weights.

    Parameters
    ----------
    positions : array-like of shape (n_cells, n_dimensions)
        Positions of the cells.
    n_refinements : int
        How many times the network sees the transforms of its potentials.
    n_units : int
        Units of the hidden layer.
    seed : int
        Seed of the initializers.
    """

    def __init__(self, positions, n_refinements, n_units, seed, **kwargs):
        super().__init__(**kwargs)
        self.positions = np.asarray(positions, dtype=np.float64).tolist()
        self.n_refinements = n_refinements
        self.n_units = n_units
        self.seed = seed
        distance = cdist(self.positions, self.positions)
        self._n_cells = len(distance)
        # Lengths inside the layer are in this unit.
        # Plain numbers, since NumPy's would make tensors of double precision of all.
        self.unit = float(_TYPICAL_POTENTIAL * distance.max()) or 1.0
        distance = distance / self.unit
        nearest = distance[distance > 0].min(initial=distance.max()) or 1.0
        self._epsilon = float(
            max(_RELATIVE_EPSILON * nearest, 2 * distance.max() / LARGEST_EXPONENT)
        )
        self._kernel = np.exp(-distance / self._epsilon).astype(np.float32)

    def build(self, features_shape, moving_shape):
        """Create the weights of the guess, of the refinements and of the distance."""
        n_features, n_cells, n_units = features_shape[-1], self._n_cells, self.n_units
        self._guess = self._kernel_of("guess", n_features, n_cells)
        self._from_features = self._kernel_of("from_features", n_features, n_units)
        self._from_potentials = self._kernel_of("from_potentials", 5 * n_cells, n_units)
        self._bias = self.add_weight(name="bias", shape=(n_units,), initializer="zeros")
        self._correction = self._kernel_of("correction", n_units, n_cells)
        self._to_distance = self._kernel_of("to_distance", n_units, 1)
        # How far to move to the transforms, before the sigmoid; halfway at first.
        self._share = self.add_weight(
            name="share", shape=(self.n_refinements + 1,), initializer="zeros"
        )

    def call(self, features, moving):
        """Return potentials, and the distance that follows from them.

        Parameters
        ----------
        features : tensor of shape (2 * n_pairs, n_features)
            Features of each pair, then of each pair with its wafers exchanged.
        moving : tensor of shape (2 * n_pairs, 2 * n_cells)
            Charge that leaves each cell and charge that enters it, each of unit sum.

        Returns
        -------
        potentials : tensor of shape (n_pairs, n_cells)
            Gradient of the EMD with respect to the second wafer, with a mean of zero.
        distance : tensor of shape (2 * n_pairs,)
            Mean distance that charge moves according to these potentials.
        correction : tensor of shape (2 * n_pairs,)
            Correction of its logit by the hidden layer, a pure number.
        """
        leaving, entering = moving[:, : self._n_cells], moving[:, self._n_cells :]
        matmul, relu = keras.ops.matmul, keras.ops.relu
        moves = leaving, entering
        present = _charge_weight(leaving), _charge_weight(entering)
        from_features = matmul(features, self._from_features) + self._bias
        hidden = relu(from_features)
        share = keras.ops.sigmoid(self._share)
        potentials = _antisymmetrized(matmul(features, self._guess))
        for number in range(self.n_refinements + 1):
            below, above, *imbalances = self._soft_c_transforms(
                potentials, moves, present
            )
            step = share[number] * ((below + above) / 2 - potentials)
            if number < self.n_refinements:
                differences = (potentials, below - potentials, above - potentials)
                seen = keras.ops.concatenate([*differences, *imbalances], axis=1)
                hidden = relu(from_features + matmul(seen, self._from_potentials))
                step = step + matmul(hidden, self._correction)
            potentials = _antisymmetrized(potentials + step)
        gain = keras.ops.sum(potentials * (entering - leaving), axis=1)
        one_order = keras.ops.split(potentials, 2, axis=0)[0]
        one_order = one_order - keras.ops.mean(one_order, axis=1, keepdims=True)
        correction = matmul(hidden, self._to_distance)[:, 0]
        return one_order * self.unit, gain * self.unit, correction

    def compute_output_shape(self, features_shape, moving_shape):
        """Return the shapes of potentials, distance and correction."""
        n_both = features_shape[0]
        n_pairs = None if n_both is None else n_both // 2
        return (n_pairs, self._n_cells), (n_both,), (n_both,)

    def get_config(self):
        """Return the parameters of the constructor."""
        return {
            **super().get_config(),
            "positions": self.positions,
            "n_refinements": self.n_refinements,
            "n_units": self.n_units,
            "seed": self.seed,
        }

    def _kernel_of(self, name, n_inputs, n_outputs):
        self._n_kernels = getattr(self, "_n_kernels", 0) + 1
        initializer = keras.initializers.GlorotUniform(self.seed + self._n_kernels)
        return self.add_weight(
            name=name, shape=(n_inputs, n_outputs), initializer=initializer
        )

    def _soft_c_transforms(self, potentials, moves, present):
        """Return both transforms and the imbalances of both wafers' cells."""
        leaving, entering = moves
        left, entered = present
        below, surplus = self._transformed(potentials, left, leaving, entering)
        above, deficit = self._transformed(-potentials, entered, entering, leaving)
        return below, -above, surplus, deficit

    def _transformed(self, potentials, weights, charge, asked):
        """Return the transform, and the charge that cells have left or lack."""
        found, terms, sums = soft_c_transform(
            potentials, weights, self._kernel, self._epsilon, _SMALLEST_SUM
        )
        taken = terms * keras.ops.matmul(asked / sums, self._kernel)
        # The gradient of the division would overflow where little charge is reached.
        imbalance = (charge - taken) * (self._n_cells / _IMBALANCE_UNIT)
        return found, keras.ops.stop_gradient(imbalance)


def with_potentials_as_gradient(distances, potentials, pairs):
    """Return distances whose gradient with respect to the pairs is the potentials.

    At the optimum the potentials are the gradient (the envelope theorem), so that
    nothing is differentiated through the network that found them.

    Parameters
    ----------
    distances : tensor of shape (n_pairs,)
        Values.
    potentials : tensor of shape (n_pairs, n_cells)
        Gradient with respect to the second wafer, and minus that with respect to the
        first.
    pairs : tensor of shape (n_pairs, 2 * n_cells)
        The wafers.

    Returns
    -------
    distances : tensor of shape (n_pairs,)
        The same values.
    """
    stopped = keras.ops.stop_gradient
    # Its value is zero, its slope one.
    slope = pairs - stopped(pairs)
    both = stopped(keras.ops.concatenate([-potentials, potentials], axis=1))
    return stopped(distances) + keras.ops.sum(both * slope, axis=1)


def _charge_weight(charge):
    """Return the weight of each cell's potential in the transform."""
    charged = charge > 0
    # The inner where keeps the slope finite where there is no charge.
    return keras.ops.where(
        charged, keras.ops.where(charged, charge, 1.0) ** _CHARGE_POWER, 0.0
    )


def _antisymmetrized(potentials):
    """Make potentials change sign when the wafers of a pair are exchanged."""
    one_order, other_order = keras.ops.split(potentials, 2, axis=0)
    odd = (one_order - other_order) / 2
    return keras.ops.concatenate([odd, -odd], axis=0)
