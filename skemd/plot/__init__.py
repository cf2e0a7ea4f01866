"""Pictures of wafers, transport plans and trainings.

A number tells how good a compression is; a picture shows why. :func:`plot_wafer` draws
the cells of a wafer, :func:`plot_transport` the charge that the earth mover's distance
moves between two wafers, :func:`plot_reconstructions` many wafers above their
reconstructions. :func:`plot_learned_emd` and :func:`plot_relative_difference` compare a
learned EMD with the exact one, :func:`plot_history` shows a training and
:func:`plot_profiles` a metric with its band. Each draws into the given axes (``ax=``),
changes no setting of matplotlib, and returns a :class:`Picture` with ``ax_``,
``figure_`` and what it drew. Matplotlib comes with
``python -m pip install "skemd[plot]"``.
"""

from skemd.plot._curves import plot_history, plot_profiles
from skemd.plot._learned import plot_learned_emd, plot_relative_difference
from skemd.plot._picture import Picture
from skemd.plot._transport import TransportPicture, plot_transport
from skemd.plot._wafers import plot_reconstructions, plot_wafer

__all__ = [
    "Picture",
    "TransportPicture",
    "plot_history",
    "plot_learned_emd",
    "plot_profiles",
    "plot_reconstructions",
    "plot_relative_difference",
    "plot_transport",
    "plot_wafer",
]
