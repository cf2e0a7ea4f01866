"""Files that somebody forged: none chooses a place, a process or much memory."""

import copy
import inspect
import io
import struct
import time
import tracemalloc
import zipfile

import joblib
import numpy as np
import pytest
from sklearn.pipeline import Pipeline, make_pipeline
from small_data import (
    fitted_autoencoder,
    fitted_decoder,
    fitted_regressor,
    small_wafers,
)

import skemd
from skemd import EMDRegressor, WaferRemapper
from skemd._io._archive import _sealed, _zipped, read_archive
from skemd._persistence._checks import check_fitted
from skemd._persistence._networks import numbers_of
from skemd._persistence._tables import (
    CLASSES,
    LOSS_PARAMETERS,
    RUN_PARAMETERS_OF_LOSSES,
    class_of,
    losses,
    run_parameters,
    saved_parameters,
)
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.geometry import Geometry, Layout, grid


def estimator_node(name, parameters=(), learned=()):
    parts = [{"dict": [list(item) for item in part]} for part in (parameters, learned)]
    return {"estimator": [name, *parts]}


@pytest.fixture
def load_forged(tmp_path):
    """Return a function that seals a content with a valid checksum and loads it."""

    def load(content, arrays=()):
        path = tmp_path / "forged.skemd"
        header = {"format": 1, "kind": "estimator", "versions": {}, "content": content}
        path.write_bytes(_sealed(_zipped(header, arrays)))
        return skemd.load(path)

    return load


@pytest.fixture
def load_changed(tmp_path):
    """Return a function that changes an attribute in a saved file and loads it."""

    def load(estimator, name, node, array=None):
        path = tmp_path / "changed.skemd"
        skemd.save(estimator, path)
        header, arrays = read_archive(path, "estimator")
        _, parameters, learned = header["content"]["estimator"]
        part = learned if name.endswith("_") or name.startswith("_") else parameters
        part["dict"] = [item for item in part["dict"] if item[0] != name]
        part["dict"].append([name, node])
        if array is not None:
            node["array"] = len(arrays)
            arrays = [*arrays, array]
        path.write_bytes(_sealed(_zipped(header, arrays)))
        return skemd.load(path)

    return load


REFUSED = r"cannot be read with the versions"


# Places, processes and classes


@pytest.mark.parametrize("name", CLASSES)
def test_each_parameter_is_in_files_or_not_by_declaration(name):
    known = {*inspect.signature(class_of(name)).parameters}
    saved, run = saved_parameters(name).keys(), set(run_parameters(name))
    assert not saved & run
    # Older versions of scikit-learn lack some parameters of Pipeline.
    assert known - run == saved
    assert "memory" not in saved
    assert not {"checkpoint_dir", "n_jobs", "verbose"} & saved


def test_each_parameter_of_a_loss_is_in_files_or_not_by_declaration():
    for loss in losses().values():
        known = loss().get_config().keys()
        assert known <= {*LOSS_PARAMETERS, *RUN_PARAMETERS_OF_LOSSES}
    assert not LOSS_PARAMETERS.keys() & set(RUN_PARAMETERS_OF_LOSSES)


def test_a_pipeline_from_a_file_has_no_cache(load_forged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = {"tuple": ["a", estimator_node("WaferRemapper")]}
    step_2 = {"tuple": ["b", estimator_node("WaferRemapper")]}
    parameters = [("memory", "cache"), ("steps", [step, step_2]), ("verbose", True)]
    with pytest.warns(UserWarning, match="values for memory, verbose of Pipeline"):
        loaded = load_forged(estimator_node("Pipeline", parameters))
    assert (loaded.memory, loaded.verbose) == (None, False)
    loaded[:1].fit(small_wafers())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "node"), [("checkpoint_dir", "x"), ("n_jobs", 10**6), ("verbose", 1)]
)
def test_what_describes_a_run_is_left_at_its_default(name, node, load_forged):
    for class_ in ("EMDRegressor", "EMDAutoencoder", "EMDDecoder"):
        with pytest.warns(UserWarning, match=f"values for {name} of {class_}"):
            loaded = load_forged(estimator_node(class_, [(name, node)]))
        default = inspect.signature(type(loaded)).parameters[name].default
        assert getattr(loaded, name) == default


