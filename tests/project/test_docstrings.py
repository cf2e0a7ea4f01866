"""Every public name is in the API and says what it takes: shapes, units, examples."""

import doctest
import functools
import importlib
import inspect
import pkgutil
import re

from numpydoc.docscrape import FunctionDoc
from numpydoc.validate import validate
from pages import ROOT

import skemd


def public_names():
    """Return every public name with its module, but the modules themselves."""
    names = {f"skemd.{name}" for name in skemd._HOME_OF}
    for module in skemd._MODULES:
        public = importlib.import_module(f"skemd.{module}").__all__
        names |= {f"skemd.{module}.{name}" for name in public}
    return names


def names_in_api():
    """Return the names in the API's page, in full."""
    module, names = "", []
    for line in (ROOT / "docs" / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. module::"):
            module = line.split("::")[1].strip()
        elif re.fullmatch(r" {3}\w+", line):
            names.append(f"{module}.{line.strip()}")
    return names


def test_the_api_has_every_public_name_once():
    assert sorted(names_in_api()) == sorted(public_names())


@functools.cache
def public_objects():
    """Return the public functions and classes, and the classes' own methods."""
    found = {}
    for name in sorted(public_names()):
        module, _, last = name.rpartition(".")
        thing = getattr(importlib.import_module(module), last)
        if not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        found[name] = thing
        if inspect.isclass(thing) and not is_of_keras(thing):
            found |= {f"{name}.{key}": value for key, value in methods_of(thing)}
    return found


def is_of_keras(thing):
    """Whether a class has Keras's interface, whose methods Keras describes."""
    return any(base.__module__.startswith("keras.") for base in thing.__mro__)


def methods_of(thing):
    """Return the public methods that a class itself defines, with their names."""
    methods = {
        key: inspect.unwrap(getattr(value, "__func__", value))
        for key, value in vars(thing).items()
        if not key.startswith("_")
    }
    return [(key, value) for key, value in methods.items() if inspect.isfunction(value)]


# The checks of numpydoc that scikit-learn leaves out, too, or that ask for sections
# that would have nothing to say.
NUMPYDOC_LEFT_OUT = {
    "ES01",  # no extended summary
    "EX01",  # no examples
    "SA01",  # no "See Also"
    "SA04",  # a "See Also" without a description
    "GL01",  # summary on the line of the quotes
    "GL02",  # closing quotes on the last line
    "GL08",  # no docstring; ruff knows where one is due
    "SS06",  # a summary of more than one line
    "RT02",  # a returned value with a name
    "RT03",
    "RT04",
    "RT05",
    "PR06",  # "array-like" and the like
    "PR08",
    "PR09",
    "YD01",
}


def faults_by_numpydoc(name, thing):
    left_out = set(NUMPYDOC_LEFT_OUT)
    if hasattr(thing, "_fields"):
        # The fields of a tuple are described as its attributes.
        left_out.add("PR01")
    return [error for error in validate(name)["errors"] if error[0] not in left_out]


def test_docstrings_pass_numpydoc():
    found = {
        name: faults_by_numpydoc(name, thing)
        for name, thing in public_objects().items()
    }
    assert {name: faults for name, faults in found.items() if faults} == {}


def arrays_of(thing):
    """Return the documented parameters and returned values that are arrays."""
    doc = FunctionDoc(thing)
    entries = [*doc["Parameters"], *doc["Returns"], *doc["Attributes"]]
    return [
        (entry.name, entry.type, " ".join(entry.desc))
        for entry in entries
        if re.search(r"\barray|ndarray|\btensor", entry.type)
    ]


# What an array's entry may say of its unit; numbers, codes and masks have none.
UNIT = (
    r"units?\b|counts?\b|\bcm\b|half|pitch|MIP|GeV|bits?\b|digits?\b"
    r"|pseudorapidit|integers?\b|fraction|[Pp]ure numbers|ratio|[Zz]eros and ones"
)
WITHOUT_UNIT = (
    r"of (int|bool|str|0 and 1)|[Ww]eights|_(kernel|bias)\b|codes?\b|groups"
    # What has the unit of something else.
    r"|[Aa]s (in )?(`|:func:)|[Tt]he same charges"
)


def faults_of_arrays(thing):
    """Return the arrays of a docstring that have no shape or no unit."""
    whole = inspect.getdoc(thing)
    faults = []
    for name, kind, description in arrays_of(thing):
        if "shape" not in kind and "of int" not in kind:
            faults.append(f"{name}: no shape in {kind!r}")
        text = f"{name} {kind} {description}"
        if not re.search(WITHOUT_UNIT, text) and not re.search(UNIT, text):
            faults.append(f"{name}: no unit in {description!r}")
    assert whole
    return faults


def test_arrays_have_a_shape_and_a_unit():
    found = {name: faults_of_arrays(thing) for name, thing in public_objects().items()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_an_array_without_shape_or_unit_would_be_found():
    def bad(a, b):
        """Do something.

        Parameters
        ----------
        a : ndarray
            Charges in any unit.
        b : array-like of shape (n,)
            Positions.
        """

    assert [fault.split(":")[0] for fault in faults_of_arrays(bad)] == ["a", "b"]


def modules():
    names = ["skemd"]
    names += [
        module.name
        for module in pkgutil.walk_packages(skemd.__path__, "skemd.")
        if module.name != "skemd.distance._simplex"
    ]
    return names


def examples_of(name):
    """Return the doctests of a module that have examples."""
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    return [test for test in found if test.examples]


def test_examples_in_docstrings_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False)
    examples = [test for name in modules() for test in examples_of(name)]
    assert len(examples) >= 15
    said = []
    for test in examples:
        runner.run(test, out=said.append)
    assert "".join(said) == ""
