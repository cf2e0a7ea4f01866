"""What a receiver makes of the codes of charges and sums."""

import numpy as np

__all__ = ["decoded"]


def decoded(codes, code, dropped_bits=0, *, half_lsb=False):
    """Decode charges or sums to counts.

    Parameters
    ----------
    codes : ndarray of int64 of shape (...)
        As they were sent.
    code : FloatCode
        Their format.
    dropped_bits : int, default=0
        Lowest bits that were dropped before.
    half_lsb : bool, default=False
        Whether to take the middle of the charges with a code, not the lowest. Zero
        stays zero.

    Returns
    -------
    counts : ndarray of int64 of shape (...)
        In counts.
    """
    lowest = code.decode(codes) << dropped_bits
    if not half_lsb:
        return lowest
    shift = np.maximum((codes >> code.mantissa_bits) - 1, 0) + dropped_bits
    return lowest + np.where(lowest > 0, (np.int64(1) << shift) >> 1, 0)
