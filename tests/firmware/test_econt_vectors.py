"""Golden vectors and captures of a chip, which may not stand in the repository."""

import numpy as np
import pytest
from repository import CHIP_VECTORS as VECTORS

from skemd.firmware import EconT, read_words

CAPTURES = VECTORS / "captures"
CONFIGURATIONS = sorted(
    path.parent
    for path in VECTORS.glob("*/*/init.yaml")
    if (path.parent / "testOutput.csv.gz").exists()
)

pytestmark = pytest.mark.skipif(
    not VECTORS.exists(), reason="needs shared/data/chip_vectors beside the checkout"
)


def test_there_are_vectors_of_all_algorithms():
    algorithms = {
        EconT.from_registers(folder / "init.yaml").settings.algorithm
        for folder in CONFIGURATIONS
    }
    assert len(algorithms) == 5
    assert len(CONFIGURATIONS) >= 20


@pytest.mark.parametrize("folder", CONFIGURATIONS, ids=lambda folder: folder.name)
def test_every_word_of_a_vector(folder):
    chip = EconT.from_registers(folder / "init.yaml")
    words = chip.run(read_words(folder.parent / "testInput.csv.gz"))
    expected = read_words(folder / "testOutput.csv.gz")
    assert len(expected) == 3564
    np.testing.assert_array_equal(words, expected)


@pytest.mark.parametrize("folder", CONFIGURATIONS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("dialect", ["tree", "flat", "production"])
def test_every_register_file_written_again(folder, dialect):
    chip = EconT.from_registers(folder / "init.yaml")
    registers = chip.registers(dialect=dialect)
    again = EconT.from_registers(registers)
    assert again.registers() == registers
    # The other chip has the cells in another order on its links, for which its
    # multiplexer makes up: the same words mean the same cells.
    link_words = read_words(folder.parent / "testInput.csv.gz")[:100]
    words, expected = again.run(link_words), chip.run(link_words)
    if chip.settings.algorithm in ("best_choice", "threshold_sum"):
        # Its map of cells is turned round, and says the same.
        np.testing.assert_equal(again.unpack(words), chip.unpack(expected))
    else:
        np.testing.assert_array_equal(words, expected)


@pytest.mark.parametrize("name", ["STC_type0_eTx2", "STC_type3_eTx4", "TS"])
def test_the_stream_of_a_captured_chip(name):
    chip = EconT.from_registers(CAPTURES / name / "init.yaml")
    n_links = chip.settings.n_links
    loop = read_words(CAPTURES / "testInput.csv.gz")
    # The player ends its loop with the charges of crossing 0 and header 10.
    loop[-1] = loop[0] & 0x0FFFFFFF | 10 << 28
    # The capture begins anywhere in the loop, and its first link in any word.
    stream = chip.run(np.concatenate([loop, loop, loop]))[:, :n_links].ravel()
    captured = read_words(CAPTURES / name / "capture.csv.gz")[:, :n_links].ravel()
    windows = np.lib.stride_tricks.sliding_window_view(stream, len(captured))
    likely = np.flatnonzero((windows[:, :50] == captured[:50]).all(axis=1))
    matches = [start for start in likely if (windows[start] == captured).all()]
    assert len(captured) == 300 * n_links
    assert matches
