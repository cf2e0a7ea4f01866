"""The columns of tables: charges, and metadata of a wafer."""

import re

import numpy as np

from skemd.geometry import hgcal_wafer

__all__ = [
    "CHARGES",
    "METADATA",
    "check_unique",
    "requested_columns",
    "shortened",
]

CHARGES = tuple(f"CALQ_{cell}" for cell in range(hgcal_wafer().n_cells))

# Each name with those that the trigger ntuples and their exports use, best first.
METADATA = {
    "event": ("event", "entry"),
    "zside": ("zside", "tc_zside"),
    "layer": ("layer", "tc_layer"),
    "waferu": ("waferu", "tc_waferu"),
    "waferv": ("waferv", "tc_waferv"),
    "eta": ("eta", "tc_eta"),
    "phi": ("phi", "tc_phi"),
    "simenergy": ("simenergy", "tc_simenergy"),
}
WHOLE = ("event", "zside", "layer", "waferu", "waferv")


def requested_columns(header, request, where):
    """Find the columns of a table with named columns that a request needs.

    Parameters
    ----------
    header : list of str
        Names of all columns.
    request : Request
        The options of the call.
    where : str
        File and line for the messages.

    Returns
    -------
    columns : dict of str to str
        For each column beside the charges, first those of ``request.columns``, its
        name in skemd and its name in the table.

    Raises
    ------
    ValueError
        If charges or columns asked for are missing, named twice, or too many.
    """
    columns = {name: name for name in request.columns}
    wanted = METADATA if request.return_metadata else request.selects
    found = {name: _first_present(METADATA[name], header) for name in wanted}
    if request.return_metadata and not any(found.values()):
        raise ValueError(
            f"{where}: the header names none of the metadata {', '.join(METADATA)}. "
            "Name the columns so, or load without return_metadata."
        )
    lost = [name for name in request.selects if not found[name]]
    if lost:
        raise ValueError(
            f"{where}: the header lacks {lost[0]}, which wafers are selected by. Name "
            f"the column {' or '.join(METADATA[lost[0]])}, or leave the selection out."
        )
    columns |= {name: place for name, place in found.items() if place}
    _check_present(header, (*CHARGES, *columns.values()), where)
    check_unique(header, (*CHARGES, *columns.values()), where)
    return columns


def check_unique(header, names, where):
    """Raise a ValueError if a header has a name twice."""
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise ValueError(
            f"{where}: the header names {twice[0]} {header.count(twice[0])} times. "
            "Rename or delete all but one of these columns."
        )


def metadata_column(name, column, where):
    """Return a metadata column as it is, or as int64 if it counts or numbers things.

    Parameters
    ----------
    name : str
        Name of the column in skemd.
    column : ndarray of shape (n_rows,)
        Finite numbers.
    where : str
        The file for the message.

    Returns
    -------
    column : ndarray of shape (n_rows,)
        int64 or float64.

    Raises
    ------
    ValueError
        If such a column holds fractions.
    """
    if name not in WHOLE or column.dtype.kind in "iu":
        return column
    with np.errstate(invalid="ignore"):
        whole = column.astype(np.int64)
    if (whole != column).any():
        offense = column[whole != column][0]
        raise ValueError(
            f"{where}: the column {name} holds {offense:g} where whole numbers were "
            "expected. Is it the right column?"
        )
    return whole


def shortened(text, longest=40):
    """Return a text on one line, without control characters, cut where it is long.

    Parameters
    ----------
    text : str
        An entry of a file, or a library's message.
    longest : int, default=40
        How many characters to keep.

    Returns
    -------
    text : str
        At most that many characters and three dots.
    """
    text = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return text if len(text) <= longest else f"{text[:longest]}..."


def _first_present(names, header):
    return next((name for name in names if name in header), None)


def _check_present(header, names, where):
    missing = [name for name in names if name not in header]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"{where}: the header lacks {', '.join(missing[:5])}{more}. Expected "
            f"CALQ_0 to CALQ_{len(CHARGES) - 1} and the columns asked for; it has "
            f"{', '.join(map(shortened, header[:5]))}, ... ({len(header)} columns). "
            "Rename the columns."
        )
    beyond = [name for name in header if re.fullmatch(r"CALQ_\d+", name)]
    beyond = [name for name in beyond if name not in CHARGES]
    if beyond:
        raise ValueError(
            f"{where}: the header names {shortened(beyond[0])}, but a wafer has "
            f"{len(CHARGES)} trigger cells, CALQ_0 to {CHARGES[-1]}. If these are "
            "pixels of a layout, put the charges back into trigger-cell order first."
        )
