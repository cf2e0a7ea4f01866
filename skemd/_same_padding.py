"""What a 'same' convolution makes of the sides of an image, by TensorFlow's rule.

The layers, the autoencoder and the arithmetic of the chip share it.
"""

__all__ = ["output_grid", "same_padding"]


def output_grid(sides, steps):
    """Return the rows and columns that a 'same' convolution gives.

    Parameters
    ----------
    sides : sequence of int
        Height and width of the image.
    steps : sequence of int
        Steps between outputs, down and across.

    Returns
    -------
    grid : tuple of int
        Height and width of the output.
    """
    return tuple(-(-side // step) for side, step in zip(sides, steps, strict=True))


def same_padding(side, kernel_side, step):
    """Return how many zeros a 'same' convolution puts before a side and after it.

    Parameters
    ----------
    side, kernel_side : int
        Sides of the image and of the kernel, along one axis.
    step : int
        Step between outputs along this axis.

    Returns
    -------
    before, after : int
        An odd number of zeros has the odd one after the side.
    """
    (n_outputs,) = output_grid([side], [step])
    total = max((n_outputs - 1) * step + kernel_side - side, 0)
    return total // 2, total - total // 2
