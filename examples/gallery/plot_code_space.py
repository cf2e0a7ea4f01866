"""
The space of codes
==================

What do the 16 numbers of a code say about a wafer?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skemd import EMDAutoencoder
from skemd.datasets import make_wafers
from skemd.geometry import hgcal_wafer

N_TRAIN, N_TEST = 3000, 1500

# %%
# We train an autoencoder on the exact EMD and encode wafers that it did not see. Two
# principal components represent the 16 numbers.

X = make_wafers(N_TRAIN, random_state=0)
test = make_wafers(N_TEST, random_state=1)
autoencoder = EMDAutoencoder("emd", random_state=0).fit(X)
codes = autoencoder.transform(test)
components = PCA(2).fit_transform(codes)

# %%
# Each dot is a wafer. On the left its color is the direction of the charge from the
# center of the wafer, on the right the spread of the charge about its mean.

positions = hgcal_wafer().positions - hgcal_wafer().positions.mean(axis=0)
shares = test / test.sum(axis=1, keepdims=True)
center = shares @ positions
direction = np.degrees(np.arctan2(center[:, 1], center[:, 0]))
spread = np.sqrt(shares @ (positions**2).sum(axis=1) - (center**2).sum(axis=1))

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, color, cmap, label in (
    (axes[0], direction, "twilight", "direction of the charge (degrees)"),
    (axes[1], spread, "viridis", "spread of the charge (half trigger-cell pitches)"),
):
    dots = ax.scatter(*components.T, c=color, cmap=cmap, s=6)
    figure.colorbar(dots, ax=ax, label=label)
    ax.set(xlabel="first component of the code", ylabel="second component")

# %%
# The figure shows a fan of codes. On the left the direction of the charge changes
# along the fan: the code says where the energy is. On the right, wafers with widely
# spread charge are crowded at one end, and those with their charge in one place spread
# out from there: the farther out, the better defined the direction.
