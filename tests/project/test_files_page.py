"""The code of docs/files.rst runs as it stands there."""

import re
import textwrap

from repository import ROOT

PAGE = ROOT / "docs" / "files.rst"


def blocks(language):
    text = PAGE.read_text(encoding="utf-8")
    pattern = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    return [textwrap.dedent(block) for block in re.findall(pattern, text, re.MULTILINE)]


def test_the_code_runs_and_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks("python")
    assert len(code) == 5
    exec("\n".join(code), {})
    (printed,) = blocks("text")
    assert capsys.readouterr().out.split() == printed.split()
