"""The shape of the package: who may import what, and what importing it costs."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import skemd

PACKAGE = Path(skemd.__file__).parent
FRONT_DOOR = ["WaferRemapper", "EMDRegressor", "EMDAutoencoder", "emd_score"]

# A room is a folder or a file in the root of the package. Imports only point down.
FLOORS = [
    "geometry _checks _backend _backend_choice _progress _extras _warnings",
    "_input _number_formats cluster",
    "distance layers _io _remapper firmware",
    "losses datasets metrics plot study _training _versions",
    "_regressor baselines",
    "_autoencoder",
    "_persistence",
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

# What numpy.random offers without touching the global random state.
HARMLESS_RANDOM = {"BitGenerator", "Generator", "PCG64", "RandomState", "SeedSequence"}
HARMLESS_RANDOM |= {"default_rng"}


def sources():
    """Return the parsed modules by their names; that of the front door is empty."""
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        modules[name] = ast.parse(path.read_text(encoding="utf-8"))
    return modules


def imported_rooms(tree):
    """Return the rooms of skemd that a module imports, at its top or later."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # "from skemd import layers" imports a room, "from skemd.layers import x"
            # a name of one.
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    # A name from the front door is an import of the room where it lives.
    names = {skemd._HOME_OF.get(name.removeprefix("skemd."), name) for name in names}
    parts = [name.split(".") for name in names]
    # Not a room: the version, which stands at the front door.
    return {
        part[1]
        for part in parts
        if part[0] == "skemd" and len(part) > 1 and part[1] != "__version__"
    }


def arrows_up(room, tree):
    """Return the rooms above its own floor that a module imports."""
    return {other for other in imported_rooms(tree) if FLOOR_OF[other] > FLOOR_OF[room]}


def dotted(node):
    """Return "np.random.seed" for the expression of that name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, getattr(node, "id", "?")]))


def side_effects(tree):
    """Return what a module prints on stdout or draws from global random states."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            if "file" not in {keyword.arg for keyword in node.keywords}:
                found.add("print")
        elif isinstance(node, ast.Attribute):
            name = dotted(node)
            *path, last = name.split(".")
            if path in (["np", "random"], ["numpy", "random"]):
                found.update(
                    {name} - {f"{'.'.join(path)}.{x}" for x in HARMLESS_RANDOM}
                )
            elif name == "sys.stdout" or last == "set_random_seed":
                found.add(name)
        elif isinstance(node, ast.Import):
            found.update({alias.name for alias in node.names} & {"random"})
        elif isinstance(node, ast.ImportFrom) and node.module in (
            "random",
            "numpy.random",
        ):
            found.update({alias.name for alias in node.names} - HARMLESS_RANDOM)
    return found


SOURCES = sources()
# The front door opens every room, but lazily.
MODULES = {name: tree for name, tree in SOURCES.items() if name}


def test_each_room_is_on_one_floor():
    rooms = [room for floor in FLOORS for room in floor.split()]
    assert sorted(rooms) == sorted({name.split(".")[0] for name in MODULES})


def test_no_arrow_points_up():
    arrows = {
        name: arrows_up(name.split(".")[0], tree) for name, tree in MODULES.items()
    }
    assert {name: rooms for name, rooms in arrows.items() if rooms} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "import skemd.losses",
        "from skemd import losses",
        "from skemd.losses import TelescopeLoss",
        "def late():\n    from skemd.losses import TelescopeLoss",
    ],
)
def test_an_arrow_up_would_be_found(statement):
    assert arrows_up("geometry", ast.parse(statement)) == {"losses"}
    assert arrows_up("_autoencoder", ast.parse(statement)) == set()


def test_an_arrow_up_through_the_front_door_would_be_found():
    statement = ast.parse("from skemd import EMDRegressor, distance")
    assert arrows_up("metrics", statement) == {"_regressor"}


def imports_keras(tree):
    return "keras" in {
        (getattr(node, "module", None) or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }


def test_only_the_backend_module_imports_keras():
    assert [name for name, tree in SOURCES.items() if imports_keras(tree)] == [
        "_backend"
    ]


def test_no_module_prints_or_touches_global_random_state():
    found = {name: side_effects(tree) for name, tree in SOURCES.items()}
    # show_versions prints, as everywhere in this field.
    assert {name: effects for name, effects in found.items() if effects} == {
        "_versions": {"print"}
    }


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("print('x')", {"print"}),
        ("print('x', file=stream)", set()),
        ("sys.stdout.write('x')", {"sys.stdout"}),
        ("np.random.seed(0)", {"np.random.seed"}),
        ("x = numpy.random.rand()", {"numpy.random.rand"}),
        ("np.random.RandomState(0).rand()", set()),
        ("import random", {"random"}),
        ("from numpy.random import rand", {"rand"}),
        ("keras.utils.set_random_seed(0)", {"keras.utils.set_random_seed"}),
    ],
)
def test_a_side_effect_would_be_found(statement, found):
    assert side_effects(ast.parse(statement)) == found


def test_the_light_modules_do_not_import_keras_or_an_extra():
    script = """
import importlib, sys
names = "", ".geometry", ".distance", ".metrics", ".datasets", ".baselines", ".plot"
for name in names:
    importlib.import_module("skemd" + name)
    heavy = {"jax", "keras", "tensorflow", "torch"}
    # Not pandas, which scikit-learn imports where it finds it, and pyarrow with it.
    heavy |= {"matplotlib", "uproot"}
    heavy &= set(sys.modules)
    if heavy:
        sys.exit(f"import skemd{name} imports {heavy}")
"""
    done = in_a_fresh_process(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_front_door_imports_neither_keras_nor_pot_nor_matplotlib():
    script = """
import sys
import skemd
heavy = {"jax", "keras", "matplotlib", "ot", "pandas", "sklearn"} & set(sys.modules)
if heavy:
    sys.exit(f"import skemd imports {heavy}")
"""
    done = in_a_fresh_process(script)
    assert (done.returncode, done.stderr) == (0, "")


def in_a_fresh_process(script):
    # POT imports every array library that it finds unless it is told not to.
    pot = {
        f"POT_BACKEND_DISABLE_{name}": "1"
        for name in ("CUPY", "JAX", "PYTORCH", "TENSORFLOW")
    }
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        env={**os.environ, **pot},
        check=False,
    )


def test_the_front_door_shows_the_four_names_first():
    # dir() sorts what it is given, so the order is that of __all__ and __dir__.
    assert skemd.__all__[:4] == FRONT_DOOR
    assert skemd.__dir__()[:4] == FRONT_DOOR
    assert set(FRONT_DOOR) < set(dir(skemd))


def test_the_front_door_shows_nothing_private():
    shown = [name for name in dir(skemd) if name.startswith("_")]
    assert shown == ["__version__"]


def test_every_name_at_the_front_door_opens():
    for name in skemd.__all__:
        assert getattr(skemd, name).__name__.split(".")[-1] == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skemd' has no attribute 'x'"):
        skemd.x  # noqa: B018


def test_every_name_in_all_exists():
    modules = [importlib.import_module(f"skemd.{name}") for name in skemd._MODULES]
    missing = [
        f"{module.__name__}.{name}"
        for module in modules
        for name in module.__all__
        if not hasattr(module, name)
    ]
    assert missing == []
