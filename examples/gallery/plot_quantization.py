"""
Quantization
============

What do the few bits of the chip cost, and does it help to train with them?
"""

import matplotlib.pyplot as plt
import numpy as np

from skemd import EMDAutoencoder
from skemd.datasets import make_wafers
from skemd.metrics import mean_emd

N_TRAIN, N_TEST = 4000, 1500
BITS_OF_LINKS = {2: 3, 3: 5, 5: 9}

# %%
# Two, three and five links have room for 3, 5 and 9 bits for each of the 16 numbers of
# a code. We train one autoencoder in floating point, and three with formats of codes,
# weights, images and sums, so that the training takes the rounding into account. Sums
# are rounded once here, as in published models; the chip rounds more.

X = make_wafers(N_TRAIN, random_state=0)
test = make_wafers(N_TEST, random_state=1)
training = {"loss": "emd", "random_state": 0, "arithmetic": "exact"}
floating = EMDAutoencoder(**training).fit(X)
aware = [
    EMDAutoencoder(n_output_links=links, **training).fit(X) for links in BITS_OF_LINKS
]

# %%
# The codes of the floating-point autoencoder can be rounded afterwards to the same
# range and steps, with one bit before the binary point. Larger values saturate.

codes = floating.transform(test)
steps = [2.0 ** (1 - bits) for bits in BITS_OF_LINKS.values()]
rounded = [np.clip(step * np.round(codes / step), 0, 2 - step) for step in steps]
emds = {
    "trained with formats": [-autoencoder.score(test) for autoencoder in aware],
    "codes rounded afterwards": [
        mean_emd(test, floating.inverse_transform(code)) for code in rounded
    ],
}

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for (name, values), look in zip(emds.items(), ("o-", "s--"), strict=True):
    ax.plot([*BITS_OF_LINKS.values()], values, look, label=name)
ax.axhline(-floating.score(test), color="0.5", lw=1, label="floating point")
ax.set(
    xlabel="bits of each number of a code",
    ylabel="mean exact EMD (half trigger-cell pitches)",
    xticks=[*BITS_OF_LINKS.values()],
    ylim=(0, 1.15 * max(emds["codes rounded afterwards"])),
)
ax.legend()

# %%
# The figure shows that three bits cost something, and five and nine bits next to
# nothing, if the network is trained for its formats. Rounding afterwards costs more at
# three bits. Differences of a few hundredths mean nothing: two trainings with different
# seeds differ as much.
