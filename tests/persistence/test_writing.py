"""Writing in one step: modes, links, names, folders and what a failure leaves."""

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import skemd
from skemd import WaferRemapper
from skemd._io._files import check_replaceable, left_behind_by, replace_file

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix_only
def test_a_file_keeps_its_mode(tmp_path):
    path = tmp_path / "saved.skemd"
    skemd.save(WaferRemapper(), path)
    for mode in (0o600, 0o640, 0o664, 0o444):
        path.chmod(mode)
        skemd.save(WaferRemapper("4x4x3"), path)
        assert mode_of(path) == mode


@posix_only
def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        skemd.save(WaferRemapper(), tmp_path / "saved.skemd")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "saved.skemd") == 0o640


@posix_only
def test_a_private_file_is_private_while_it_is_written(tmp_path, monkeypatch):
    path, modes = tmp_path / "saved.skemd", []
    path.write_bytes(b"")
    path.chmod(0o600)
    opened = os.open

    def watched(name, flags, mode=0o777, **options):
        handle = opened(name, flags, mode, **options)
        if flags & os.O_CREAT:
            modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr("os.open", watched)
    skemd.save(WaferRemapper(), path)
    assert modes == [0o600]


@posix_only
def test_a_link_is_refused_and_a_folder_behind_a_link_is_not(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    with pytest.raises(ValueError, match=r"is a link to .*not written through links"):
        skemd.save(WaferRemapper(), link)
    assert target.read_text() == "precious"
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "nothing")
    with pytest.raises(ValueError, match="is a link"):
        skemd.save(WaferRemapper(), link)
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "folder")
    skemd.save(WaferRemapper(), tmp_path / "way" / "saved")
    assert (tmp_path / "folder" / "saved").is_file()


@posix_only
def test_another_name_of_a_file_keeps_the_old_content(tmp_path):
    path, other = tmp_path / "saved.skemd", tmp_path / "other"
    skemd.save(WaferRemapper(), path)
    os.link(path, other)
    skemd.save(WaferRemapper("4x4x3"), path)
    assert repr(skemd.load(other)) == "WaferRemapper()"


def test_what_is_no_file_is_not_replaced(tmp_path):
    with pytest.raises(ValueError, match="is a folder and will not be replaced"):
        skemd.save(WaferRemapper(), tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="not a regular file"):
            check_replaceable(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["x" * 250, "é" * 120])
def test_a_long_name_works(name, tmp_path):
    skemd.save(WaferRemapper(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x" * 300, os.path.join("missing", "x")])
def test_an_error_names_the_file_and_leaves_nothing(name, tmp_path):
    with pytest.raises(OSError, match=r".") as failed:
        skemd.save(WaferRemapper(), tmp_path / name)
    assert failed.value.filename == str(tmp_path / name)
    assert ".tmp" not in str(failed.value)
    assert list(tmp_path.iterdir()) == []


AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from skemd._io._files import replace_file
os.setuid(65534)
try:
    replace_file(sys.argv[1] + "/saved", b"x")
except PermissionError as error:
    print(error.filename, os.listdir(sys.argv[1]))
"""


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can become nobody"
)
def test_a_folder_that_is_read_only_by_mode_is_an_error():
    root = str(Path(skemd.__file__).parents[1])
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder, root],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == f"{folder}/saved []\n", done.stderr


@posix_only
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path):
    import resource

    path = tmp_path / "saved.skemd"
    replace_file(path, b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            replace_file(path, bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failed.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "saved"
    contents = [bytes([number]) * 100_000 for number in range(8)]
    writers = [
        threading.Thread(target=replace_file, args=(path, content))
        for content in contents
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_only_whole_names_of_temporary_files_count(tmp_path):
    digits = "0123456789abcdef"
    mine = {f"fit.npz.{digits}.tmp", f"fit.npz.{digits[:8]}.tmp"}
    others = {
        *(
            "thesis.tmp",
            "fit.npz.tmp",
            f"xfit.npz.{digits}.tmp",
            f"fitxnpz.{digits}.tmp",
        ),
        *(f"fit.npz.{digits}.tmp.txt", f"fit.npz.{digits.upper()}.tmp"),
        *(f"fit.npz.{digits[:4]}.tmp", f"training.npz.{digits}.tmp"),
    }
    for name in mine | others:
        (tmp_path / name).write_text("x")
    (tmp_path / f"fit.npz.{digits[::-1]}.tmp").mkdir()
    assert {path.name for path in left_behind_by(tmp_path / "fit.npz")} == mine
