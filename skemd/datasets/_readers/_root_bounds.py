"""From a ROOT file to its tree and to ranges of events that fit into memory.

A file of 100 kB may say that it unpacks to gigabytes. What it says about each basket,
the packed stretch of a branch, is checked before the basket is unpacked, and the
lengths of lists before the other branches are read.
"""

import contextlib
import itertools

import numpy as np

from skemd.datasets._readers._columns import shortened
from skemd.datasets._readers._limits import check_unpacked

__all__ = ["find_tree", "named_damage", "ranges_of_entries"]

# More than the trigger cells of both endcaps, on all layers.
MOST_CELLS_OF_AN_EVENT = 1_500_000
CELLS_AT_ONCE = 800_000
MOST_BYTES_OF_A_BASKET = 100_000_000
# The description of a tree lists its branches and baskets, a small part of any file.
MOST_BYTES_OF_A_SMALL_TREE = 4_000_000
# Directories may contain each other without end.
MOST_NAMES = 1_000
BYTES_OF_A_NUMBER = 4


@contextlib.contextmanager
def named_damage(file):
    """Raise any error of uproot as a ValueError that names the file."""
    # The errors of uproot for damaged files have no common class, from KeyError to
    # struct.error and MemoryError for sizes that make no sense.
    try:
        yield
    except Exception as error:
        said = shortened(str(error), 200) or type(error).__name__
        raise ValueError(
            f"{file} cannot be read as ROOT: {said}. It is cut short, damaged or of "
            "another kind; copy or produce it again."
        ) from error


def find_tree(opened, path, file):
    """Return a tree of a ROOT file.

    Parameters
    ----------
    opened : uproot.ReadOnlyDirectory
        The file.
    path : str
        Folders and name of the tree, separated by slashes.
    file : Path
        The file, for messages and for its size.

    Returns
    -------
    tree : uproot.TTree
        The tree.

    Raises
    ------
    ValueError
        If there is no such tree, or if it is an RNTuple or too long to describe.
    """
    with named_damage(file):
        key = _find_key(opened, path)
        kind = key.fClassName if key else None
    if kind == "ROOT::RNTuple":
        raise ValueError(
            f"{file}: {path!r} is an RNTuple, but a TTree was expected. Write one with "
            f"file.mktree({path!r}, types) and extend of uproot; its file[...] = ... "
            "writes RNTuples."
        )
    if kind != "TTree":
        with named_damage(file):
            names = list(
                itertools.islice(opened.iterclassnames(cycle=False), MOST_NAMES)
            )
        trees = [repr(name) for name, kind in names if kind == "TTree"]
        tuples = [repr(name) for name, kind in names if kind == "ROOT::RNTuple"]
        there = shortened(", ".join(trees), 1000) or "no tree at all"
        cure = "Pass one of them as tree=." if trees else "Is it the right file?"
        if tuples and not trees:
            there = f"no TTree, only RNTuples: {shortened(', '.join(tuples), 1000)}"
            cure = "Write the data as a TTree, with file.mktree and extend of uproot."
        raise ValueError(f"{file} has no tree {path!r}; it has {there}. {cure}")
    most = MOST_BYTES_OF_A_SMALL_TREE + file.stat().st_size
    n_bytes = key.data_uncompressed_bytes
    if n_bytes > most:
        raise ValueError(
            f"{file}: the branches and baskets of the tree {path!r} take "
            f"{n_bytes / 1e6:,.0f} MB to describe, but {most / 1e6:,.0f} MB are the "
            "most for a file of this size. Write fewer branches or larger baskets."
        )
    with named_damage(file):
        return key.get()


def _find_key(directory, path):
    """Return the key of an object, None without one."""
    *folders, name = path.split("/")
    for folder in folders:
        if folder not in directory.keys(recursive=False, cycle=False):
            return None
        key = directory.key(folder)
        if key.fClassName not in ("TDirectory", "TDirectoryFile"):
            return None
        directory = key.get()
    if name not in directory.keys(recursive=False, cycle=False):
        return None
    return directory.key(name)


def ranges_of_entries(tree, branches, file):
    """Divide the entries of a tree into ranges that fit into memory.

    Parameters
    ----------
    tree : uproot.TTree
        The tree.
    branches : list of str
        Branches to read, first one that has a list of numbers for each entry.
    file : Path
        The file, for messages and for its size.

    Yields
    ------
    start, stop : int
        A range of entries, with 800,000 trigger cells or one event more.

    Raises
    ------
    ValueError
        If the file or a basket unpacks to more than it may, or if an event has more
        trigger cells than the detector.
    """
    with named_damage(file):
        sizes = {branch: _basket_bytes(tree[branch]) for branch in branches}
        offsets = [int(offset) for offset in tree[branches[0]].entry_offsets]
    for branch, of_baskets in sizes.items():
        if max(of_baskets, default=0) > MOST_BYTES_OF_A_BASKET:
            raise ValueError(
                f"{file}: a basket of the branch {branch} unpacks to "
                f"{max(of_baskets) / 1e6:,.0f} MB; at most "
                f"{MOST_BYTES_OF_A_BASKET // 10**6} MB are read. Write the events in "
                "several parts (uproot: several calls of extend)."
            )
    n_bytes = sum(map(sum, sizes.values()))
    check_unpacked(n_bytes, file, "Is it damaged? If not, write it without packing.")
    for start, stop in _ranges_of_baskets(offsets, sizes[branches[0]]):
        yield from _ranges_of_cells(tree[branches[0]], start, stop, file)


def _basket_bytes(branch):
    """Return what each basket of a branch says that it unpacks to."""
    return [branch.basket_uncompressed_bytes(i) for i in range(branch.num_baskets)]


def _ranges_of_baskets(offsets, sizes):
    """Yield ranges of entries whose numbers of one branch fit into memory."""
    start, held = offsets[0], 0
    for stop, n_bytes in zip(offsets[1:], sizes, strict=True):
        held += n_bytes
        if held >= CELLS_AT_ONCE * BYTES_OF_A_NUMBER:
            yield start, stop
            start, held = stop, 0
    if start < offsets[-1]:
        yield start, offsets[-1]


def _ranges_of_cells(branch, start, stop, file):
    """Yield parts of a range of entries that list about as many cells as fit."""
    import awkward

    with named_damage(file):
        lists = branch.array(entry_start=start, entry_stop=stop, library="ak")
        if lists.ndim != 2:
            # No lists of numbers, which the reader says of each branch.
            lengths = np.zeros(len(lists), dtype=np.int64)
        else:
            lengths = np.asarray(awkward.num(lists))
    too_long = lengths > MOST_CELLS_OF_AN_EVENT
    if too_long.any():
        entry = int(too_long.argmax())
        raise ValueError(
            f"{file}, entry {start + entry}: {branch.name} lists {lengths[entry]:,} "
            f"trigger cells; the detector has fewer than {MOST_CELLS_OF_AN_EVENT:,}. "
            "Is the file damaged, or are its events merged?"
        )
    groups = np.cumsum(lengths) // CELLS_AT_ONCE
    cuts = start + 1 + np.flatnonzero(np.diff(groups))
    yield from itertools.pairwise([start, *cuts.tolist(), stop])
