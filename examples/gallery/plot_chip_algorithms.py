"""
The chip's algorithms compared
==============================

How well does each algorithm locate the energy with the bits that it sends?
"""

import matplotlib.pyplot as plt

from skemd import EMDAutoencoder
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.datasets import make_wafers
from skemd.study import Wafers, compare, link_rows, occupancy

N_TRAIN, N_TEST, LINKS = 4000, 1500, (2, 3, 5)

# %%
# An algorithm is anything with fit and predict. Here are three of the chip's algorithms
# without a network, Best Choice also with a receiver that shares out what was not sent,
# and the autoencoder in the chip's arithmetic, trained on the exact EMD. Each has 2, 3
# or 5 links of 32 bits.


def draw_wafers(seed):
    """Return wafers to fit on, others to measure on, and their occupancy."""
    train = make_wafers(N_TRAIN, random_state=seed)
    test = make_wafers(N_TEST, random_state=1000 + seed)
    return Wafers(train, test, {"occupancy_cells": occupancy(test)})


algorithms = [
    (name, estimator)
    for links in LINKS
    for name, estimator in (
        ("Threshold Sum", ThresholdSum(threshold="links", n_output_links=links)),
        ("Best Choice", BestChoice(n_output_links=links)),
        ("Best Choice, rest", BestChoice(n_output_links=links, rest="even")),
        ("STC4_9", SuperTriggerCell("STC4_9", n_output_links=links)),
        ("autoencoder", EMDAutoencoder("emd", n_output_links=links)),
    )
]
rows = link_rows(compare(algorithms, draw_wafers, seeds=[0]))

# %%
# A reconstruction without charge counts as spread evenly.

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
looks = {
    "Threshold Sum": {"color": "#0072B2", "marker": "s", "ls": "--"},
    "Best Choice": {"color": "#D55E00", "marker": "^", "ls": "-."},
    "Best Choice, rest": {"color": "#E69F00", "marker": "v", "ls": "-."},
    "STC4_9": {"color": "#009E73", "marker": "D", "ls": ":"},
    "autoencoder": {"color": "black", "marker": "o", "ls": "-"},
}
for name, look in looks.items():
    of_name = [row for row in rows if row["algorithm"] == name]
    bits = [row["payload_bits_mean"] for row in of_name]
    emds = [row["emd_half_pitches_mean"] for row in of_name]
    ax.plot(bits, emds, label=name, **look)
ax.set(
    xlabel="mean payload (bits a wafer)",
    ylabel="mean exact EMD (half trigger-cell pitches)",
    ylim=(0, None),
)
ax.legend()

# %%
# The figure shows the autoencoder ahead of the three algorithms with two links, where
# they have to drop charge or gather it in a few places. More links hardly help it,
# because its code still has 16 numbers. Best Choice overtakes it with three links, and
# all of them do with five: most of these wafers have charge in only a few cells, which
# then fit the links. The receiver that shares out what Best Choice did not send is
# ahead with any number of links.
