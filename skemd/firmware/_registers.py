"""The register image: the encoder's weights as the 12 words that the chip loads.

The image is a string of 12,864 bits, cut into 12 registers of 1,072 bits. It holds the
kernel of the convolution, its bias, the kernel of the dense layer and its bias, each in
Keras's order (the last axis runs fastest). Each weight has six bits in two's
complement, most significant bit first. The first bit of a register is the most
significant bit of its first hexadecimal digit. The chip sets how many bits each tensor
takes; the order of the bits within a tensor is a choice that is made in this module and
nowhere else.
"""

import numpy as np

from skemd._number_formats._bits import bits_of, bits_to_hex, from_bits, hex_to_bits
from skemd._number_formats._fixed_point import FixedPoint

__all__ = ["read_registers", "write_registers"]

N_REGISTERS = 12
REGISTER_BITS = 1072
WEIGHT_FORMAT = FixedPoint(6, 0)
SHAPES = {
    "conv_kernel": (3, 3, 1, 8),
    "conv_bias": (8,),
    "dense_kernel": (128, 16),
    "dense_bias": (16,),
}


def write_registers(encoder):
    """Write the weights of an encoder as register words.

    Parameters
    ----------
    encoder : IntegerEncoder
        An encoder of the chip's shape, with weights of ``FixedPoint(6, 0)``.

    Returns
    -------
    words : list of 12 str
        268 hexadecimal digits each.

    Raises
    ------
    ValueError
        If the weights have another format, or a tensor has another shape.
    """
    if encoder.weight_format != WEIGHT_FORMAT:
        raise ValueError(
            f"The chip's registers hold weights of {WEIGHT_FORMAT}; this encoder's are "
            f"of {encoder.weight_format}. Train with "
            "EMDAutoencoder(weight_bits=6, weight_integer_bits=0), or round the "
            "weights with FixedPoint(6, 0).quantize."
        )
    for name, shape in SHAPES.items():
        found = getattr(encoder, name).shape
        if found != shape:
            raise ValueError(
                f"The chip's registers hold a {name} of shape {shape}; this encoder's "
                f"has {found}. Train with the default layout, n_filters, kernel_size "
                "and n_components."
            )
    tensors = [getattr(encoder, name).ravel() for name in SHAPES]
    steps = WEIGHT_FORMAT.to_integers(np.concatenate(tensors))
    # Two's complement.
    unsigned = steps % 2**WEIGHT_FORMAT.bits
    bits = bits_of(unsigned, WEIGHT_FORMAT.bits)
    return bits_to_hex(bits.reshape(N_REGISTERS, REGISTER_BITS))


def read_registers(words):
    """Read the weights of an encoder from register words.

    Parameters
    ----------
    words : sequence of 12 str
        Words as returned by `write_registers`.

    Returns
    -------
    tensors : list of ndarray of float64, of the shapes of the published encoder
        ``conv_kernel, conv_bias, dense_kernel, dense_bias``, the first parameters of
        :class:`IntegerEncoder`.

    Raises
    ------
    ValueError
        If `words` are not 12 words of 268 hexadecimal digits.
    """
    words = list(words)
    if len(words) != N_REGISTERS:
        raise ValueError(f"The chip has {N_REGISTERS} registers; got {len(words)}.")
    bits = hex_to_bits(words, REGISTER_BITS)
    unsigned = from_bits(bits.ravel(), WEIGHT_FORMAT.bits)
    sign = 2 ** (WEIGHT_FORMAT.bits - 1)
    weights = ((unsigned ^ sign) - sign) * WEIGHT_FORMAT.step
    sizes = [int(np.prod(shape)) for shape in SHAPES.values()]
    parts = np.split(weights, np.cumsum(sizes)[:-1])
    return [
        part.reshape(shape) for part, shape in zip(parts, SHAPES.values(), strict=True)
    ]
