"""From a list of trigger cells with charges to rows of wafers.

The trigger ntuples list the cells of an event that have a charge, each with its wafer
(side, layer, u, v) and its place on it (u, v). Here such a list becomes one row of 48
charges per wafer; cells that are not listed have no charge.
"""

import numpy as np

from skemd.geometry import N_FACE_CELLS, hgcal_wafer

__all__ = ["WAFER", "cell_numbers", "cells_to_wafers", "transverse_counts"]

# The coordinates that identify a wafer, in the order in which wafers are sorted.
WAFER = ("entry", "zside", "layer", "waferu", "waferv")
N_SIDE, N_UV = 4, 8
# The paper's code (github.com/rohanshenoy/Ecoder) multiplies charges by 1 / cosh(eta)
# in steps of 2**-12, rounded down. The chip's steps, which make_wafers has, are 2**-11.
PAPER_TRANSVERSE_STEPS = 4096


def _number_of_uv():
    """Return the number of the trigger cell at each (u, v), -1 without one."""
    number = np.full((N_UV, N_UV), -1)
    i, j = np.divmod(np.arange(N_FACE_CELLS), N_SIDE)
    faces = [(7 - j, 4 + i), (1 + i + j, j), (3 - i, 6 - i - j)]
    for face, (u, v) in enumerate(faces):
        number[u, v] = N_FACE_CELLS * face + np.arange(N_FACE_CELLS)
    return number


NUMBER_OF_UV = _number_of_uv()


def cell_numbers(u, v):
    """Return the numbers of trigger cells at places on the wafer.

    Parameters
    ----------
    u, v : ndarray of int of shape (n_cells,)
        Coordinates as in the trigger ntuples, ``tc_cellu`` and ``tc_cellv``.

    Returns
    -------
    numbers : ndarray of int of shape (n_cells,)
        0 to 47, or -1 where the wafer has no cell.
    """
    inside = (u >= 0) & (u < N_UV) & (v >= 0) & (v < N_UV)
    return np.where(inside, NUMBER_OF_UV[u * inside, v * inside], -1)


def transverse_counts(counts, eta):
    """Return charges times the sine of the polar angle, as the paper's code has them.

    Parameters
    ----------
    counts : ndarray of shape (n_cells,)
        Charges in ADC counts.
    eta : ndarray of shape (n_cells,)
        Pseudorapidities.

    Returns
    -------
    transverse : ndarray of shape (n_cells,)
        Whole CALQ counts, rounded down twice: the factor to multiples of 1 / 4096,
        and the product.
    """
    # Beyond any detector the factor is zero anyway, and cosh would overflow.
    factor = np.floor(PAPER_TRANSVERSE_STEPS / np.cosh(np.minimum(np.abs(eta), 100.0)))
    return np.floor(counts * factor / PAPER_TRANSVERSE_STEPS)


def cells_to_wafers(cells, charges):
    """Gather cells into wafers.

    Parameters
    ----------
    cells : dict of str to ndarray of shape (n_cells,)
        Whole numbers: for each cell the "entry" of its event and "zside", "layer",
        "waferu", "waferv" and "number", which is 0 to 47.
    charges : ndarray of shape (n_cells,)
        Charges in any unit.

    Returns
    -------
    X : ndarray of shape (n_wafers, 48)
        Charges, float64, zero for cells that are not in the list. Wafers are sorted
        by entry, zside, layer, u and v.
    wafer_of_cell : ndarray of int of shape (n_cells,)
        The row of each cell.
    first_cell : ndarray of int of shape (n_wafers,)
        A cell of each row.

    Raises
    ------
    ValueError
        If a cell is listed twice. The message names the cell but not the file.
    """
    order = np.lexsort([cells[name] for name in ("number", *reversed(WAFER))])
    ranked = {name: cells[name][order] for name in (*WAFER, "number")}
    same_wafer = np.ones(max(len(order) - 1, 0), dtype=bool)
    for name in WAFER:
        same_wafer &= ranked[name][1:] == ranked[name][:-1]
    twice = same_wafer & (ranked["number"][1:] == ranked["number"][:-1])
    if twice.any():
        place = int(twice.argmax())
        wafer = ", ".join(f"{name} {ranked[name][place]}" for name in WAFER)
        values = charges[order[place : place + 2]]
        raise ValueError(
            f"trigger cell {ranked['number'][place]} is listed twice ({wafer}), with "
            f"the charges {values[0]:g} and {values[1]:g}"
        )
    is_first = np.concatenate([[True], ~same_wafer])[: len(order)]
    wafer_of_cell = np.empty(len(order), dtype=np.intp)
    wafer_of_cell[order] = np.cumsum(is_first) - 1
    X = np.zeros((int(is_first.sum()), hgcal_wafer().n_cells))
    X[wafer_of_cell, cells["number"]] = charges
    return X, wafer_of_cell, order[is_first]
