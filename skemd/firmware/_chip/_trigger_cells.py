"""Which trigger cell of the wafer lies where behind the multiplexer.

The chip numbers cells behind its multiplexer and knows no wafer. Two algorithms give
the numbers a meaning: the encoder lays cells out as an image, and super trigger cells
sum those that follow each other. For each there is an order in which the wafer's image
is right, and in which cells that are summed are neighbors.
"""

import functools

import numpy as np

from skemd.firmware._chip._front_end import CELLS_A_LINK, N_CELLS
from skemd.firmware._chip._super_cells import SUPER_CELL_TYPES
from skemd.geometry import N_FACE_CELLS, hgcal_wafer

__all__ = [
    "checked_trigger_cells",
    "chip_layout",
    "image_cells",
    "square_cells",
    "trigger_cells_of_mux",
]

_SIDE = 8


def chip_layout():
    """Return how the wafer's trigger cells lie in the encoder's images."""
    return hgcal_wafer().layout("8x8")


@functools.cache
def image_cells():
    """Return the trigger cells in the order in which the encoder lays out its image.

    Returns
    -------
    cells : ndarray of int of shape (48,)
        For each cell behind the multiplexer the trigger cell of the wafer.
    """
    layout = chip_layout()
    images = layout.apply(np.arange(layout.n_cells, dtype=np.float64)[None])
    rows = images.reshape(_SIDE, _SIDE)
    return _fixed(np.concatenate([rows[:4].ravel(), rows[4:, :4].ravel()]))


@functools.cache
def square_cells():
    """Return the trigger cells square by square, 2 x 2, face by face and row by row.

    Returns
    -------
    cells : ndarray of int of shape (48,)
        For each cell behind the multiplexer the trigger cell of the wafer.
    """
    # Face, row of squares, row in the square, column of squares, column in it.
    by_face = np.arange(N_CELLS).reshape(3, 2, 2, 2, 2)
    return _fixed(by_face.transpose(0, 1, 3, 2, 4).ravel())


def trigger_cells_of_mux(settings):
    """Return which trigger cells a multiplexer brings where, as far as it shows that.

    If trigger cells come in order on the input links, one multiplexer brings them into
    the order in which an algorithm takes them. Where the chip has that one, this is the
    order. Any other one says nothing about the wafer.

    Parameters
    ----------
    settings : ChipSettings
        Of the chip.

    Returns
    -------
    cells : ndarray of int of shape (48,)
        For each cell behind the multiplexer the trigger cell of the wafer, or, where
        the multiplexer says nothing, its own number.
    """
    mux = settings.mux
    if settings.version == "prototype":
        # The four cells of an input link come in reverse there.
        mux = mux ^ (CELLS_A_LINK - 1)
    taken = np.arange(N_CELLS)
    if settings.algorithm == "autoencoder":
        taken = image_cells()
    elif settings.algorithm == "super_trigger_cell":
        grouped = SUPER_CELL_TYPES[settings.stc_type].n_cells
        taken = taken if grouped == N_FACE_CELLS else square_cells()
    return taken if np.array_equal(mux, taken) else _fixed(np.arange(N_CELLS))


def checked_trigger_cells(cells):
    """Return an order of trigger cells, or say why it is none.

    Parameters
    ----------
    cells : sequence of 48 int
        For each cell behind the multiplexer the trigger cell of the wafer.

    Returns
    -------
    cells : ndarray of int of shape (48,)
        The same, as an array that cannot be changed.

    Raises
    ------
    ValueError
        If a trigger cell is missing.
    """
    found = np.asarray(cells)
    if not (
        found.dtype.kind in "iu"
        and found.shape == (N_CELLS,)
        and np.array_equal(np.sort(found), np.arange(N_CELLS))
    ):
        raise ValueError(
            f"trigger_cells must have each number from 0 to {N_CELLS - 1} once: for "
            "each cell behind the multiplexer the trigger cell that lies there; got "
            f"{found.dtype} of shape {found.shape}."
        )
    return _fixed(found)


def _fixed(cells):
    cells = cells.astype(np.int64)
    cells.setflags(write=False)
    return cells