def test_a_file_of_an_earlier_version_loads_without_a_word(load_forged):
    parameters = [("checkpoint_dir", None), ("n_jobs", None), ("verbose", 0)]
    loaded = load_forged(estimator_node("EMDRegressor", parameters))
    assert repr(loaded) == repr(EMDRegressor())


def test_the_workers_of_a_loss_do_not_come_from_a_file(load_forged):
    loss = {"loss": ["ExactEMD", {"dict": [["n_jobs", 10**6]]}]}
    with pytest.warns(UserWarning, match="n_jobs of ExactEMD"):
        loaded = load_forged(estimator_node("EMDAutoencoder", [("loss", loss)]))
    assert loaded.loss.n_jobs is None


def test_what_describes_a_run_is_not_saved(tmp_path):
    remapper = WaferRemapper()
    pipeline = Pipeline([("a", remapper)], memory=joblib.Memory(None), verbose=True)
    for estimator in (pipeline, EMDRegressor(n_jobs=2, checkpoint_dir="x", verbose=1)):
        skemd.save(estimator, tmp_path / "x")
        _, parameters, _ = read_archive(tmp_path / "x", "estimator")[0]["content"][
            "estimator"
        ]
        names = {name for name, _ in parameters["dict"]}
        assert not names & {"memory", "verbose", "n_jobs", "checkpoint_dir"}


NETWORK = {"network": ["emd", {"dict": []}, []]}
REMAPPER = estimator_node("WaferRemapper")


@pytest.mark.parametrize(
    ("class_", "name", "node"),
    [
        ("WaferRemapper", "layout", {"dict": []}),
        ("WaferRemapper", "layout", REMAPPER),
        ("WaferRemapper", "layout", [NETWORK]),
        ("WaferRemapper", "more", 1),
        ("EMDRegressor", "random_state", NETWORK),
        ("EMDRegressor", "random_state", {"dict": []}),
        ("EMDRegressor", "n_filters", True),
        ("EMDRegressor", "n_filters", 1.5),
        ("EMDRegressor", "loss", ["mse"]),
        ("EMDAutoencoder", "loss", ["mse"]),
        ("EMDAutoencoder", "emd_regressor", REMAPPER),
        ("EMDAutoencoder", "latent_bits", {"fixed_point": [6, 0, 2]}),
        ("EMDAutoencoder", "latent_bits", {"fixed_point": [6, 0, []]}),
        ("EMDAutoencoder", "loss", {"loss": ["LearnedEMD", {"dict": []}]}),
        (
            "EMDAutoencoder",
            "loss",
            {"loss": ["MeanSquaredError", {"dict": [["name", {"dict": []}]]}]},
        ),
        ("EMDDecoder", "units", True),
        ("EMDDecoder", "warm_start", 1),
        ("EMDDecoder", "emd_regressor", REMAPPER),
        ("FrozenEstimator", "estimator", {"dict": []}),
        ("FrozenEstimator", "estimator", "os.system"),
        ("Pipeline", "steps", [{"tuple": ["a", {"dict": []}]}]),
        ("Pipeline", "steps", [{"tuple": [1, REMAPPER]}]),
        ("Pipeline", "steps", [[REMAPPER]]),
        ("ThresholdSum", "dropped_bits", "1"),
    ],
)
def test_a_parameter_of_another_type_is_refused(class_, name, node, load_forged):
    with pytest.raises(ValueError, match=REFUSED):
        load_forged(estimator_node(class_, [(name, node)]))


def test_a_type_of_a_loss_from_a_file_is_not_looked_up(load_forged):
    dtype = {"dict": [["class_name", "DTypePolicy"]]}
    loss = {"loss": ["MeanSquaredError", {"dict": [["dtype", dtype]]}]}
    with pytest.warns(UserWarning, match="dtype of MeanSquaredError"):
        load_forged(estimator_node("EMDAutoencoder", [("loss", loss)]))


@pytest.mark.parametrize(
    ("class_", "dropped_bits"),
    [("ThresholdSum", None), ("BestChoice", None), ("SuperTriggerCell", 0)],
)
def test_baselines_from_before_the_front_end_have_none(
    class_, dropped_bits, load_forged
):
    loaded = load_forged(estimator_node(class_, [("n_output_links", 3)]))
    assert loaded.n_output_links == 3
    assert loaded.front_end is None
    assert loaded.dropped_bits == dropped_bits
    now = load_forged(estimator_node(class_, [("front_end", "HD")]))
    assert now.front_end == "HD"


