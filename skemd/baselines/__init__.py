"""Algorithms of the concentrator chip without a network: the ones to beat.

:class:`ThresholdSum` sends the trigger cells above a threshold, :class:`BestChoice` the
largest of them, :class:`SuperTriggerCell` sums of neighbors. Each is a transformer
like EMDAutoencoder: `transform` returns the numbers that the links carry,
`inverse_transform` the wafers that a receiver reconstructs from them, and
`payload_bits` the number of bits. Charges are CALQ counts (35.1 counts = 1 transverse
MIP). They pass the chip's front end and are sent as short floating-point codes, to the
last bit as on the chip; `to_chip` returns the emulated chip that sends them.
"""

from skemd.baselines._best_choice import BestChoice
from skemd.baselines._supercells import SuperTriggerCell
from skemd.baselines._threshold import ThresholdSum

__all__ = ["BestChoice", "SuperTriggerCell", "ThresholdSum"]
