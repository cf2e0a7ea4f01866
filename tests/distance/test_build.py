"""skemd with and without its compiled solver: installing, and saying which one runs."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from processes import run_python
from repository import ROOT

import skemd
from skemd.datasets import make_wafers
from skemd.distance import paired_emd
from skemd.distance._solvers import compiled_solver_is_built

WITHOUT_SOLVER = """
import sys
sys.modules["skemd.distance._simplex"] = None
"""


def build(compiler, folder):
    """Run the build of the extension alone, in a copy of the sources."""
    pytest.importorskip("setuptools")
    sources = folder / "sources"
    (sources / "skemd" / "distance").mkdir(parents=True)
    shutil.copy(ROOT / "setup.py", sources)
    for path in (ROOT / "skemd" / "distance").glob("_simplex*.[ch]"):
        shutil.copy(path, sources / "skemd" / "distance")
    # pyproject.toml plays no part here, and needs the whole checkout.
    outcome = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "built"],
        cwd=sources,
        env={**os.environ, "CC": compiler},
        capture_output=True,
        text=True,
        check=False,
    )
    built = list((sources / "built").rglob("_simplex*"))
    return outcome, built


def test_without_a_compiler_skemd_installs_and_says_what_that_means(tmp_path):
    outcome, built = build(str(tmp_path / "no-such-compiler"), tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert built == []
    said = outcome.stdout + outcome.stderr
    assert said.count("skemd's compiled solver could not be built") == 1
    assert "POT computes exact EMDs, several times slower" in said
    assert "install a C compiler and skemd again" in said


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_with_a_compiler_the_solver_is_built_without_a_warning(tmp_path):
    outcome, built = build("cc -Wall -Wextra -Werror", tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert len(built) == 1, outcome.stdout + outcome.stderr
    assert "could not be built" not in outcome.stdout + outcome.stderr


def test_show_versions_says_which_engine_runs(capsys):
    skemd.show_versions()
    said = capsys.readouterr().out
    assert f"skemd: {skemd.__version__}" in said
    assert f"numpy: {np.__version__}" in said
    assert ("compiled network simplex" in said) == compiled_solver_is_built()


def test_without_the_solver_pot_runs_and_show_versions_says_so(tmp_path):
    X = make_wafers(20, random_state=0)
    path = tmp_path / "distances.npy"
    script = f"""{WITHOUT_SOLVER}
import numpy as np
import skemd
from skemd.datasets import make_wafers
from skemd.distance import paired_emd

X = make_wafers(20, random_state=0)
np.save({str(path)!r}, paired_emd(X[:10], X[10:]))
skemd.show_versions()
"""
    outcome = run_python(script, PYTHONPATH=str(ROOT))
    assert outcome.returncode == 0, outcome.stderr
    assert "POT; the compiled solver was not built" in outcome.stdout
    assert "compiled network simplex" not in outcome.stdout
    np.testing.assert_allclose(np.load(path), paired_emd(X[:10], X[10:]), rtol=1e-9)


def test_show_versions_imports_nothing_heavy():
    script = """
import sys
import skemd
skemd.show_versions()
heavy = {"jax", "keras", "ot", "tensorflow", "torch"} & set(sys.modules)
sys.exit(f"show_versions imports {heavy}" if heavy else 0)
"""
    outcome = run_python(script, PYTHONPATH=str(ROOT))
    assert outcome.returncode == 0, outcome.stderr
