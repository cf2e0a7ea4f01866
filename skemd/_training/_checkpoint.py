"""Checkpoints: what a training needs to go on after its process was killed.

A folder belongs to one fit. It holds what that fit is of, and the state of each of its
trainings after its last whole epoch, as files without code that are replaced as a
whole. A process that trains holds a lock on it, which ends with the process, however
that ends: the operating system lets it go (flock, or msvcrt on Windows), for which we
rely on the package filelock, because a file that merely exists would stay behind.
"""

import contextlib
import errno
import functools
import hashlib
import json
from pathlib import Path

import filelock
import numpy as np
from sklearn.utils import check_random_state

from skemd import __version__
from skemd._backend import keras
from skemd._io._archive import read_archive, write_archive
from skemd._io._encoding import Decoder, encode

__all__ = ["Checkpoint", "checkpoint_of"]

_KIND = "checkpoint"
# Adam's moments come on top of the weights, and these files come from this machine.
_MOST_BYTES = 2**31
# They do not change what comes out.
_WITHOUT_EFFECT = {"checkpoint_dir", "n_jobs", "random_state", "verbose"}


def checkpoint_of(estimator, geometry, **data):
    """Return the checkpoint of an estimator's fit.

    Parameters
    ----------
    estimator : BaseEstimator
        Its `checkpoint_dir` is the folder; its other parameters count but for those
        that do not change what comes out.
    geometry : Geometry
        The geometry of the data.
    **data : ndarray, Layout or None
        What it trains on, by the names of the arguments, and what else matters.

    Returns
    -------
    checkpoint : Checkpoint
        Not entered yet.
    """
    fingerprint = functools.partial(_fingerprint, estimator, geometry, data)
    return Checkpoint(estimator.checkpoint_dir, fingerprint)


class Checkpoint:
    """A folder in which one fit leaves its state; a context that holds its lock.

    A state that cannot be written does not end the context at once, so that the fit
    may keep what it has: `failure` says so, and leaving the context raises it.

    Parameters
    ----------
    folder : str, path-like or None
        Where; None for a fit that leaves nothing.
    fingerprint : callable
        ``fingerprint()`` -> JSON that is equal for equal fits only.

    Attributes
    ----------
    failure : OSError or None
        What kept a state from being written.
    """

    def __init__(self, folder, fingerprint):
        self.folder = None if folder is None else Path(folder)
        self.failure = None
        self._fingerprint = fingerprint
        self._seed = None
        self._lock = None

    def __enter__(self):
        """Take the folder, or say why it cannot be had."""
        if self.folder is None:
            return self
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked()
            self._claim(self._fingerprint())
        # Some file systems have no locks.
        except (NotImplementedError, OSError) as error:
            self._release()
            raise _cannot_be_used(self.folder, error) from error
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, kind, error, traceback):
        """Let the folder go, and raise what kept a state from being written."""
        self._release()
        if error is None and self.failure is not None:
            raise OSError(
                self.failure.errno,
                f"The checkpoint in {self.folder} could not be written: "
                f"{self.failure.strerror or self.failure}. Training stopped there. The "
                "estimator is fitted with the best weights so far and can be used or "
                "saved elsewhere. Make room, or choose another checkpoint_dir, and fit "
                "again; it goes on from the last checkpoint that was written",
            ) from self.failure

    def random_state(self, random_state):
        """Return the generator of the fit; without a seed it is the folder's.

        Parameters
        ----------
        random_state : int, RandomState instance or None
            The estimator's parameter.

        Returns
        -------
        rng : numpy.random.RandomState
            Never the global one where there is a folder.
        """
        if random_state is None and self.folder is not None:
            random_state = self._seed
        return check_random_state(random_state)

    def subfolder(self, name):
        """Return a folder for a fit within this one, or None."""
        return None if self.folder is None else self.folder / name

    def read(self, stage):
        """Return the state of a training, or None if there is none yet.

        Parameters
        ----------
        stage : str
            Which of the fit's trainings.

        Returns
        -------
        state : dict or None
            As it was written.
        """
        if self.folder is None or not self._path(stage).exists():
            return None
        header, arrays = self._read(stage)
        if header["fit"] != self._digest:
            raise ValueError(
                f"{self._path(stage)} belongs to another fit than {self._path('fit')}. "
                "Remove the folder or choose another."
            )
        return Decoder(arrays).decode(header["state"])

    def write(self, stage, state):
        """Replace the state of a training.

        Parameters
        ----------
        stage : str
            Which of the fit's trainings.
        state : dict
            Plain values and arrays.
        """
        if self.folder is None:
            return
        try:
            self._write(stage, {"fit": self._digest}, state)
        except OSError as error:
            self.failure = error

    def _claim(self, fingerprint):
        """Check that the folder is of this fit, or make it so."""
        for left_behind in self.folder.glob("*.tmp"):
            left_behind.unlink()
        if not self._path("fit").exists():
            seed = int(check_random_state(None).randint(2**31 - 1))
            self._write("fit", {"fingerprint": fingerprint, "seed": seed}, {})
        header, _ = self._read("fit")
        _check_equal(header["fingerprint"], fingerprint, self.folder)
        self._seed = header["seed"]
        self._digest = _digest([fingerprint, self._seed], [])

    def _read(self, name):
        try:
            return read_archive(self._path(name), _KIND, most_bytes=_MOST_BYTES)
        except ValueError as error:
            raise ValueError(
                f"The checkpoint in {self.folder} cannot be used: {error} Remove the "
                "folder, and the fit starts anew."
            ) from error

    def _write(self, name, header, state):
        arrays = []
        header = {"kind": _KIND, **header, "state": encode(state, arrays)}
        write_archive(self._path(name), header, arrays, most_bytes=_MOST_BYTES)

    def _path(self, name):
        return self.folder / f"{name}.npz"

    def _locked(self):
        lock = filelock.FileLock(self.folder / "lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise RuntimeError(
                f"Another fit is using checkpoint_dir={str(self.folder)!r}. Wait for "
                "it to end, or give each fit a folder of its own."
            ) from error
        return lock

    def _release(self):
        if self._lock is not None:
            # Whoever waits for the folder can have it even if it has been removed.
            with contextlib.suppress(OSError):
                self._lock.release()
        self._lock = None


