"""The loop of a study: draw wafers, fit algorithms, measure the reconstructions."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_memory

import skemd
from skemd._number_formats._links import HEADER_BITS, MODULE_SUM
from skemd._progress import ProgressBar
from skemd.metrics import emd_per_wafer

__all__ = [
    "Comparison",
    "Wafers",
    "compare",
    "emd_of_reconstructions",
    "fitted",
    "payload_bits",
]

# Code and shipped weights. Rooms that only show or export results do not change them.
_SOURCES = (".py", ".c", ".h", ".npz")
_WITHOUT_INFLUENCE = ("plot", "study", "firmware")


class Wafers(NamedTuple):
    """Wafers to fit on, wafers set aside, and properties of the latter.

    Attributes
    ----------
    train : ndarray of shape (n_train, n_cells)
        Charges in CALQ counts.
    test : ndarray of shape (n_test, n_cells)
        Likewise, in CALQ counts.
    properties : dict of str to ndarray of shape (n_test,)
        The properties for profiles, by names that include the unit.
    """

    train: np.ndarray
    test: np.ndarray
    properties: dict


class Comparison(NamedTuple):
    """The results of one algorithm for the wafers of one seed.

    Attributes
    ----------
    algorithm : str
        Its name.
    n_output_links : int or None
        Its number of output links; None if it has none.
    seed : int
        Seed of the wafers, and of the algorithm if it has a `random_state`.
    values : dict of str to ndarray of shape (n_test,)
        For each metric, a number for each wafer set aside.
    payload_bits : ndarray of shape (n_test,)
        Bits that each wafer needs; NaN for codes in floating point.
    lost : ndarray of bool of shape (n_test,)
        Wafers whose reconstruction has no charge.
    properties : dict of str to ndarray of shape (n_test,)
        Properties of these wafers.
    """

    algorithm: str
    n_output_links: int | None
    seed: int
    values: dict
    payload_bits: np.ndarray
    lost: np.ndarray
    properties: dict


def emd_of_reconstructions(X_true, X_pred):
    """Return the exact EMD of wafers to their reconstructions, lost ones included.

    There is no EMD to a wafer without charge. A lost wafer counts as spread evenly over
    the cells, the best guess of a receiver without information; leaving it out would
    favor algorithms that send nothing. This is :func:`skemd.metrics.emd_per_wafer` with
    ``empty_pred="even"``.

    Parameters
    ----------
    X_true, X_pred : array-like of shape (n_samples, 48), or images of a layout
        Charges in any unit.

    Returns
    -------
    distances : ndarray of shape (n_samples,)
        In half trigger-cell pitches (1.2084 cm).

    Raises
    ------
    ValueError
        If a true wafer has no charge, or the wafers do not pair up.
    """
    return emd_per_wafer(X_true, X_pred, empty_pred="even")


def compare(
    algorithms, draw_wafers, *, metrics=None, seeds=(0, 1, 2), memory=None, verbose=0
):
    """Fit every algorithm with every seed, and measure it on wafers set aside.

    Parameters
    ----------
    algorithms : sequence of (str, estimator), dict of str to estimator, or estimator
        Names and unfitted estimators with `fit` and `predict`. They are not changed.
        A single estimator goes by the name of its class. Those with a parameter
        `n_output_links` may share a name for different links.
    draw_wafers : callable
        ``draw_wafers(seed)`` -> Wafers, the same for the same seed.
    metrics : dict of str to callable or None, default=None
        ``metric(X_true, X_pred)`` -> (n_test,), by names that include the unit, since
        they become the names of columns in files. None for "emd_half_pitches", the
        exact EMD of :func:`emd_of_reconstructions`.
    seeds : sequence of int, default=(0, 1, 2)
        Each determines the wafers and the `random_state` of algorithms that have one.
    memory : str, joblib.Memory or None, default=None
        Folder for fitted algorithms, which are not fitted again. See :func:`fitted`.
    verbose : int, default=0
        1 for a progress bar on stderr, 2 for those of the algorithms as well.

    Returns
    -------
    comparisons : list of Comparison
        Seed by seed, in the order of `algorithms`.

    Raises
    ------
    ValueError
        If there is nothing to compare, two algorithms have the same name and number of
        links, or a metric does not return one number for each wafer.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from skemd.datasets import make_wafers
    >>> from skemd.study import Wafers, compare, occupancy
    >>> def draw_wafers(seed):
    ...     X = make_wafers(40, random_state=seed)
    ...     return Wafers(X, X, {"occupancy_cells": occupancy(X)})
    >>> # Any estimator will do; this one predicts the average wafer.
    >>> class Average(DummyRegressor):
    ...     def fit(self, X):
    ...         return super().fit(X, X)
    >>> (found,) = compare([("average", Average())], draw_wafers, seeds=[0])
    >>> found.values["emd_half_pitches"].shape
    (40,)
    """
    metrics = metrics or {"emd_half_pitches": emd_of_reconstructions}
    algorithms = _named_algorithms(algorithms)
    _check_tasks(algorithms, draw_wafers, seeds, metrics)
    bar = ProgressBar(len(seeds) * len(algorithms), "compare", verbose)
    comparisons = []
    try:
        for seed in seeds:
            wafers = draw_wafers(seed)
            for name, estimator in algorithms:
                bar.update(len(comparisons), f"{name}, seed {seed}")
                estimator = fitted(
                    _seeded(estimator, seed),
                    wafers.train,
                    memory=memory,
                    verbose=max(verbose - 1, 0),
                )
                comparisons.append(_measured(name, estimator, seed, wafers, metrics))
        bar.update(len(comparisons))
    finally:
        bar.close()
    return comparisons


def fitted(estimator, X, *, memory=None, verbose=0):
    """Return a fitted copy of an estimator, from the cache if it is there.

    The key of the cache is the estimator's class and parameters, the wafers, the code
    and shipped networks of skemd, and Keras's backend. A change of any of them leads to
    a new fit.

    Parameters
    ----------
    estimator : estimator
        Unfitted; it is not changed. A fit repeats itself only with a `random_state`.
    X : ndarray of shape (n_samples, n_cells)
        Charges in CALQ counts.
    memory : str, joblib.Memory or None, default=None
        Folder of the cache; None for no cache.
    verbose : int, default=0
        The estimator's `verbose` during the fit, if it has this parameter.

    Returns
    -------
    estimator : estimator
        Fitted.

    Raises
    ------
    ValueError
        If the estimator cannot be a key of the cache.
    KeyboardInterrupt
        If Ctrl-C ends the fit, since half a training is not worth comparing or keeping.
    """
    if memory is None:
        return _fit(estimator, X, None, verbose)
    _check_key(estimator)
    fit = check_memory(memory).cache(_fit, ignore=["verbose"])
    return fit(estimator, X, _origin(), verbose)


def _fit(estimator, X, origin, verbose):
    """Fit a copy; `origin` is only part of the cache's key."""
    copy = clone(estimator)
    if "verbose" in copy.get_params(deep=False):
        copy.set_params(verbose=verbose)
    copy = copy.fit(X)
    # After Ctrl-C skemd's networks end their fit early, and say so in this attribute.
    interruption = getattr(copy, "_interruption", None)
    if interruption is not None:
        raise KeyboardInterrupt(interruption)
    return copy


