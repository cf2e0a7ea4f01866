"""Run the emulator of ECON-T on files: ``python -m skemd.firmware``."""

import argparse
import os
from pathlib import Path

import numpy as np

from skemd.firmware import EconT, read_words, write_words

__all__ = ["first_difference", "main"]


def main(arguments=None):
    """Read the command line, run, and say how the words compare.

    Parameters
    ----------
    arguments : list of str or None, default=None
        The command line; None for that of the process.

    Raises
    ------
    SystemExit
        With code 0 if all went well, 1 if words differ, 2 for bad input.
    """
    parser = argparse.ArgumentParser(
        prog="python -m skemd.firmware",
        description="Compute what ECON-T sends for the words of its input links.",
    )
    parser.add_argument("registers", metavar="INIT.yaml", help="the chip's registers")
    parser.add_argument("input", metavar="INPUT.csv", help="twelve words a crossing")
    parser.add_argument("output", metavar="OUTPUT.csv", help="where to write thirteen")
    parser.add_argument("--expected", metavar="FILE", help="words to compare with")
    options = parser.parse_args(arguments)
    try:
        for name in (options.registers, options.input, options.expected):
            _check_not_replaced(options.output, name)
        chip = EconT.from_registers(options.registers)
        expected = None
        if options.expected is not None:
            expected = read_words(options.expected)
        words = chip.run(read_words(options.input))
        write_words(options.output, words)
    except (ValueError, OSError, ImportError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    said = f"{len(words)} crossings written to {options.output}\n"
    if expected is None:
        parser.exit(0, said)
    difference = first_difference(words, expected)
    if difference:
        parser.exit(1, f"{said}{difference}\n")
    parser.exit(0, f"{said}All {words.size} words are as expected.\n")


def _check_not_replaced(output, name):
    """Refuse to write over a file that is read."""
    paths = Path(output), Path(name or output)
    if name is not None and all(path.exists() for path in paths):
        if os.path.samefile(*paths):
            raise ValueError(
                f"OUTPUT is {name}, which is read as well and would be lost. Pass "
                "another path."
            )


def first_difference(words, expected):
    """Say where words differ first.

    Parameters
    ----------
    words : ndarray of uint32 of shape (n_crossings, 13)
        What the chip sends, 32 bits a word.
    expected : ndarray of uint32 of shape (n_expected, n_columns)
        What it should send, 32 bits a word.

    Returns
    -------
    difference : str
        Empty if they are the same.
    """
    if words.shape[1] != expected.shape[1]:
        return (
            f"The expected file has {expected.shape[1]} words a crossing, not "
            f"{words.shape[1]}. Pass a file of TX_DATA_0 to TX_DATA_12."
        )
    n = min(len(words), len(expected))
    differs = words[:n] != expected[:n]
    if differs.any():
        row, column = np.argwhere(differs)[0]
        return (
            f"The first word that differs is TX_DATA_{column} of crossing {row}: "
            f"{words[row, column]:08x}, expected {expected[row, column]:08x}. "
            f"{differs.sum()} of {differs.size} words differ, in "
            f"{differs.any(axis=1).sum()} of {n} crossings."
        )
    if len(words) != len(expected):
        return (
            f"The first {n} crossings are as expected, but there are {len(words)}, and "
            f"{len(expected)} in the expected file."
        )
    return ""


if __name__ == "__main__":
    main()
