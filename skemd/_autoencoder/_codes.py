"""What a code says beside where the charge is: dead components, and the sum."""

import warnings

import numpy as np
from sklearn.utils import check_array

from skemd._checks import check_container, format_rows
from skemd._number_formats._links import MODULE_SUM

__all__ = [
    "check_decoded",
    "checked_codes",
    "dead_components",
    "split_sums",
    "with_sent_sums",
]

# From here on a training is more than a try.
_MANY_WAFERS = 1_000


def checked_codes(X, autoencoder, n_numbers):
    """Check codes that a user wants decoded.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_numbers)
        What the user passed.
    autoencoder : EMDAutoencoder
        Who decodes them, for messages.
    n_numbers : int
        How many numbers its codes have.

    Returns
    -------
    codes : ndarray of float32 of shape (n_samples, n_numbers)
        Finite.

    Raises
    ------
    ValueError
        If they are no such codes.
    """
    caller = f"{type(autoencoder).__name__}.inverse_transform"
    check_container(X, f"The argument of {caller}")
    with np.errstate(over="ignore"):
        # What is too large for float32 becomes an infinity, which is found.
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


def dead_components(codes, few_bits):
    """Find the components that are the same in all codes, and warn of them.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Of the wafers in fit.
    few_bits : bool
        Whether the encoder has formats, where a dead component costs bandwidth. In
        floating point a try with few wafers often has some and is not worth a warning.

    Returns
    -------
    dead : ndarray of int
        Their indices.
    """
    (dead,) = (codes.min(axis=0) == codes.max(axis=0)).nonzero()
    if len(dead) and (few_bits or len(codes) >= _MANY_WAFERS):
        warnings.warn(
            f"{len(dead)} of {codes.shape[1]} components of the code are dead: the "
            f"same for all wafers of fit ({', '.join(map(str, dead))}; see "
            "dead_components_). They cost bandwidth and say nothing. Fit again with "
            "another random_state, a smaller learning_rate or fewer n_components.",
            stacklevel=3,
        )
    return dead


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
        Sums are rounded down to an integer, and then to a number of 5E4M.
    """
    # Before they become integers, which may not hold them.
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
