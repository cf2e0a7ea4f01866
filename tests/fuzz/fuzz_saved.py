"""Fuzz the reader of saved estimators: ``python -m tests.fuzz.fuzz_saved``.

Small estimators are saved, their files changed at random and loaded again. Most
changed files must be refused with a ValueError. Half of them get a new checksum, as if
somebody had changed them on purpose, and some of these may load, if what was changed
still makes sense. Ends with an exit status other than zero on any other error, on a
warning, on a file that takes more than five seconds, and on memory beyond 1 GB.
"""

import argparse
import faulthandler
import json
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

import skemd
from skemd import EMDAutoencoder, EMDRegressor, WaferRemapper
from skemd._io._archive import _sealed, _zipped, read_archive
from skemd.baselines import BestChoice, SuperTriggerCell
from skemd.distance import paired_emd

MOST_SECONDS = 5
MOST_MEGABYTES = 1_000
SECONDS_BETWEEN_UPDATES = 1.0
TINY = {"epochs": 1, "n_filters": 2, "kernel_size": 3, "random_state": 0}


class Finding(AssertionError):
    """What the reader must never do."""


def main():
    """Read the command line, fuzz, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz_saved")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return fuzz(Path(folder), options.files, options.seed)


def fuzz(folder, n_files, seed):
    """Change and load files; return 1 on a finding, else 0."""
    seeds = saved_estimators(folder)
    before = megabytes()
    started = last_shown = time.monotonic()
    counts = {"refused": 0, "loaded": 0}
    slowest = 0.0
    path = folder / "changed.skemd"
    for number in range(n_files):
        rng = np.random.default_rng([seed, number])
        path.write_bytes(changed_file(rng, seeds))
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True, file=sys.__stderr__)
        began = time.monotonic()
        try:
            counts[outcome(path)] += 1
        except Exception as finding:
            kept = Path(f"finding_{seed}_{number}.skemd").resolve()
            kept.write_bytes(path.read_bytes())
            print(f"\nfile {number} of seed {seed}: {finding!r}; it is kept as {kept}")
            return 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        slowest = max(slowest, time.monotonic() - began)
        if time.monotonic() - last_shown > SECONDS_BETWEEN_UPDATES:
            last_shown = time.monotonic()
            print(f"\r{number + 1}/{n_files} files", end="", file=sys.stderr)
    print(
        f"{n_files} files, {counts['refused']} refused, {counts['loaded']} loaded, "
        f"{time.monotonic() - started:.0f} s, the slowest {slowest:.2f} s, memory "
        f"{before:.0f} MB before and at most {megabytes():.0f} MB"
    )
    # Whoever calls this in a process of theirs may have had more.
    return int(megabytes() > max(MOST_MEGABYTES, before + 100))


def megabytes():
    """Return the most memory that this process has had."""
    # Kilobytes, but bytes on macOS.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def outcome(path):
    """Load a file and say what came of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            repr(skemd.load(path))
        except ValueError:
            result = "refused"
        else:
            result = "loaded"
    if caught:
        raise Finding(f"a warning: {caught[0].message}")
    return result


# Files to begin with


def saved_estimators(folder):
    """Return the bytes of each file, and its header and arrays."""
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(20, 4))
    wafers = rng.exponential(size=(20, 48)) * 100
    pairs = np.hstack([X[:10], X[10:]])
    distances = paired_emd(X[:10], X[10:], geometry="line")
    regressor = EMDRegressor(
        n_conv_layers=1, n_dense_units=4, geometry="line", **TINY
    ).fit(pairs, distances)
    autoencoder = EMDAutoencoder(
        "mse", n_components=3, latent_bits=5, weight_bits=6, geometry="line", **TINY
    )
    estimators = [
        WaferRemapper("4x4x3").fit(wafers),
        BestChoice(2).fit(wafers),
        SuperTriggerCell().fit(wafers),
        regressor,
        make_pipeline(WaferRemapper(geometry="line"), autoencoder).fit(X),
    ]
    seeds = []
    for estimator in estimators:
        path = folder / "saved.skemd"
        skemd.save(estimator, path)
        seeds.append((path.read_bytes(), *read_archive(path, "estimator")))
    return seeds


# Changes


