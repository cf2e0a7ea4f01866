"""Checkpoints: what a fit needs to go on after its process was killed.

A folder belongs to one fit. It holds a description of that fit, and the state of each
of its trainings after the last whole epoch. The files hold no code and are replaced as
a whole. A process that trains holds a lock on the folder, which the operating system
releases when the process ends in any way (flock, or msvcrt on Windows). The package
filelock does that; a file that merely exists would stay behind.

Other files in the folder are left alone. A fit that is refused has changed nothing: the
folder is read before anything is written to it, and what was made is removed again.
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
from skemd._io._archive import brief, read_archive, write_archive
from skemd._io._encoding import Decoder, encode
from skemd._io._files import check_same_folder, left_behind_by
from skemd._training._options import RUN_PARAMETERS

__all__ = ["Checkpoint", "checkpoint_of"]

_KIND = "checkpoint"
# Larger than for other files, since they hold Adam's moments besides the weights, and
# come from this machine.
_MOST_BYTES = 2**31
_LOCK = "lock"
# The description of the fit, and the states of its trainings.
_FIT = "fit"
_STAGES = ("training", "floating_point")


def checkpoint_of(estimator, geometry, **data):
    """Return the checkpoint of an estimator's fit.

    Parameters
    ----------
    estimator : BaseEstimator
        Its `checkpoint_dir` is the folder. Its other parameters are part of the
        description of the fit, except for those that do not change the result.
    geometry : Geometry
        The geometry of the data.
    **data : ndarray, Layout or None
        What else the result depends on: the arguments of fit, by their names.

    Returns
    -------
    checkpoint : Checkpoint
        A context that holds the folder once it is entered.
    """
    fingerprint = functools.partial(_fingerprint, estimator, geometry, data)
    return Checkpoint(estimator.checkpoint_dir, fingerprint)


class Checkpoint:
    """A folder in which one fit leaves its state; a context that holds its lock.

    If a state cannot be written, `failure` has the error, and the fit can keep what it
    has learned. The error is raised when the context is left.

    Parameters
    ----------
    folder : str, path-like or None
        The folder; None for a fit that leaves nothing.
    fingerprint : callable
        ``fingerprint()`` -> JSON that is equal for equal fits only.

    Attributes
    ----------
    failure : OSError or None
        The error because of which a state could not be written.
    """

    def __init__(self, folder, fingerprint):
        self.folder = None if folder is None else Path(folder)
        self.failure = None
        self._fingerprint = fingerprint
        self._seed = None
        self._lock = None
        # How to take back what was made for a fit that is refused.
        self._undo = contextlib.ExitStack()

    def __enter__(self):
        """Lock the folder, and check that it belongs to this fit."""
        if self.folder is None:
            return self
        fingerprint = self._fingerprint()
        try:
            self._check_folder(fingerprint)
            self._make_folder(self.folder)
            self._status = self.folder.stat()
            self._lock = self._locked()
            # Another process may have been faster.
            self._check_folder(fingerprint)
            self._claim(fingerprint)
        # Some file systems have no locks.
        except (NotImplementedError, OSError) as error:
            self._release(undo=True)
            raise _cannot_be_used(self.folder, error) from error
        except BaseException:
            self._release(undo=True)
            raise
        return self

    def __exit__(self, kind, error, traceback):
        """Release the folder, and raise the error that writing a state has met."""
        # After Ctrl-C the next fit has the same seed.
        self._release(undo=isinstance(error, Exception))
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
        """Return the generator of the fit; if the user gives no seed, the folder does.

        Parameters
        ----------
        random_state : int, RandomState instance or None
            The estimator's parameter.

        Returns
        -------
        rng : numpy.random.RandomState
            If there is a folder, never the global one.
        """
        if random_state is None and self.folder is not None:
            random_state = self._seed
        return check_random_state(random_state)

    def subfolder(self, name):
        """Return a folder for a fit within this one, or None."""
        if self.folder is None:
            return None
        # Its seed comes from this one's, which must stay.
        self._undo.pop_all()
        return self.folder / name

    def read(self, stage):
        """Return the state of a training, or None if there is none yet.

        Parameters
        ----------
        stage : str
            Which of the fit's trainings.

        Returns
        -------
        state : dict or None
            The state that was written last.
        """
        if self.folder is None or not self._path(stage).exists():
            return None
        header, arrays = self._read(stage)
        if header.get("fit") != self._digest:
            raise ValueError(
                f"{self._path(stage)} belongs to another fit than {self._path(_FIT)}. "
                "Remove the folder or choose another."
            )
        with self.reading(stage):
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
        self._undo.pop_all()
        try:
            check_same_folder(self.folder, self._status)
            self._write(stage, {"fit": self._digest}, state)
        except OSError as error:
            self.failure = error

    def _check_folder(self, fingerprint):
        """Check that a folder is this fit's, or nobody's, without changing anything."""
        paths = [self._path(name) for name in (_FIT, *_STAGES)]
        lock = self.folder / _LOCK
        for path in (lock, *paths):
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise ValueError(
                    f"checkpoint_dir={str(self.folder)!r} holds {path.name!r}, "
                    "which is a link or no plain file. Choose another folder."
                )
        # Taking the lock would empty the file.
        if lock.exists() and lock.stat().st_size > 0:
            paths.append(lock)
        elif paths[0].exists():
            header, _ = self._read(_FIT)
            with self.reading(_FIT):
                _check_equal(header["fingerprint"], fingerprint, self.folder)
                seed = header["seed"]
                if type(seed) is not int or not 0 <= seed < 2**31:
                    raise ValueError("its seed is none")
            return
        foreign = [path.name for path in paths if path.exists()]
        if foreign:
            raise ValueError(
                f"checkpoint_dir={str(self.folder)!r} holds {foreign[-1]!r}, which no "
                "fit of skemd has left there. Choose another folder."
            )

    def _claim(self, fingerprint):
        """Describe the fit in its folder, and remove what a killed process left."""
        if not self._path(_FIT).exists():
            seed = int(check_random_state(None).randint(2**31 - 1))
            self._undo.callback(self._path(_FIT).unlink, missing_ok=True)
            self._write(_FIT, {"fingerprint": fingerprint, "seed": seed}, {})
        header, _ = self._read(_FIT)
        self._seed = header["seed"]
        self._digest = _digest([fingerprint, self._seed], [])
        for name in (_FIT, *_STAGES):
            for path in left_behind_by(self._path(name)):
                path.unlink(missing_ok=True)

    def _make_folder(self, folder):
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        # A path such as "new/../fit" is there as soon as "new" is.
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            self._undo.callback(folder.rmdir)

    def _read(self, name):
        with self.reading(name):
            return read_archive(self._path(name), _KIND, most_bytes=_MOST_BYTES)

    @contextlib.contextmanager
    def reading(self, name):
        """Say of errors in a file what they mean for the fit, and what to do.

        Parameters
        ----------
        name : str
            The file: "fit" or one of the fit's trainings.

        Yields
        ------
        nothing : None
            Checks of what the file holds go into the block.

        Raises
        ------
        ValueError
            If such a check fails with any error.
        """
        try:
            yield
        except (OSError, _OtherFit):
            raise
        # The checksum can be forged, so any error may be the fault of the file.
        except Exception as error:
            what = error if isinstance(error, ValueError) else brief(error)
            raise ValueError(
                f"The checkpoint in {self.folder} cannot be used: {what} "
                f"({self._path(name).name}). Remove the folder, and the fit starts "
                "anew; if it holds other files, choose another one."
            ) from error

    def _write(self, name, header, state):
        arrays = []
        header = {"kind": _KIND, **header, "state": encode(state, arrays)}
        write_archive(self._path(name), header, arrays, most_bytes=_MOST_BYTES)

    def _path(self, name):
        return self.folder / f"{name}.npz"

    def _locked(self):
        path = self.folder / _LOCK
        lock = filelock.FileLock(path, timeout=0)
        is_new = not path.exists()
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise RuntimeError(
                f"Another fit is using checkpoint_dir={str(self.folder)!r}. Wait for "
                "it to end, or give each fit a folder of its own."
            ) from error
        if is_new:
            self._undo.callback(path.unlink, missing_ok=True)
        return lock

    def _release(self, *, undo):
        """Release the folder, and take back what nobody needs who is refused."""
        # While the lock is held, except on Windows, where files in use stay.
        with contextlib.suppress(OSError):
            if undo and self._lock is not None:
                check_same_folder(self.folder, self._status)
            if undo:
                self._undo.close()
        self._undo.pop_all()
        if self._lock is not None:
            # The folder may have been removed, with the file of the lock in it.
            with contextlib.suppress(OSError):
                self._lock.release()
        self._lock = None


def _fingerprint(estimator, geometry, data):
    """Return what identifies a fit: parameters, data, version and backend."""
    parameters = {
        name: _described(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in (*RUN_PARAMETERS, "random_state")
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


class _OtherFit(ValueError):
    """A folder belongs to another fit."""


def _check_equal(found, expected, folder):
    """Check that a folder belongs to the expected fit, or say what differs."""
    if found == expected:
        return
    names = [*expected, *(name for name in found if name not in expected)]
    differing = [
        _difference(name, found.get(name), expected.get(name))
        for name in names
        if found.get(name) != expected.get(name)
    ]
    raise _OtherFit(
        f"checkpoint_dir={str(folder)!r} holds the checkpoint of another fit: "
        f"{'; '.join(differing)}. Choose another folder, or remove this one if that "
        "fit is no longer needed."
    )


def _difference(name, found, expected):
    if any(str(value).startswith("sha256:") for value in (found, expected)):
        return f"{name} is not the same"
    return f"{name} is {brief(found)} there and {expected!r} here"


def _described(value):
    """Return a short value itself, or the digest of a long one."""
    if callable(value) and not hasattr(value, "get_config"):
        name = getattr(value, "__qualname__", type(value).__name__)
        return f"{value.__module__}.{name}"
    arrays = []
    node = encode(value, arrays, _parts_of_other)
    if isinstance(node, (dict, list)):
        return f"sha256:{_digest(node, arrays)}"
    return node


def _parts_of_other(value):
    """Return what identifies a loss or a fitted regressor, as text."""
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