# Setters that check nothing


@pytest.mark.parametrize(
    "changes",
    [
        {2: 10**9},
        {2: -1},
        {2: 625},
        {2: True},
        {0: "PCG64"},
        {3: 2},
        {4: float("nan")},
        {4: "x"},
        {"key": np.zeros(623, np.uint32)},
        {"key": np.zeros(624, np.int64)},
        {"key": np.zeros((624, 1), np.uint32)},
    ],
)
def test_a_random_state_that_is_none_is_refused(changes, load_forged):
    name, key, *rest = np.random.RandomState(0).get_state()
    parts = [name, {"array": 0}, *rest]
    key = changes.pop("key", key)
    for place, value in changes.items():
        parts[place] = value
    parameters = [("random_state", {"random_state": parts})]
    with pytest.raises(ValueError, match="a random state that is none"):
        load_forged(estimator_node("EMDRegressor", parameters), [key])


@pytest.mark.parametrize(
    ("fitted", "name", "node", "array"),
    [
        (fitted_regressor, "n_features_in_", 95, None),
        (fitted_regressor, "n_iter_", -1, None),
        (fitted_regressor, "history_", {"dict": [["loss", [NETWORK]]]}, None),
        (fitted_regressor, "history_", {"dict": [["loss", ["x"]]]}, None),
        (fitted_regressor, "history_", {"dict": [["loss", 1.0]]}, None),
        (fitted_regressor, "feature_names_in_", {"names": ["a"]}, None),
        (fitted_regressor, "feature_names_in_", {"names": [["a"]] * 96}, None),
        (
            fitted_regressor,
            "_sklearn_output_config",
            {"dict": [["transform", "os"]]},
            None,
        ),
        (fitted_regressor, "_sklearn_output_config", {"dict": [["x", None]]}, None),
        (fitted_autoencoder, "typical_sum_", float("nan"), None),
        (fitted_autoencoder, "_n_features_out", 10**9, None),
        (fitted_autoencoder, "training_data_", {"dict": []}, None),
        (
            fitted_autoencoder,
            "training_data_",
            {"dict": [["n_wafers", 1], ["sha256", "x"]]},
            None,
        ),
        (fitted_autoencoder, "dead_components_", {}, np.array([10**9])),
        (fitted_autoencoder, "dead_components_", {}, np.array([0.5])),
        (fitted_decoder, "n_features_in_", 47, None),
        (fitted_decoder, "n_conditions_in_", 1, None),
        (fitted_decoder, "n_conditions_in_", -1, None),
        (fitted_decoder, "condition_names_", {"names": ["a"]}, None),
        (fitted_decoder, "history_", {"dict": [["loss", ["x"]]]}, None),
        (lambda: BestChoice().fit(small_wafers()), "n_sent_", 10**9, None),
        (lambda: BestChoice().fit(small_wafers()), "dropped_bits", 10**10, None),
        (lambda: BestChoice().fit(small_wafers()), "ties", "x", None),
        (lambda: ThresholdSum().fit(small_wafers()), "threshold_", {}, np.zeros(3)),
        (lambda: WaferRemapper().fit(small_wafers()), "normalize", "x", None),
        (
            lambda: SuperTriggerCell().fit(small_wafers()),
            "supercells_",
            {},
            np.zeros((1000, 1000), int),
        ),
        (
            lambda: SuperTriggerCell().fit(small_wafers()),
            "supercells_",
            {},
            np.full((12, 4), 48),
        ),
    ],
)
def test_an_attribute_that_does_not_fit_is_refused(
    fitted, name, node, array, load_changed
):
    with pytest.raises(ValueError, match=REFUSED):
        load_changed(fitted(), name, dict(node) if node == {} else node, array)


def test_a_threshold_for_each_cell_comes_back(tmp_path):
    fitted = ThresholdSum(np.arange(48.0)).fit(small_wafers())
    skemd.save(fitted, tmp_path / "x")
    loaded = skemd.load(tmp_path / "x")
    np.testing.assert_array_equal(loaded.threshold_, fitted.threshold_)


# Memory and time


def refused_within(path, *, megabytes, seconds=20):
    """Load a file, check what it takes at most, and return the message."""
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(ValueError, match=r".") as refused:
            skemd.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < seconds
    assert peak < megabytes * 1e6
    assert len(str(refused.value)) < 1_500
    return str(refused.value)


