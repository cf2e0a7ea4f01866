"""Every example of the gallery asks one question, runs, and ends by reading its figure.

Those that train networks run at sizes that take seconds, so what their last sentences
say is not looked at here.
"""

import ast
import runpy

import matplotlib as mpl
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from repository import ROOT

EXAMPLES = sorted((ROOT / "examples" / "gallery").glob("*.py"))
SMALL = {"N_TRAIN": 300, "N_WAFERS": 300, "N_TEST": 40}
SMALL |= {"N_FILTERS": [1, 2], "BITS_OF_LINKS": {3: 5}, "LINKS": (3,)}
SMALL |= {"LOSSES": ("weighted_mse", "emd")}


class AtSmallSize(ast.NodeTransformer):
    """Gives the sizes at the top of an example other values."""

    def visit_Assign(self, node):
        (target,) = node.targets
        names = [getattr(name, "id", "") for name in getattr(target, "elts", [target])]
        if not set(names) <= SMALL.keys():
            return node
        values = [ast.parse(repr(SMALL[name]), mode="eval").body for name in names]
        is_tuple = isinstance(target, ast.Tuple)
        node.value = ast.Tuple(values, ast.Load()) if is_tuple else values[0]
        return ast.fix_missing_locations(node)


def names_of(paths):
    return [path.stem for path in paths]


# The others train networks, or compare many algorithms.
RUNS = [
    pytest.param(
        path,
        id=path.stem,
        marks=() if path.stem == "plot_exact_emd" else pytest.mark.exhaustive,
    )
    for path in EXAMPLES
]


def test_there_are_enough():
    assert len(EXAMPLES) >= 8
    assert all(path.name.startswith("plot_") for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=names_of(EXAMPLES))
def test_it_asks_a_question_and_reads_its_figure(path):
    source = path.read_text(encoding="utf-8")
    title, underline, empty, *question = ast.get_docstring(ast.parse(source)).split(
        "\n"
    )
    assert underline == "=" * len(title)
    assert empty == ""
    assert question[-1].endswith("?")
    _, *cells = source.split("\n# %%\n")
    assert len(cells) >= 2
    *_, reading = cells
    lines = reading.splitlines()
    assert all(line.startswith("# ") for line in lines)
    assert lines[0].startswith("# The figure shows")
    assert lines[-1].endswith(".")


def private_imports(path):
    """Return the private names of skemd that an example imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skemd"):
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            found += [name for name in names if name.startswith("_")]
    return found


def test_examples_use_public_names_only():
    found = {path.name: private_imports(path) for path in EXAMPLES}
    assert {name: imports for name, imports in found.items() if imports} == {}


# So short a training leaves dead components.
@pytest.mark.filterwarnings("ignore:.* dead:UserWarning")
@pytest.mark.parametrize("path", RUNS)
def test_it_runs_and_draws(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skemd._autoencoder._fit.N_STEPS", 2)
    tree = AtSmallSize().visit(ast.parse(path.read_text(encoding="utf-8")))
    small = tmp_path / path.name
    small.write_text(ast.unparse(tree), encoding="utf-8")
    runpy.run_path(str(small))
    assert plt.get_fignums()
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        assert any(ax.has_data() for ax in figure.axes)
    assert capsys.readouterr().err == ""
    plt.close("all")
