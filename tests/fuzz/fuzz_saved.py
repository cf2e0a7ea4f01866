"""Fuzz the reader of saved estimators: ``python -m tests.fuzz.fuzz_saved``.

Small estimators are saved, their files changed at random and loaded again. Most
changed files must be refused with a ValueError. Half of them get a new checksum, as if
somebody had changed them on purpose, and some of these may load, if what was changed
still makes sense. Any other error, a warning, more than 5 seconds of work or 1 GB of
memory is a finding, whose file is kept; it ends with an exit status other than zero.
"""

import json
import sys
import warnings

import numpy as np
from sklearn.pipeline import make_pipeline

import skemd
from skemd import EMDAutoencoder, EMDDecoder, EMDRegressor, WaferRemapper
from skemd._io._archive import _sealed, _zipped, read_archive
from skemd.baselines import BestChoice, SuperTriggerCell
from skemd.distance import paired_emd
from tests.fuzz.damage import damaged
from tests.fuzz.harness import Fuzzer, check, main

TINY = {"epochs": 1, "n_filters": 2, "kernel_size": 3, "random_state": 0}


def make_cases(folder, options):
    return {"saved estimators": make_case(folder)}


def make_case(folder):
    """Return a case that changes one file and loads it."""
    seeds = saved_estimators(folder)
    path = folder / "case.skemd"

    def case(rng):
        path.write_bytes(changed_file(rng, seeds))
        return outcome(path)

    return case


def outcome(path):
    """Load a file and return the outcome."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            repr(skemd.load(path))
        except ValueError:
            result = "refused"
        else:
            result = "loaded"
    check(f"no warning: {[str(warning.message) for warning in caught]}", not caught)
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
    decoder = EMDDecoder("mse", units=4, layers=2, epochs=1, geometry="line")
    estimators = [
        WaferRemapper("4x4x3").fit(wafers),
        BestChoice(2).fit(wafers),
        SuperTriggerCell().fit(wafers),
        regressor,
        decoder.fit(X, X[::-1]),
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
    content = damaged_at_its_end(rng, content)
    return _sealed(content) if rng.random() < 0.2 else content


def damaged_at_its_end(rng, content):
    """Damage a file, often the directory at its end, which says what is where."""
    kept = max(len(content) - 1_500, 0) if rng.random() < 0.3 else 0
    return content[:kept] + damaged(rng, content[kept:])


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


FUZZER = Fuzzer(
    module="tests.fuzz.fuzz_saved",
    unit="files",
    n_items=100_000,
    make_cases=make_cases,
)

if __name__ == "__main__":
    sys.exit(main(FUZZER))
