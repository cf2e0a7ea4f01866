"""Export folders: written at once or not at all, without a trace outside them."""

import errno
import itertools
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from encoders import fitted_for_the_chip, random_encoder

from skemd.datasets import make_wafers
from skemd.firmware import (
    export,
    export_hls4ml,
    export_onnx,
    write_verification_vectors,
)
from skemd.firmware._folders import staged_folder

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has other links, and no named pipes"
)
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="there is no g++ on this machine"
)
WRITERS = {
    "export": lambda folder: export(
        fitted_for_the_chip(), folder, make_wafers(2, random_state=0)
    ),
    "export_hls4ml": lambda folder: export_hls4ml(random_encoder(), folder),
    "write_verification_vectors": lambda folder: write_verification_vectors(
        fitted_for_the_chip(), folder, make_wafers(2, random_state=0)
    ),
}
# A file that each of them writes.
A_FILE = {
    "export": "README.txt",
    "export_hls4ml": "project.tcl",
    "write_verification_vectors": "verify_output.csv",
}
every_writer = pytest.mark.parametrize("writer", WRITERS)


def contents(folder):
    """Return everything below a folder: the mode of each entry, and what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        held = None
        if path.is_symlink():
            held = os.readlink(path)
        elif path.is_file():
            held = path.read_bytes()
        found[path.relative_to(folder).as_posix()] = (path.lstat().st_mode, held)
    return found


@pytest.fixture
def outside(tmp_path):
    """Return a folder of somebody else's files, which no export may change."""
    outside = tmp_path / "outside"
    for name in ("weights", "firmware/weights"):
        (outside / name).mkdir(parents=True)
        (outside / name / "w2.h").write_text("precious")
    (outside / "precious.txt").write_text("precious")
    return outside


@every_writer
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("{}", "outside/precious.txt"),
        ("{}", "outside/missing.txt"),
        ("{}", "{}"),
        ("hls4ml", "outside"),
        ("firmware", "outside/firmware"),
        ("unrelated", "outside"),
    ],
)
def test_a_link_in_the_folder_is_refused(writer, link, target, outside, tmp_path):
    folder = tmp_path / "chip"
    folder.mkdir()
    target = target.format(folder / A_FILE[writer])
    (folder / link.format(A_FILE[writer])).symlink_to(tmp_path / target)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"chip holds a symbolic link, .* Remove all"):
        WRITERS[writer](folder)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("link", ["firmware/weights", "firmware/weights/w2.h", "x.o"])
@pytest.mark.parametrize("writer", ["export", "export_hls4ml"])
def test_a_link_deep_in_the_project_is_refused(writer, link, outside, tmp_path):
    folder = tmp_path / "chip"
    WRITERS[writer](folder)
    link = folder / ("hls4ml" if writer == "export" else "") / link
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(outside / link.name)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=f"{link.parent.name} holds a symbolic link"):
        WRITERS[writer](folder)
    assert contents(tmp_path) == before


def test_compile_refuses_a_link_that_was_made_after_the_export(outside, tmp_path):
    project = export_hls4ml(random_encoder(), tmp_path / "chip")
    (tmp_path / "chip" / "encoder.o").symlink_to(outside / "precious.txt")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"holds a symbolic link, 'encoder\.o'"):
        project.compile()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("target", ["outside/precious.txt", "outside/missing.onnx"])
def test_an_onnx_file_is_not_written_through_a_link(target, outside, tmp_path):
    (tmp_path / "encoder.onnx").symlink_to(tmp_path / target)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="files are not written through links"):
        export_onnx(random_encoder(), tmp_path / "encoder.onnx")
    assert contents(tmp_path) == before


def test_an_onnx_file_may_lie_beside_links(outside, tmp_path):
    (tmp_path / "link").symlink_to(outside)
    export_onnx(random_encoder(), tmp_path / "encoder.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {
        "encoder.onnx",
        "link",
        "outside",
    }


def test_a_folder_that_is_swapped_for_a_link_meanwhile_is_refused(outside, tmp_path):
    folder = tmp_path / "chip"
    folder.mkdir()

    def swap_while_writing():
        with staged_folder(folder) as staging:
            (staging / "precious.txt").write_text("ours")
            folder.rename(tmp_path / "moved")
            folder.symlink_to(outside)
            # As a hostile process would that knows the name.
            shutil.copytree(tmp_path / "moved" / staging.parent.name, staging.parent)

    with pytest.raises(OSError, match="another folder or a link has taken its place"):
        swap_while_writing()
    assert (outside / "precious.txt").read_text() == "precious"


