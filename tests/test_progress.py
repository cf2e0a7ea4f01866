"""The progress bar: redrawn on a terminal, a line now and then in a file."""

import io

import pytest

from skemd._progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """Return a function that runs 1,000 steps of a second each, and what they show."""

    def show(stream):
        now = [0.0]
        monkeypatch.setattr("skemd._progress.time.monotonic", lambda: now[0])
        monkeypatch.setattr("sys.stderr", stream)
        bar = ProgressBar(1000, "work", verbose=1)
        for done in range(1, 1001):
            now[0] += 1
            bar.update(done, "loss 1" if done < 500 else "")
        bar.close()
        return stream.getvalue()

    return show


def test_a_file_gets_a_line_every_ten_seconds(shown):
    text = shown(io.StringIO())
    lines = text.splitlines()
    assert "\r" not in text
    assert len(lines) == 91
    assert lines[0] == f"work [{24 * '.'}] 11/1000 11s<989s loss 1"
    assert lines[-1] == f"work [{24 * '#'}] 1000/1000 1000s"


def test_a_terminal_has_one_line(shown):
    text = shown(Terminal())
    assert text.count("\r") == 1001
    assert text.count("\n") == 1
    assert text.endswith("\n")
    # What is longer than the next text is blotted out.
    assert max(map(len, text.split("\r"))) - len(text.rstrip().split("\r")[-1]) < 20
