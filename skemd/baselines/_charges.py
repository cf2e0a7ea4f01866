"""What a receiver makes of the charges and sums that the links carry."""

import numpy as np

from skemd.firmware._chip._decoding import decoded

__all__ = ["received", "with_rest"]


def received(counts, code, dropped_bits=0, *, half_lsb=False, pedestal=0):
    """Return the receiver's estimate of the numbers that were sent.

    Parameters
    ----------
    counts : ndarray of int64 of shape (...)
        In CALQ counts, the lowest numbers with their codes.
    code : FloatCode
        How they were sent.
    dropped_bits : int, default=0
        Lowest bits that were dropped before.
    half_lsb : bool, default=False
        Whether to take the middle of the numbers with a code, not the lowest.
    pedestal : int or ndarray of int64 of shape (...), default=0
        What the number would be without any charge, in CALQ counts. It is subtracted.

    Returns
    -------
    counts : ndarray of int64 of shape (...)
        In CALQ counts, not negative. Zero where there is no more than the pedestal.
    """
    codes = code.encode_unchecked(counts >> dropped_bits)
    lowest = decoded(codes, code, dropped_bits)
    estimate = lowest
    if half_lsb:
        estimate = decoded(codes, code, dropped_bits, half_lsb=True)
    return np.where(lowest > pedestal, estimate - pedestal, 0)


def with_rest(cells, sums, was_sent, sum_of):
    """Share charge of unknown place equally among the cells that were not sent.

    Parameters
    ----------
    cells : ndarray of int64 of shape (n_samples, n_cells)
        Charges that were received, zero elsewhere.
    sums : ndarray of int64 of shape (n_samples,)
        The sums that were received, without pedestals.
    was_sent : ndarray of bool of shape (n_samples, n_cells)
        Which cells were sent.
    sum_of : {"all", "not_sent"}
        Which cells the sums cover.

    Returns
    -------
    cells : ndarray of float64 of shape (n_samples, n_cells)
        In CALQ counts. What is left where all cells were sent is lost.
    """
    rest = sums - cells.sum(axis=1) if sum_of == "all" else sums
    # Cells and sum are rounded separately, so that the cells may exceed the sum.
    share = np.maximum(rest, 0) / np.maximum((~was_sent).sum(axis=1), 1)
    return np.where(was_sent, cells, share[:, None])