def _origin():
    """Return what determines results besides parameters and wafers."""
    package = Path(skemd.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package)
        if place.suffix in _SOURCES and place.parts[0] not in _WITHOUT_INFLUENCE:
            digest.update(str(place).encode() + path.read_bytes())
    # Not at the top: it imports Keras, which takes seconds.
    from skemd._backend import keras

    return digest.hexdigest(), keras.backend.backend()


def payload_bits(estimator, X):
    """Return the bits that a fitted algorithm sends for each wafer.

    Parameters
    ----------
    estimator : estimator
        With a method `payload_bits`, or an EMDAutoencoder, which sends a header of 5
        bits, the sum in 9, and its code.
    X : ndarray of shape (n_samples, n_cells)
        Charges in CALQ counts.

    Returns
    -------
    bits : ndarray of float of shape (n_samples,)
        NaN for codes in floating point, and for algorithms with an unknown payload.
    """
    if hasattr(estimator, "payload_bits"):
        return np.asarray(estimator.payload_bits(X), dtype=np.float64)
    code_format = getattr(estimator, "latent_format_", None)
    if code_format is None:
        return np.full(len(X), np.nan)
    bits = HEADER_BITS + MODULE_SUM.bits + estimator.n_components * code_format.bits
    return np.full(len(X), float(bits))


