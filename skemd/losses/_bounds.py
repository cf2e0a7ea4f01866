r"""Bounds of the exact EMD from potentials, however wrong these are.

Any function f of the cells that changes by no more than their distance gives a lower
bound, the gain of charge b over charge a, and any plan with the right sums an upper
bound, its cost (weak duality):

.. math:: \sum_k (b_k - a_k) f_k \le \mathrm{EMD}(a, b) \le \sum_{ij} P_{ij} d_{ij}.

Both get closer by Sinkhorn's iterations with less and less entropy. What they leave of
the sums of a plan is rounded off and shared out (Altschuler, Weed and Rigollet,
"Near-linear time approximation algorithms for optimal transport via Sinkhorn
iteration", NeurIPS 2017, algorithm 2).
"""

import numpy as np

__all__ = ["SOLVER", "emd_bounds"]

# The part of a network that returns, for each pair, a distance and then potentials.
SOLVER = "solver"

# Entropies in units of the distance between neighboring cells, and how many iterations
# each has. Potentials that were not learned would need larger entropies to begin with.
_ENTROPIES = (0.1, 0.05)
_N_ITERATIONS = 50
# Divisors are no smaller, so that no product overflows in float32.
_SMALLEST = 1e-15
# Potentials are kept within so many largest distances, so that few digits are lost.
_WIDEST = 4


def emd_bounds(ops, a, b, potentials, ground_distance):
    """Return a lower and an upper bound of the exact EMD of each pair.

    Parameters
    ----------
    ops : module
        NumPy for arrays of float64, or keras.ops for tensors of float32.
    a, b : array or tensor of shape (n_pairs, n_cells)
        Charges of unit sum.
    potentials : array or tensor of shape (n_pairs, n_cells)
        Where to start: gradients of the EMD with respect to `b`, in the unit of the
        distances. The bounds hold whatever they are, and are closer if they are right.
    ground_distance : ndarray of shape (n_cells, n_cells)
        Distances between the cells, a metric.

    Returns
    -------
    lower, upper : array or tensor of shape (n_pairs,)
        In the unit of the distances, apart by a margin for rounding on both sides:
        the largest distance times the resolution of the numbers times 16 more than
        there are cells. For the wafer in float32 it is 1e-4.
    """
    single = ops is not np
    distance = ground_distance.astype(np.float32 if single else np.float64)
    largest = float(distance.max())
    nearest = float(distance[distance > 0].min(initial=largest)) or 1.0
    resolution = float(np.finfo(distance.dtype).eps)
    margin = (16 + len(distance)) * resolution * largest
    change = b - a
    charge, variation = _moving_charge(ops, change)
    potentials = ops.where(ops.isfinite(potentials), potentials, 0)

    # The plan that sends charge from each cell to all others alike.
    leaving, entering = charge
    upper = ops.sum(ops.matmul(leaving, distance) * entering, axis=1)
    lower = 0 * upper
    for entropy in _ENTROPIES:
        potentials = _lipschitz(ops, potentials, charge, distance)
        lower = ops.maximum(lower, ops.sum(change * potentials, axis=1))
        potentials, cost = _sinkhorn(
            ops, potentials, charge, distance, entropy * nearest
        )
        upper = ops.where(cost < upper, cost, upper)
    potentials = _lipschitz(ops, potentials, charge, distance)
    lower = ops.maximum(lower, ops.sum(change * potentials, axis=1))
    return ops.maximum(lower - margin, 0), variation * upper + margin


def _moving_charge(ops, change):
    """Return the charges that leave and enter, of unit sums, and their part of all."""
    both = [ops.maximum(-change, 0), ops.maximum(change, 0)]
    sums = [ops.sum(charge, axis=1, keepdims=True) for charge in both]
    # Rounding alone can leave a surplus without a deficit: the wafers are equal then.
    moves = ops.minimum(*sums) > 0
    charge = [
        ops.where(moves, charge / ops.where(moves, total, 1), 0)
        for charge, total in zip(both, sums, strict=True)
    ]
    return charge, ops.maximum(*sums)[:, 0]


def _lipschitz(ops, potentials, charge, distance):
    """Return potentials that differ by no more than the distance between cells.

    Those of cells that lose charge come from those that gain it, as far below as they
    may be, and then all from these, as far above.
    """
    leaving, entering = charge
    widest = _WIDEST * float(distance.max())
    potentials = ops.clip(potentials, -widest, widest)
    gaining = ops.where(entering > 0, potentials, -2 * widest)
    below = ops.max(gaining[:, None, :] - distance, axis=2)
    losing = ops.where(leaving > 0, below, 2 * widest)
    return ops.min(losing[:, None, :] + distance, axis=2)


def _sinkhorn(ops, potentials, charge, distance, epsilon):
    """Iterate with one entropy; return potentials, and the cost of a rounded plan."""
    leaving, entering = charge
    slack = potentials[:, None, :] - potentials[:, :, None] - distance
    kernel = ops.exp(slack / epsilon)
    mirrored = ops.transpose(kernel, (0, 2, 1))

    def over_entering(v):
        return ops.matmul(kernel, v[:, :, None])[:, :, 0]

    def over_leaving(u):
        return ops.matmul(mirrored, u[:, :, None])[:, :, 0]

    def step(u, v):
        u = leaving / ops.maximum(over_entering(v), _SMALLEST)
        return u, entering / ops.maximum(over_leaving(u), _SMALLEST)

    start = (
        ops.ones_like(leaving),
        ops.where(entering > 0, ops.ones_like(entering), 0),
    )
    u, v = _repeated(ops, step, start)
    shift = ops.log(ops.maximum(v, _SMALLEST)) - ops.log(ops.maximum(u, _SMALLEST))
    moved = potentials + epsilon * ops.where((leaving > 0) | (entering > 0), shift, 0)

    # No cell may send or get more than it has; what is left is shared out evenly.
    u = u * ops.minimum(1, leaving / ops.maximum(u * over_entering(v), _SMALLEST))
    v = v * ops.minimum(1, entering / ops.maximum(v * over_leaving(u), _SMALLEST))
    left = ops.maximum(leaving - u * over_entering(v), 0)
    lacking = ops.maximum(entering - v * over_leaving(u), 0)
    by_plan = ops.sum(u * ops.matmul(kernel * distance, v[:, :, None])[:, :, 0], axis=1)
    by_rest = ops.sum(ops.matmul(left, distance) * lacking, axis=1)
    rest = ops.maximum(ops.sum(lacking, axis=1), _SMALLEST)
    return moved, by_plan + by_rest / rest


def _repeated(ops, step, state):
    if ops is np:
        for _ in range(_N_ITERATIONS):
            state = step(*state)
        return state
    return ops.fori_loop(0, _N_ITERATIONS, lambda _, both: step(*both), state)
