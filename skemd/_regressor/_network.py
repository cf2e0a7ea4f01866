"""The network of the learned EMD, as a pure builder."""

from skemd import layers
from skemd._backend import keras
from skemd._regressor._heads import HEADS, Trunk
from skemd.layers._blocks import FLOAT32, dense_layer, flattened

__all__ = ["build_emd_network"]

# The penalty on the weights of the paper's EMD CNN.
_PAPER_L2 = 1e-4
# Keras's default of 0.99 is too slow for a few hundred training steps.
_BATCH_NORM_MOMENTUM = 0.95


def build_emd_network(
    *,
    n_cells,
    image_shape,
    cell_to_pixel,
    n_filters,
    kernel_size,
    n_conv_layers,
    n_dense_layers,
    n_dense_units,
    n_refinements,
    head,
    positions,
    min_distance,
    max_distance,
    seeds,
):
    r"""Build the network that approximates the EMD between two wafers.

    Both wafers are laid out as images, stacked as channels, and go through
    convolutions and dense layers, each followed by ReLU, to one number. These numbers
    are averaged over both orders of the wafers.

    With the head "linear" that average is the EMD, and every layer has batch
    normalization and a penalty on its weights; with three convolutions of 32 5 x 5
    filters and a dense layer of 256 units this is the network of the paper. With the
    head "bounded" the network sees only the charge that has to move, since the EMD
    depends on nothing else. The average x then gives the mean distance that this charge
    moves, and is multiplied by the fraction of the charge that has to move, the total
    variation:

    .. math:: \tfrac12 \sum_i |a_i - b_i| \;
        \bigl(d_{min} + (d_{max} - d_{min}) \, \sigma(x)\bigr).

    It is zero for equal wafers and always within the limits of the geometry. The head
    "potential" does the same with two differences: x starts from the distance that
    learned potentials give (:class:`skemd._regressor._potentials.LearnedPotentials`),
    and the gradient is these potentials.

    Parameters
    ----------
    n_cells : int
        Cells of a wafer.
    image_shape : (int, int, int)
        Shape of the layout.
    cell_to_pixel : sequence of int
        The layout's, see :class:`skemd.geometry.Layout`.
    n_filters, kernel_size, n_conv_layers, n_dense_layers, n_dense_units : int
        The architecture; without convolutions the dense layers see the cells.
    n_refinements : int
        Refinements of the potentials, for the head "potential".
    head : {"bounded", "linear", "potential"}
        One of :data:`skemd._regressor._heads.HEADS`.
    positions : array-like of shape (n_cells, n_dimensions)
        Positions of the cells, for the head "potential".
    min_distance, max_distance : float
        Smallest and largest distance between two cells, for all heads but "linear".
    seeds : iterator of int
        Seeds of the initializers.

    Returns
    -------
    network : keras.Model
        Takes pairs of wafers of unit sum, shape (n_pairs, 2 * n_cells), and gives
        distances of shape (n_pairs,) in the unit of the geometry. The part of it to
        train is that of :func:`skemd._regressor._heads.model_to_train`.
    """
    head = HEADS[head]
    pairs = keras.Input((2 * n_cells,), name="pairs", **FLOAT32)
    x, variation = head.inputs(pairs)
    # Both orders run side by side through one trunk, as a batch of twice the size.
    both = keras.ops.concatenate([x, keras.ops.roll(x, n_cells, axis=1)], axis=0)
    x = _pair_images(both, image_shape, cell_to_pixel) if n_conv_layers else both
    x = _convolutions(x, n_conv_layers, n_filters, kernel_size, head, seeds)
    x = _dense_layers(flattened(x), n_dense_layers, n_dense_units, head, seeds)
    number = dense_layer(1, next(seeds), "output")(x)[:, 0]
    return head.model(
        Trunk(pairs, both, variation, features=x, number=number),
        limits=(min_distance, max_distance),
        positions=positions,
        n_refinements=n_refinements,
        seeds=seeds,
    )


def _convolutions(x, n_layers, n_filters, kernel_size, head, seeds):
    for number in range(1, n_layers + 1):
        convolution = layers.GridConv2D(
            n_filters,
            kernel_size,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            kernel_regularizer=_penalty(head),
            name=f"conv_{number}",
            **FLOAT32,
        )
        x = _activated(convolution(x), head, f"conv_{number}")
    return x


def _dense_layers(x, n_layers, n_units, head, seeds):
    for number in range(1, n_layers + 1):
        name = f"dense_{number}"
        dense = dense_layer(n_units, next(seeds), name, penalty=_penalty(head))
        x = _activated(dense(x), head, name)
    return x


def _penalty(head):
    return keras.regularizers.L2(_PAPER_L2) if head.is_paper_network else None


def _pair_images(pairs, image_shape, cell_to_pixel):
    """Lay both wafers of each pair out as images, stacked as channels."""
    wafers = keras.ops.reshape(pairs, (-1, len(cell_to_pixel)))
    layout = layers.CellsToImage(image_shape, cell_to_pixel, name="layout", **FLOAT32)
    height, width, channels = image_shape
    x = keras.ops.reshape(layout(wafers), (-1, 2, height, width, channels))
    x = keras.ops.transpose(x, (0, 2, 3, 1, 4))
    return keras.ops.reshape(x, (-1, height, width, 2 * channels))


def _activated(x, head, name):
    # The statistics of batch normalization differ between training and prediction;
    # for the bounded head, whose inputs have one scale, doing without is more accurate.
    if head.is_paper_network:
        x = keras.layers.BatchNormalization(
            momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_norm", **FLOAT32
        )(x)
    return keras.layers.Activation("relu", name=f"{name}_relu", **FLOAT32)(x)