def test_many_members_are_refused_before_they_are_listed(tmp_path):
    fixed = b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    entry = struct.pack("<4s4B4HL2L5H2L", *fixed) + b"a"
    start, directory = b"PK\x03\x04" + bytes(26), 300_000 * entry
    end = b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), len(start), 64
    content = start + directory + struct.pack("<4s4H2LH", *end) + bytes(64)
    (tmp_path / "x").write_bytes(_sealed(content))
    message = refused_within(tmp_path / "x", megabytes=2 * len(content) / 1e6)
    assert "65535 members" in message


def test_a_directory_with_more_members_than_it_says_is_refused(tmp_path):
    content = _zipped({"format": 1, "kind": "estimator"}, [np.zeros(1)] * 50)
    end = len(content) - 64 - 22
    content = content[: end + 8] + struct.pack("<2H", 1, 1) + content[end + 12 :]
    (tmp_path / "x").write_bytes(_sealed(content))
    assert "directory of 1 members" in refused_within(tmp_path / "x", megabytes=5)


def test_versions_in_messages_are_printable(tmp_path):
    header = {"format": 1, "kind": "estimator", "versions": {"x\n\x1b[31m": 1}}
    (tmp_path / "x").write_bytes(_sealed(_zipped({**header, "content": 1}, [])))
    with pytest.raises(ValueError, match="saved with unknown versions"):
        skemd.load(tmp_path / "x")


def test_a_second_directory_is_refused(tmp_path):
    n, entry = 60_000, struct.pack("<4s42x", b"PK\x01\x02")
    start, directory = b"PK\x03\x04" + bytes(26), n * entry
    place = len(start), len(start) + len(directory)
    record = b"PK\x06\x06", 44, 45, 45, 0, 0, n, n, len(directory), place[0]
    tail = struct.pack("<4sQ2H2L4Q", *record)
    tail += struct.pack("<4sLQL", b"PK\x06\x07", 0, place[1], 1)
    end = b"PK\x05\x06", 0, 0, 4096, 4096, len(tail), place[1], 64
    content = start + directory + tail + struct.pack("<4s4H2LH", *end) + bytes(64)
    (tmp_path / "x").write_bytes(_sealed(content))
    megabytes = 2.5 * len(content) / 1e6
    assert "ZIP64" in refused_within(tmp_path / "x", megabytes=megabytes)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_a_header_is_in_utf_8(encoding, tmp_path):
    header = '{"kind": 1, "format": 1}'.encode(encoding)
    (tmp_path / "x").write_bytes(with_header(header))
    with pytest.raises(ValueError, match=r"damaged: (Unicode|JSON)DecodeError"):
        skemd.load(tmp_path / "x")


def with_header(header):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("header.json"), header)
        archive.comment = bytes(64)
    return _sealed(stream.getvalue())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[" + "{}," * 3_000_000 + "{}]", "its header has 9000004 bytes"),
        ("[" + "{}," * 1_000_000 + "{}]", "too many"),
        ("[" + "1," * 1_000_000 + "1]", "too many"),
        ("[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ('{"format": 1, "kind": "' + "x" * 4_000_000 + '"}', "... (4000002 char"),
        ('{"kind": 1, "format": "' + "x" * 4_000_000 + '"}', "... (4000002 char"),
    ],
    ids=["bytes", "objects", "numbers", "nesting", "kind", "format"],
)
def test_a_header_is_limited_before_it_is_parsed(header, message, tmp_path):
    (tmp_path / "x").write_bytes(with_header(header))
    assert message in refused_within(tmp_path / "x", megabytes=90)


def test_text_may_hold_any_bracket(tmp_path):
    X = small_wafers()
    fitted = WaferRemapper().fit(X)
    fitted.feature_names_in_ = np.array([f'[{{"{i}\\' for i in range(48)] * 1, object)
    skemd.save(fitted, tmp_path / "x")
    assert list(skemd.load(tmp_path / "x").feature_names_in_) == list(
        fitted.feature_names_in_
    )


def test_a_long_message_is_cut(load_forged):
    with pytest.raises(ValueError, match=REFUSED) as refused:
        load_forged(estimator_node("WaferRemapper", [("x" * 1_000_000, 1)]))
    assert len(str(refused.value)) < 1_500


