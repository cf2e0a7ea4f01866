"""Which Keras backend runs: what is chosen, and processes that start with it."""

import functools
import importlib.util
import json

import numpy as np
import pytest
from processes import run_python
from repository import HELPERS, ROOT

from skemd._backend_choice import _chosen_backend

SHOW_BACKEND = (
    "from skemd._backend import keras; print(keras.backend.backend(), end='')"
)
MISSING = [
    name for name in ("torch", "tensorflow") if not importlib.util.find_spec(name)
]
needs_a_missing_backend = pytest.mark.skipif(
    not MISSING, reason="every backend is installed"
)


def run_with_home(code, home, **environment):
    environment = {"KERAS_HOME": str(home), **environment}
    return run_python(code, unset=("KERAS_BACKEND",), **environment)


def backend_of(outcome):
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


@pytest.mark.parametrize(
    ("variable", "file", "chosen"),
    [
        ("", None, None),
        ("numpy", None, "numpy"),
        ("", {"backend": "numpy"}, "numpy"),
        ("numpy", {"backend": "torch"}, "numpy"),
        ("", {"floatx": "float32"}, None),
        # Nobody has chosen what Keras writes by itself.
        ("", WRITTEN_BY_KERAS, None),
    ],
)
def test_the_environment_variable_goes_before_the_file(
    variable, file, chosen, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if file is not None:
        (tmp_path / "keras.json").write_text(json.dumps(file, indent=4))
    assert _chosen_backend()[0] == chosen


def test_jax_runs_where_nobody_has_chosen(tmp_path, monkeypatch):
    assert backend_of(run_with_home(SHOW_BACKEND, tmp_path)) == "jax"
    # Keras may have written a file by itself by now.
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert _chosen_backend() == (None, None)


@pytest.mark.parametrize(
    ("code", "environment", "chosen"),
    [
        ("import skemd", {}, "jax"),
        ("from skemd.datasets import make_wafers", {}, "jax"),
        ("import skemd", {"KERAS_BACKEND": "numpy"}, "numpy"),
        # Keras's own default, which is nobody's choice.
        ("import skemd", {"KERAS_BACKEND": ""}, "jax"),
    ],
)
def test_importing_skemd_chooses_without_importing_keras(
    code, environment, chosen, tmp_path
):
    code += "\nimport os, sys; print(os.environ.get('KERAS_BACKEND'), end='')"
    code += "\nassert not {'keras', 'jax'} & set(sys.modules)"
    assert backend_of(run_with_home(code, tmp_path, **environment)) == chosen


def test_importing_skemd_leaves_a_choice_in_the_file_alone(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "numpy"}')
    code = "import os, skemd; print('KERAS_BACKEND' in os.environ, end='')"
    assert backend_of(run_with_home(code, tmp_path)) == "False"


def test_keras_may_be_imported_after_skemd(tmp_path):
    code = "import skemd\nimport keras; print(keras.backend.backend(), end='')"
    assert backend_of(run_with_home(code, tmp_path)) == "jax"


@pytest.mark.exhaustive
def test_a_backend_in_the_file_is_respected(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "numpy"}')
    assert backend_of(run_with_home(SHOW_BACKEND, tmp_path)) == "numpy"


@pytest.mark.exhaustive
def test_the_environment_variable_beats_the_file(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    outcome = run_with_home(SHOW_BACKEND, tmp_path, KERAS_BACKEND="numpy")
    assert backend_of(outcome) == "numpy"


@pytest.mark.exhaustive
def test_a_keras_that_is_already_imported_wins(tmp_path):
    code = (
        "import os, keras\n"
        "del os.environ['KERAS_BACKEND']\n"
        "import skemd\n"
        "skemd.EMDAutoencoder\n"
        "assert 'KERAS_BACKEND' not in os.environ\n" + SHOW_BACKEND
    )
    outcome = run_with_home(code, tmp_path, KERAS_BACKEND="numpy")
    assert backend_of(outcome) == "numpy"


def test_a_backend_that_cannot_train_says_so(tmp_path):
    code = (
        "import numpy as np, skemd\n"
        "skemd.EMDAutoencoder(loss='mse', geometry='line').fit(np.ones((4, 3)))"
    )
    outcome = run_with_home(code, tmp_path, KERAS_BACKEND="numpy")
    assert outcome.returncode != 0
    assert "NotImplementedError: skemd trains on the Keras backends" in outcome.stderr
    assert "'numpy'" in outcome.stderr


@needs_a_missing_backend
@pytest.mark.parametrize("chosen_in", ["environment", "file"])
def test_a_backend_that_is_not_installed_is_named(chosen_in, tmp_path):
    environment = {}
    if chosen_in == "environment":
        environment["KERAS_BACKEND"] = MISSING[0]
        where = "KERAS_BACKEND"
    else:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": MISSING[0]}))
        where = str(tmp_path / "keras.json")
    outcome = run_with_home("from skemd import EMDRegressor", tmp_path, **environment)
    assert outcome.returncode != 0
    last = outcome.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError")
    assert where in last
    assert f"the Keras backend '{MISSING[0]}', which is not installed" in last
    assert f"pip install {MISSING[0]}" in last


@needs_a_missing_backend
def test_what_needs_no_network_works_without_the_backend(tmp_path):
    code = (
        "import sys, skemd\n"
        "from skemd import WaferRemapper, emd_score, datasets, distance, geometry\n"
        "from skemd.metrics import emd_scorer\n"
        "assert 'keras' not in sys.modules\n"
    )
    outcome = run_with_home(code, tmp_path, KERAS_BACKEND=MISSING[0])
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.exhaustive
def test_processes_of_a_search_run_on_the_same_backend(tmp_path):
    code = (
        "import joblib\n"
        "def backend():\n"
        "    from skemd._backend import keras\n"
        "    return keras.backend.backend()\n"
        "if __name__ == '__main__':\n"
        "    here = backend()\n"
        "    tasks = [joblib.delayed(backend)()]\n"
        "    there = joblib.Parallel(n_jobs=2)(tasks)\n"
        "    print(here, *there, end='')\n"
    )
    assert backend_of(run_with_home(code, tmp_path)) == "jax jax"


CHANGES = {
    "none": "",
    "policy": "keras.config.set_dtype_policy('bfloat16')",
    "mixed": "keras.config.set_dtype_policy('mixed_bfloat16')",
    "floatx": "keras.config.set_floatx('float16')",
    "channels": "keras.config.set_image_data_format('channels_first')",
    "x64": "jax.config.update('jax_enable_x64', True)",
    "nans": "jax.config.update('jax_debug_nans', True)",
    "seterr": "np.seterr(all='raise')",
}
RESULTS = """
import hashlib
import sys
from pathlib import Path
import jax
import numpy as np
import skemd
from skemd._backend import keras
{change}
from skemd import EMDRegressor
from skemd.firmware import IntegerEncoder, export_hls4ml
from skemd.losses import ExactEMD, LearnedEMD, MeanSquaredError, SinkhornDivergence
from small_data import small_pairs, small_wafers, tiny_autoencoder, tiny_regressor

pairs, y = small_pairs()
X = np.floor(small_wafers())
sides = np.float32(X[:8]), np.float32(X[8:16])
found = {{"pretrained": EMDRegressor.from_pretrained().predict(pairs)}}
learned = tiny_regressor(head="potential", n_dense_units=8).fit(pairs, y)
found["regressor"] = learned.predict(pairs)
losses = ExactEMD(), SinkhornDivergence(), LearnedEMD(learned), MeanSquaredError()
for loss in losses:
    found[loss.name] = np.asarray(loss(*sides))
    found[f"{{loss.name}} samples"] = np.asarray(loss.call(*sides))
found["code"] = tiny_autoencoder(loss="emdcnn").fit(X).transform(X)
chip = tiny_autoencoder(n_output_links=3, n_components=16, n_filters=8).fit(X)
found["chip"] = chip.transform(X)
encoder = IntegerEncoder.from_estimator(chip)
found["integers"] = encoder.transform(X)
folder = Path(sys.argv[1]).parent / "hls4ml"
export_hls4ml(encoder, folder)
files = sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cpp"))
hashes = [hashlib.sha256(path.read_bytes()).digest() for path in files]
found["hls4ml"] = np.frombuffer(b"".join(hashes), np.uint8)
np.savez(sys.argv[1], **found)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return a function that gives all results under a change of settings."""

    @functools.cache
    def under(change):
        path = tmp_path_factory.mktemp("settings") / "found.npz"
        code = RESULTS.format(change=CHANGES[change])
        outcome = run_python(code, path, PYTHONPATH=f"{HELPERS}:{ROOT}")
        assert outcome.returncode == 0, outcome.stderr
        return dict(np.load(path))

    return under


@pytest.mark.exhaustive
@pytest.mark.parametrize("change", [name for name in CHANGES if name != "none"])
def test_settings_of_the_process_do_not_change_results(change, results):
    changed = results(change)
    for name, expected in results("none").items():
        assert changed[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(changed[name], expected, err_msg=name)