def _fingerprint(estimator, geometry, data):
    """Return what makes a fit this one: parameters, data, versions and backend."""
    parameters = {
        name: _described(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in _WITHOUT_EFFECT
    }
    return {
        "estimator": type(estimator).__name__,
        **parameters,
        "random_state": _described(estimator.random_state),
        "geometry": _described(geometry),
        **{name: _described(array) for name, array in data.items()},
        "skemd's version": __version__,
        "backend": keras.backend.backend(),
    }


def _cannot_be_used(folder, error):
    why = getattr(error, "strerror", None) or error
    return OSError(
        getattr(error, "errno", None) or errno.ENOTSUP,
        f"checkpoint_dir={str(folder)!r} cannot be used: {why}. Nothing has been "
        "trained. Choose a folder that can be written to, or checkpoint_dir=None",
    )


def _check_equal(found, expected, folder):
    """Refuse a folder of another fit, and say what differs."""
    if found == expected:
        return
    names = [*expected, *(name for name in found if name not in expected)]
    differing = [
        _difference(name, found.get(name), expected.get(name))
        for name in names
        if found.get(name) != expected.get(name)
    ]
    raise ValueError(
        f"checkpoint_dir={str(folder)!r} holds the checkpoint of another fit: "
        f"{'; '.join(differing)}. Choose another folder, or remove this one if that "
        "fit is no longer needed."
    )


def _difference(name, found, expected):
    if any(str(value).startswith("sha256:") for value in (found, expected)):
        return f"{name} is not the same"
    return f"{name} is {found!r} there and {expected!r} here"


def _described(value):
    """Return a short value itself, and the digest of a long one."""
    if callable(value) and not hasattr(value, "get_config"):
        name = getattr(value, "__qualname__", type(value).__name__)
        return f"{value.__module__}.{name}"
    arrays = []
    node = encode(value, arrays, _parts_of_other)
    if isinstance(node, (dict, list)):
        return f"sha256:{_digest(node, arrays)}"
    return node


def _parts_of_other(value):
    """Return what makes a loss or a fitted regressor, as text."""
    if hasattr(value, "get_config"):
        return [type(value).__name__, _described(value.get_config())]
    regressor = getattr(value, "estimator", value)
    if not hasattr(regressor, "network_"):
        return type(value).__name__
    network = regressor.network_
    return [type(value).__name__, *map(_described, (network.config, network.weights))]


def _digest(node, arrays):
    """Return the SHA-256 of JSON and arrays."""
    digest = hashlib.sha256(json.dumps(node).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
