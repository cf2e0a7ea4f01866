"""Codes as users get them and pass them: their checks, and the sum at their end.

With ``encode_sum=True`` a code ends with the sum of its wafer, as the chip sends it.
"""

import numpy as np
from sklearn.utils import check_array

from skemd._checks import check_container, format_rows
from skemd._input._units import warn_unless_counts
from skemd._number_formats._links import MODULE_SUM

__all__ = [
    "check_decoded",
    "checked_codes",
    "split_sums",
    "warn_unless_sendable",
    "with_sent_sums",
]


def checked_codes(X, autoencoder, n_numbers):
    """Check codes that a user wants decoded.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_numbers)
        The codes.
    autoencoder : EMDAutoencoder
        The estimator that decodes them, for messages.
    n_numbers : int
        How many numbers its codes have.

    Returns
    -------
    codes : ndarray of float32 of shape (n_samples, n_numbers)
        Finite.

    Raises
    ------
    ValueError
        If a number is missing or not finite, or codes have another length.
    """
    caller = f"{type(autoencoder).__name__}.inverse_transform"
    check_container(X, f"The argument of {caller}")
    with np.errstate(over="ignore"):
        # A number too large for float32 becomes infinite, which check_array refuses.
        codes = check_array(X, dtype=np.float32, estimator=autoencoder)
    if codes.shape[1] != n_numbers:
        raise ValueError(
            f"{caller} got codes of {codes.shape[1]} numbers; this autoencoder's have "
            f"{n_numbers}."
        )
    return codes


def check_decoded(images, codes):
    """Check that decoding did not overflow."""
    if not np.isfinite(images).all():
        raise ValueError(
            f"Codes as large as {np.abs(codes).max():.3g} overflow in the decoder; "
            "transform gives no such codes."
        )


def warn_unless_sendable(X):
    """Warn if the sums of wafers cannot be sent, since charges are not in counts."""
    consequence = "sums are rounded down to whole counts"
    warn_unless_counts(X, "EMDAutoencoder(encode_sum=True)", consequence)


def with_sent_sums(codes, sums):
    """Append the wafers' sums to codes, as the values that the chip sends.

    Parameters
    ----------
    codes : ndarray of float32 of shape (n_samples, n_components)
        The codes.
    sums : ndarray of shape (n_samples,)
        In CALQ counts.

    Returns
    -------
    codes : ndarray of float32 of shape (n_samples, n_components + 1)
        The last column holds the sums, rounded down to an integer and then to a float
        of 5 bits of exponent and 4 of mantissa.
    """
    # A sum may be larger than any integer holds.
    counts = np.minimum(sums, MODULE_SUM.highest).astype(np.int64)
    sent = MODULE_SUM.decode(MODULE_SUM.encode(counts))
    return np.column_stack([codes, sent.astype(np.float32)])


def split_sums(codes):
    """Take the sums from the end of codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components + 1)
        As :func:`with_sent_sums` gives them.

    Returns
    -------
    codes : ndarray of shape (n_samples, n_components)
        The codes alone.
    sums : ndarray of float64 of shape (n_samples,)
        In CALQ counts.

    Raises
    ------
    ValueError
        If a sum is negative.
    """
    sums = codes[:, -1].astype(np.float64)
    if sums.min() < 0:
        raise ValueError(
            "With encode_sum=True the last column of codes holds the wafers' sums, "
            f"which are not negative; got {sums.min():g} among {format_rows(sums < 0)}."
        )
    return codes[:, :-1], sums
