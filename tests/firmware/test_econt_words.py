"""Words in files, charges as words, and the command that runs on files."""

import gzip
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from random_chips import random_settings, random_words

from skemd.datasets import make_wafers
from skemd.firmware import ChipSettings, EconT, FloatCode, read_words, write_words
from skemd.firmware.__main__ import first_difference, main

INPUT_NAMES = ",".join(f"RX_DATA_{link}" for link in range(12))
ROW = ",".join(f"{0x90000000 + link:08x}" for link in range(12))


@pytest.fixture
def written(tmp_path):
    """Return a writer of files, which gives their path."""

    def write(text, name="words.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# --- Files of words


@pytest.mark.parametrize("name", ["words.csv", "words.csv.gz"])
@pytest.mark.parametrize("n_columns", [12, 13])
def test_words_come_back_from_a_file(name, n_columns, tmp_path):
    rng = np.random.default_rng(0)
    words = rng.integers(2**32, size=(300, n_columns), dtype=np.uint32)
    words[0] = 0
    words[1] = 2**32 - 1
    path = tmp_path / name
    write_words(path, words)
    found = read_words(path)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, words)
    # Equal words give equal files, packed or not.
    content = path.read_bytes()
    write_words(path, words.astype(np.int64))
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [name]


def test_the_text_of_a_file(tmp_path):
    path = tmp_path / "words.csv"
    write_words(path, [[0x90000000 + link for link in range(12)]])
    assert path.read_text() == f"{INPUT_NAMES}\n{ROW}\n"
    write_words(path, np.arange(13)[None])
    assert path.read_text().startswith("TX_DATA_0,TX_DATA_1,")
    assert path.read_text().endswith(",0000000c\n")


@pytest.mark.parametrize(
    "text",
    [
        f"{INPUT_NAMES}\n{ROW}",
        f"{INPUT_NAMES}\n{ROW}\n\n\n",
        f"{INPUT_NAMES}\r\n{ROW.upper()}\r\n",
        f"\ufeff{INPUT_NAMES}\n{ROW.replace(',', ', ')}\n",
    ],
)
def test_files_of_other_editors(text, written):
    words = read_words(written(text))
    assert words.tolist() == [[0x90000000 + link for link in range(12)]]


ELEVEN, FOURTEEN = (",".join(f"RX_DATA_{i}" for i in range(n)) for n in (11, 14))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with the names RX_DATA_0 .* begins with '', 1 columns"),
        (f"{ROW}\n{ROW}\n", "begins with '90000000,"),
        (f"{ELEVEN}\n{ROW}\n", "begins with 'RX_DATA_0,.*, 11 columns"),
        (f"{FOURTEEN}\n{ROW}\n", "begins with 'RX_DATA_0,.*, 14 columns"),
        (f"{INPUT_NAMES}\n", "names its columns but holds no words"),
        (
            f"{INPUT_NAMES}\n{ROW}\n{ROW[:-9]}\n",
            "line 3: expected 12 words, as the first line names them; got 11",
        ),
        (f"{INPUT_NAMES}\n{ROW},{ROW[:8]}\n", "line 2: expected 12 words.* got 13"),
        (f"{INPUT_NAMES}\n{ROW}\n\n{ROW}\n", "line 3: expected 12 words.* got 1"),
        (
            f"{INPUT_NAMES}\n{ROW[:-1]}\n",
            "line 2, column 11: expected a word of 8 hexadecimal digits; got '9000000'",
        ),
        (f"{INPUT_NAMES}\n0x{ROW[2:]}\n", "line 2, column 0: .* got '0x000000'"),
        (f"{INPUT_NAMES}\n{ROW[:-1]}g\n", "line 2, column 11: .* got '9000000g'"),
        (
            f"{INPUT_NAMES}\n{ROW[1:]},\n",
            "line 2: expected 12 words.* got 13",
        ),
        (f"{INPUT_NAMES}\n{ROW.replace(',', ';')}\n", "line 2: expected 12 .* got 1"),
        # Words of seven and of nine digits, which are as long together as two of eight.
        (
            f"{INPUT_NAMES}\n{ROW[:7]},0{ROW[9:]}\n",
            "line 2, column 0: .* got '9000000'",
        ),
    ],
)
def test_bad_files_of_words(text, message, written):
    with pytest.raises(ValueError, match=message):
        read_words(written(text))


