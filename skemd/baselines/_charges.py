"""Charges as the links carry them: whole counts, cut to short floating-point codes."""

import numpy as np

__all__ = [
    "received",
    "remainder",
    "sent",
    "whole_counts",
    "with_remainder",
]

# Above every code, yet sums over all cells stay exact integers.
_MOST_COUNTS = 2**40


def whole_counts(X):
    """Round charges down to whole counts.

    Parameters
    ----------
    X : ndarray of float of shape (n_samples, n_cells)
        Charges in CALQ counts, not negative.

    Returns
    -------
    counts : ndarray of int64 of shape (n_samples, n_cells)
        They saturate at 2**40, which is far above the saturation of every code.
    """
    return np.floor(np.minimum(X, _MOST_COUNTS)).astype(np.int64)


def sent(counts, code, dropped_bits=0):
    """Cut counts to the precision of a code.

    Parameters
    ----------
    counts : ndarray of int64 of shape (...)
        In CALQ counts.
    code : FloatCode
        How they are sent.
    dropped_bits : int, default=0
        Lowest bits that are dropped before encoding.

    Returns
    -------
    counts : ndarray of int64 of shape (...)
        The lowest numbers with the same codes, in CALQ counts.
    """
    return code.decode(code.encode(counts >> dropped_bits)) << dropped_bits


def received(counts, code, dropped_bits=0, *, half_lsb=False):
    """Return the receiver's estimate of the numbers that were sent.

    Parameters
    ----------
    counts : ndarray of int64 of shape (...)
        As returned by :func:`sent`.
    code, dropped_bits
        As they were sent.
    half_lsb : bool, default=False
        Whether to take the middle of the numbers with a code, not the lowest. Zero
        stays zero.

    Returns
    -------
    counts : ndarray of int64 of shape (...)
        In CALQ counts.
    """
    codes = code.encode(counts >> dropped_bits)
    lowest = code.decode(codes)
    if not half_lsb:
        return lowest << dropped_bits
    half = code.decode(codes, half_lsb=True) - lowest
    # Where the code is exact, only the dropped bits are unknown.
    half = np.where(half > 0, half << dropped_bits, (1 << dropped_bits) >> 1)
    return (lowest << dropped_bits) + np.where(lowest > 0, half, 0)


def remainder(cells, sums, sum_of):
    """Return the charge that a receiver knows of beyond the cells that were sent.

    Parameters
    ----------
    cells : ndarray of shape (n_samples, n_cells)
        Charges that were received, zero elsewhere.
    sums : ndarray of shape (n_samples,)
        The sums that were received.
    sum_of : {"all", "not_sent"}
        Which cells the sums cover.

    Returns
    -------
    rest : ndarray of float64 of shape (n_samples,)
        In CALQ counts, not negative.
    """
    rest = sums - cells.sum(axis=1) if sum_of == "all" else sums
    # Cells and sum are rounded separately, so that the cells may exceed the sum.
    return np.maximum(rest, 0).astype(np.float64)


def with_remainder(cells, rest):
    """Share charge of unknown place equally among the cells that were not sent.

    Parameters
    ----------
    cells : ndarray of float64 of shape (n_samples, n_cells)
        Charges that were received, zero elsewhere.
    rest : ndarray of float64 of shape (n_samples,)
        In CALQ counts. It is lost if all cells were sent.

    Returns
    -------
    cells : ndarray of float64 of shape (n_samples, n_cells)
        In CALQ counts.
    """
    silent = cells == 0
    share = rest / np.maximum(silent.sum(axis=1), 1)
    return np.where(silent, share[:, None], cells)
