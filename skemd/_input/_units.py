"""Whether charges are in CALQ counts, where their unit matters.

Distances do not know the scale of charges; the chip does. It computes in whole counts,
so charges in another unit vanish in the rounding, or exceed what its numbers can hold.
"""

import numpy as np

from skemd._warnings import warn_user

__all__ = ["COUNTS_PER_MIP", "MOST_COUNTS", "warn_unless_counts"]

# One transverse MIP in CALQ counts, rounded as in publications.
COUNTS_PER_MIP = 35.1
# CALQ has 22 bits.
MOST_COUNTS = 2**22 - 1

# Real wafers lose at most a few percent where charges are scaled a little, and half
# of their charge in MIP.
_MOST_IN_FRACTIONS = 0.1
_MOST_BEYOND = 0.01


def warn_unless_counts(X, caller, consequence="is lost, since it is rounded down"):
    """Warn if charges cannot be CALQ counts.

    The warning says which part of the charge is in fractions of a count, if that is
    more than 10%, or above the highest count, 2**22 - 1, if that is more than 1%.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells)
        Charges, finite and not negative.
    caller : str
        Who takes charges in counts, for the message.
    consequence : str, default="is lost, since it is rounded down"
        What happens to the charge that is no whole number of counts.

    Warns
    -----
    UserWarning
        Once in each call of the user, at the user's line.
    """
    total = X.sum(dtype=np.float64)
    if X.dtype.kind in "biu" or not total > 0:
        in_fractions = 0.0
    else:
        in_fractions = 1 - np.floor(X).sum(dtype=np.float64) / total
    if in_fractions > _MOST_IN_FRACTIONS:
        warn_user(
            f"{caller} takes charges in CALQ counts, but {in_fractions:.0%} of the "
            f"charge is in fractions of a count and {consequence}. Charges in "
            f"transverse MIP times {COUNTS_PER_MIP} are in counts."
        )
    if X.max(initial=0) <= MOST_COUNTS:
        return
    beyond = 1 - np.minimum(X, MOST_COUNTS).sum(dtype=np.float64) / total
    if beyond > _MOST_BEYOND:
        warn_user(
            f"{caller} takes charges in CALQ counts, but {beyond:.0%} of the charge is "
            f"above {MOST_COUNTS} counts a cell, which the chip cannot send. Use a "
            f"larger unit: {COUNTS_PER_MIP} counts are 1 transverse MIP."
        )