@pytest.mark.parametrize("n_cells", [4097, 5792])
def test_a_geometry_of_many_cells_is_refused(n_cells, load_forged, tmp_path):
    node = {"geometry": [{"array": 0}, [], [], "x"]}
    content = estimator_node("WaferRemapper", [("geometry", node)])
    with pytest.raises(ValueError, match="geometries are too large"):
        load_forged(content, [np.arange(float(n_cells))[:, None]])
    path = tmp_path / "forged.skemd"
    assert "too large" in refused_within(path, megabytes=5)


def test_geometries_are_refused_by_what_their_distances_take(load_forged):
    node = {"geometry": [{"array": 0}, [], [], "x"]}
    content = estimator_node("WaferRemapper", [("geometry", node)])
    with pytest.raises(ValueError, match="2000 cells in 5 dimensions are too large"):
        load_forged(content, [np.random.RandomState(0).rand(2000, 5)])


def test_an_image_far_larger_than_its_cells_is_refused(load_forged, tmp_path):
    layout = {"layout": [{"tuple": [1024, 1024, 1]}, {"array": 1}]}
    node = {"geometry": [{"array": 0}, [{"tuple": ["a", layout]}], [], "x"]}
    content = estimator_node("WaferRemapper", [("geometry", node)])
    arrays = [np.arange(2.0)[:, None], np.arange(2)]
    with pytest.raises(ValueError, match=r"2 cells may have 256 pixels .* too large"):
        load_forged(content, arrays)
    large = Geometry([[0], [1]], {"a": Layout((64, 64, 1), [0, 1])})
    with pytest.raises(ValueError, match="too large"):
        skemd.save(WaferRemapper(geometry=large), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_equal_geometries_of_a_file_are_one(tmp_path):
    fitted = make_pipeline(*(WaferRemapper(geometry=grid(6, 8)) for _ in range(3)))
    fitted[0].fit(small_wafers())
    skemd.save(fitted, tmp_path / "x")
    loaded = skemd.load(tmp_path / "x")
    assert loaded[0].geometry is loaded[1].geometry is loaded[0].geometry_


def test_many_networks_are_refused_before_any_is_built(load_forged, monkeypatch):
    built = []
    monkeypatch.setattr(
        "skemd._persistence._files.checked_network", lambda *parts: built.append(parts)
    )
    steps = [{"tuple": [str(i), fitted_node()]} for i in range(20)]
    with pytest.raises(ValueError, match=REFUSED):
        load_forged(estimator_node("Pipeline", [("steps", steps)]))
    assert len(built) <= 16


def fitted_node():
    attributes = dict.fromkeys(EMDRegressor._fitted_attributes)
    attributes["network_"] = NETWORK
    ordered = sorted(attributes.items(), key=lambda item: item[0] != "network_")
    return estimator_node("EMDRegressor", [], ordered)


def test_networks_are_only_where_they_belong(load_forged, monkeypatch):
    monkeypatch.setattr("skemd._persistence._files.checked_network", None)
    for node in ([NETWORK] * 3_000, {"dict": [["a", NETWORK]]}, {"tuple": [NETWORK]}):
        with pytest.raises(ValueError, match="something of an unknown kind"):
            load_forged(estimator_node("WaferRemapper", [("layout", node)]))


def regressor_with(load_changed, **changes):
    """Load a regressor with another configuration of its network."""
    fitted = copy.copy(fitted_regressor())
    fitted.network_ = fitted.network_.copy()
    fitted.network_.config = {**fitted.network_.config, **changes}
    return load_changed(fitted, "n_iter_", 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_conv_layers": 100}, "arrays for 101 layers"),
        (
            {"kernel_size": 64, "n_conv_layers": 2, "image_shape": [8, 8, 1]},
            "too large",
        ),
        ({"image_shape": [1024, 1024, 1]}, "too large"),
        ({"image_shape": [-1024, -1024, 1]}, "an image has a height"),
        ({"image_shape": [1.0, 48, 1]}, "an image has a height"),
        ({"positions": [[float("nan")]] * 48}, "positions"),
        ({"n_filters": -1}, "n_filters=-1"),
        ({"n_refinements": 11}, "n_refinements=11"),
        ({"head": ["linear"]}, "a network has no .head."),
        ({"dtype": "float64"}, "dtype"),
    ],
)
def test_a_network_is_bounded_by_its_weights(
    changes, message, load_changed, monkeypatch
):
    # Saving would refuse some of them, too.
    monkeypatch.setattr("skemd._persistence._files.numbers_of", lambda *parts: 0)
    with pytest.raises(ValueError, match=message):
        regressor_with(load_changed, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_cells": 10**6}, "n_cells=1000000 is more than its weights hold"),
        ({"n_cells": 49}, "its weights have shapes"),
        ({"n_conditions": 2}, "its weights have shapes"),
        ({"decoder_units": 10**6}, "decoder_units=1000000"),
        ({"decoder_layers": 101}, "decoder_layers=101"),
        ({"n_filters": 1}, "n_filters"),
    ],
)
def test_a_decoder_is_bounded_by_its_weights(changes, message, load_changed):
    fitted = copy.copy(fitted_decoder())
    fitted.network_ = fitted.network_.copy()
    fitted.network_.config = {**fitted.network_.config, **changes}
    with pytest.MonkeyPatch.context() as patch:
        # Saving would refuse some of them, too.
        patch.setattr("skemd._persistence._files.check_fitted", lambda fitted: None)
        with pytest.raises(ValueError, match=message):
            load_changed(fitted, "n_iter_", 2)


