"""The heads of the learned EMD: the input of the trunk, and the use of its output.

A head is chosen by name. All that depends on it, in the network and in its training, is
listed in `HEADS`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from skemd._backend import keras
from skemd._regressor._potentials import LearnedPotentials, with_potentials_as_gradient
from skemd.layers._blocks import FLOAT32
from skemd.losses._bounds import SOLVER

__all__ = ["HEADS", "Head", "Trunk", "model_to_train"]

# Far below what float32 can tell apart in wafers of unit sum.
_SMALLEST_VARIATION = 1e-12
# Units of the hidden layer that refines potentials.
_REFINING_UNITS = 256
# Nearer to the geometry's limits the gradient is next to zero.
_CLOSEST_TO_LIMIT = 1e-3


class Trunk(NamedTuple):
    """Tensors of a network before its head.

    Attributes
    ----------
    pairs : tensor of shape (n_pairs, 2 * n_cells)
        The input, wafers of unit sum.
    both : tensor of shape (2 * n_pairs, 2 * n_cells)
        Input of the trunk: the pairs, then the pairs with their wafers exchanged.
    variation : tensor of shape (n_pairs,) or None
        Total variation of each pair; None for the head "linear".
    features : tensor of shape (2 * n_pairs, n_features)
        Output of the last hidden layer.
    number : tensor of shape (2 * n_pairs,)
        Output of the trunk, which becomes the EMD.
    """

    pairs: Any
    both: Any
    variation: Any
    features: Any
    number: Any


class Head(NamedTuple):
    """All that depends on the head in the network and in its training.

    Attributes
    ----------
    inputs : callable
        ``inputs(pairs)`` -> input of the trunk for each pair, and its total variation.
    model : callable
        ``model(trunk, limits=, positions=, n_refinements=, seeds=)`` -> keras.Model.
    is_paper_network : bool
        Whether every layer has batch normalization and a penalty on its weights.
    divides_by_variation : bool
        Whether the loss compares distances over the total variation of their pair.
    learns_potentials : bool
        Whether the network also learns Kantorovich potentials.
    """

    inputs: Callable
    model: Callable
    is_paper_network: bool = False
    divides_by_variation: bool = False
    learns_potentials: bool = False


def model_to_train(network, head):
    """Return the live model that a training changes.

    Parameters
    ----------
    network : Network
        A network with this head.
    head : Head
        One of `HEADS`.

    Returns
    -------
    model : keras.Model
        The whole model, or the part of it that also returns potentials: a column of
        distances and then a column for each cell.
    """
    return network.submodel(SOLVER) if head.learns_potentials else network.model


def _whole_pairs(pairs):
    return pairs, None


def _surplus_and_deficit(pairs):
    """Cancel the charge that both wafers share and bring the rest to one scale.

    The EMD depends only on the difference of the two wafers and is proportional to it.
    The network need not learn this if it sees the surplus and the deficit, each of the
    same sum, and its output is multiplied by the total variation.

    Parameters
    ----------
    pairs : tensor of shape (n_pairs, 2 * n_cells)
        Wafers of unit sum.

    Returns
    -------
    moving : tensor of shape (n_pairs, 2 * n_cells)
        Surplus and deficit.
    variation : tensor of shape (n_pairs,)
        The part of the charge that has to move.
    """
    n_cells = pairs.shape[1] // 2
    difference = pairs[:, :n_cells] - pairs[:, n_cells:]
    both_ways = keras.ops.concatenate([difference, -difference], axis=1)
    charge = keras.ops.relu(both_ways)
    variation = keras.ops.sum(charge, axis=1, keepdims=True) / 2
    moving = charge / keras.ops.maximum(variation, _SMALLEST_VARIATION)
    # Initializers are made for numbers around one.
    return moving * (n_cells / 2), variation[:, 0]


def _linear_model(trunk, **options):
    """Return the model of the number itself."""
    return keras.Model(trunk.pairs, _mean_of_both(trunk.number), name="emd_cnn")


def _bounded_model(trunk, *, limits, **options):
    """Return the model whose distances stay within the limits of the geometry."""
    output = _bounded(trunk.variation, limits, trunk.number)
    return keras.Model(trunk.pairs, output, name="emd_cnn")


def _potential_model(trunk, *, limits, positions, n_refinements, seeds):
    """Return the model of distances from learned potentials, which are its gradient."""
    refine = LearnedPotentials(
        positions,
        n_refinements,
        _REFINING_UNITS,
        next(seeds),
        name="refine",
        **FLOAT32,
    )
    n_cells = len(positions)
    potentials, distance, correction = refine(
        trunk.features, trunk.both * (2 / n_cells)
    )
    number = trunk.number + correction + _scaled_logit(limits, distance)
    distances = _bounded(trunk.variation, limits, number)
    columns = keras.ops.concatenate([distances[:, None], potentials], axis=1)
    columns = keras.Model(trunk.pairs, columns, name=SOLVER)(trunk.pairs)
    output = with_potentials_as_gradient(columns[:, 0], columns[:, 1:], trunk.pairs)
    return keras.Model(trunk.pairs, output, name="emd_cnn")


def _bounded(variation, limits, number):
    return variation * _scaled_sigmoid(limits, _mean_of_both(number))


def _mean_of_both(numbers):
    """Average over both orders of the wafers."""
    return keras.ops.mean(keras.ops.reshape(numbers, (2, -1)), axis=0)


def _scaled_sigmoid(limits, number):
    """Return a distance between the limits."""
    low, high = limits
    return low + (high - low) * keras.ops.sigmoid(number)


def _scaled_logit(limits, distance):
    """Invert `_scaled_sigmoid`, except very near the limits."""
    low, high = limits
    place = (distance - low) / ((high - low) or 1.0)
    place = keras.ops.clip(place, _CLOSEST_TO_LIMIT, 1 - _CLOSEST_TO_LIMIT)
    return keras.ops.log(place / (1 - place))


HEADS = {
    "bounded": Head(_surplus_and_deficit, _bounded_model, divides_by_variation=True),
    "linear": Head(_whole_pairs, _linear_model, is_paper_network=True),
    "potential": Head(_surplus_and_deficit, _potential_model, learns_potentials=True),
}
