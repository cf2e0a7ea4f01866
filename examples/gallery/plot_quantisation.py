"""
Quantisation
============

What do the few bits of the chip cost, and does it help to know of them in training?
"""

import matplotlib.pyplot as plt
import numpy as np

from skemd import EMDAutoencoder
from skemd.datasets import make_wafers

N_TRAIN, N_TEST, EPOCHS, LINKS = 4000, 1000, 40, (2, 3, 5)

# %%
# Two to five links give each of the 16 numbers 3, 5, 7 or 9 bits. One autoencoder is
# trained in floating point, and its codes are rounded afterwards to the same formats;
# the others train with the chip's formats of codes, weights, images and sums.

X = make_wafers(N_TRAIN, random_state=0)
test = make_wafers(N_TEST, random_state=1)
training = {"loss": "emd", "epochs": EPOCHS, "batch_size": 250, "random_state": 0}
floating = EMDAutoencoder(**training).fit(X)
aware = {links: EMDAutoencoder(n_output_links=links, **training).fit(X) for links in LINKS}

# %%
# Rounding after training keeps the number of bits, one of them before the binary point,
# and saturates: the floating-point network never heard of that range.


def rounded_emd(bits):
    """Return the mean EMD of floating-point codes rounded to some bits."""
    step = 2.0 ** (1 - bits)
    codes = np.clip(np.round(floating.transform(test) / step) * step, 0, 2 - step)
    return codes
