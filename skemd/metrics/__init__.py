"""Measure reconstructions: scores for scikit-learn, and metrics wafer by wafer.

:func:`mean_emd` is a positive number, the average distance; :func:`emd_score` is minus
that, for ``make_scorer``: larger is better and 0 is perfect. :func:`emd_scorer` is a
ready scorer that needs no y. All of them use the exact earth mover's distance, never
the learned one.

The others take ``(X_true, X_pred)`` and return one number per wafer: the distance
itself, the shift of the center, the change of the width, squared differences, the
fraction of the energy that is kept, and lost cells and wafers. :func:`mean_metric`
makes a score of any of them.
"""

from skemd.metrics._emd import emd_per_wafer, emd_score, emd_scorer, mean_emd
from skemd.metrics._mean import mean_metric
from skemd.metrics._physics import (
    center_shift,
    energy_response,
    lost_fraction,
    squared_difference,
    width_change,
    zero_fraction,
)

__all__ = [
    "center_shift",
    "emd_per_wafer",
    "emd_score",
    "emd_scorer",
    "energy_response",
    "lost_fraction",
    "mean_emd",
    "mean_metric",
    "squared_difference",
    "width_change",
    "zero_fraction",
]