def test_bad_packed_files(written):
    packed = gzip.compress(f"{INPUT_NAMES}\n{ROW}\n".encode())
    with pytest.raises(ValueError, match="is damaged, or no gzip file"):
        read_words(written(packed[:-12], "words.csv.gz"))
    with pytest.raises(ValueError, match=r"take \.gz off its name"):
        read_words(written(f"{INPUT_NAMES}\n{ROW}\n", "words.csv.gz"))


def test_files_that_unpack_to_more_than_memory(written, monkeypatch):
    monkeypatch.setattr("skemd.firmware._chip._word_files._MOST_BYTES", 10_000)
    text = "\n".join([INPUT_NAMES, *(1000 * [ROW])])
    with pytest.raises(ValueError, match=r"holds more than 10,000 bytes"):
        read_words(written(gzip.compress(text.encode()), "words.csv.gz"))
    with pytest.raises(ValueError, match=r"holds more than 10,000 bytes"):
        read_words(written(text))


def test_a_packed_file_is_bounded_by_its_size(written, monkeypatch):
    packed = gzip.compress("\n".join([INPUT_NAMES, *(2000 * [ROW])]).encode())
    path = written(packed, "words.csv.gz")
    read_words(path)
    monkeypatch.setattr("skemd.firmware._chip._files._UNPACKED_OF_ANY_FILE", 0)
    with pytest.raises(ValueError, match=f"holds more than {50 * len(packed):,} bytes"):
        read_words(path)


def test_reading_takes_little_more_than_the_file(written):
    path = written("\n".join([INPUT_NAMES, *(50_000 * [ROW]), "", ""]))
    tracemalloc.start()
    try:
        assert len(read_words(path)) == 50_000
        assert tracemalloc.get_traced_memory()[1] < 3.5 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_a_fault_far_below_is_found(written):
    lines = [INPUT_NAMES, *(25_000 * [ROW])]
    lines[20_001] = ROW.replace("0", "g", 1)
    with pytest.raises(ValueError, match="line 20002, column"):
        read_words(written("\n".join(lines)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path):
    pipe = tmp_path / "words.csv"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="is not a regular file"):
        read_words(pipe)
    with pytest.raises(ValueError, match="is not a regular file and will not"):
        write_words(pipe, np.zeros((1, 12), dtype=int))
    with pytest.raises(ValueError, match="missing does not exist"):
        write_words(tmp_path / "missing" / "words.csv", np.zeros((1, 12), dtype=int))


def test_links_and_names_that_break_lines_are_refused(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    chip = EconT(ChipSettings("repeater"))
    for write in (chip.write_registers, lambda path: write_words(path, [[0] * 12])):
        with pytest.raises(ValueError, match=r"link is a link to .*target"):
            write(link)
        with pytest.raises(ValueError, match="has line breaks or control characters"):
            write(tmp_path / "a\nb")
    with pytest.raises(ValueError, match="has line breaks or control characters"):
        read_words(tmp_path / "a\x1bb")
    assert target.read_text() == "precious"
    assert link.is_symlink()


def test_nothing_is_half_written(tmp_path, monkeypatch):
    path = tmp_path / "words.csv"
    path.write_text("before")

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr("skemd._io._archive.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_words(path, np.zeros((1, 12), dtype=int))
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["words.csv"]


# --- Words in arrays

BAD_WORDS = [
    (np.zeros((3, 11), dtype=int), r"\(n_crossings, 1[23].*got \(3, 11\)"),
    (np.zeros((3, 14), dtype=int), r"\(n_crossings, 1[23].*got \(3, 14\)"),
    (np.zeros(12, dtype=int), r"got \(12,\)"),
    (np.zeros((3, 13)), "whole numbers of 32 bits; got dtype float64"),
    ([13 * ["f8000000"]], "read hexadecimal words|Read hexadecimal words"),
    ([[*(12 * [0]), -1]], "crossing 0, link 12 has -1"),
    ([13 * [0], [*(12 * [0]), 2**32]], "crossing 1, link 12 has 4294967296"),
]


@pytest.mark.parametrize(("words", "message"), BAD_WORDS)
def test_bad_words(words, message, tmp_path):
    chip = EconT(ChipSettings("repeater"))
    with pytest.raises(ValueError, match=message):
        chip.unpack(words)
    with pytest.raises(ValueError, match=message):
        write_words(tmp_path / "words.csv", words)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.zeros((3, 13), dtype=int), r"\(n_crossings, 12\).*got \(3, 13\)"),
        (np.zeros((3, 11), dtype=int), r"got \(3, 11\)"),
        (np.full((3, 12), -1), "crossing 0, link 0 has -1"),
        (np.full((3, 12), np.nan), "got dtype float64"),
    ],
)
def test_bad_link_words(words, message):
    with pytest.raises(ValueError, match=message):
        EconT(ChipSettings("repeater")).run(words)


