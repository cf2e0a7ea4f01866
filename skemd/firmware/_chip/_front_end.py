"""The chip's front end: from the words of twelve input links to 48 calibrated charges.

A word has a header of four bits and the charges of four trigger cells as 4E3M codes. A
multiplexer puts the cells in order; a code is expanded to the middle of the charges
that have it, in counts, and multiplied by the calibration of its cell. The middle of
code 0 is not zero: an empty cell reads as 4 counts with high density and as 1 with low
density.

Confirmed by captures of a prototype: order of the cells, multiplexer, expansion,
calibration, counter. Confirmed by vectors only: the order of the cells on the
production chip.
"""

import numpy as np

from skemd._checks import format_rows
from skemd._number_formats._links import CHARGE

__all__ = [
    "FRONT_ENDS",
    "LARGEST_CHARGE",
    "N_CELLS",
    "N_INPUT_LINKS",
    "ORBIT",
    "calibrate",
    "checked_counts",
    "crossing_counters",
    "dropped_by_input",
    "expand",
    "input_codes",
    "largest_input",
    "long_headers",
    "pedestal",
    "seen_by_chip",
    "seen_charges",
    "short_headers",
    "to_charges",
    "to_link_words",
]

# Names of the densities: whether they are high.
FRONT_ENDS = {"LD": False, "HD": True}
N_CELLS = 48
N_INPUT_LINKS = 12
CELLS_A_LINK = 4
# Crossings from one header 9 of the input links to the next.
ORBIT = 3564
FIRST_OF_ORBIT, ANY_OTHER = 9, 10
CALIBRATION_BITS = 11
# CALQ has 22 bits: no expanded code times any calibration needs more.
LARGEST_CHARGE = 2**22


def dropped_by_input(high_density):
    """Say how many bits of a charge the input links leave out.

    Parameters
    ----------
    high_density : bool
        Whether the wafer has high density.

    Returns
    -------
    n_bits : int
        3 with high density, 1 with low density.
    """
    return 3 if high_density else 1


def input_codes(counts, high_density):
    """Encode charges as the read-out chips send them to ECON-T.

    Parameters
    ----------
    counts : ndarray of int64 of shape (...)
        Charges in counts, not negative. What is too large saturates.
    high_density : bool
        Whether the wafer has high density.

    Returns
    -------
    codes : ndarray of int64 of shape (...)
        4E3M, seven bits.
    """
    return CHARGE.encode_unchecked(counts >> dropped_by_input(high_density))


def largest_input(high_density):
    """Return the highest charge that the input links can tell from higher ones.

    Parameters
    ----------
    high_density : bool
        Whether the wafer has high density.

    Returns
    -------
    counts : int
        In counts: 2**21 - 1 with high density, 2**19 - 1 with low density.
    """
    bits = CHARGE.highest.bit_length() + dropped_by_input(high_density)
    return 2**bits - 1


def expand(codes, high_density):
    """Expand the input links' codes to charges.

    Parameters
    ----------
    codes : array-like of int of shape (...)
        4E3M, seven bits.
    high_density : bool
        Whether the wafer has high density.

    Returns
    -------
    counts : ndarray of int64 of shape (...)
        The middle of the charges with this code, in counts.
    """
    codes = np.asarray(codes, dtype=np.int64)
    dropped = dropped_by_input(high_density)
    shift = np.maximum((codes >> CHARGE.mantissa_bits) - 1, 0)
    half = np.int64(1) << (shift + dropped - 1)
    return (CHARGE.decode(codes) << dropped) + half


def pedestal(high_density):
    """Return the charge, in counts, as which an empty cell reads."""
    return int(expand(0, high_density))


def seen_charges(X, front_end):
    """Return charges as they come out of the front end, without calibration.

    Parameters
    ----------
    X : ndarray of float of shape (n_samples, 48)
        Charges; in counts if there is a front end.
    front_end : {"LD", "HD"} or None
        The density; None for charges as they are.

    Returns
    -------
    seen : ndarray of float of shape (n_samples, 48)
        The middle of the charges with the same code, in counts, as float64.

    Raises
    ------
    ValueError
        If a charge has more counts than the chip has bits for.
    """
    if front_end is None:
        return X
    high_density = FRONT_ENDS[front_end]
    return seen_by_chip(checked_counts(X), high_density).astype(np.float64)


def checked_counts(X):
    """Return charges as whole counts, rounded down.

    Parameters
    ----------
    X : ndarray of int or float of shape (n_samples, n_cells)
        Charges in counts.

    Returns
    -------
    counts : ndarray of int64 of shape (n_samples, n_cells)
        From 0 to 2**22.

    Raises
    ------
    ValueError
        If a charge is negative, not finite or too large.
    """
    # Written so that NaN is not good, either.
    good = (X >= 0) & (X <= LARGEST_CHARGE)
    if not good.all():
        rows = ~good.all(axis=1)
        raise ValueError(
            f"Charges must be counts from 0 to 2**22, which is all that the chip has "
            f"bits for; {format_rows(rows)} of X hold{'s' if rows.sum() == 1 else ''} "
            f"{X[~good].flat[0]}. Drop these wafers, or convert charges to counts "
            "first; autoencoders take any unit with front_end=None."
        )
    return np.floor(X).astype(np.int64)


