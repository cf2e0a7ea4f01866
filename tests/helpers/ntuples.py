"""Trigger ntuples for the tests, written with uproot from wafers that are known."""

import numpy as np
import pandas as pd

TREE = "hgcalTriggerNtuplizer/HGCalTriggerNtuple"

# u and v of each trigger cell, from the table of the detector's numbering.
CELLS_UV = """
    74 64 54 44 75 65 55 45 76 66 56 46 77 67 57 47
    10 21 32 43 20 31 42 53 30 41 52 63 40 51 62 73
    36 35 34 33 25 24 23 22 14 13 12 11 03 02 01 00
""".split()

TYPES = {
    "tc_zside": "var * int32",
    "tc_layer": "var * int32",
    "tc_waferu": "var * int32",
    "tc_waferv": "var * int32",
    "tc_cellu": "var * int32",
    "tc_cellv": "var * int32",
    "tc_data": "var * uint32",
    "tc_mipPt": "var * float32",
    "tc_simenergy": "var * float32",
    "tc_eta": "var * float32",
    "tc_phi": "var * float32",
}


def known_wafers(n_wafers=12, seed=0):
    """Return wafers in the order of the reader, with ADC counts and metadata."""
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 900, (n_wafers, 48)) * (rng.random((n_wafers, 48)) < 0.3)
    X[:, 0] = 7
    metadata = pd.DataFrame(
        {
            "event": 100 + np.sort(np.arange(n_wafers) % 4),
            "zside": rng.choice([-1, 1], n_wafers),
            "layer": rng.choice([5, 7, 9], n_wafers),
            "waferu": rng.integers(-6, 7, n_wafers),
            "waferv": np.arange(n_wafers) - 6,
            "eta": np.float32(rng.uniform(1.6, 2.9, n_wafers)).astype(float),
            "phi": np.float32(rng.uniform(-3, 3, n_wafers)).astype(float),
        }
    )
    metadata["eta"] *= metadata["zside"]
    by = ["event", "zside", "layer", "waferu", "waferv"]
    metadata = metadata.sort_values(by, ignore_index=True)
    metadata["simenergy"] = 0.25 * (X > 0).sum(axis=1)
    return X.astype(float), metadata


def listed_cells(X, metadata, seed=1):
    """Return the lists of the branches, an entry for each event, cells shuffled."""
    rng = np.random.default_rng(seed)
    events = []
    for event in metadata["event"].unique():
        rows, cells = X.nonzero()
        here = (metadata["event"].to_numpy() == event)[rows]
        order = rng.permutation(here.sum())
        rows, cells = rows[here][order], cells[here][order]
        wafers = metadata.iloc[rows]
        branches = {
            f"tc_{name}": wafers[name].to_numpy(copy=True)
            for name in ("zside", "layer", "waferu", "waferv", "eta", "phi")
        }
        branches["tc_cellu"] = np.array([int(CELLS_UV[cell][0]) for cell in cells])
        branches["tc_cellv"] = np.array([int(CELLS_UV[cell][1]) for cell in cells])
        branches["tc_data"] = X[rows, cells]
        branches["tc_mipPt"] = X[rows, cells] / 32
        branches["tc_simenergy"] = np.full(len(rows), 0.25)
        events.append(branches)
    return events


def write_ntuple(path, events, *, tree=TREE, numbers=None, types=TYPES):
    """Write a ROOT file of the branches in `types`, and the events' numbers if given.

    The lists of a branch need not be as long as those of the others.
    """
    import awkward
    import uproot

    types = {**types, **({} if numbers is None else {"event": "uint64"})}
    with uproot.recreate(path) as file:
        written = file.mktree(tree, types)
        # Two baskets, as in larger files.
        for part in (slice(0, 2), slice(2, None))[: 1 + (len(events) > 2)]:
            data = {
                branch: awkward.unflatten(
                    np.concatenate([event[branch] for event in events[part]]).astype(
                        kind.removeprefix("var * ")
                    ),
                    [len(event[branch]) for event in events[part]],
                )
                for branch, kind in types.items()
                if branch != "event"
            }
            if numbers is not None:
                data["event"] = np.asarray(numbers[part], dtype=np.uint64)
            written.extend(data)
    return path
