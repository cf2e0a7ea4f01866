"""Where the repository and the data beside it are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
# Child processes of tests import from here what their parents do.
HELPERS = Path(__file__).parent
# Neither belongs to the repository: tests that use them skip where they are missing.
REAL_SAMPLE = ROOT.parent / "shared" / "data" / "real_wafer_sample.csv"
CHIP_VECTORS = ROOT.parent / "shared" / "data" / "chip_vectors"
