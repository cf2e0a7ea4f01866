"""Files and functions are short enough to read in one go, their docstrings aside."""

import ast

import pytest
from repository import ROOT

MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60

FILES = [
    path
    for folder in ("skemd", "tools", "benchmarks", "examples", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not {"_build", "auto_gallery"} & set(path.relative_to(ROOT).parts)
]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def lines_of(node):
    return node.end_lineno - node.lineno + 1


def lines_of_docstring(node):
    return lines_of(node.body[0]) if ast.get_docstring(node) is not None else 0


def lines_of_code(source):
    """Return how many lines a file has without its docstrings."""
    n_lines = len(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
            n_lines -= lines_of_docstring(node)
    return n_lines


def only_assigns(function):
    """Return whether a function does nothing but keep its arguments.

    scikit-learn wants constructors of estimators to have a line for each parameter, and
    nothing else.
    """
    return all(isinstance(statement, ast.Assign) for statement in function.body)


def long_functions(source):
    """Return the names of the functions that are too long without their docstring."""
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, FUNCTIONS)
        and not only_assigns(node)
        and lines_of(node) - lines_of_docstring(node) > MOST_LINES_OF_A_FUNCTION
    }


def test_no_file_is_too_long():
    assert len(FILES) > 50
    assert {path.relative_to(ROOT).parts[0] for path in FILES} >= {"skemd", "tools"}
    n_lines = {
        path.relative_to(ROOT).as_posix(): lines_of_code(path.read_text("utf-8"))
        for path in FILES
    }
    assert {path: n for path, n in n_lines.items() if n > MOST_LINES} == {}


def test_no_function_is_too_long():
    long = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in FILES
        for name in long_functions(path.read_text(encoding="utf-8"))
    }
    assert long == set()


DOCSTRING = '"""Say.\n' + "\n" * 50 + '{}"""\n'


def test_constructors_that_only_assign_may_be_long():
    body = "    self.x = x\n" * 99
    assert long_functions(f"def __init__(self, x):\n{body}") == set()
    assert long_functions(f"def __init__(self, x):\n{body}    f()\n") == {"__init__"}


@pytest.mark.parametrize(("n_statements", "found"), [(59, set()), (60, {"f"})])
def test_a_long_function_would_be_found(n_statements, found):
    body = "    f(1)\n" * n_statements
    docstring = "    " + DOCSTRING.format("    ")
    assert long_functions(f"def f():\n{docstring}{body}") == found


def test_docstrings_do_not_count():
    indented = "    " + DOCSTRING.format("    ")
    source = (
        f"{DOCSTRING.format('')}"
        f"class A:\n{indented}\n    # A comment counts.\n"
        f"def f():\n{indented}    return 1\n"
        'x = """A string\nthat is no docstring."""\n'
    )
    # Besides these there is the empty line behind the class's docstring.
    assert lines_of_code(source) == len(["class", "", "#", "def", "return", "x", "x"])
