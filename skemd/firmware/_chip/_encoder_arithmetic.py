"""The arithmetic of the encoder, in whole numbers.

The wafer is divided by the power of two below its sum, put into an image of 8 x 8, and
goes through a convolution and a dense layer. Weights count steps of 1/32, pixels and
the convolution's outputs 1/128, the codes 1/256. Every product is rounded down by
itself, and sums start from the bias.

Confirmed by vectors of fifteen sets of weights, no capture of a chip exists. The
vectors reach pixels of 100 and outputs of the convolution of 124; larger ones, and
wafers with a sum below 128, whose pixels are shifted up, are open and computed by the
same rules here.
"""

import numpy as np

__all__ = [
    "encode_images",
    "encode_wafers",
    "pixels_of",
    "sums_of_products",
]

_SIDE = 8
# A row and a column of zeros below and on the right.
_PADDED = 9
_OUTPUT_SIDE = 4
_PIXEL_BITS = 7
_LARGEST_CODE = 511


def pixels_of(charges):
    """Divide wafers by the power of two at or below their sum.

    Parameters
    ----------
    charges : ndarray of int of shape (48, n_wafers)
        CALQ in counts, a column a wafer.

    Returns
    -------
    pixels : ndarray of int32 of shape (48, n_wafers)
        In steps of 1/128, rounded down, at most 255. Those of a wafer without charge
        are zero.
    """
    totals = charges.sum(axis=0)
    _, length = np.frexp(totals.astype(np.float64))
    exponent = np.maximum(length - 1, 0)
    return ((charges.astype(np.int64) << _PIXEL_BITS) >> exponent).astype(np.int32)


def sums_of_products(inputs, weights, bias, shift):
    """Compute a layer whose products are each rounded down.

    Parameters
    ----------
    inputs : ndarray of int32 of shape (n_inputs, n_samples)
        A column a sample, in steps of the layer.
    weights : ndarray of int64 of shape (n_inputs, n_outputs)
        In steps of 1/32.
    bias : ndarray of int64 of shape (n_outputs,)
        In steps of the sums.
    shift : int
        By how many bits products are shifted down.

    Returns
    -------
    sums : ndarray of int32 of shape (n_outputs, n_samples)
        The bias and the products, added.
    """
    sums = np.empty((weights.shape[1], inputs.shape[1]), dtype=np.int32)
    products = np.empty(inputs.shape, dtype=np.int32)
    columns = weights.astype(np.int32)
    for output in range(len(sums)):
        np.multiply(inputs, columns[:, output, None], out=products)
        np.right_shift(products, shift, out=products)
        np.add.reduce(products, axis=0, dtype=np.int32, out=sums[output])
    return sums + bias[:, None].astype(np.int32)


def encode_wafers(charges, weights):
    """Compute the code of each wafer.

    Parameters
    ----------
    charges : ndarray of int of shape (n_wafers, 48)
        CALQ in counts.
    weights : EncoderWeights
        In steps of 1/32.

    Returns
    -------
    codes : ndarray of int64 of shape (n_wafers, 16)
        In steps of 1/256, 0 to 511.
    """
    pixels = pixels_of(np.ascontiguousarray(charges.T))
    n_wafers = pixels.shape[1]
    image = np.zeros((_SIDE, _SIDE, n_wafers), dtype=np.int32)
    image[:4] = pixels[:32].reshape(4, _SIDE, n_wafers)
    image[4:, :4] = pixels[32:].reshape(4, 4, n_wafers)
    return encode_images(image, weights)


def encode_images(image, weights):
    """Compute the code of each image.

    Parameters
    ----------
    image : ndarray of int32 of shape (8, 8, n_wafers)
        Pixels in steps of 1/128, 0 to 255.
    weights : EncoderWeights
        In steps of 1/32.

    Returns
    -------
    codes : ndarray of int64 of shape (n_wafers, 16)
        In steps of 1/256, 0 to 511.
    """
    n_wafers = image.shape[2]
    padded = np.zeros((_PADDED, _PADDED, n_wafers), dtype=np.int32)
    padded[:_SIDE, :_SIDE] = image
    seen = np.stack(
        [
            padded[row : row + _SIDE : 2, column : column + _SIDE : 2]
            for row in range(3)
            for column in range(3)
        ]
    ).reshape(9, -1)
    hidden = sums_of_products(
        seen, weights.conv_kernel.reshape(9, -1), weights.conv_bias << 2, shift=5
    )
    hidden = np.maximum(hidden, 0).reshape(-1, _OUTPUT_SIDE**2, n_wafers)
    # The dense layer takes place after place, with all filters of a place together.
    flat = np.ascontiguousarray(hidden.transpose(1, 0, 2)).reshape(-1, n_wafers)
    sums = sums_of_products(flat, weights.dense_kernel, weights.dense_bias << 3, 4)
    return np.clip(sums, 0, _LARGEST_CODE).T.astype(np.int64)
