"""What the pages say is true: their code runs, their links and names exist."""

import functools
import importlib
import re
import shlex
import warnings
import zlib
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest
from pages import NOT_RUN, ROOT, code_blocks, linked_files, name_of, pages
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, _search

from skemd import EMDAutoencoder, EMDDecoder, EMDRegressor, datasets

PAGES = pages()
MOST_WAFERS = 200
MOST_PAIRS = 200
N_BLOCKS_NOT_RUN = 2


def with_python(paths):
    """Return the pages that have code, as parameters; those that train run rarely."""
    codes = {
        path: "".join(
            block.text
            for block in code_blocks(path.read_text(encoding="utf-8"), "python")
        )
        for path in paths
    }
    trains = re.compile(r"EMD(Autoencoder|Decoder|Regressor)\(")
    return [
        pytest.param(
            path,
            id=name_of(path),
            marks=pytest.mark.exhaustive if trains.search(code) else (),
        )
        for path, code in codes.items()
        if code
    ]


@pytest.fixture
def small_sizes(monkeypatch):
    """Give pages fewer wafers, pairs, epochs and folds, and change nothing else."""
    make_wafers, make_pairs = datasets.make_wafers, datasets.make_pairs

    def few_wafers(n_samples=1000, **options):
        return make_wafers(min(n_samples, MOST_WAFERS), **options)

    def few_pairs(X, n_pairs, **options):
        return make_pairs(X, min(n_pairs, MOST_PAIRS), **options)

    def one_epoch(fit):
        @functools.wraps(fit)
        def wrapped(self, *arguments, **options):
            asked, self.epochs = self.epochs, 1
            try:
                return fit(self, *arguments, **options)
            finally:
                self.epochs = asked

        return wrapped

    monkeypatch.setattr(datasets, "make_wafers", few_wafers)
    monkeypatch.setattr(datasets, "make_pairs", few_pairs)
    monkeypatch.setattr(_search, "check_cv", lambda *_, **__: KFold(2))
    for estimator in (EMDAutoencoder, EMDDecoder, EMDRegressor):
        monkeypatch.setattr(estimator, "fit", one_epoch(estimator.fit))


def printed_on(path):
    """Return what a page says that its code prints."""
    text = path.read_text(encoding="utf-8")
    literal = re.findall(r"^prints ::\n\n((?:    .*\n)+)", text, re.MULTILINE)
    return literal + [block.text for block in code_blocks(text, "text")]


