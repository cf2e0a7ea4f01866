"""A look at the labels of pairs before a network learns them.

A wrong unit, or distances between wafers that were not normalised, trains without a
complaint and spoils whatever uses the result.
"""

import warnings

import numpy as np

from skemd._validation import name_rows
from skemd.distance import paired_emd
from skemd.geometry import hgcal_wafer

__all__ = ["check_labels"]

# Solved exactly; more would tell no more.
_MOST_PAIRS = 200
_TOLERANCE = 0.05
# Below this distance the labels' own rounding may be all there is.
_SMALLEST_DISTANCE = 1e-6


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
        Whether negative labels may pass, as for histograms of unknown origin.

    Raises
    ------
    ValueError
        If a label is negative; the message names the rows.

    Warns
    -----
    UserWarning
        If more than half of up to 200 pairs, evenly spaced, have a label that is off
        the exact EMD by more than 5%.
    """
    negative = y < 0
    if negative.any() and not lenient:
        raise ValueError(
            f"y holds negative distances ({name_rows(negative)}: {y[negative][0]:.3g} "
            "first). Pass the EMD of each pair, or leave y out to have it computed."
        )
    rows = np.unique(np.linspace(0, len(y) - 1, _MOST_PAIRS).astype(int))
    exact = paired_emd(pairs[rows, 0], pairs[rows, 1], geometry=geometry)
    allowed = np.maximum(_TOLERANCE * exact, _SMALLEST_DISTANCE)
    n_off = int((np.abs(y[rows] - exact) > allowed).sum())
    if 2 * n_off <= len(rows):
        return
    unit = "the unit of the geometry's positions"
    if geometry == hgcal_wafer():
        unit = "half trigger-cell pitches (1.2084 cm)"
    different = exact > _SMALLEST_DISTANCE
    ratio = np.median(y[rows][different] / exact[different]) if different.any() else 0
    warnings.warn(
        f"y is off the exact EMD by more than {_TOLERANCE:.0%} for {n_off} of "
        f"{len(rows)} pairs that were looked at; the median of y over it is "
        f"{ratio:.3g}. Distances are expected in {unit}, between wafers of unit sum. "
        "Leave y out to have them computed.",
        stacklevel=3,
    )