@every_writer
def test_the_folder_itself_may_be_a_link(writer, tmp_path):
    (tmp_path / "chip").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "chip")
    WRITERS[writer](tmp_path / "link")
    assert (tmp_path / "chip" / A_FILE[writer]).is_file()
    assert (tmp_path / "link").is_symlink()


@every_writer
def test_other_names_of_a_replaced_file_keep_their_content(writer, outside, tmp_path):
    (tmp_path / "chip").mkdir()
    file = tmp_path / "chip" / A_FILE[writer]
    file.hardlink_to(outside / "precious.txt")
    WRITERS[writer](tmp_path / "chip")
    assert (outside / "precious.txt").read_text() == "precious"
    assert file.read_bytes() != b"precious"


@every_writer
def test_other_files_stay(writer, tmp_path):
    folder = tmp_path / "chip"
    theirs = ["notes.txt", "x.tmp", ".skemd-x/y", "hls4ml/z", "hls4ml.tar.gz"]
    theirs += ["firmware/ap_types/a", "hls4ml/firmware/ap_types/a", "../chip.tar.gz"]
    for name in theirs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    WRITERS[writer](folder)
    for name in theirs:
        assert (folder / name).read_text() == "precious"


@needs_compiler
def test_other_files_stay_when_a_project_is_compiled(tmp_path):
    project = export_hls4ml(random_encoder(), tmp_path)
    theirs = tmp_path / "firmware" / "ap_types" / "theirs.h"
    theirs.write_text("precious")
    project.compile()
    assert theirs.read_text() == "precious"


@pytest.mark.parametrize("backend", ["Catapult", "Quartus"])
def test_nothing_is_written_beside_the_folder(backend, tmp_path):
    export_hls4ml(random_encoder(), tmp_path / "chip", backend=backend)
    assert [path.name for path in tmp_path.iterdir()] == ["chip"]


@pytest.mark.parametrize("backend", ["Vitis", "Catapult"])
def test_files_name_their_own_folder(backend, tmp_path):
    export_hls4ml(random_encoder(), tmp_path / "chip", backend=backend)
    texts = {
        path.name: path.read_bytes()
        for path in (tmp_path / "chip").rglob("*")
        if path.is_file()
    }
    assert not [name for name, text in texts.items() if b".skemd-" in text]
    assert str(tmp_path / "chip").encode() in texts["hls4ml_config.yml"]
    if backend == "Catapult":
        weights = str(tmp_path / "chip" / "firmware" / "weights")
        assert f's_weights_dir = "{weights}"'.encode() in texts["encoder_bridge.cpp"]


def test_a_project_names_a_relative_folder_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = export_hls4ml(random_encoder(), "chip")
    assert project.config.get_output_dir() == "chip"
    assert "OutputDir: chip\n" in Path("chip/hls4ml_config.yml").read_text()


@every_writer
def test_a_replaced_file_keeps_its_permissions(writer, tmp_path):
    WRITERS[writer](tmp_path)
    file = tmp_path / A_FILE[writer]
    content = file.read_bytes()
    file.write_text("old")
    file.chmod(0o600)
    WRITERS[writer](tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == content


def test_a_replaced_onnx_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "encoder.onnx"
    path.write_text("old")
    path.chmod(0o600)
    export_onnx(random_encoder(), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size > 1000


@every_writer
def test_a_long_name_is_no_problem_and_a_longer_one_an_error(writer, tmp_path):
    WRITERS[writer](tmp_path / ("x" * 250))
    assert (tmp_path / ("x" * 250) / A_FILE[writer]).is_file()
    before = contents(tmp_path)
    with pytest.raises(OSError, match="x could not be written") as caught:
        WRITERS[writer](tmp_path / "new" / ("x" * 256))
    assert caught.value.errno == errno.ENAMETOOLONG
    assert contents(tmp_path) == before


def test_an_onnx_file_may_have_a_long_name(tmp_path):
    export_onnx(random_encoder(), tmp_path / ("x" * 250))
    with pytest.raises(OSError, match="File name too long"):
        export_onnx(random_encoder(), tmp_path / ("x" * 256))
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 250]


@every_writer
@pytest.mark.parametrize("kind", ["file", "broken link"])
@pytest.mark.parametrize("below", [".", "a/b"])
def test_what_is_no_folder_is_refused(writer, kind, below, tmp_path):
    if kind == "file":
        (tmp_path / "chip").write_text("precious")
    else:
        (tmp_path / "chip").symlink_to(tmp_path / "missing")
    before = contents(tmp_path)
    with pytest.raises(NotADirectoryError, match="could not be written, and nothing"):
        WRITERS[writer](tmp_path / "chip" / below)
    assert contents(tmp_path) == before


@every_writer
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_only_plain_files_are_replaced(writer, kind, tmp_path):
    make = os.mkdir if kind == "folder" else os.mkfifo
    make(tmp_path / A_FILE[writer])
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="is not a plain file, and one of this"):
        WRITERS[writer](tmp_path)
    assert contents(tmp_path) == before


