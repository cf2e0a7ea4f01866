"""Files that are no saved estimators, or no longer: each is refused, none is run."""

import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from small_data import fitted_image_autoencoder, fitted_regressor, weights_are_equal

import skemd
from skemd import WaferRemapper
from skemd._io._archive import _sealed, _zipped, read_archive, write_archive


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """Return the bytes of a saved pipeline with a network."""
    path = tmp_path_factory.mktemp("whole") / "saved.skemd"
    skemd.save(make_pipeline(WaferRemapper(), fitted_image_autoencoder("8x8")), path)
    return path.read_bytes()


def load_bytes(content, folder):
    path = folder / "changed.skemd"
    path.write_bytes(content)
    return skemd.load(path)


def test_a_truncated_file_is_refused_wherever_it_ends(whole_file, tmp_path):
    ends = {*range(0, len(whole_file), 97), *range(80), len(whole_file) - 1}
    for end in sorted(ends):
        with pytest.raises(ValueError, match="no file of skemd"):
            load_bytes(whole_file[:end], tmp_path)


def test_a_file_with_one_bit_flipped_is_refused_wherever_it_is(whole_file, tmp_path):
    n_bits = 8 * len(whole_file)
    for bit in {*range(0, n_bits, 641), *range(64), *range(n_bits - 700, n_bits)}:
        changed = bytearray(whole_file)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="no file of skemd"):
            load_bytes(bytes(changed), tmp_path)


def zip_of(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was_run",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        pickle.dumps(Evil()),
        zip_of(text=b"hello"),
        zip_of(header=pickle.dumps(Evil())),
        b"CALQ_0,CALQ_1\n1,2\n",
        bytes(10_000),
    ],
    ids=["empty", "png", "pickle", "zip", "zip of a pickle", "csv", "zeros"],
)
def test_a_foreign_file_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no file of skemd"):
        load_bytes(content, tmp_path)
    assert not (tmp_path / "was_run").exists()


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        skemd.load(tmp_path / "none.skemd")
    with pytest.raises(ValueError, match="not a regular file"):
        skemd.load(tmp_path)
    if os.path.exists("/dev/zero"):
        with pytest.raises(ValueError, match="not a regular file"):
            skemd.load("/dev/zero")


def bomb(n_bytes):
    """Return a sealed archive whose header unpacks to so many bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b" " * n_bytes + b"{}")
        archive.comment = bytes(64)
    return _sealed(stream.getvalue())


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.skemd"
    path.write_bytes(bomb(100_000_000))
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="are compressed, which skemd never does"):
            skemd.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.skemd"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match=r"has 1099511627776 bytes; .* at most"):
        skemd.load(path)
    with pytest.raises(OSError, match=r"would take .* bytes, more than the 100 that"):
        write_archive(tmp_path / "small", {}, [np.zeros(100)], most_bytes=100)


def test_a_newer_format_and_another_kind_are_refused(tmp_path):
    header = {"kind": "estimator", "format": 2, "content": {}}
    with pytest.raises(ValueError, match=r"of format 2; .* Install a newer skemd"):
        load_bytes(_sealed(_zipped(header, [])), tmp_path)
    write_archive(tmp_path / "other", {"kind": "checkpoint"}, [])
    with pytest.raises(ValueError, match="holds a 'checkpoint', where a 'estimator'"):
        skemd.load(tmp_path / "other")


# Someone who changes a file on purpose can seal it again


@pytest.fixture
def forge(tmp_path):
    """Return a function that loads a saved estimator with a changed header."""

    def forged(estimator, change):
        path = tmp_path / "forged.skemd"
        skemd.save(estimator, path)
        header, arrays = read_archive(path, "estimator")
        body = header["content"]["estimator"]
        attributes = dict(body[2]["dict"])
        change(header, attributes, arrays)
        body[2] = {"dict": [*map(list, attributes.items())]}
        path.write_bytes(_sealed(_zipped(header, arrays)))
        return skemd.load(path)

    return forged


def config_of(attributes):
    return dict(attributes["network_"]["network"][1]["dict"])


def with_config(**values):
    def change(header, attributes, arrays):
        config = {**config_of(attributes), **values}
        pairs = [list(item) for item in config.items()]
        attributes["network_"]["network"][1]["dict"] = pairs

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_config(n_filters=10**9),
        with_config(n_filters=5),
        with_config(n_dense_layers=2),
        with_config(n_conv_layers=10**9),
        with_config(kernel_size=10**6),
        with_config(head="x"),
        with_config(image_shape={"tuple": [10**6, 10**6, 1]}),
        with_config(more=1),
        lambda header, attributes, arrays: attributes.pop("history_"),
        lambda header, attributes, arrays: attributes.update(n_iter_="2"),
        lambda header, attributes, arrays: attributes.update(n_iter_=True),
        lambda header, attributes, arrays: attributes.update(predict=1),
        lambda header, attributes, arrays: attributes.update(geometry_=None),
        lambda header, attributes, arrays: header.update(content=[]),
        lambda header, attributes, arrays: header["content"]["estimator"].__setitem__(
            0, "eval"
        ),
        lambda header, attributes, arrays: header["content"].update(
            {
                "estimator": [
                    "Pipeline",
                    {"dict": [["steps", {"os": "mkdir"}]]},
                    {"dict": []},
                ]
            }
        ),
        lambda header, attributes, arrays: arrays.pop(),
        lambda header, attributes, arrays: arrays.__setitem__(-1, np.full(1, np.nan)),
    ],
)
def test_a_forged_file_is_refused(change, forge):
    with pytest.raises(ValueError, match=r"cannot be read with the versions"):
        forge(fitted_regressor(), change)


def test_a_forged_file_that_changes_nothing_would_load(forge):
    loaded = forge(fitted_regressor(), lambda *parts: None)
    assert weights_are_equal(loaded, fitted_regressor())


def test_a_geometry_that_would_fill_the_memory_is_refused(tmp_path):
    geometry = {"array": 0}, [], [], "large"
    node = {"estimator": ["WaferRemapper", {"dict": [["geometry", {}]]}, {"dict": []}]}
    node["estimator"][1]["dict"][0][1] = {"geometry": list(geometry)}
    positions = np.arange(100_000.0)[:, None]
    write_archive(tmp_path / "x", {"kind": "estimator", "content": node}, [positions])
    with pytest.raises(ValueError, match="geometries are too large"):
        skemd.load(tmp_path / "x")