def changed_file(rng, seeds):
    """Return a file with some changes, every second one with a checksum of its own."""
    content, header, arrays = seeds[rng.integers(len(seeds))]
    if rng.random() < 0.4:
        header = json.loads(json.dumps(header))
        arrays = list(arrays)
        for _ in range(rng.integers(1, 4)):
            if rng.random() < 0.7 or not arrays:
                change_node(rng, header)
            else:
                change_array(rng, arrays)
        return _sealed(_zipped(header, arrays))
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        BYTES[rng.integers(len(BYTES))](rng, content)
    return _sealed(bytes(content)) if rng.random() < 0.2 else bytes(content)


def place(rng, content):
    """Draw a place, often in the directory at the end, which says what is where."""
    last = max(len(content), 1)
    first = max(last - 1_500, 0) if rng.random() < 0.3 else 0
    return int(rng.integers(first, last))


def flip_bit(rng, content):
    where = place(rng, content)
    if where < len(content):
        content[where] ^= 1 << int(rng.integers(8))


def overwrite(rng, content):
    where, length = place(rng, content), int(rng.choice([1, 2, 4, 8, 100]))
    value = rng.choice([0, 1, 127, 128, 255, -1])
    fill = rng.bytes(length) if value < 0 else bytes([value]) * length
    content[where : where + length] = fill


def truncate(rng, content):
    del content[place(rng, content) :]


def cut_out(rng, content):
    where = place(rng, content)
    del content[where : where + int(rng.integers(1, 200))]


def repeat(rng, content):
    where = place(rng, content)
    block = content[where : where + int(rng.integers(1, 200))]
    content[where:where] = block * int(rng.integers(1, 20))


def append(rng, content):
    content += rng.bytes(int(rng.integers(1, 200)))


BYTES = (flip_bit, flip_bit, overwrite, overwrite, truncate, cut_out, repeat, append)

NODES = (
    *(None, True, 0, -1, 1, 2, 10**6, 10**12, 10**400, 0.5, 1e300, float("nan")),
    *("", "x", "wafer", "line", "8x8", "estimator", "\x00", "a" * 1_000),
    *([], {}, [[]], {"array": 0}, {"array": 10**9}, {"dict": [["a", 1]]}, {"x": 1}),
    *({"names": ["a"]}, {"tuple": [1, 2]}, {"fixed_point": [6, 0, True]}),
    *({"layout": [{"tuple": [1, 4, 1]}, {"array": 1}]}, {"a": 1, "b": 2}),
    {"estimator": ["FrozenEstimator", {"dict": [["estimator", None]]}, {"dict": []}]},
    {"estimator": ["Pipeline", {"dict": [["steps", []]]}, {"dict": []}]},
    {"loss": ["TelescopeLoss", {"dict": []}]},
    {"network": ["emd", {"dict": []}, []]},
)


def change_node(rng, header):
    """Replace, remove, double or nest one node of the header."""
    places = list(places_in(header))
    holder, key = places[rng.integers(len(places))]
    action = rng.random()
    if action < 0.6:
        value = NODES[rng.integers(len(NODES))]
        # Later changes must not change the list itself.
        holder[key] = json.loads(json.dumps(value))
    elif action < 0.75:
        del holder[key]
    elif action < 0.85:
        other, other_key = places[rng.integers(len(places))]
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif action < 0.95 and isinstance(holder[key], (int, float)):
        holder[key] = holder[key] * int(rng.choice([-1, 2, 10, 1_000]))
    else:
        nested = holder[key]
        for _ in range(int(rng.choice([1, 3, 200]))):
            nested = [nested] if rng.random() < 0.5 else {"tuple": [nested]}
        holder[key] = nested


def places_in(node):
    """Yield each place of a value in a JSON tree, as its holder and key."""
    keys = range(len(node)) if isinstance(node, list) else list(node)
    for key in keys:
        yield node, key
        if isinstance(node[key], (list, dict)):
            yield from places_in(node[key])


def change_array(rng, arrays):
    """Change the numbers, the shape or the type of one array, or its place."""
    number = int(rng.integers(len(arrays)))
    array = np.array(arrays[number])
    action = rng.integers(6)
    if action == 0 and array.size:
        array.flat[rng.integers(array.size)] = rng.choice([0, 1, 100])
    elif action == 1:
        array = array.ravel()[: int(rng.integers(array.size + 1))]
    elif action == 2:
        array = np.zeros(int(rng.choice([0, 1, 1_000, 100_000])), array.dtype)
    elif action == 3:
        array = array[None]
    elif action == 4:
        array = array.astype(rng.choice(["f4", "f8", "i8", "?", "u1"]))
    else:
        array = np.full_like(array, np.nan if array.dtype.kind == "f" else 1)
    arrays[number] = array


if __name__ == "__main__":
    sys.exit(main())
