"""No code of the package changes the settings of the process while others may run."""

import ast
from pathlib import Path

import pytest

import skemd

PACKAGE = Path(skemd.__file__).parent

# Attributes whose call changes what other threads see. numpy.errstate does not: it
# belongs to its thread.
SETTERS = {
    "warnings": "catch_warnings simplefilter filterwarnings resetwarnings",
    "np": "seterr seterrcall setbufsize set_printoptions",
    "csv": "field_size_limit register_dialect",
    "sys": "setrecursionlimit setswitchinterval settrace setprofile",
    "os": "chdir umask putenv",
    "locale": "setlocale",
    "socket": "setdefaulttimeout",
    "random": "seed",
}
FORBIDDEN = {
    f"{module}.{name}" for module in SETTERS for name in SETTERS[module].split()
}


def setters(source):
    """Return the settings of the process that a module changes, by name."""
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.expr)}
    return {imported.get(name, name) for name in names} & FORBIDDEN


@pytest.mark.parametrize(
    "source",
    [
        "import warnings\nwith warnings.catch_warnings():\n    pass",
        "from warnings import catch_warnings as quiet\nwith quiet():\n    pass",
        "import csv\ndef f():\n    csv.field_size_limit(10)",
    ],
)
def test_a_setter_would_be_found(source):
    assert len(setters(source)) == 1


def test_nothing_changes_the_settings_of_the_process():
    found = {
        path.relative_to(PACKAGE).as_posix(): setters(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    assert len(found) > 50
    assert {path: names for path, names in found.items() if names} == {}
