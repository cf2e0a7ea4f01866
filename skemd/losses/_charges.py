"""Charges as losses take them: not negative, and of unit sum for the EMDs."""

from skemd._backend import keras

__all__ = ["not_negative", "to_unit_sum"]

# Sums and their squares must stay within float32, from 2**-126 to 2**128. Charges far
# from one are multiplied by a power of two, which is exact.
_FAR = 2.0**-48
_STEP = 2.0**96
# The gradient of a wafer of sum s grows like 1 / s. Its square, which Adam takes, must
# stay within float32 as well.
_SMALLEST_CHARGE = 1e-17


def not_negative(charges):
    """Count negative charges as zero.

    Parameters
    ----------
    charges : tensor of shape (...)
        In any unit.

    Returns
    -------
    charges : tensor of shape (...)
        In the same unit. The gradient is zero where charges were negative.
    """
    # Unlike relu, this has a slope of one at zero, and NaN stays NaN.
    return keras.ops.where(charges < 0, 0.0, charges)


def to_unit_sum(charges):
    """Bring rows to unit sum, whatever their scale.

    A row without charge becomes even, the same in every cell: there is no EMD to a
    wafer without charge, and a loss has to stay finite.

    Parameters
    ----------
    charges : tensor of shape (n_samples, n_cells)
        In any unit. Negative charges count as zero.

    Returns
    -------
    fractions : tensor of float32 of shape (n_samples, n_cells)
        Of unit sum. Where the largest charge is below 1e-17, the gradient is that for
        charges larger by a common factor, since it would grow beyond all bounds.
    """
    charges = not_negative(keras.ops.cast(charges, "float32"))
    stopped = keras.ops.stop_gradient
    largest = stopped(keras.ops.max(charges, axis=-1, keepdims=True))
    # Fractions do not depend on the unit, and so have no slope with respect to it.
    unit = keras.ops.where(
        largest > 1 / _FAR, 1 / _STEP, keras.ops.where(largest < _FAR, _STEP, 1.0)
    )
    slope = unit * keras.ops.minimum(largest / _SMALLEST_CHARGE, 1.0)
    parts = stopped(charges * unit) + (charges - stopped(charges)) * slope
    total = keras.ops.sum(parts, axis=-1, keepdims=True)
    # NaN is not zero, and stays NaN.
    has_charge = total != 0
    # The inner where keeps the branch not taken from giving NaN gradients.
    fractions = parts / keras.ops.where(has_charge, total, 1.0)
    return keras.ops.where(has_charge, fractions, 1.0 / charges.shape[-1])
