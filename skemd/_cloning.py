"""A clone of an estimator that shares one of its parts."""

import copy

from sklearn.base import clone

__all__ = ["clone_that_shares"]


def clone_that_shares(estimator, part):
    """Return an unfitted estimator with the same parameters and the very same part.

    Parameters
    ----------
    estimator : estimator
        What to clone.
    part : str
        The parameter that is handed over as it is, not cloned.

    Returns
    -------
    twin : estimator
        Of the same class.
    """
    parameters = {
        name: value if name == part else clone(value, safe=False)
        for name, value in estimator.get_params(deep=False).items()
    }
    twin = type(estimator)(**parameters)
    # What scikit-learn's own clone takes along.
    for name in ("_metadata_request", "_sklearn_output_config"):
        if hasattr(estimator, name):
            setattr(twin, name, copy.deepcopy(getattr(estimator, name)))
    return twin
