"""Output size and padding of 'same' convolutions, by TensorFlow's rule.

The layers, the autoencoder and the arithmetic of the chip share them.
"""

__all__ = ["output_grid", "same_padding"]


def output_grid(sides, steps):
    """Return the height and width of the output of a 'same' convolution.

    Parameters
    ----------
    sides : sequence of int
        Height and width of the image.
    steps : sequence of int
        Steps between outputs, down and across.

    Returns
    -------
    grid : tuple of int
        The same sides of the output.
    """
    return tuple(-(-side // step) for side, step in zip(sides, steps, strict=True))


def same_padding(side, kernel_side, step):
    """Return how many zeros a 'same' convolution adds before and after a side.

    Parameters
    ----------
    side, kernel_side : int
        Sides of the image and of the kernel, along one axis.
    step : int
        Step between outputs along this axis.

    Returns
    -------
    before, after : int
        If the total is odd, the extra zero comes after.
    """
    (n_outputs,) = output_grid([side], [step])
    total = max((n_outputs - 1) * step + kernel_side - side, 0)
    return total // 2, total - total // 2
