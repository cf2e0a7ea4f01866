"""Codes as users get them and pass them: their checks, and the sum at their end.

With ``encode_sum``, a code ends with the sum of its wafer, as the chip sends it.
"""

import numpy as np
from sklearn.utils import check_array

from skemd._checks import check_container, format_rows

__all__ = ["check_decoded", "checked_codes", "split_sums"]


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


def split_sums(codes):
    """Take the sums from the end of codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components + 1)
        With the sums as the chip sends them in the last column.

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
            "With encode_sum, the last column of codes holds the wafers' sums, "
            f"which are not negative; got {sums.min():g} among {format_rows(sums < 0)}."
        )
    return codes[:, :-1], sums
