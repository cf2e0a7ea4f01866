"""Fuzz the readers of files: ``python -m tests.fuzz.fuzz_files``.

Files of wafers are damaged at random and read again. The answer must be wafers, with
charges that are finite and not negative, or a ValueError that names the file; within 5
seconds of work and 1 GB of memory. A child process reads, so that a crash is a finding
as well. Ends with an exit status other than zero on any finding, and keeps the file.
"""

import argparse
import faulthandler
import gzip
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from skemd.datasets import load_wafers, make_wafers

SECONDS_OF_WORK = 5
# By the clock, which runs on while other work has the processor.
SECONDS_PER_FILE = 60
MOST_BYTES = 1_000_000_000
# Room to ask for too much in vain without harm to the machine.
MOST_ADDRESSES = 16 * MOST_BYTES
SECONDS_BETWEEN_UPDATES = 1.0
MOST_MUTATIONS = 4
SUFFIXES = {"csv": ".csv", "gzip": ".csv.gz", "parquet": ".parquet", "root": ".root"}
TOKENS = [
    *(b"nan", b"inf", b"-1", b"-0", b"1e999", b"1e-999", b"1_0", b"0x1F", b"1.5.2"),
    *(b"", b",", b",,", b"\n", b"\r", b"\r\n", b"\0", b'"', b'""', b"'", b"#", b" "),
    *(b"CALQ_0", b"CALQ_48", b"layer", b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xa8"),
    *(b"\x1a", b"\x0c", b"9" * 400, b"0" * 5000, "\u0663".encode(), b"1j", b"True"),
]


class Finding(AssertionError):
    """What a reader must never do."""


def main():
    """Read the command line; start the child, or be the child."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz_files")
    parser.add_argument("--files", type=int, default=100_000, help="of each kind")
    parser.add_argument("--kind", choices=SUFFIXES, nargs="+", default=["csv"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("output"))
    parser.add_argument("--folder", type=Path, help="fuzz in this process, in a folder")
    options = parser.parse_args()
    if options.folder:
        limit_memory_and_work()
        return max(
            fuzz(options.folder, kind, options.files, options.seed)
            for kind in options.kind
        )
    with tempfile.TemporaryDirectory() as folder:
        return run_child(Path(folder), options)


def run_child(folder, options):
    """Fuzz in a process of its own, and keep the file that it ended with."""
    command = [sys.executable, "-m", "tests.fuzz.fuzz_files", "--folder", str(folder)]
    command += ["--kind", *options.kind, "--files", str(options.files)]
    status = subprocess.run([*command, "--seed", str(options.seed)]).returncode
    if status == 0:
        return 0
    print(f"fuzz_files: the child ended with exit status {status}", file=sys.stderr)
    for file in folder.glob("mutated*"):
        options.keep.mkdir(parents=True, exist_ok=True)
        kept = shutil.copy(file, options.keep / f"fuzz_{options.seed}_{file.name}")
        print(f"the file is kept as {kept}", file=sys.stderr)
    return 1


def limit_memory_and_work():
    """Set what holds for this process: no huge allocations, an end to long work."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    # Show where it hangs, then end as the signal does.
    faulthandler.register(signal.SIGPROF, chain=True)


def fuzz(folder, kind, n_files, seed):
    """Damage and read files one by one; return 1 on a finding, else 0."""
    originals = [file.read_bytes() for file in written(folder, kind)]
    path = folder / f"mutated{SUFFIXES[kind]}"
    started = last_shown = time.monotonic()
    n_read = 0
    for number in range(n_files):
        rng = np.random.default_rng([seed, number])
        path.write_bytes(mutated(rng, originals))
        faulthandler.dump_traceback_later(SECONDS_PER_FILE, exit=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS_OF_WORK)
        try:
            n_read += read(rng, path)
        except Exception as finding:
            print(
                f"\nfinding with --seed {seed} in file {number}: "
                f"{type(finding).__name__}: {finding}",
                file=sys.stderr,
            )
            return 1
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        if time.monotonic() - last_shown > SECONDS_BETWEEN_UPDATES:
            last_shown = time.monotonic()
            show_progress(number + 1, n_files, last_shown - started)
    show_progress(n_files, n_files, time.monotonic() - started)
    print(
        f"\nno finding in {n_files:,} files ({kind}): {n_read:,} read, "
        f"{n_files - n_read:,} refused; at most {peak_bytes() / 1e6:.0f} MB",
        file=sys.stderr,
    )
    return 0


def show_progress(n_done, n_files, elapsed):
    remaining = elapsed / n_done * (n_files - n_done)
    text = f"\rfuzz {n_done}/{n_files} files {elapsed:.0f}s<{remaining:.0f}s "
    print(text, end="", file=sys.stderr, flush=True)


def peak_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def read(rng, path):
    """Read a file with random options; return whether it could be read."""
    options = OPTIONS[rng.integers(len(OPTIONS))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = load_wafers(path, **options)
    except ValueError as error:
        # Not one of its subclasses, which come from elsewhere.
        check("an error is a plain ValueError", type(error) is ValueError)
        check("the error names the file", str(path) in str(error))
        check("the error is short", len(str(error)) < 2000)
        return False
    finally:
        check("1 GB is enough", peak_bytes() < MOST_BYTES)
    X = answer[0] if isinstance(answer, tuple) else answer
    check("48 charges a wafer", X.ndim == 2 and X.shape[1] == 48)
    check("float64", X.dtype == np.float64)
    check("charges are finite", np.isfinite(X).all())
    check("charges are not negative", (X >= 0).all())
    if isinstance(answer, tuple):
        check("a row of metadata for each wafer", len(answer[1]) == len(X))
    return True


OPTIONS = [{}, {}, {}, {}, {"return_metadata": True}, {"layers": 9}, {"zside": 1}]
OPTIONS += [{"drop_empty": True}, {"layers": (7, 9), "return_metadata": True}]


def check(what, holds):
    if not holds:
        raise Finding(f"not so: {what}")


# Files


def written(folder, kind):
    """Write sound files of a kind, as users have them."""
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


# Damage


def mutated(rng, originals):
    """Return one of the files with a few mutations."""
    data = originals[rng.integers(len(originals))]
    for _ in range(rng.integers(1, MOST_MUTATIONS, endpoint=True)):
        data = MUTATIONS[rng.integers(len(MUTATIONS))](rng, data)
    return data


def stretch(rng, data, longest=200):
    """Return the ends of a random stretch of the data."""
    start = int(rng.integers(len(data) + 1))
    return start, min(start + int(rng.integers(1, longest)), len(data))


def change_digits(rng, data):
    """Put digits in place of digits, which often leaves a sound file."""
    changed = bytearray(data)
    for place in rng.integers(max(len(data), 1), size=20):
        if changed[place : place + 1].isdigit():
            changed[place] = rng.choice(list(b"0123456789"))
    return bytes(changed)


def repeat_line(rng, data):
    lines = data.split(b"\n")
    line = rng.integers(len(lines))
    return b"\n".join([*lines[:line], *lines[line : line + 1] * 3, *lines[line + 1 :]])


def flip_bits(rng, data):
    changed = bytearray(data)
    for place in rng.integers(max(len(data), 1), size=rng.integers(1, 9)):
        if changed:
            changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def put_bytes(rng, data):
    start, end = stretch(rng, data, 16)
    return data[:start] + rng.bytes(end - start) + data[end:]


def extreme_bytes(rng, data):
    start, end = stretch(rng, data, 9)
    filled = [b"\x00", b"\xff", b"\x7f"][rng.integers(3)] * (end - start)
    return data[:start] + filled + data[end:]


def insert_token(rng, data):
    start, _ = stretch(rng, data)
    return data[:start] + TOKENS[rng.integers(len(TOKENS))] + data[start:]


def replace_entry(rng, data):
    """Put a token between two commas or line ends, wherever these are."""
    start, _ = stretch(rng, data)
    before = max(data.rfind(b",", 0, start), data.rfind(b"\n", 0, start)) + 1
    after = data.find(b",", start)
    token = TOKENS[rng.integers(len(TOKENS))]
    return data[:before] + token + data[after if after >= 0 else len(data) :]


def delete(rng, data):
    start, end = stretch(rng, data)
    return data[:start] + data[end:]


def repeat(rng, data):
    start, end = stretch(rng, data)
    return data[:end] + data[start:end] * int(rng.integers(1, 20)) + data[end:]


def truncate(rng, data):
    return data[: rng.integers(len(data) + 1)]


def shuffle_lines(rng, data):
    lines = data.split(b"\n")
    return b"\n".join(lines[i] for i in rng.permutation(len(lines)))


def swap_stretches(rng, data):
    (a, b), (c, d) = sorted([stretch(rng, data), stretch(rng, data)])
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


MUTATIONS = (
    change_digits,
    change_digits,
    change_digits,
    repeat_line,
    flip_bits,
    put_bytes,
    extreme_bytes,
    insert_token,
    replace_entry,
    delete,
    repeat,
    truncate,
    shuffle_lines,
    swap_stretches,
)


if __name__ == "__main__":
    sys.exit(main())
