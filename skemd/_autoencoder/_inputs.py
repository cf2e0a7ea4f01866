"""What the networks take of wafers: the encoder's images, and the decoder's conditions.

With the chip's arithmetic the encoder sees what the chip sees: charges that have passed
the front end, in pixels of eight bits. The decoder is told beside the code what else
the links carry, the sum of the module as it was sent, and what else the receiver knows.
"""

import dataclasses

import numpy as np

from skemd._input._scaling import encoder_images, row_sums
from skemd._input._units import warn_unless_counts
from skemd._number_formats._links import MODULE_SUM, SPREAD_LOG2, TYPICAL_LOG2
from skemd.firmware._chip._front_end import (
    FRONT_ENDS,
    largest_input,
    pedestal,
    seen_charges,
)
from skemd.geometry import Layout

__all__ = ["NetworkInputs", "encodes_sum", "log_of_sums"]


@dataclasses.dataclass(frozen=True)
class NetworkInputs:
    """How wafers become inputs of an autoencoder's networks.

    Parameters
    ----------
    layout : Layout
        How cells lie in the encoder's images.
    arithmetic : {"chip", "exact"}, default="exact"
        Whether pixels are truncated to eight bits, or left to the network.
    front_end : {"LD", "HD"} or None, default=None
        Through which front end charges in counts pass before.
    tells_sum : bool, default=False
        Whether the decoder is told the sum that is sent.
    n_given : int, default=0
        How many numbers the user tells the decoder.
    """

    layout: Layout
    arithmetic: str = "exact"
    front_end: str | None = None
    tells_sum: bool = False
    n_given: int = 0

    @classmethod
    def asked_for(cls, autoencoder, layout, arithmetic, n_given=0):
        """Return what an autoencoder's parameters ask for.

        Parameters
        ----------
        autoencoder : EMDAutoencoder
            Its parameters have been checked.
        layout : Layout
            How cells lie in the encoder's images.
        arithmetic : {"chip", "exact"}
            That of the encoder.
        n_given : int, default=0
            How many numbers the user tells the decoder.

        Returns
        -------
        inputs : NetworkInputs
            Without front end and sum in exact arithmetic.
        """
        if arithmetic == "exact":
            return cls(layout, n_given=n_given)
        tells_sum = encodes_sum(autoencoder, arithmetic)
        return cls(layout, arithmetic, autoencoder.front_end, tells_sum, n_given)

    def warn_of_units(self, X, sends_sum):
        """Warn if charges have to be in counts and cannot be.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_cells)
            Charges.
        sends_sum : bool
            Whether their sums are sent.
        """
        if self.front_end is not None:
            most = largest_input(FRONT_ENDS[self.front_end])
            caller = f"EMDAutoencoder(front_end={self.front_end!r})"
            warn_unless_counts(X, caller, most_counts=most)
        elif sends_sum:
            consequence = "sums are rounded down to whole counts"
            warn_unless_counts(X, "EMDAutoencoder(encode_sum=True)", consequence)

    @property
    def n_conditions(self):
        """How many numbers the decoder is told beside the code."""
        return (2 if self.tells_sum else 0) + self.n_given

    def images(self, X):
        """Return the encoder's images.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_cells)
            Charges; in counts if there is a front end, else in any unit.

        Returns
        -------
        images : ndarray of float32 of shape (n_samples, height, width, channels)
            Each wafer divided by the power of two at or below its sum.
        """
        seen = seen_charges(X, self.front_end)
        return encoder_images(seen, self.layout, self.arithmetic)

    def sent_sums(self, X):
        """Return the sums of wafers as the chip sends them, 5E4M decoded.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_cells)
            Charges in counts.

        Returns
        -------
        sums : ndarray of int64 of shape (n_samples,)
            In counts, rounded down; behind the front end an empty cell has 1 count
            with low density and 4 with high density.
        """
        return _sent(seen_charges(X, self.front_end))

    def __call__(self, X, given):
        """Return what the whole network takes.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_cells)
            Charges; in counts if there is a front end, else in any unit.
        given : ndarray of shape (n_samples, n_given)
            What the user tells the decoder.

        Returns
        -------
        inputs : ndarray of float32 of shape (n_samples, ...)
            The images; with conditions rows of a flattened image and these.
        """
        seen = seen_charges(X, self.front_end)
        images = encoder_images(seen, self.layout, self.arithmetic)
        if self.n_conditions == 0:
            return images
        conditions = self.conditions(_sent(seen) if self.tells_sum else None, given)
        return np.column_stack([images.reshape(len(X), -1), conditions])

    def conditions(self, sums, given):
        """Return what the decoder is told beside the code.

        Parameters
        ----------
        sums : ndarray of shape (n_samples,) or None
            The sums as they were sent, in counts.
        given : ndarray of shape (n_samples, n_given)
            What the user tells it.

        Returns
        -------
        conditions : ndarray of float32 of shape (n_samples, n_conditions)
            If it is told the sum, its logarithm, scaled to order one, and the sum over
            the power of two at or below it, from 1 to 2, or 0 without charge; then what
            is given.
        """
        given = np.asarray(given, dtype=np.float32)
        if not self.tells_sum:
            return given
        mantissa, _ = np.frexp(np.asarray(sums, dtype=np.float64))
        told = [log_of_sums(sums), 2 * mantissa, given]
        return np.column_stack(told).astype(np.float32)

    def own_sums(self, sums):
        """Estimate wafers' own sums from those that were sent.

        Parameters
        ----------
        sums : ndarray of shape (n_samples,)
            The sums as they were sent, in counts.

        Returns
        -------
        sums : ndarray of shape (n_samples,)
            Behind a front end less what all cells read as if they are empty, but at
            least what one of them does; in counts.
        """
        if self.front_end is None:
            return sums
        empty_cell = pedestal(FRONT_ENDS[self.front_end])
        return np.maximum(sums - self.layout.n_cells * empty_cell, empty_cell)


def log_of_sums(sums):
    """Return the logarithms of wafers' sums, scaled to order one.

    Parameters
    ----------
    sums : ndarray of shape (n_samples,)
        In counts, or in any unit in which one is little.

    Returns
    -------
    logs : ndarray of float64 of shape (n_samples,)
        Sums below one count as one.
    """
    log2 = np.log2(np.maximum(np.asarray(sums, dtype=np.float64), 1))
    return (log2 - TYPICAL_LOG2) / SPREAD_LOG2


def encodes_sum(autoencoder, arithmetic):
    """Return whether codes end with the sum, as the parameters ask for it."""
    if autoencoder.encode_sum is not None:
        return bool(autoencoder.encode_sum)
    return arithmetic == "chip" and autoencoder.front_end is not None


def _sent(seen):
    # A sum may be larger than any integer holds.
    counts = np.minimum(row_sums(seen), MODULE_SUM.highest).astype(np.int64)
    return MODULE_SUM.decode(MODULE_SUM.encode_unchecked(counts))
