"""Scale wafers: to unit sum, by a power of two, to unit maximum."""

import numpy as np

__all__ = [
    "NORMALIZATIONS",
    "encoder_images",
    "normalized",
    "row_sums",
    "scaled",
    "to_leading_bit",
    "truncated_pixels",
    "with_sums",
]

NORMALIZATIONS = (None, "sum", "msb", "max")
# Bits of the chip's pixels after the binary point.
_PIXEL_BITS = 7


def normalized(X):
    """Return wafers of unit sum as float64; a wafer without charge stays zero.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_cells)
        Charges in any unit, not negative.

    Returns
    -------
    X : ndarray of shape (n_samples, n_cells)
        Fractions of each wafer's charge, a new array.
    """
    # Dividing by the largest cell first keeps sums from overflow and underflow.
    fractions = scaled(np.asarray(X, dtype=np.float64), "max")
    total = fractions.sum(axis=1, keepdims=True)
    return np.divide(fractions, total, out=fractions, where=total > 0)


def scaled(X, normalize):
    """Divide each wafer by its own divisor.

    Parameters
    ----------
    X : ndarray of float of shape (n_samples, n_cells)
        Charges in any unit, not negative.
    normalize : {None, "sum", "msb", "max"}
        The divisor: none; the sum; the power of two at or below the sum,
        ``2**floor(log2(sum))``, as the chip divides by shifting to the most significant
        bit; or the largest charge.

    Returns
    -------
    X : ndarray of shape (n_samples, n_cells)
        A new array; a wafer without charge stays zero.
    """
    if normalize is None:
        return X.copy()
    if normalize == "sum":
        return normalized(X).astype(X.dtype)
    if normalize == "msb":
        # frexp is exact where a rounded logarithm may miss a power of two.
        _, exponent = np.frexp(row_sums(X)[:, None])
        return np.ldexp(X, 1 - exponent)
    largest = X.max(axis=1, keepdims=True)
    return np.divide(X, largest, out=np.zeros_like(X), where=largest > 0)


def to_leading_bit(X):
    """Return wafers as autoencoders see them: scaled with "msb", in float32."""
    return scaled(X, "msb").astype(np.float32)


def truncated_pixels(X):
    """Return wafers as the chip scales them: with "msb", rounded down to 1/128.

    Parameters
    ----------
    X : ndarray of float of shape (n_samples, n_cells)
        Charges in any unit, not negative.

    Returns
    -------
    pixels : ndarray of float32 of shape (n_samples, n_cells)
        Whole multiples of 1/128 below 2.
    """
    # In the type of the charges, since single precision might round up.
    steps = np.floor(np.ldexp(scaled(X, "msb"), _PIXEL_BITS))
    return np.ldexp(steps.astype(np.float32), -_PIXEL_BITS)


def encoder_images(X, layout, arithmetic="exact"):
    """Return wafers as the images that an encoder takes.

    Parameters
    ----------
    X : ndarray of float of shape (n_samples, n_cells)
        Charges in any unit, not negative.
    layout : Layout
        How cells lie in the images.
    arithmetic : {"exact", "chip"}, default="exact"
        Whether pixels keep all bits, or are rounded down to 1/128 as by the chip.

    Returns
    -------
    images : ndarray of float32 of shape (n_samples, height, width, channels)
        Each wafer divided by the power of two at or below its sum.
    """
    scale = truncated_pixels if arithmetic == "chip" else to_leading_bit
    return layout.apply(scale(X))


def row_sums(X):
    """Return the sum of each row in double precision.

    It does not depend on the type of the numbers or their order in memory. This
    matters because a sum that is one bit lower may lie below another power of two.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells)
        Charges in any unit.

    Returns
    -------
    sums : ndarray of float64 of shape (n_samples,)
        In the unit of `X`.
    """
    return np.ascontiguousarray(X, dtype=np.float64).sum(axis=1)


def with_sums(X, sums):
    """Scale each wafer to a given sum; a wafer without charge stays zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells)
        Charges in any unit, not negative.
    sums : ndarray of shape (n_samples,)
        The sums of the result.

    Returns
    -------
    X : ndarray of shape (n_samples, n_cells)
        float64.
    """
    return normalized(X) * np.asarray(sums, dtype=np.float64)[:, None]
