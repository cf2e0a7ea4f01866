"""Blocks of code in the pages, and the links between them, as the tests read them."""

import re
from typing import NamedTuple

from repository import ROOT

# A comment in front of a block that no test runs, with its reason.
NOT_RUN = ".. not run:"


class Block(NamedTuple):
    """One block of code: its text, the line where it starts, and why it is not run."""

    text: str
    line: int
    reason: str


def pages():
    """Return README.rst and all pages of the documentation, without built ones."""
    built = ("_build", "auto_gallery", "generated", "_templates")
    built += ("sg_execution_times.rst",)
    found = [
        path
        for path in sorted((ROOT / "docs").rglob("*.rst"))
        if not set(built) & set(path.relative_to(ROOT).parts)
    ]
    return [*sorted(ROOT.glob("*.rst")), *found]


def name_of(path):
    return str(path.relative_to(ROOT))


def code_blocks(text, language):
    """Return the blocks of a page in one language, in their order."""
    lines = text.splitlines()
    blocks = []
    for number, line in enumerate(lines):
        if line.strip() != f".. code-block:: {language}":
            continue
        margin = len(line) - len(line.lstrip())
        body = []
        for inside in lines[number + 1 :]:
            if inside.strip() and len(inside) - len(inside.lstrip()) <= margin:
                break
            body.append(inside)
        above = [above for above in lines[:number] if above.strip()][-1:]
        reason = above[0].strip() if above else ""
        reason = reason[len(NOT_RUN) :].strip() if reason.startswith(NOT_RUN) else ""
        blocks.append(Block(_dedented(body), number + 2, reason))
    return blocks


def linked_files(path):
    """Return the files that a page links to, next to it, with the page's text."""
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"<([^<>\s]+)>`_", text)
    targets += re.findall(r"^ *\.\. (?:image|figure|include):: (\S+)", text, re.M)
    return [target for target in targets if "://" not in target]


def _dedented(lines):
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[margin:] for line in lines).strip() + "\n"