def seen_by_chip(counts, high_density):
    """Return charges as the chip has them behind its front end.

    Parameters
    ----------
    counts : ndarray of int64 of shape (...)
        Charges in counts, not negative. What is too large saturates.
    high_density : bool
        Whether the wafer has high density.

    Returns
    -------
    counts : ndarray of int64 of shape (...)
        CALQ with a calibration of 1: the middle of the charges with the same code of
        the input links, in counts. An empty cell has 4 with high density, else 1.
    """
    every = expand(np.arange(2**CHARGE.bits), high_density)
    return every[input_codes(counts, high_density)]


def calibrate(counts, calibration):
    """Multiply charges by their cells' calibration, rounding down.

    Parameters
    ----------
    counts : ndarray of int64 of shape (..., 48)
        Charges in counts.
    calibration : ndarray of int64 of shape (48,)
        In steps of 1 / 2048.

    Returns
    -------
    counts : ndarray of int64 of shape (..., 48)
        Calibrated charges in counts, CALQ.
    """
    return (counts * calibration) >> CALIBRATION_BITS


def to_charges(link_words, mux, calibration, *, high_density, version):
    """Compute the calibrated charges behind the front end.

    Parameters
    ----------
    link_words : ndarray of uint32 of shape (n_crossings, 12)
        A word a link.
    mux : ndarray of int of shape (48,)
        For each cell behind the multiplexer the one before it; repeats are allowed.
    calibration : ndarray of int64 of shape (48,)
        In steps of 1 / 2048.
    high_density : bool
        Whether the wafer has high density.
    version : {"prototype", "production"}
        Which chip, for the order of the cells in a word.

    Returns
    -------
    charges : ndarray of int32 of shape (n_crossings, 48)
        CALQ in counts, below 2**22; a view whose columns are contiguous.
    """
    # A code has 128 values: a table for each cell holds what becomes of them.
    every = expand(np.arange(2**CHARGE.bits), high_density)
    table = calibrate(every[:, None], calibration).T.astype(np.int32)
    columns = np.ascontiguousarray(link_words.T)
    links, shifts = mux // CELLS_A_LINK, _shifts(version)[mux]
    codes = (columns[links] >> shifts[:, None]) & (2**CHARGE.bits - 1)
    rows = np.arange(N_CELLS, dtype=np.uint32) << CHARGE.bits
    return table.ravel().take(codes + rows[:, None]).T


def to_link_words(codes, mux, *, version):
    """Write codes of trigger cells as input words, backwards through the multiplexer.

    Parameters
    ----------
    codes : ndarray of int64 of shape (n_crossings, 48)
        4E3M codes of the cells behind the multiplexer.
    mux : ndarray of int of shape (48,)
        A permutation.
    version : {"prototype", "production"}
        Which chip, for the order of the cells in a word.

    Returns
    -------
    link_words : ndarray of uint32 of shape (n_crossings, 12)
        With header 9 in the first crossing of each orbit and 10 in all others.
    """
    before = np.empty_like(codes)
    before[:, mux] = codes
    shifted = before << _shifts(version).astype(np.int64)
    words = shifted.reshape(len(codes), N_INPUT_LINKS, CELLS_A_LINK).sum(axis=2)
    first = np.arange(len(codes)) % ORBIT == 0
    headers = np.where(first, FIRST_OF_ORBIT, ANY_OTHER)
    return (words | (headers[:, None] << 28)).astype(np.uint32)


def crossing_counters(link_words):
    """Count crossings from the start of their orbit.

    Parameters
    ----------
    link_words : ndarray of uint32 of shape (n_crossings, 12)
        A header 9 on link 0 sets the counter to zero.

    Returns
    -------
    counters : ndarray of int64 of shape (n_crossings,)
        0 to 3563; before the first mark they count from the first row.
    """
    rows = np.arange(len(link_words))
    marked = link_words[:, 0] >> 28 == FIRST_OF_ORBIT
    last_mark = np.maximum.accumulate(np.where(marked, rows, 0))
    return (rows - last_mark) % ORBIT


def long_headers(counters):
    """Return the headers of five bits, which all frames but two kinds begin with.

    Parameters
    ----------
    counters : ndarray of int64 of shape (n_crossings,)
        As `crossing_counters` gives them.

    Returns
    -------
    headers : ndarray of int64 of shape (n_crossings,)
        31 at the start of an orbit, then the lowest four bits of the counter.
    """
    return np.where(counters == 0, 31, counters % 16)


def short_headers(counters):
    """Return the headers of four bits of Best Choice and super trigger cells.

    Parameters
    ----------
    counters : ndarray of int64 of shape (n_crossings,)
        As `crossing_counters` gives them.

    Returns
    -------
    headers : ndarray of int64 of shape (n_crossings,)
        15 at the start of an orbit, then the lowest three bits of the counter.
    """
    return np.where(counters == 0, 15, counters % 8)


def _shifts(version):
    """Return how far each of the 48 input cells stands from the end of its word."""
    place = np.arange(N_CELLS, dtype=np.uint32) % CELLS_A_LINK
    if version == "production":
        place = CELLS_A_LINK - 1 - place
    return place.astype(np.uint32) * np.uint32(CHARGE.bits)