def test_a_network_of_another_class_is_refused():
    fitted = copy.copy(fitted_decoder())
    fitted.network_ = fitted_regressor().network_
    with pytest.raises(ValueError, match=r"network_=.* does not belong"):
        check_fitted(fitted)


def test_a_network_whose_arrays_its_weights_do_not_justify_is_refused(
    load_changed, monkeypatch
):
    # A batch of 500 makes 96,000 numbers of the 48 cells of two wafers.
    monkeypatch.setattr("skemd._persistence._networks._MOST_NUMBERS", 10_000)
    monkeypatch.setattr("skemd._persistence._networks._MOST_PER_WEIGHT", 0)
    with pytest.raises(ValueError, match="too many for its weights"):
        load_changed(fitted_regressor(), "n_iter_", 2)


LARGE = {"image_shape": [64, 64, 1], "cell_to_pixel": list(range(4096))}
SMALL = {"image_shape": [8, 8, 1], "cell_to_pixel": list(range(48))}
EMD = {"n_conv_layers": 0, "n_filters": 1, "kernel_size": 1}


@pytest.mark.parametrize(
    ("builder", "config", "expected"),
    [
        # Of cells and pixels.
        ("emd", {**LARGE, **EMD}, 4096 * 4096),
        # The distances between cells as well.
        ("emd", {**LARGE, **EMD, "head": "potential"}, 2 * 4096 * 4096),
        # 32 filters see the 2 channels of a pair, and then 32.
        (
            "emd",
            {**SMALL, "n_conv_layers": 2, "n_filters": 32, "kernel_size": 5},
            48 * 64 + 64**2 * (2 * 32 + 32 * 32 + 2 * 2 * 25),
        ),
        # From 64 pixels to 16, back, and from 64 to 64.
        (
            "autoencoder",
            {**SMALL, "n_filters": 8, "kernel_size": 3, "strides": 2},
            48 * 64 + 64 * 16 * (8 + 64 + 2 * 18) + 64**2 * (8 + 18),
        ),
    ],
)
def test_the_numbers_of_a_network_are_known_before_it_is_built(
    builder, config, expected
):
    assert numbers_of(builder, config, []) == expected
    assert numbers_of(builder, config, [np.zeros((3, 5))]) == expected + 15


def test_networks_are_refused_by_what_they_take_together(tmp_path, monkeypatch):
    network = fitted_regressor().network_
    size = numbers_of("emd", network.config, network.weights)
    two = make_pipeline(fitted_regressor(), fitted_regressor())
    skemd.save(two, tmp_path / "x")
    monkeypatch.setattr("skemd._persistence._files.MOST_IN_A_FILE", 2 * size)
    skemd.load(tmp_path / "x")
    monkeypatch.setattr("skemd._persistence._files.MOST_IN_A_FILE", 2 * size - 1)
    with pytest.raises(ValueError, match="its networks are too large"):
        skemd.load(tmp_path / "x")
    monkeypatch.setattr("skemd._persistence._files.MOST_IN_A_FILE", size - 1)
    with pytest.raises(ValueError, match="too large for a file of skemd"):
        skemd.save(two, tmp_path / "y")
    assert not (tmp_path / "y").exists()
