"""
A wafer and its layouts
=======================

Where are the 48 trigger cells of a wafer, and where does each of them go in the images
that a convolution sees?
"""

import matplotlib.pyplot as plt
import numpy as np

from skemd import WaferRemapper
from skemd.datasets import make_wafers
from skemd.plot import plot_wafer

X, info = make_wafers(200, random_state=7, return_info=True)
brightest = X[info["sim_energy"].argmax()]

# %%
# Generated wafers are rows of 48 charges in trigger-cell order. This one caught an
# electron's shower on top of the pile-up. Its three faces of 4 x 4 cells meet in the
# middle. The colors are logarithmic, because a few cells hold most of the charge.

figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
_ = plot_wafer(brightest, ax=ax, log=True, cell_numbers=True, colorbar=True)

# %%
# WaferRemapper turns it into an image. Layout "8x8" puts the three faces into an L of
# 48 out of 64 pixels, so that one filter sees across their seams. "4x4x3" stacks them
# as three channels. To show which cell goes where, we remap the cell numbers like
# charges.

numbers = np.arange(1, 49)[None]
images = {
    layout: WaferRemapper(layout).fit(X).transform(numbers)[0]
    for layout in ("8x8", "4x4x3")
}
panels = [("8x8", images["8x8"][..., 0])]
panels += [(f"4x4x3, channel {k}", images["4x4x3"][..., k]) for k in range(3)]
face_colors = plt.matplotlib.colors.ListedColormap(
    ["white", "#56B4E9", "#E69F00", "#009E73"]
)

figure, axes = plt.subplots(1, 4, figsize=(10, 3.2), layout="constrained")
for ax, (title, image) in zip(axes, panels, strict=True):
    face = np.where(image > 0, 1 + (image - 1) // 16, 0)
    ax.imshow(face, cmap=face_colors, vmin=0, vmax=3, alpha=0.6)
    for (row, column), number in np.ndenumerate(image):
        text = f"{number - 1:.0f}" if number else ""
        ax.text(column, row, text, ha="center", va="center", fontsize=8)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# The figure shows that "8x8" leaves the lower right corner empty and puts face 1 next
# to face 0 and above face 2. In "4x4x3" cells 0, 16 and 32, one of each face, share a
# pixel.
