"""Keras layers of skemd: convolutions of small grids as matrix products, quantizers.

On a 4 x 4 grid a 5 x 5 convolution with 'same' padding connects almost every pixel with
every other. Written as one matrix it needs fewer multiplications than the convolution,
and every backend is fastest at matrix products: on a CPU this is many times faster than
the backends' own convolutions. The layers hold the weights of Keras's Conv2D and
Conv2DTranspose, so that one can replace the other.
"""

from skemd.layers._cells import CellsToImage, ImageToCells
from skemd.layers._convolution import GridConv2D, GridConv2DTranspose
from skemd.layers._quantizers import (
    QuantizedDense,
    StraightThroughQuantizer,
    WithinFormat,
    straight_through,
)
from skemd.layers._truncation import TruncatingConv2D, TruncatingDense

__all__ = [
    "CellsToImage",
    "GridConv2D",
    "GridConv2DTranspose",
    "ImageToCells",
    "QuantizedDense",
    "StraightThroughQuantizer",
    "TruncatingConv2D",
    "TruncatingDense",
    "WithinFormat",
    "straight_through",
]
