"""Warnings that point at the user's line, once a call.

Python shows a warning once for each line of code, as long as nobody touches its
filters. scikit-learn does so in each fit of a search, and a search has many fits. So a
warning that differs from an earlier one only in its numbers is not repeated within the
same call.
"""

import re
import sys
import warnings

__all__ = ["warn_user"]

# Packages between the user's line and ours.
_LIBRARIES = {"joblib", "sklearn", "skemd"}
# Kept among the local variables of the user's call, so that it ends with the call.
_ISSUED = "__skemd_warnings__"


def warn_user(message, category=UserWarning):
    """Warn at the user's line, unless the same call of the user has had the warning.

    Parameters
    ----------
    message : str
        One or more sentences. Two are the same warning if they are the same up to
        their first number.
    category : type, default=UserWarning
        A subclass of Warning.
    """
    frame, stacklevel, entry = sys._getframe(1), 2, None
    while frame.f_back is not None and _package(frame) in _LIBRARIES:
        entry, frame, stacklevel = frame, frame.f_back, stacklevel + 1
    if entry is not None:
        issued = entry.f_locals.setdefault(_ISSUED, set())
        kind = (category, re.split(r"\d", message)[0])
        if kind in issued:
            return
        issued.add(kind)
    warnings.warn(message, category, stacklevel=stacklevel)


def _package(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
