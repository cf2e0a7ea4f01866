"""Pictures of wafers, of transport plans and of how well a training went.

A number says how good a compression is; a picture says why. :func:`plot_wafer` draws
the cells where they are, :func:`plot_transport` what the earth mover's distance moves
between two wafers, :func:`plot_reconstructions` many wafers above what came back of
them. :func:`plot_learned_emd` and :func:`plot_relative_difference` hold a learned EMD
against the exact one, :func:`plot_history` shows a training and :func:`plot_profiles` a
metric with its band. Each draws into the axes that it is given (``ax=``), touches no
setting of matplotlib, and returns what it drew. Matplotlib comes with
``python -m pip install "skemd[plot]"``.
"""

from skemd.plot._curves import plot_history, plot_profiles
from skemd.plot._learned import plot_learned_emd, plot_relative_difference
from skemd.plot._transport import TransportPicture, plot_transport
from skemd.plot._wafers import plot_reconstructions, plot_wafer

__all__ = [
    "TransportPicture",
    "plot_history",
    "plot_learned_emd",
    "plot_profiles",
    "plot_reconstructions",
    "plot_relative_difference",
    "plot_transport",
    "plot_wafer",
]
