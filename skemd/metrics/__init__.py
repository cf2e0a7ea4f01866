"""How well wafers come back: scores as scikit-learn knows them, and numbers a wafer.

:func:`mean_emd` is the positive number, an average distance; :func:`emd_score` is
minus that, for ``make_scorer``: larger is better and 0 is perfect.
:func:`emd_scorer` is a ready scorer that needs no y. All of them measure with the
exact earth mover's distance, never with the learned one.

The others take ``(X_true, X_pred)`` and give one number a wafer: the distance
itself, shift of the center, change of the width, squared differences, energy that comes
back, cells and wafers that are lost. :func:`mean_metric` makes a score of any of them.
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