def _measured(name, estimator, seed, wafers, metrics):
    X_pred = estimator.predict(wafers.test)
    n_wafers = len(wafers.test)
    values = {key: np.asarray(of(wafers.test, X_pred)) for key, of in metrics.items()}
    columns = {**values, **wafers.properties}
    for key, column in columns.items():
        if np.shape(column) != (n_wafers,):
            raise ValueError(
                f"{key!r} must have a number for each of the {n_wafers} wafers set "
                f"aside; got shape {np.shape(column)}."
            )
    return Comparison(
        name,
        _links_of(estimator),
        seed,
        values,
        payload_bits(estimator, wafers.test),
        ~np.any(X_pred, axis=1),
        wafers.properties,
    )


def _seeded(estimator, seed):
    copy = clone(estimator)
    if "random_state" in copy.get_params(deep=False):
        copy.set_params(random_state=seed)
    return copy


def _links_of(estimator):
    return estimator.get_params(deep=False).get("n_output_links")


def _check_key(estimator):
    try:
        joblib.hash(estimator)
    except Exception as error:  # pickling may raise anything
        raise ValueError(
            f"{estimator!r} cannot be a key of the cache: it does not pickle "
            f"({type(error).__name__}). Define classes and functions at the top of a "
            "module, or pass memory=None."
        ) from error


def _named_algorithms(algorithms):
    """Return pairs of names and estimators, or say what they should be."""
    if hasattr(algorithms, "get_params"):
        algorithms = {type(algorithms).__name__: algorithms}
    if isinstance(algorithms, Mapping):
        algorithms = algorithms.items()
    if not isinstance(algorithms, np.ndarray):
        algorithms = list(algorithms)
    for each in algorithms:
        is_pair = isinstance(each, (tuple, list)) and len(each) == 2
        if not (is_pair and isinstance(each[0], str) and hasattr(each[1], "fit")):
            raise ValueError(
                "algorithms must be names and estimators, [('best', BestChoice())] or "
                f"a dict; got {type(each).__name__} among them."
            )
    return algorithms


def _check_tasks(algorithms, draw_wafers, seeds, metrics):
    if not callable(draw_wafers):
        raise ValueError(
            "draw_wafers must be a function of a seed that returns Wafers; got "
            f"{type(draw_wafers).__name__}. For the same wafers with every seed pass "
            "lambda seed: Wafers(X_train, X_test, {})."
        )
    if len(algorithms) == 0 or len(seeds) == 0:
        raise ValueError(
            "compare needs at least one algorithm and one seed; got "
            f"{len(algorithms)} and {len(seeds)}."
        )
    if not isinstance(metrics, Mapping) or not all(map(callable, metrics.values())):
        raise ValueError(
            "metrics must map names to functions (X_true, X_pred) -> one number a "
            f"wafer; got {metrics!r}."
        )
    keys = [(name, _links_of(estimator)) for name, estimator in algorithms]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(
            f"Two algorithms are called {twice[0]!r} with n_output_links={twice[1]}; "
            "give them different names."
        )