@pytest.mark.parametrize("algorithm", ["repeater", "threshold_sum", "best_choice"])
def test_no_crossing_at_all(algorithm):
    chip = EconT(ChipSettings(algorithm, thresholds=48 * [5]))
    words = chip.run(np.zeros((0, 12), dtype=int))
    assert (words.shape, words.dtype) == ((0, 13), np.uint32)
    assert len(chip.unpack(words)["header"]) == 0


# --- Charges as words


@pytest.mark.parametrize("version", ["prototype", "production"])
@pytest.mark.parametrize(("high_density", "dropped"), [(True, 3), (False, 1)])
def test_charges_go_through_the_links_and_back(version, high_density, dropped):
    rng = np.random.default_rng(3)
    X = make_wafers(400, random_state=3) * rng.choice([0.3, 1, 300], size=(400, 1))
    options = {"version": version, "high_density": high_density}
    chip = EconT(ChipSettings("repeater", mux=rng.permutation(48), **options))
    words = chip.link_words(X)
    assert (words.dtype, words.shape) == (np.uint32, (400, 12))
    # The repeater sends the codes on.
    code = FloatCode(4, 3)
    codes = code.encode(X.astype(np.int64) >> dropped)
    frames = chip.unpack(chip.run(words))
    np.testing.assert_array_equal(frames["codes"], codes)
    np.testing.assert_array_equal(frames["charges"], code.decode(codes) << dropped)


def test_charges_in_mip_are_told_from_counts():
    chip = EconT(ChipSettings("repeater"))
    X = make_wafers(100, random_state=3) / 35.1
    with pytest.warns(UserWarning, match=r"link_words takes .* counts, but \d\d% of"):
        chip.link_words(X)


def test_headers_mark_the_orbits():
    chip = EconT(ChipSettings("repeater"))
    words = chip.link_words(np.zeros((3600, 48)))
    marked = np.flatnonzero((words >> 28 == 9).all(axis=1))
    assert marked.tolist() == [0, 3564]
    assert set(np.unique(words)) == {9 << 28, 10 << 28}


def test_the_largest_charge_saturates():
    chip = EconT(ChipSettings("repeater"))
    words = chip.link_words(np.full((1, 48), 2**22))
    assert (words & 0x0FFFFFFF == 0x0FFFFFFF).all()


def one(value, dtype=float):
    X = np.zeros((4, 48), dtype=dtype)
    X[2, 7] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (one(np.nan), "counts from 0 to 2.*22.*row 2 of X holds nan"),
        (one(np.inf), "row 2 of X holds inf"),
        (one(-1), r"row 2 of X holds -1"),
        (one(2**22 + 1, int), "row 2 of X holds 4194305"),
        (np.full((9, 48), -1.0), "rows 0, 1, 2, 3, 4 and 4 more of X hold -1"),
        (np.zeros((4, 47)), r"\(n_crossings, 48\).*got \(4, 47\)"),
        (np.zeros(48), r"got \(48,\)"),
        (one("a", object), "got dtype object"),
        (np.ma.masked_equal(one(5), 5), "masked array with 1 entries masked"),
        (one(True, bool), "got dtype bool"),
    ],
)
def test_bad_charges(X, message):
    with pytest.raises(ValueError, match=message):
        EconT(ChipSettings("repeater")).link_words(X)


