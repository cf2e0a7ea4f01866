"""The encoder's weights, and the twelve register banks that hold them.

All weights are one number of 12,864 bits: weight k takes bits 6 k to 6 k + 5 in two's
complement, the kernel of the convolution in Keras's order first, then its bias, the
kernel of the dense layer *output by output*, and its bias. A bank holds 1,072 of these
bits, and its registers 16 bytes each (the last one 6), the lowest byte first. Confirmed
by vectors.
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    "BANK_REGISTERS",
    "N_BANKS",
    "SMALLEST_WEIGHT",
    "EncoderWeights",
    "banks_of_weights",
    "weights_of_banks",
]

WEIGHT_BITS = 6
SMALLEST_WEIGHT = -(2 ** (WEIGHT_BITS - 1))
N_BANKS = 12
BANK_BITS = 1072
# Names by the first byte of a bank that each register holds, with the registers' bytes.
BANK_REGISTERS = {f"weights_byte{byte}": 16 for byte in range(0, 128, 16)}
BANK_REGISTERS["weights_byte128"] = 6
_N_WEIGHTS = N_BANKS * BANK_BITS // WEIGHT_BITS


class EncoderWeights(NamedTuple):
    """The encoder's weights as the chip holds them.

    Attributes
    ----------
    conv_kernel : ndarray of int64 of shape (3, 3, 8)
        Kernel of the convolution: rows, columns, filters; in steps of 1/32.
    conv_bias : ndarray of int64 of shape (8,)
        Its bias, in steps of 1/32.
    dense_kernel : ndarray of int64 of shape (128, 16)
        Kernel of the dense layer in Keras's order; in steps of 1/32.
    dense_bias : ndarray of int64 of shape (16,)
        Its bias, in steps of 1/32.
    """

    conv_kernel: np.ndarray
    conv_bias: np.ndarray
    dense_kernel: np.ndarray
    dense_bias: np.ndarray


WEIGHT_SHAPES = EncoderWeights((3, 3, 8), (8,), (128, 16), (16,))


def weights_of_banks(banks):
    """Read the weights from the register banks.

    Parameters
    ----------
    banks : sequence of 12 dict
        For each register's name in `BANK_REGISTERS` its number.

    Returns
    -------
    weights : EncoderWeights
        In steps of 1/32, in [-32, 31].
    """
    content = b"".join(
        bank[name].to_bytes(n_bytes, "little")
        for bank in banks
        for name, n_bytes in BANK_REGISTERS.items()
    )
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8), bitorder="little")
    places = np.int64(1) << np.arange(WEIGHT_BITS)
    unsigned = bits.reshape(_N_WEIGHTS, WEIGHT_BITS) @ places
    weights = (unsigned ^ -SMALLEST_WEIGHT) + SMALLEST_WEIGHT
    conv_kernel, conv_bias, dense_kernel, dense_bias = np.split(weights, [72, 80, 2128])
    return EncoderWeights(
        conv_kernel.reshape(WEIGHT_SHAPES.conv_kernel),
        conv_bias,
        np.ascontiguousarray(dense_kernel.reshape(16, 128).T),
        dense_bias,
    )


def banks_of_weights(weights):
    """Write the weights as register banks.

    Parameters
    ----------
    weights : EncoderWeights
        In steps of 1/32, in [-32, 31].

    Returns
    -------
    banks : list of 12 dict
        For each register's name its number.
    """
    in_order = np.concatenate(
        [
            weights.conv_kernel.ravel(),
            weights.conv_bias,
            weights.dense_kernel.T.ravel(),
            weights.dense_bias,
        ]
    )
    bits = (in_order[:, None] >> np.arange(WEIGHT_BITS)) & 1
    content = np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    banks = []
    for start in range(0, len(content), BANK_BITS // 8):
        bank, place = {}, start
        for name, n_bytes in BANK_REGISTERS.items():
            bank[name] = int.from_bytes(content[place : place + n_bytes], "little")
            place += n_bytes
        banks.append(bank)
    return banks