def in_one_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize("path", with_python(PAGES))
def test_the_code_of_a_page_runs(path, small_sizes, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in code_blocks(path.read_text(encoding="utf-8"), "python"):
        if block.reason:
            continue
        # Blank lines in front, so that a traceback has the line of the page.
        source = "\n" * (block.line - 1) + block.text
        with warnings.catch_warnings():
            # One epoch is not enough, which is no fault of the page.
            warnings.filterwarnings("ignore", ".* dead", UserWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            exec(compile(source, name_of(path), "exec"), namespace)
    printed = in_one_line(capsys.readouterr().out)
    for text in printed_on(path):
        assert in_one_line(text) in printed


def test_pages_that_show_what_their_code_prints_are_found():
    assert [name_of(path) for path in PAGES if printed_on(path)] == [
        "docs/files.rst",
        "docs/persistence.rst",
    ]


def test_blocks_that_are_not_run_say_why():
    blocks = [
        (name_of(path), block)
        for path in PAGES
        for block in code_blocks(path.read_text(encoding="utf-8"), "python")
    ]
    assert len(blocks) > 20
    not_run = [name for name, block in blocks if block.reason]
    assert len(not_run) == N_BLOCKS_NOT_RUN, not_run


def test_a_block_is_read_with_its_line_and_reason():
    page = f"""Title

    {NOT_RUN} takes a day

    .. code-block:: python

        a = 1

        if a:
            b = 2

    Text.

.. code-block:: bash

    ls
"""
    (block,) = code_blocks(page, "python")
    assert block.text == "a = 1\n\nif a:\n    b = 2\n"
    assert block.reason == "takes a day"
    assert page.splitlines()[block.line] == "        a = 1"
    (other,) = code_blocks(page, "bash")
    assert (other.text, other.reason) == ("ls\n", "")


def extras():
    return set(metadata.metadata("skemd").get_all("Provides-Extra"))


def test_the_page_on_installing_lists_all_extras():
    page = (ROOT / "docs" / "install.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^``skemd\[(\w+)\]``  ", page, re.MULTILINE))
    assert extras() - listed == set()


def benchmark_names():
    main = importlib.import_module("benchmarks.__main__")
    return {*main.SPEED, *main.REPORTS}


def faults_of_command(command):
    """Return what a command of a page names that is not there."""
    words = shlex.split(command, comments=True)
    faults = []
    for name in re.findall(r"\[([a-z,]+)\]", command):
        faults += sorted(set(name.split(",")) - extras())
    for word, following in pairwise(words):
        if word == "-m" and following.startswith("tests."):
            path = Path(*following.split(".")).with_suffix(".py")
            faults += [] if (ROOT / path).exists() else [following]
        if word == "-m" and following == "benchmarks":
            rest = words[words.index("benchmarks") + 1 :]
            named = [name for name in rest if not name.startswith("-")]
            faults += sorted(set(named) - benchmark_names())
    for script in [word for word in words if word.endswith(".py")]:
        if not (ROOT / script).exists():
            faults.append(script)
            continue
        source = (ROOT / script).read_text(encoding="utf-8")
        options = [word.split("=")[0] for word in words if word.startswith("--")]
        faults += [option for option in options if f'"{option}"' not in source]
    return faults


def test_commands_of_pages_name_what_there_is():
    faults = [
        (name_of(path), command, fault)
        for path in PAGES
        for block in code_blocks(path.read_text(encoding="utf-8"), "bash")
        for command in block.text.splitlines()
        for fault in faults_of_command(command)
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ('pip install ".[plot,nothing]"', ["nothing"]),
        ("python -m benchmarks exact slow", ["slow"]),
        ("python -m tests.fuzz.fuzz_nothing --files 3", ["tests.fuzz.fuzz_nothing"]),
        ("python -m tests.fuzz.fuzz_saved --files 3", []),
        ("python examples/no.py", ["examples/no.py"]),
        ("python examples/chip.py --color red --wafers 3", ["--color"]),
        ("python examples/chip.py --wafers 3  # --color", []),
    ],
)
def test_a_wrong_command_would_be_found(command, faults):
    assert faults_of_command(command) == faults


def test_files_that_pages_link_exist():
    missing = [
        (name_of(path), target)
        for path in PAGES
        for target in linked_files(path)
        if not (path.parent / target).exists()
    ]
    assert missing == []


def test_files_lie_within_two_clicks_of_the_readme():
    readme = set(linked_files(ROOT / "README.rst"))
    two_clicks = readme | {
        target
        for page in readme
        if page.endswith(".rst") and "/" not in page
        for target in linked_files(ROOT / page)
    }
    where = {
        "skemd/losses/_squared_errors.py": "class TelescopeLoss",
        "skemd/geometry.py": "def _wafer_positions",
        "skemd/_training/_loop.py": "def train(",
    }
    for path, definition in where.items():
        assert path in two_clicks
        assert definition in (ROOT / path).read_text(encoding="utf-8")


def test_names_of_other_packages_exist_and_are_in_inventories(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "docs")
    names_elsewhere = importlib.import_module("names_elsewhere")
    mapping = names_elsewhere.inventories(tmp_path)
    for name, (kind, page) in names_elsewhere.NAMES.items():
        home, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(home), last), name
        _, (*_, path) = mapping[name.partition(".")[0]]
        *head, body = Path(path).read_bytes().split(b"\n", 4)
        assert head[0] == b"# Sphinx inventory version 2"
        lines = zlib.decompress(body).decode().splitlines()
        assert f"{name} {kind} 1 {page} -" in lines


def missing_paths(text):
    """Return the files and folders that a page names and that do not exist."""
    folders = "skemd|tests|benchmarks|tools|docs|examples"
    paths = re.findall(rf"``((?:{folders})/[\w./-]*)``", text)
    tests = re.findall(r"``(test_\w+\.py)``", text)
    return [
        *(path for path in paths if not (ROOT / path).exists()),
        *(name for name in tests if not any((ROOT / "tests").rglob(name))),
    ]


def test_paths_that_pages_and_cards_name_exist():
    missing = [
        (name_of(path), name)
        for path in [*PAGES, *sorted((ROOT / "skemd").rglob("*.rst"))]
        for name in missing_paths(path.read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_a_missing_path_would_be_found():
    text = "``skemd/no.py``, ``tests/no/``, ``test_no.py`` and ``skemd/geometry.py``"
    assert missing_paths(text) == ["skemd/no.py", "tests/no/", "test_no.py"]
