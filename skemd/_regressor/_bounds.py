"""Bounds of the exact EMD from a learned one, in double precision."""

import numpy as np
from sklearn.utils import gen_batches

from skemd._input._pairs import both_charged
from skemd._input._scaling import normalized
from skemd._regressor._heads import HEADS
from skemd._regressor._targets import network_input
from skemd.losses._bounds import SOLVER, emd_bounds

__all__ = ["bounds_of_pairs"]

# Numbers of a table of all cells by all cells, of all pairs of a chunk: 16 MB.
_CHUNK_SIZE = 2**21


def bounds_of_pairs(network, pairs, geometry):
    """Return a lower and an upper bound of the exact EMD of each pair.

    Parameters
    ----------
    network : Network
        The learned EMD. Without learned potentials the bounds start from none.
    pairs : ndarray of shape (n_pairs, 2, n_cells)
        Checked pairs, charges in any unit.
    geometry : Geometry
        Where the cells are.

    Returns
    -------
    bounds : ndarray of shape (2, n_pairs)
        In the unit of the geometry; NaN for a pair with a wafer without charge.
    """
    bounds = np.full((2, len(pairs)), np.nan)
    (charged,) = both_charged(pairs).nonzero()
    learned = HEADS[network.config["head"]].learns_potentials
    for chunk in gen_batches(len(charged), max(1, _CHUNK_SIZE // geometry.n_cells**2)):
        rows = charged[chunk]
        a, b = (normalized(pairs[rows, side]) for side in (0, 1))
        potentials = np.zeros(a.shape)
        if learned:
            found = network.predict(network_input(pairs[rows]), SOLVER)
            potentials = found[:, 1:].astype(np.float64)
        bounds[:, rows] = emd_bounds(np, a, b, potentials, geometry.ground_distance)
    return bounds
