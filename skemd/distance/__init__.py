"""The exact earth mover's distance (EMD) between wafers, and its gradient.

The EMD is the least work that turns one distribution of charge into another, where work
is charge times the distance that it is carried. Wafers are normalized to unit sum, so
the EMD is how far, on average, the charge has to travel; its unit is that of the
geometry's positions (half a trigger-cell pitch, 1.2084 cm, for the wafer). The dual
solution, a potential for every cell, gives the gradient of the EMD at no extra cost.
"""

from skemd.distance._exact import emd, paired_emd, paired_potentials, pairwise_emd

__all__ = ["emd", "paired_emd", "paired_potentials", "pairwise_emd"]
