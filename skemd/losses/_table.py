"""The table of losses by name.

A class becomes a loss by name with the decorator :func:`named_loss`. What estimators
accept as ``loss=``, what error messages list and what files may hold all follow from
the table.
"""

import dataclasses
import textwrap

__all__ = ["LOSSES", "NamedLoss", "descriptions", "named_loss"]


@dataclasses.dataclass(frozen=True)
class NamedLoss:
    """A row of the table.

    Parameters
    ----------
    loss : type
        The class, a loss of Keras.
    description : str
        One sentence for users.
    given : tuple of str
        The parameters of the constructor that an estimator passes: "geometry",
        "n_jobs" and "regressor", a fitted EMDRegressor.
    wafer_only : bool
        Whether the loss works with the geometry of the wafer alone.
    """

    loss: type
    description: str
    given: tuple
    wafer_only: bool


# The rows by name, in the order in which their classes are defined.
LOSSES = {}


def named_loss(name, description, *, given=(), wafer_only=False):
    """Return a decorator that enters a class in the table.

    Parameters
    ----------
    name : str
        What ``loss=`` calls it, and the default of the constructor's `name`.
    description, given, wafer_only
        See :class:`NamedLoss`.

    Returns
    -------
    enter : callable
        Returns the class unchanged.
    """

    def enter(loss):
        LOSSES[name] = NamedLoss(loss, description, tuple(given), wafer_only)
        return loss

    return enter


def descriptions():
    """Return the table as a list in reStructuredText, for docstrings."""
    return "\n".join(
        textwrap.fill(
            f'- ``"{name}"`` ({row.loss.__name__}): {row.description}',
            width=88,
            subsequent_indent="  ",
        )
        for name, row in LOSSES.items()
    )
