"""Fuzz the readers of wafers: ``python -m tests.fuzz.fuzz_readers``.

Files of wafers are damaged at random and read again. The answer must be wafers, with
charges that are finite and not negative, or a ValueError that names the file; within 5
seconds of work and 1 GB of memory. Ends with an exit status other than zero on any
finding, and keeps the file.
"""

import gzip
import sys
import warnings

import numpy as np

from skemd.datasets import load_wafers
from tests.fuzz.damage import DAMAGE, damaged, stretch
from tests.fuzz.harness import Fuzzer, check, main
from tests.fuzz.wafer_files import SUFFIXES, written


def add_arguments(parser):
    parser.add_argument("--kind", choices=SUFFIXES, nargs="+", default=["csv"])


def make_cases(folder, options):
    return {kind: make_case(folder, kind) for kind in options.kind}


def make_case(folder, kind):
    """Return a case that damages and reads one file."""
    originals = [file.read_bytes() for file in written(folder, kind)]
    path = folder / f"case{SUFFIXES[kind]}"

    def case(rng):
        original = originals[rng.integers(len(originals))]
        path.write_bytes(damaged(rng, original, DAMAGE + DAMAGE_TO_TABLES))
        return read(rng, path)

    return case


def read(rng, path):
    """Read a file with random options; say whether it could be read."""
    options = OPTIONS[rng.integers(len(OPTIONS))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = load_wafers(path, **options)
    except ValueError as error:
        # Not one of its subclasses, which come from elsewhere.
        check("an error is a plain ValueError", type(error) is ValueError)
        check("the error names the file", str(path) in str(error))
        check("the error is short", len(str(error)) < 2000)
        return "refused"
    X = answer[0] if isinstance(answer, tuple) else answer
    check("48 charges a wafer", X.ndim == 2 and X.shape[1] == 48)
    check("float64", X.dtype == np.float64)
    check("charges are finite", np.isfinite(X).all())
    check("charges are not negative", (X >= 0).all())
    if isinstance(answer, tuple):
        check("a row of metadata for each wafer", len(answer[1]) == len(X))
    return "read"


OPTIONS = [{}, {}, {}, {}, {"return_metadata": True}, {"layers": 9}, {"zside": 1}]
OPTIONS += [{"drop_empty": True}, {"layers": (7, 9), "return_metadata": True}]


# Damage to tables of numbers

TOKENS = [
    *(b"nan", b"inf", b"-1", b"-0", b"1e999", b"1e-999", b"1_0", b"0x1F", b"1.5.2"),
    *(b"", b",", b",,", b"\n", b"\r", b"\r\n", b"\0", b'"', b'""', b"'", b"#", b" "),
    *(b"CALQ_0", b"CALQ_48", b"layer", b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xa8"),
    *(b"\x1a", b"\x0c", b"9" * 400, b"0" * 5000, "\u0663".encode(), b"1j", b"True"),
]


def change_digits(rng, data):
    """Put digits in place of digits, which often leaves a sound file."""
    changed = bytearray(data)
    for place in rng.integers(max(len(data), 1), size=20):
        if changed[place : place + 1].isdigit():
            changed[place] = rng.choice(list(b"0123456789"))
    return bytes(changed)


def repeat_line(rng, data):
    lines = data.split(b"\n")
    line = rng.integers(len(lines))
    return b"\n".join([*lines[:line], *lines[line : line + 1] * 3, *lines[line + 1 :]])


def insert_token(rng, data):
    start, _ = stretch(rng, data)
    return data[:start] + TOKENS[rng.integers(len(TOKENS))] + data[start:]


def replace_entry(rng, data):
    """Put a token between two commas or line ends, wherever these are."""
    start, _ = stretch(rng, data)
    before = max(data.rfind(b",", 0, start), data.rfind(b"\n", 0, start)) + 1
    after = data.find(b",", start)
    token = TOKENS[rng.integers(len(TOKENS))]
    return data[:before] + token + data[after if after >= 0 else len(data) :]


def shuffle_lines(rng, data):
    lines = data.split(b"\n")
    return b"\n".join(lines[i] for i in rng.permutation(len(lines)))


# Short, but long once they are unpacked, as is all that follows a packed file.
BOMBS = [
    gzip.compress(b"\n" * 20_000_000),
    gzip.compress(b"0," * 10_000_000),
    gzip.compress((b"0," * 48 + b"x" * 900_000 + b"\n") * 200),
    gzip.compress(b"") * 20_000,
]


def append_bomb(rng, data):
    return data + BOMBS[rng.integers(len(BOMBS))]


DAMAGE_TO_TABLES = (
    append_bomb,
    change_digits,
    change_digits,
    change_digits,
    repeat_line,
    insert_token,
    replace_entry,
    shuffle_lines,
)

FUZZER = Fuzzer(
    module="tests.fuzz.fuzz_readers",
    unit="files",
    n_items=100_000,
    make_cases=make_cases,
    add_arguments=add_arguments,
)

if __name__ == "__main__":
    sys.exit(main(FUZZER))
