"""A reader of wafers from the trigger ntuples of the CMS endcap calorimeter, in ROOT.

An entry of the tree is an event; each branch ``tc_...`` lists one value for each
trigger cell with a charge. Scintillator tiles, which are not on wafers, are left out.
"""

import contextlib

import numpy as np

from skemd._extras import import_extra
from skemd.datasets._readers._cells_to_wafers import (
    WAFER,
    cell_numbers,
    cells_to_wafers,
    transverse_counts,
)
from skemd.datasets._readers._columns import METADATA, shortened
from skemd.datasets._readers._request import Part
from skemd.datasets._readers._root_bounds import (
    find_tree,
    named_damage,
    ranges_of_entries,
)

__all__ = ["DEFAULT_TREE", "root_parts"]

DEFAULT_TREE = "hgcalTriggerNtuplizer/HGCalTriggerNtuple"

# Whole numbers that describe a cell, and their branches.
PLACES = {
    "zside": "tc_zside",
    "layer": "tc_layer",
    "waferu": "tc_waferu",
    "waferv": "tc_waferv",
    "cellu": "tc_cellu",
    "cellv": "tc_cellv",
}
# Not every simulation writes these.
OPTIONAL = {"event": "event", "simenergy": "tc_simenergy"}
CHARGE_BRANCHES = {"calq": "tc_data", "adc": "tc_data", "mipt": "tc_mipPt"}
# The ntuples' number for the wafer of a scintillator tile.
NO_WAFER = -999


def root_parts(file, request):
    """Read a ROOT file part by part.

    Parameters
    ----------
    file : Path
        A trigger ntuple.
    request : Request
        The options of the call, such as layers, unit and columns.

    Yields
    ------
    part : Part
        Wafers sorted by entry, zside, layer, u and v.

    Raises
    ------
    ImportError
        If uproot is not installed.
    ValueError
        If the file is damaged or lacks the tree or a branch, lists differ in length, a
        cell is unknown or listed twice, or a charge is negative or not finite.
    """
    uproot = import_extra("uproot", "data")
    with contextlib.ExitStack() as stack:
        with named_damage(file):
            opened = stack.enter_context(uproot.open(file))
            # From a file's own description of its classes uproot would make Python
            # code. Trees of numbers need none but those that uproot knows.
            opened.file._streamers = {}
        tree = find_tree(opened, request.tree or DEFAULT_TREE, file)
        with named_damage(file):
            present = tree.keys(recursive=False)
            n_entries = int(tree.num_entries)
        branches, columns = _branches(present, request, file)
        steps = _steps(tree, list(branches.values()), n_entries, file)
        for start, stop, arrays in steps:
            cells = _chosen(_flat_cells(arrays, branches, start, file), request)
            yield _part(cells, columns, request, stop / n_entries, file)


def _branches(present, request, file):
    """Return the branches to read, by their names in skemd, and requested columns."""
    unit = request.unit or "calq"
    absent = set(OPTIONAL.values()) - set(present)
    branches = {**PLACES, "charge": CHARGE_BRANCHES[unit]}
    if unit == "calq":
        branches["eta"] = "tc_eta"
    columns = {name: _meaning(name, file) for name in request.columns}
    if request.return_metadata:
        found = [name for name in METADATA if OPTIONAL.get(name) not in absent]
        columns |= {name: name for name in found}
    for name in columns.values():
        branches.setdefault(name, OPTIONAL.get(name, f"tc_{name}"))
    missing = [branch for branch in branches.values() if branch not in present]
    if missing:
        known = [name for name in present if name.startswith("tc_")]
        known = shortened(", ".join(known), 1000)
        raise ValueError(
            f"{file}: the tree lacks the branch {', '.join(missing)}; of the trigger "
            f"cells it has {known or 'none'}. Is it the right tree (tree=)?"
        )
    return branches, columns


def _meaning(name, file):
    for meaning, names in METADATA.items():
        if name in (meaning, *names):
            return meaning
    raise ValueError(
        f"{file} has no column {name!r} for wafers. ROOT files have "
        f"{', '.join(METADATA)}."
    )


def _steps(tree, branches, n_entries, file):
    """Yield the range and the arrays of about as many events as fit."""
    if n_entries == 0:
        raise ValueError(
            f"{file}: the tree has no entries. Produce the file again, or leave it out."
        )
    for start, stop in ranges_of_entries(tree, branches, file):
        with named_damage(file):
            arrays = tree.arrays(
                branches, entry_start=start, entry_stop=stop, library="ak"
            )
            # Damaged counters raise here at the latest.
            arrays = {name: arrays[name] for name in branches}
            n_read = {len(array) for array in arrays.values()}
        if n_read != {stop - start}:
            raise ValueError(
                f"{file}: entries {start} to {stop - 1} are not all there. The file is "
                "damaged; copy it again."
            )
        yield start, stop, arrays


