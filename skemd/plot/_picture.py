"""What the functions of this module return: axes, figure, and what was drawn."""

import dataclasses

import numpy as np

__all__ = ["Picture"]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture, with the names that scikit-learn's displays have.

    Parameters
    ----------
    ax_ : matplotlib.axes.Axes, or rows of them
        Where it was drawn.
    artists_ : dict
        What was drawn, by name.
    """

    ax_: object
    artists_: dict

    @property
    def figure_(self):
        """The figure, or the part of one, that holds the axes."""
        return np.ravel(self.ax_)[0].figure
