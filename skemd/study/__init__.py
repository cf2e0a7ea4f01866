"""Compare algorithms on the same wafers: profiles, tables, and their files.

An algorithm is anything with ``fit`` and ``predict``. A metric is any function
``(X_true, X_pred)`` that returns one number per wafer. :func:`compare` fits every
algorithm with every seed and measures its reconstructions of wafers set aside.
:func:`pooled_profiles` and :func:`ratios_over_seeds` show a metric against occupancy,
pseudorapidity or charge; :func:`link_rows` summarizes the accuracy and the payload of
each algorithm for a number of output links. :func:`write_csv` writes all of it as CSV,
the same bytes each time.
"""

from skemd.study._comparison import (
    Comparison,
    Wafers,
    compare,
    emd_of_reconstructions,
    fitted,
    payload_bits,
)
from skemd.study._csv import profile_rows, read_csv, write_csv
from skemd.study._profiles import Profile, Ratios, profile, profile_ratios
from skemd.study._properties import COUNTS_PER_MIP, charge_in_mip, occupancy
from skemd.study._summaries import link_rows, pooled_profiles, ratios_over_seeds
from skemd.study._tables import (
    links_table,
    profiles_table,
    ratios_table,
    rst_table,
    with_range,
)

__all__ = [
    "COUNTS_PER_MIP",
    "Comparison",
    "Profile",
    "Ratios",
    "Wafers",
    "charge_in_mip",
    "compare",
    "emd_of_reconstructions",
    "fitted",
    "link_rows",
    "links_table",
    "occupancy",
    "payload_bits",
    "pooled_profiles",
    "profile",
    "profile_ratios",
    "profile_rows",
    "profiles_table",
    "ratios_over_seeds",
    "ratios_table",
    "read_csv",
    "rst_table",
    "with_range",
    "write_csv",
]