def test_a_multiplexer_that_cannot_be_undone():
    chip = EconT(ChipSettings("repeater", mux=[0, *range(47)]))
    with pytest.raises(ValueError, match=r"reads some input cells twice.*\[47\]"):
        chip.link_words(np.zeros((1, 48)))


# --- The command


@pytest.fixture
def files(tmp_path):
    """Return a folder with registers and input words, and what the chip sends."""
    rng = np.random.default_rng(4)
    options = {"version": "production", "buffer_room": "version"}
    chip = EconT(random_settings("best_choice", rng, **options))
    words = random_words(50, rng)
    chip.write_registers(tmp_path / "init.yaml")
    write_words(tmp_path / "input.csv", words)
    return tmp_path, chip.run(words)


def command(folder, *more):
    with pytest.raises(SystemExit) as ended:
        main([*(str(folder / name) for name in ("init.yaml", "input.csv")), *more])
    return ended.value.code


def test_the_command_writes_what_the_chip_sends(files, capsys):
    folder, words = files
    output = folder / "output.csv.gz"
    assert command(folder, str(output)) == 0
    np.testing.assert_array_equal(read_words(output), words)
    assert capsys.readouterr().err == f"50 crossings written to {output}\n"


def test_the_command_compares(files, capsys):
    folder, words = files
    output, expected = str(folder / "output.csv"), folder / "expected.csv"
    write_words(expected, words)
    assert command(folder, output, "--expected", str(expected)) == 0
    assert "All 650 words are as expected." in capsys.readouterr().err
    words[17, 3] ^= 1
    words[40] ^= 1
    write_words(expected, words)
    assert command(folder, output, "--expected", str(expected)) == 1
    said = capsys.readouterr().err
    assert "The first word that differs is TX_DATA_3 of crossing 17: " in said
    assert f"{words[17, 3] ^ 1:08x}, expected {words[17, 3]:08x}. " in said
    assert "14 of 650 words differ, in 2 of 50 crossings." in said


def test_the_command_names_what_is_wrong(files, capsys):
    folder, _ = files
    output = folder / "output.csv"
    (folder / "init.yaml").write_text("ROC: {}\n")
    assert command(folder, str(output)) == 2
    assert "init.yaml: These are not registers of ECON-T" in capsys.readouterr().err
    (folder / "init.yaml").unlink()
    assert command(folder, str(output)) == 2
    assert "No such file" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("name", ["init.yaml", "input.csv", "expected.csv"])
def test_the_command_does_not_replace_what_it_reads(name, files, capsys):
    folder, words = files
    write_words(folder / "expected.csv", words)
    before = (folder / name).read_bytes()
    more = ("--expected", str(folder / "expected.csv"))
    assert command(folder, str(folder / name), *more) == 2
    assert (
        f"OUTPUT is {folder / name}, which is read as well" in capsys.readouterr().err
    )
    assert (folder / name).read_bytes() == before


def test_bad_expectations_are_found_before_anything_is_written(files, capsys):
    folder, _ = files
    output = folder / "output.csv"
    assert command(folder, str(output), "--expected", str(folder / "init.yaml")) == 2
    assert "must begin with the names" in capsys.readouterr().err
    assert not output.exists()


def test_differences_of_shape():
    words = np.zeros((5, 13), dtype=np.uint32)
    assert first_difference(words, words) == ""
    said = first_difference(words, words[:3])
    assert said.startswith(
        "The first 3 crossings are as expected, but there are 5, and"
    )
    said = first_difference(words, words[:, :12])
    assert said.startswith("The expected file has 12 words a crossing, not 13.")


def test_the_command_runs_as_a_module(files):
    folder, words = files
    names = [str(folder / name) for name in ("init.yaml", "input.csv", "output.csv")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "skemd.firmware", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    np.testing.assert_array_equal(read_words(names[2]), words)
