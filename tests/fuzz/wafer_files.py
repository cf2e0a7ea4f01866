"""Sound files of wafers of each kind, as users have them."""

import gzip

import numpy as np

from skemd.datasets import make_wafers

SUFFIXES = {"csv": ".csv", "gzip": ".csv.gz", "parquet": ".parquet", "root": ".root"}


def written(folder, kind):
    """Write sound files of a kind, and return their paths."""
    X = make_wafers(6, random_state=0)
    if kind in ("csv", "gzip"):
        return write_csv(folder, X, packed=kind == "gzip")
    if kind == "parquet":
        return write_parquet(folder, X)
    return write_root(folder, X)


def table_of(X):
    """Return charges with metadata in a DataFrame."""
    import pandas as pd

    table = pd.DataFrame(X, columns=[f"CALQ_{cell}" for cell in range(48)])
    n = len(X)
    return table.assign(
        entry=np.arange(n),
        zside=1,
        layer=np.where(np.arange(n) % 2, 9, 7),
        tc_eta=np.linspace(1.6, 2.9, n),
    )


def write_csv(folder, X, packed):
    table = table_of(X)
    files = [folder / f"sound_{i}.csv" for i in range(3)]
    table.to_csv(files[0], index=False)
    np.savetxt(files[1], X, delimiter=",", fmt="%d")
    table.iloc[:, ::-1].to_csv(files[2], lineterminator="\r\n")
    if packed:
        for file in files:
            file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    return files


def write_parquet(folder, X):
    files = []
    for compression in ("none", "snappy"):
        files.append(folder / f"sound_{compression}.parquet")
        table_of(X).to_parquet(files[-1], compression=compression)
    return files


def write_root(folder, X):
    """Write an event of six wafers, with and without compression."""
    import awkward
    import uproot

    from skemd.datasets._readers._cells_to_wafers import NUMBER_OF_UV

    place = {int(NUMBER_OF_UV[u, v]): (u, v) for u, v in np.argwhere(NUMBER_OF_UV >= 0)}
    rows, cells = X.nonzero()
    u, v = np.array([place[cell] for cell in cells.tolist()]).T
    flat = {
        **{"tc_zside": np.ones(len(rows)), "tc_layer": np.where(rows % 2, 9, 7)},
        **{"tc_waferu": rows, "tc_waferv": -rows, "tc_cellu": u, "tc_cellv": v},
        **{"tc_data": X[rows, cells]},
    }
    angles = dict.fromkeys(("tc_eta", "tc_phi"), np.full(len(rows), 2.0))
    types = dict.fromkeys(flat, "var * int32") | dict.fromkeys(angles, "var * float32")
    lengths = np.bincount(rows // 3)
    files = []
    for name, compression in (("plain", None), ("packed", uproot.ZLIB(1))):
        files.append(folder / f"sound_{name}.root")
        with uproot.recreate(files[-1], compression=compression) as file:
            tree = file.mktree("hgcalTriggerNtuplizer/HGCalTriggerNtuple", types)
            tree.extend(
                {
                    branch: awkward.unflatten(
                        values.astype("i4" if branch in flat else "f4"), lengths
                    )
                    for branch, values in (flat | angles).items()
                }
            )
    return files
