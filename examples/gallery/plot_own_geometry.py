"""
A geometry of your own
======================

Does the EMD also work for histograms that have nothing to do with a wafer?
"""

import matplotlib.pyplot as plt
import numpy as np

from skemd.distance import pairwise_emd
from skemd.geometry import Geometry
from skemd.plot import plot_transport, plot_wafer

# %%
# Take 37 photomultipliers on a disk: one in the middle, and rings of 6, 12 and 18. A
# geometry needs only the positions of the cells, here in meters.

rings = [np.zeros((1, 2))]
for radius in (1, 2, 3):
    angles = 2 * np.pi * np.arange(6 * radius) / (6 * radius)
    rings.append(radius * np.column_stack([np.cos(angles), np.sin(angles)]))
disk = Geometry(np.concatenate(rings), name="disk")

# %%
# Light falls off with the distance from its source. We place sources along a spiral and
# let each photomultiplier count photons.

rng = np.random.default_rng(0)
turn = np.linspace(0, 3 * np.pi, 60)
sources = (0.3 * turn)[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
squared = ((sources[:, None] - disk.positions) ** 2).sum(axis=2)
counts = rng.poisson(300 / (1 + squared) ** 2)

figure, axes = plt.subplots(
    1, 2, figsize=(11, 3.4), width_ratios=[1, 3], layout="constrained"
)
plot_wafer(counts[20], geometry=disk, ax=axes[0], colorbar=True, label="photons")
axes[0].set_title("event 20")
_ = plot_transport(
    counts[20],
    counts[40],
    geometry=disk,
    ax=axes[1],
    names=("event 20", "event 40"),
    unit="m",
)

# %%
# The EMD measures how far the light has moved. We draw it for all pairs of events
# against the distance between their sources.

emds = pairwise_emd(counts, geometry=disk)
apart = np.linalg.norm(sources[:, None] - sources, axis=2)
rows, columns = np.triu_indices(len(counts), k=1)
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
ax.scatter(apart[rows, columns], emds[rows, columns], s=4, alpha=0.4, color="#0072B2")
ax.plot([0, 5], [0, 5], color="0.5", lw=1)
ax.set(xlabel="distance between the sources (m)", ylabel="exact EMD (m)")

# %%
# The figure shows that the EMD between two events is almost proportional to the
# distance between their sources. It starts at 0.1 m, the counting noise of events with
# equal sources. At large distances it is nearly nine tenths of the distance, because
# light that falls far from both sources does not move.
