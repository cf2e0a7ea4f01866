"""Numbers, types and containers of all kinds that might come in."""

import tempfile

import numpy as np
import pandas as pd
from scipy import sparse

# Numbers


def _with(value):
    """Return a function that puts a value in one place."""

    def put(X, rng):
        X.flat[rng.randint(X.size) :][:1] = value
        return X

    return put


def _without_charge(X, rng):
    X[rng.randint(len(X))] = 0
    return X


GOOD = {
    "counts": lambda X, rng: np.floor(X),
    "fractions": lambda X, rng: X / X.sum(axis=1, keepdims=True),
    "single cells": lambda X, rng: np.where(X == X.max(axis=1, keepdims=True), X, 0),
    "equal": lambda X, rng: np.ones_like(X),
    "zeros with a sign": lambda X, rng: np.where(X > 0, X, -0.0),
    "denormal": lambda X, rng: X * 1e-311,
    "smallest": lambda X, rng: np.where(X > 0, 5e-324, 0),
    "1e300": lambda X, rng: X / X.max() * 1e300,
    "of all sizes": lambda X, rng: X * 10.0 ** rng.randint(-300, 300, size=X.shape),
}
BAD = {
    "nan": _with(np.nan),
    "infinity": _with(np.inf),
    "minus infinity": _with(-np.inf),
    "negative": _with(-1.0),
    "slightly negative": _with(-1e-300),
    "overflowing": lambda X, rng: np.full_like(X, 1.7e308),
}
NUMBERS = {**GOOD, **BAD, "a wafer without charge": _without_charge}

TYPES = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "longdouble": np.longdouble,
    "big-endian": ">f8",
    "int64": np.int64,
    "int8": np.int8,
    "uint16": np.uint16,
    "bool": bool,
    "object": object,
}

# Containers of the same numbers, which have to be taken,


def _strided(X):
    wide = np.zeros((2 * len(X), 2 * X.shape[1]), dtype=X.dtype)
    wide[::2, ::2] = X
    return wide[::2, ::2]


def _read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def _memmap(X):
    if X.size == 0 or X.dtype == object:
        return X
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, X.dtype, "w+", shape=X.shape)
        mapped[...] = X
        return mapped


SAME = {
    "array": lambda X: X,
    "columns first": np.asfortranarray,
    "strided": _strided,
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": _read_only,
    "memory map": _memmap,
    "list": lambda X: X.tolist(),
    "DataFrame": pd.DataFrame,
    "DataFrame of other names": lambda X: pd.DataFrame(X).add_prefix("charge "),
    "nothing masked": np.ma.masked_array,
}
# those that may be taken or refused,
EITHER = {
    "text": lambda X: X.astype(np.float64).astype(str),
    "text objects": lambda X: X.astype(np.float64).astype(str).astype(object),
    "tuples": lambda X: tuple(map(tuple, X.tolist())),
}
# and those that must not be taken: they would be read as something else.


def _something_missing(X):
    X = X.astype(object)
    X[0, 0] = None
    return X


def _masked(X):
    return np.ma.masked_array(X, np.arange(X.size).reshape(X.shape) % 3 == 0)


def _reordered(X):
    return pd.DataFrame(X).add_prefix("CALQ_").iloc[:, ::-1]


REFUSED = {
    "complex": lambda X: X.astype(complex) + 1j,
    "dates": lambda X: np.zeros(X.shape, dtype="datetime64[s]"),
    "words": lambda X: np.full(X.shape, "charge"),
    "something missing": _something_missing,
    "sparse": lambda X: sparse.csr_matrix(X.astype(np.float64)),
    "masked": _masked,
    "reordered columns": _reordered,
    "too narrow": lambda X: X[:, :-1],
    "too wide": lambda X: np.column_stack([X, X[:, :1]]),
    "transposed": lambda X: X.T,
    "flat": np.ravel,
    "too deep": lambda X: X[:, :, None],
    "a number": lambda X: 1.0,
    "nothing": lambda X: None,
    "ragged": lambda X: [[1.0, 2.0], [1.0]],
}
CONTAINERS = {**SAME, **EITHER, **REFUSED}
