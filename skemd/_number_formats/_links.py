"""Constants of the output links, and the bits that they leave for a code."""

from skemd._number_formats._fixed_point import FixedPoint
from skemd._number_formats._float_code import FloatCode

__all__ = [
    "ADDRESS_BITS",
    "CHARGE",
    "CHIP_ACCUMULATOR",
    "CHIP_INPUT",
    "CHIP_SUMS",
    "CHIP_WEIGHTS",
    "CODE_BITS",
    "CONV_FRACTION_BITS",
    "DENSE_FRACTION_BITS",
    "HEADER_BITS",
    "LINK_BITS",
    "LINK_FORMATS",
    "MODULE_SUM",
    "N_COMPONENTS",
    "SELECTION_SUM",
    "SHORT_HEADER_BITS",
    "SPREAD_LOG2",
    "TYPICAL_LOG2",
    "address_bits",
    "most_that_fit",
    "room_for_code",
]

# Bits that one link carries in a crossing: 1.28 Gb/s at 40 MHz.
LINK_BITS = 32
# The header of the autoencoder, the threshold sum and the repeater, and the shorter
# one of Best Choice and the super trigger cells.
HEADER_BITS = 5
SHORT_HEADER_BITS = 4
# The numbers that the chip sends: a trigger cell, the sum beside a selection of cells,
# and the sum of a module or of a super trigger cell.
CHARGE = FloatCode(4, 3)
SELECTION_SUM = FloatCode(5, 3)
MODULE_SUM = FloatCode(5, 4)
# Decoders are told the logarithm of a module sum in this order of magnitude: about such
# a sum is typical, and most are within a factor of 2**4 of it.
TYPICAL_LOG2, SPREAD_LOG2 = 10, 4


def address_bits(n_cells):
    """Return the bits that name one of several cells.

    Parameters
    ----------
    n_cells : int
        Number of cells.

    Returns
    -------
    n_bits : int
        6 for the 48 cells of the wafer; at least 1.
    """
    return max(1, (n_cells - 1).bit_length())


ADDRESS_BITS = address_bits(48)

# The chip has room for a code of this many numbers, and computes each to 9 bits.
N_COMPONENTS = 16
CODE_BITS = 9
# Bits of each of the 16 numbers that fit beside header and sum, by the number of
# output links. All are unsigned with one integer bit.
LINK_FORMATS = {
    links: FixedPoint(bits, 1, signed=False)
    for links, bits in {2: 3, 3: 5, 4: 7, 5: CODE_BITS}.items()
}

# The encoder's other formats, which do not depend on the number of links.
CHIP_WEIGHTS = FixedPoint(6, 0)
CHIP_INPUT = FixedPoint(8, 1, signed=False)
CHIP_ACCUMULATOR = FixedPoint(11, 3)
# Bits after the binary point that ECON-T keeps of each product: of the convolution and
# of the dense layer.
CONV_FRACTION_BITS = 7
DENSE_FRACTION_BITS = 8
# Formats that hold every sum of these: of 9 products and the bias, and of 128.
CHIP_SUMS = (FixedPoint(13, 5), FixedPoint(21, 12))


def room_for_code(n_output_links):
    """Return the bits that the links leave for a code beside header and sum.

    Parameters
    ----------
    n_output_links : int
        Number of links, each of 32 bits per crossing.

    Returns
    -------
    n_bits : int
        18 on the first link, and 32 on each further one.
    """
    return LINK_BITS * n_output_links - HEADER_BITS - MODULE_SUM.bits


def most_that_fit(bits_of, most, n_output_links):
    """Return how many items the links have room for.

    Parameters
    ----------
    bits_of : callable
        ``bits_of(n_items)`` -> bits of the payload, which grow with the items.
    most : int
        How many items there are.
    n_output_links : int
        Number of links, 32 bits each.

    Returns
    -------
    n_items : int
        At most `most`.
    """
    room = LINK_BITS * n_output_links
    return max(n for n in range(most + 1) if bits_of(n) <= room)
