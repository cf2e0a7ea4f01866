"""Files and functions are short enough to read in one go."""

import ast

import pytest
from repository import ROOT

MOST_LINES = 500
MOST_LINES_OF_A_FUNCTION = 60

FILES = [
    path
    for folder in ("skemd", "benchmarks", "examples", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not {"_build", "auto_gallery"} & set(path.relative_to(ROOT).parts)
]


def lines_of(function):
    """Return how many lines a function has, its docstring aside."""
    n_lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        n_lines -= docstring.end_lineno - docstring.lineno + 1
    return n_lines


def long_functions(source):
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return {f.name for f in functions if lines_of(f) > MOST_LINES_OF_A_FUNCTION}


def test_no_file_is_too_long():
    assert len(FILES) > 50
    n_lines = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES
    }
    long = {str(path): n for path, n in n_lines.items() if n > MOST_LINES}
    assert long == {}


def test_no_function_is_too_long():
    long = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in FILES
        for name in long_functions(path.read_text(encoding="utf-8"))
    }
    assert long == set()


@pytest.mark.parametrize(("n_statements", "found"), [(59, set()), (60, {"f"})])
def test_a_long_function_would_be_found(n_statements, found):
    body = "    x = 1\n" * n_statements
    docstring = '    """Say.\n' + "\n" * 50 + '    """\n'
    assert long_functions(f"def f():\n{docstring}{body}") == found