def _flat_cells(arrays, branches, start, file):
    """Return the lists of all events as one array each, with the entry of each."""
    cells, lengths = {}, {}
    for name, branch in branches.items():
        if name == "event":
            continue
        with named_damage(file):
            cells[name], lengths[name] = _flat(arrays[branch])
        if lengths[name] is None:
            raise ValueError(
                f"{file}: the branch {branch} holds no list of numbers for each "
                "event. Is it the right tree (tree=)?"
            )
        uneven = lengths[name] != lengths["zside"]
        if uneven.any():
            entry = int(uneven.argmax())
            raise ValueError(
                f"{file}, entry {start + entry}: {branch} lists "
                f"{lengths[name][entry]} trigger cells, but {PLACES['zside']} lists "
                f"{lengths['zside'][entry]}. Produce the file again."
            )
    local = np.repeat(np.arange(len(lengths["zside"])), lengths["zside"])
    cells["entry"] = start + local
    if "event" in branches:
        cells["event"] = _numbers_of_events(arrays[branches["event"]], file)[local]
    for name in PLACES:
        cells[name] = _whole(cells[name], branches[name], cells["entry"], file)
    return cells


def _flat(array):
    """Return the numbers and the lengths of lists, None if these hold no numbers."""
    import awkward

    flat = array if array.ndim != 2 else awkward.flatten(array)
    values = np.asarray(awkward.to_numpy(flat)) if flat.ndim == 1 else None
    if array.ndim != 2 or values.dtype.kind not in "iuf":
        return values, None
    return values, np.asarray(awkward.to_numpy(awkward.num(array)))


def _numbers_of_events(array, file):
    with named_damage(file):
        values = np.asarray(array)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(
            f"{file}: the branch event holds {values.dtype} where one whole number for "
            "each entry was expected. Is it the right tree (tree=)?"
        )
    return values


def _whole(values, branch, entries, file):
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    wrong = ~np.isfinite(values) | (values != np.rint(values))
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(
            f"{file}, entry {entries[place]}: {branch} holds {values[place]:g} where a "
            "whole number was expected. Is the file damaged?"
        )
    return values.astype(np.int64)


def _chosen(cells, request):
    """Return the cells on wafers, on the requested layers and side."""
    on_wafer = cells["waferu"] != NO_WAFER
    cells = {name: values[on_wafer] for name, values in cells.items()}
    kept = request.mask(cells)
    return {name: values[kept] for name, values in cells.items()}


def _part(cells, columns, request, done, file):
    charges = _charges(cells, request, file)
    cells["number"] = cell_numbers(cells["cellu"], cells["cellv"])
    _refuse(
        cells["number"] < 0,
        cells,
        lambda at: (
            f"no trigger cell is at tc_cellu {cells['cellu'][at]}, tc_cellv "
            f"{cells['cellv'][at]} of a wafer. Expected the u,v of 48 cells on three "
            "4 x 4 faces; is the file of another geometry?"
        ),
        file,
    )
    try:
        X, wafer_of_cell, first_cell = cells_to_wafers(cells, charges)
    except ValueError as error:
        raise ValueError(
            f"{file}: {error}. Were two collections merged into one branch?"
        ) from error
    found = {
        name: cells[name][first_cell] for name in (*WAFER, "event") if name in cells
    }
    found |= _averages(cells, wafer_of_cell, len(X), file)
    columns = columns | {name: name for name in request.selects}
    return Part(X, {name: found[place] for name, place in columns.items()}, done)


def _charges(cells, request, file):
    charges = cells["charge"].astype(np.float64)
    branch = CHARGE_BRANCHES[request.unit or "calq"]
    _refuse(
        ~np.isfinite(charges) | (charges < 0),
        cells,
        lambda at: (
            f"{branch} holds the charge {charges[at]:g}. Charges are finite and not "
            "negative; is the file damaged?"
        ),
        file,
    )
    for name in ("eta", "phi", "simenergy"):
        if name in cells:
            _refuse(
                ~np.isfinite(cells[name]),
                cells,
                lambda at, name=name: f"tc_{name} holds {cells[name][at]}. Mend it.",
                file,
            )
    if branch == "tc_data" and request.unit != "adc":
        return transverse_counts(charges, cells["eta"].astype(np.float64))
    return charges


def _refuse(wrong, cells, fault, file):
    """Raise a ValueError that names the entry and the fault of the first wrong cell."""
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"{file}, entry {cells['entry'][at]}: {fault(at)}")


def _averages(cells, wafer_of_cell, n_wafers, file):
    """Return the means of eta and phi over the cells of each wafer, and its energy."""

    def total(values):
        return np.bincount(wafer_of_cell, weights=values, minlength=n_wafers)

    found = {}
    n_cells = np.maximum(total(np.ones(len(wafer_of_cell))), 1)
    if "eta" in cells:
        found["eta"] = total(cells["eta"]) / n_cells
    if "phi" in cells:
        # Angles on both sides of pi have their mean near pi.
        phi = cells["phi"].astype(np.float64)
        found["phi"] = np.arctan2(total(np.sin(phi)), total(np.cos(phi)))
    if "simenergy" in cells:
        found["simenergy"] = total(cells["simenergy"])
    return found
