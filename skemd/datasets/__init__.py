"""Wafers to learn from: synthetic ones, and a reader for real ones.

:func:`make_wafers` draws wafers of trigger-cell charges as pile-up collisions and
electromagnetic showers leave them in the CMS endcap calorimeter, in seconds and without
any download. :func:`load_wafers` reads wafers of a real or fully simulated detector
from CSV, Parquet or ROOT files, and :func:`iter_wafers` does so chunk by chunk for data
larger than the memory. All return one row of 48 charges per wafer in CALQ counts (35.1
counts = 1 transverse MIP). Each has a card in ``datasets/descr`` that describes its
origin. :func:`wafer_conditions` brings what else they return to the form in which
decoders can be told it.
"""

from skemd.datasets._conditions import wafer_conditions
from skemd.datasets._loading import iter_wafers, load_wafers
from skemd.datasets._pairs import make_pairs
from skemd.datasets._wafers import make_wafers

__all__ = [
    "iter_wafers",
    "load_wafers",
    "make_pairs",
    "make_wafers",
    "wafer_conditions",
]
