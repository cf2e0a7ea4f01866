"""Training data of the learned EMD: input, distances, potentials, and their loss."""

import numpy as np

from skemd._backend import keras
from skemd._checks import format_rows
from skemd._input._chunks import map_chunks
from skemd._input._scaling import normalized
from skemd._warnings import warn_user
from skemd.distance._exact import solve_pairs
from skemd.geometry import hgcal_wafer

__all__ = [
    "LOSSES",
    "check_labels",
    "exact_labels",
    "network_input",
    "random_symmetries",
    "regression_loss",
    "regression_targets",
]

LOSSES = {
    "mse": "mean_squared_error",
    "huber": "huber",
    "msle": "mean_squared_logarithmic_error",
}
# Below this total variation, rounding to float32 shows in the label's ratio to it.
_SMALLEST_VARIATION = 1e-4
_POTENTIAL_WEIGHT = 0.01

# Labels are compared with the exact EMD of this many pairs, which are enough.
_MOST_PAIRS = 200
_TOLERANCE = 0.05
# Below this distance the difference may be the rounding of the labels.
_SMALLEST_DISTANCE = 1e-6


def network_input(pairs):
    """Return pairs as the network takes them.

    Parameters
    ----------
    pairs : ndarray of shape (n_pairs, 2, n_cells)
        Charges in any unit.

    Returns
    -------
    inputs : ndarray of float32 of shape (n_pairs, 2 * n_cells)
        Wafers of unit sum; those without charge stay zero.
    """
    fractions = normalized(pairs.reshape(-1, pairs.shape[2]))
    return fractions.reshape(len(pairs), -1).astype(np.float32)


def exact_labels(pairs, y, geometry, *, with_potentials, n_jobs):
    """Return the distances, and the potentials if the network learns them.

    Parameters
    ----------
    pairs : ndarray of shape (n_pairs, 2, n_cells)
        Checked wafers, charges in any unit.
    y : ndarray of shape (n_pairs,) or None
        Distances from the caller; None to compute the exact EMD.
    geometry : Geometry
        Where the cells are.
    with_potentials : bool
        Whether the network learns potentials.
    n_jobs : int or None
        How many joblib workers share the pairs.

    Returns
    -------
    distances : ndarray of shape (n_pairs,)
        In the unit of the geometry.
    potentials : ndarray of shape (n_pairs, n_cells) or None
        Kantorovich potentials, in the unit of the geometry.
    """
    if y is not None and not with_potentials:
        return y, None
    exact, potentials = solve_pairs(
        pairs[:, 0],
        pairs[:, 1],
        geometry,
        with_potentials=with_potentials,
        n_jobs=n_jobs,
    )
    return (exact if y is None else y), potentials


def regression_targets(pairs, distances, potentials=None, *, over_variation=False):
    """Return the targets that the loss compares with the network's output.

    Parameters
    ----------
    pairs : ndarray of shape (n_pairs, 2, n_cells)
        Checked wafers, charges in any unit.
    distances : ndarray of shape (n_pairs,)
        Their labels, in the unit of the geometry.
    potentials : ndarray of shape (n_pairs, n_cells) or None, default=None
        Kantorovich potentials, for a network that returns these as well. The loss then
        divides distances by themselves.
    over_variation : bool, default=False
        Whether the loss divides distances by the total variation of their pair.

    Returns
    -------
    targets : ndarray of float32 of shape (n_pairs, 2) or (n_pairs, 3 + n_cells)
        The distance and the scale that divides it; then whether the potentials
        count, and the potentials less their mean.
    """

    def targets(chunk):
        scale = np.ones(len(distances[chunk]))
        apart = np.ones(len(scale), dtype=bool)
        if over_variation or potentials is not None:
            a, b = np.split(network_input(pairs[chunk]), 2, axis=1)
            variation = np.abs(a - b).sum(axis=1) / 2
            # Predictions for equal wafers are right by construction. With a scale of
            # one, these pairs, and those that float32 can hardly tell apart, have no
            # weight in the training.
            apart = variation > _SMALLEST_VARIATION
            unit = variation if potentials is None else distances[chunk]
            scale = np.where(apart & (unit > 0), unit, scale)
        columns = [distances[chunk], scale]
        if potentials is not None:
            f = potentials[chunk]
            columns += [apart, f - f.mean(axis=1, keepdims=True)]
        return np.column_stack(columns).astype(np.float32)

    return map_chunks(targets, len(pairs))


