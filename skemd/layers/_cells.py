"""Layers that lay cells out as images, and read them back."""

import numpy as np

from skemd._backend import keras


@keras.saving.register_keras_serializable("skemd")
class CellsToImage(keras.layers.Layer):
    """Lay the cells of a wafer out as the image of a layout.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels of the image.
    cell_to_pixel : sequence of int of length n_cells
        For each cell, its place in the flattened image, as in
        :class:`skemd.geometry.Layout`.
    **kwargs
        Options of ``keras.layers.Layer``.
    """

    def __init__(self, shape, cell_to_pixel, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.cell_to_pixel = [int(pixel) for pixel in cell_to_pixel]
        n_cells = len(self.cell_to_pixel)
        # The gradient of a product with a 0/1 matrix is faster than that of a gather.
        self._placement = np.zeros((n_cells, int(np.prod(shape))), dtype=np.float32)
        self._placement[np.arange(n_cells), self.cell_to_pixel] = 1

    def call(self, inputs):
        """Turn (batch, n_cells) into (batch, height, width, channels)."""
        images = keras.ops.matmul(inputs, self._placement)
        return keras.ops.reshape(images, (-1, *self.shape))

    def compute_output_shape(self, input_shape):
        """Return (batch, height, width, channels)."""
        return (input_shape[0], *self.shape)

    def get_config(self):
        """Return the parameters of the constructor."""
        return {
            **super().get_config(),
            "shape": self.shape,
            "cell_to_pixel": self.cell_to_pixel,
        }


@keras.saving.register_keras_serializable("skemd")
class ImageToCells(CellsToImage):
    """Read the cells of a wafer from the image of a layout, dropping empty pixels.

    It is the inverse of :class:`CellsToImage`.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels of the image.
    cell_to_pixel : sequence of int of length n_cells
        For each cell, its place in the flattened image, as in
        :class:`skemd.geometry.Layout`.
    **kwargs
        Options of ``keras.layers.Layer``.
    """

    def call(self, inputs):
        """Turn (batch, height, width, channels) into (batch, n_cells)."""
        flat = keras.ops.reshape(inputs, (-1, self._placement.shape[1]))
        return keras.ops.matmul(flat, self._placement.T)

    def compute_output_shape(self, input_shape):
        """Return (batch, n_cells)."""
        return (input_shape[0], len(self.cell_to_pixel))
