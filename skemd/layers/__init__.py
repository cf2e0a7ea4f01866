"""Keras layers of skemd: convolutions of small grids as matrix products, quantizers.

On a 4 x 4 grid a 5 x 5 convolution with 'same' padding touches almost every pixel
from every pixel. Written as one matrix it needs fewer multiplications than the
convolution, and matrix products are what every backend does best: on a CPU this is
many times faster than the backends' own convolutions. The layers hold the weights of
Keras's Conv2D and Conv2DTranspose, so they can be exchanged for these.
"""

from skemd.layers._cells import CellsToImage, ImageToCells
from skemd.layers._convolution import GridConv2D, GridConv2DTranspose
from skemd.layers._quantizers import (
    QuantizedDense,
    StraightThroughQuantizer,
    WithinFormat,
    straight_through,
)

__all__ = [
    "CellsToImage",
    "GridConv2D",
    "GridConv2DTranspose",
    "ImageToCells",
    "QuantizedDense",
    "StraightThroughQuantizer",
    "WithinFormat",
    "straight_through",
]