def regression_loss(name, geometry, *, with_potentials):
    r"""Return the loss on targets of :func:`regression_targets`.

    Distances over their scale enter the named loss. Potentials f add their error
    relative to their size,

    .. math:: \tfrac{1}{100} \sum_i (g_i - f_i)^2 \, / \,
        \bigl(d_{min}^2 + \sum_i f_i^2\bigr),

    where the smallest distance between two cells keeps pairs with small potentials from
    counting more than others.

    Parameters
    ----------
    name : {"mse", "huber", "msle"}
        A key of `LOSSES`.
    geometry : Geometry
        Where the cells are.
    with_potentials : bool
        Whether the network returns potentials after its distances.

    Returns
    -------
    loss : callable
        ``loss(y_true, y_pred)`` -> one value per sample.
    """
    function = keras.losses.get(LOSSES[name])

    def of_distances(y_true, distance):
        scale = y_true[:, 1]
        return function((y_true[:, 0] / scale)[:, None], (distance / scale)[:, None])

    if not with_potentials:
        return of_distances
    unit = geometry.min_distance**2 or 1.0

    def of_both(y_true, y_pred):
        apart, potentials = y_true[:, 2], y_true[:, 3:]
        error = keras.ops.sum((y_pred[:, 1:] - potentials) ** 2, axis=1)
        size = keras.ops.sum(potentials**2, axis=1)
        of_potentials = _POTENTIAL_WEIGHT * error / (unit + size)
        return of_distances(y_true, y_pred[:, 0]) + apart * of_potentials

    return of_both


def random_symmetries(geometry):
    """Return a function that turns each pair of a batch by a random symmetry.

    Parameters
    ----------
    geometry : Geometry
        Where the cells are.

    Returns
    -------
    augment : callable or None
        ``augment(pairs, targets, rng)`` -> both, turned; None without symmetries.
        Only the last n_cells columns of `targets` turn, if it is wider than that.
    """
    if not geometry.symmetries:
        return None
    n_cells = geometry.n_cells
    turns = np.array([np.arange(n_cells), *geometry.symmetries])

    def augment(pairs, targets, rng):
        turn = turns[rng.randint(len(turns), size=len(pairs))]
        # Both wafers of a flat pair turn together, and potentials with them.
        pairs = np.take_along_axis(pairs, np.hstack([turn, turn + n_cells]), axis=1)
        if targets.shape[1] > n_cells:
            potentials = np.take_along_axis(targets[:, -n_cells:], turn, axis=1)
            targets = np.hstack([targets[:, :-n_cells], potentials])
        return pairs, targets

    return augment


def check_labels(pairs, y, geometry, *, lenient):
    """Check that labels are not negative and look like exact EMDs.

    Parameters
    ----------
    pairs : ndarray of shape (n_pairs, 2, n_cells)
        Wafers of any scale.
    y : ndarray of shape (n_pairs,)
        Their labels.
    geometry : Geometry
        Where the cells are.
    lenient : bool
        Whether negative labels are allowed, as for histograms of unknown origin.

    Raises
    ------
    ValueError
        If a label is negative; the message names the rows.

    Warns
    -----
    UserWarning
        If more than half of up to 200 pairs, evenly spaced, have a label that differs
        from the exact EMD by more than 5%.
    """
    negative = y < 0
    if negative.any() and not lenient:
        raise ValueError(
            f"y holds negative distances ({format_rows(negative)}: "
            f"{y[negative][0]:.3g} first). Pass the EMD of each "
            "pair, or leave y out to have it computed."
        )
    rows = np.unique(np.linspace(0, len(y) - 1, _MOST_PAIRS).astype(int))
    exact, _ = solve_pairs(pairs[:, 0], pairs[:, 1], geometry, rows, rows)
    allowed = np.maximum(_TOLERANCE * exact, _SMALLEST_DISTANCE)
    n_off = int((np.abs(y[rows] - exact) > allowed).sum())
    if 2 * n_off <= len(rows):
        return
    unit = "the unit of the geometry's positions"
    if geometry == hgcal_wafer():
        unit = "half trigger-cell pitches (1.2084 cm)"
    different = exact > _SMALLEST_DISTANCE
    ratio = np.median(y[rows][different] / exact[different]) if different.any() else 0
    warn_user(
        f"y is off the exact EMD by more than {_TOLERANCE:.0%} for {n_off} of "
        f"{len(rows)} pairs that were checked; the median of y over it is "
        f"{ratio:.3g}. Distances are expected in {unit}, between wafers of unit sum. "
        "Leave y out to have them computed.",
    )