def test_a_file_where_a_folder_goes_is_refused(tmp_path):
    (tmp_path / "hls4ml").write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="hls4ml is not a plain folder, and"):
        WRITERS["export"](tmp_path)
    assert contents(tmp_path) == before


def test_an_onnx_file_does_not_replace_a_folder(tmp_path):
    with pytest.raises(ValueError, match="is a folder and will not be replaced"):
        export_onnx(random_encoder(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), KeyboardInterrupt()])
@pytest.mark.parametrize("n_moved", [0, 1, 60])
@pytest.mark.parametrize("old", [False, True])
def test_a_failed_move_takes_the_others_back(
    error, n_moved, old, tmp_path, monkeypatch
):
    folder = tmp_path / "for" / "engineers"
    if old:
        WRITERS["export"](folder)
        (folder / "README.txt").write_text("old")
        (folder / "README.txt").chmod(0o600)
        shutil.rmtree(folder / "hls4ml" / "firmware" / "weights")
    before = contents(tmp_path)
    replace, calls = os.replace, itertools.count()

    def fail_once(*args):
        if next(calls) == n_moved:
            raise error
        replace(*args)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(type(error)):
        WRITERS["export"](folder)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("n_written", [0, 3])
def test_a_full_disk_leaves_the_old_files(n_written, tmp_path, monkeypatch):
    write = WRITERS["write_verification_vectors"]
    write(tmp_path)
    (tmp_path / "verify_input_calQ.csv").write_text("old")
    before = contents(tmp_path)
    savetxt, calls = np.savetxt, iter(range(n_written))

    def until_full(path, *args, **kwargs):
        if next(calls, None) is None:
            Path(path).write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
        savetxt(path, *args, **kwargs)

    monkeypatch.setattr(np, "savetxt", until_full)
    with pytest.raises(OSError, match="nothing there has changed: No space") as caught:
        write(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert contents(tmp_path) == before


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(PermissionError, match="nothing there has changed: Permission"):
        export_hls4ml(random_encoder(), tmp_path / "chip")
    assert list(tmp_path.iterdir()) == []


MOUNTED = """
import shutil, sys
from pathlib import Path
from encoders import random_encoder
from skemd.firmware import export_hls4ml
folder = Path(sys.argv[1]) / "chip"
"""


def in_a_small_file_system(options, script, tmp_path):
    """Run a script with a mounted file system, which goes away with the process."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare on this machine")
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)]
    python = [sys.executable, "-c", MOUNTED + textwrap.dedent(script), str(tmp_path)]
    command = '"$1" "$2" "$3" "$4" "$5" "$6" "$7" || exit 99; shift 7; exec "$@"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, "sh", *mount, *python],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip("mounting a file system is not permitted here")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_file_system_that_is_full_holds_all_or_nothing(tmp_path):
    outcome = in_a_small_file_system(
        "size=1600k",
        """
        n_written = n_refused = 0
        for n_blocks in range(0, 400, 13):
            filler = folder.parent / "filler"
            filler.write_bytes(bytes(4096 * n_blocks))
            try:
                export_hls4ml(random_encoder(), folder)
            except OSError as error:
                assert "nothing there has changed: " in str(error), error
                assert "No space left" in str(error), error
                assert len(str(error)) < 1000, error
                assert {path.name for path in folder.parent.iterdir()} == {"filler"}
                n_refused += 1
            else:
                # The stamp in the project's YAML may stand in quotes.
                files = [path for path in folder.rglob("*.*") if path.suffix != ".yml"]
                sizes = {path: path.stat().st_size for path in files}
                if n_written:
                    assert sizes == first
                first = sizes
                n_written += 1
                shutil.rmtree(folder)
        print(n_written, n_refused)
        """,
        tmp_path,
    )
    assert min(map(int, outcome.split())) >= 5


def test_a_file_system_that_cannot_be_written_to_is_refused(tmp_path):
    outcome = in_a_small_file_system(
        "ro",
        """
        try:
            export_hls4ml(random_encoder(), folder)
        except OSError as error:
            print(error)
        """,
        tmp_path,
    )
    assert "nothing there has changed: Read-only file system" in outcome
