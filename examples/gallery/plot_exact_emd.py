"""
The exact EMD and its plan
==========================

What does the earth mover's distance between a wafer and its reconstruction measure?
"""

import matplotlib.pyplot as plt
import numpy as np

from skemd.baselines import BestChoice, SuperTriggerCell
from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.plot import plot_transport

X = make_wafers(400, random_state=2)
rich = X[(X > 0).sum(axis=1) > 12]
wafer = rich[0]

# %%
# Two of the chip's own algorithms compress it. Best Choice sends its largest charges
# and forgets the others; super trigger cells send sums of 4 x 4 cells, and the receiver
# puts each sum where the largest charge was. The EMD is the least work that turns one
# wafer into the other, each normalised to unit sum: charge times the way it goes. Its
# plan says what goes where: from the wide end of each wedge to its tip.

algorithms = {
    "Best Choice": BestChoice(n_output_links=3),
    "STC16_9": SuperTriggerCell("STC16_9", n_output_links=3),
}
figure, axes = plt.subplots(2, 1, figsize=(9, 6.4), layout="constrained")
pictures = {}
for ax, (name, algorithm) in zip(axes, algorithms.items(), strict=True):
    received = algorithm.fit_transform(X)
    received = algorithm.inverse_transform(algorithm.transform(wafer[None]))[0]
    pictures[name] = plot_transport(wafer, received, ax=ax, names=("wafer", name))

# %%
# The plan proves its distance: its shares times the ways they go add up to the EMD,
# and no other plan is cheaper.

for name, picture in pictures.items():
    received = algorithms[name].inverse_transform(
        algorithms[name].transform(wafer[None])
    )
    assert np.isclose(picture.distance, paired_emd(wafer[None], received)[0])

# %%
# The figure shows where the two lose: TODO
