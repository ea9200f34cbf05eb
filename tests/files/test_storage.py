"""Results appear on disk whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calexnet.errors import StorageError
from calexnet.files import storage
from calexnet.files.storage import (
    copy_folder,
    file_sha256,
    recover,
    sha256,
    staged_file,
    staged_folder,
)

MARKER = "result.json"

Write = Callable[[Path, str], None]


def write_result(destination: Path, content: str) -> None:
    with staged_folder(destination, marker=MARKER) as stage:
        (stage / "part.bin").write_text(content)
        (stage / MARKER).write_text(content)


def write_file(destination: Path, content: str) -> None:
    with staged_file(destination) as stage:
        stage.write_text(content)


def tree(folder: Path) -> dict[str, str]:
    """Return every file below `folder`, hidden ones included, with its text; folders as ``/``."""
    return {
        path.relative_to(folder).as_posix(): "/" if path.is_dir() else path.read_text()
        for path in folder.rglob("*")
    }


def result(content: str, name: str = "out") -> dict[str, str]:
    return {name: "/", f"{name}/part.bin": content, f"{name}/{MARKER}": content}


@pytest.fixture(params=[True, False], ids=["exchange", "no exchange"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the system can swap two folders in one step."""
    if not request.param:
        monkeypatch.setattr(storage, "_exchange", lambda one, other: False)
    return bool(request.param)


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_sha256_is_in_hexadecimal() -> None:
    # printf abc | sha256sum
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert expected == sha256(b"abc")


@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1, 10**6])
def test_a_file_is_hashed_as_its_bytes_are(tmp_path: Path, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])

    assert sha256(data[:size]) == file_sha256(path)


def test_a_new_folder_appears_with_its_parents_when_the_block_ends(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "a" / "out", marker=MARKER) as stage:
        (stage / MARKER).write_text("new")
        assert not (tmp_path / "a" / "out").exists()

    assert {"a": "/", "a/out": "/", f"a/out/{MARKER}": "new"} == tree(tmp_path)


@pytest.mark.usefixtures("exchange")
def test_an_earlier_result_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    write_result(tmp_path / "out", "old")
    (tmp_path / "out" / "only-in-the-old.txt").touch()

    write_result(tmp_path / "out", "new")

    assert result("new") == tree(tmp_path)


@pytest.mark.usefixtures("exchange")
def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    write_result(tmp_path / "out", "new")

    assert result("new") == tree(tmp_path)


def test_a_result_behind_a_link_is_replaced_and_no_stage_stays(tmp_path: Path) -> None:
    write_result(tmp_path / "disk", "old")
    (tmp_path / "out").symlink_to("disk")

    write_result(tmp_path / "out", "new")

    assert "new" == (tmp_path / "out" / MARKER).read_text()
    assert {"disk", "out"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("foreign", ["folder", "file"])
def test_what_is_not_ours_is_refused_before_the_block_runs(tmp_path: Path, foreign: str) -> None:
    taken = tmp_path / "photos"
    if foreign == "folder":
        taken.mkdir()
        (taken / "me.jpg").write_text("precious")
    else:
        taken.write_text("precious")
    before = tree(tmp_path)

    with pytest.raises(
        StorageError,
        match=r"^will not replace .*photos: got something without a result\.json; expected a new "
        r"or empty folder, or an earlier result\. Choose another --out\.$",
    ):
        write_result(taken, "new")
    assert before == tree(tmp_path)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
@pytest.mark.parametrize("earlier", [True, False])
def test_an_interruption_leaves_what_was_there_and_no_stage(
    tmp_path: Path, earlier: bool, interruption: type[BaseException]
) -> None:
    if earlier:
        write_result(tmp_path / "out", "old")
    before = tree(tmp_path)

    def interrupted() -> None:
        with staged_folder(tmp_path / "out", marker=MARKER) as stage:
            (stage / MARKER).write_text("half")
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert before == tree(tmp_path)


@pytest.mark.usefixtures("exchange")
def test_a_refusal_while_putting_in_place_leaves_the_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an exchange there are two renames; the second one fails here."""
    write_result(tmp_path / "out", "old")
    rename, before = os.rename, tree(tmp_path)

    def refuse_stage(source: Path, target: Path) -> None:
        if str(source).endswith(".partial"):
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_stage)
    monkeypatch.setattr(Path, "rename", refuse_stage)
    with contextlib.suppress(StorageError):
        write_result(tmp_path / "out", "new")

    assert tree(tmp_path) in (before, result("new"))


@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.ENOSPC, "No space left on device"), (errno.EROFS, "Read-only file system")],
)
@pytest.mark.parametrize("write", [write_result, write_file])
def test_a_refusal_of_the_system_is_explained_and_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Write,
    code: int,
    text: str,
) -> None:
    def refuse(self: Path, data: str) -> int:
        self.touch()
        raise OSError(code, os.strerror(code), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", refuse)
        with pytest.raises(
            StorageError,
            match=rf"^cannot write .*out: got {text}; expected room and permission to write "
            r"beside it\. Free some space or choose another --out; nothing earlier was changed\.$",
        ):
            write(tmp_path / "out", "new")

    assert {} == tree(tmp_path)


def test_other_errors_of_the_system_pass_as_they_are(tmp_path: Path) -> None:
    with (
        pytest.raises(ConnectionResetError),
        staged_folder(tmp_path / "out", marker=MARKER),
    ):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    mount, disk = shutil.which("mount"), tmp_path / "disk"
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk.mkdir()
    command = [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_keeps_the_earlier_result(small_disk: Path) -> None:
    write_result(small_disk / "out", "old")
    write_file(small_disk / "data.npz", "old")
    before = tree(small_disk)

    for write, name in ((write_result, "out"), (write_file, "data.npz")):
        with pytest.raises(StorageError, match="No space left on device"):
            write(small_disk / name, "x" * 100_000)

    assert before == tree(small_disk)


@pytest.mark.parametrize("write", [write_result, write_file])
@pytest.mark.parametrize(
    "place",
    ["file/out", "file/deeper/out", "n" * 250, "n" * 300],
    ids=["below a file", "deep below a file", "no room for the stage's name", "name too long"],
)
def test_a_place_that_cannot_be_is_explained(tmp_path: Path, write: Write, place: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=r"^cannot write "):
        write(tmp_path / place, "new")
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["out", "out[1]"])
def test_the_stage_of_a_dead_process_is_removed(tmp_path: Path, dead_pid: int, name: str) -> None:
    (tmp_path / f".{name}.{dead_pid}.partial").mkdir()

    write_result(tmp_path / name, "new")

    assert result("new", name) == tree(tmp_path)


@pytest.mark.parametrize("kept", [f".out.{os.getppid()}.partial", ".out.note.partial", ".out.1"])
def test_what_a_live_process_or_somebody_else_made_is_kept(tmp_path: Path, kept: str) -> None:
    (tmp_path / kept).mkdir()

    write_result(tmp_path / "out", "new")

    assert {kept: "/", **result("new")} == tree(tmp_path)


def test_a_process_of_another_user_counts_as_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    (tmp_path / ".out.12.partial").mkdir()

    write_result(tmp_path / "out", "new")

    assert {".out.12.partial": "/", **result("new")} == tree(tmp_path)


@pytest.mark.parametrize("write", [write_result, write_file])
def test_a_stage_left_under_our_own_id_is_no_obstacle(tmp_path: Path, write: Write) -> None:
    """A container gives its one process the same id at every start."""
    stage = tmp_path / f".out.{os.getpid()}.partial"
    if write is write_file:
        stage.write_text("half")
    else:
        stage.mkdir()
        (stage / "half.bin").touch()

    write(tmp_path / "out", "new")

    assert ["out"] == [path.name for path in tmp_path.iterdir()]


def left_between_the_renames(destination: Path, pid: int) -> None:
    """Leave what a process killed there leaves: the old result moved away, the new one not in."""
    write_result(destination, "old")
    destination.rename(destination.parent / f".{destination.name}.{pid}.replaced")
    (destination.parent / f".{destination.name}.{pid}.partial").mkdir()


def test_a_result_that_was_moved_away_comes_back_when_it_is_looked_for(
    tmp_path: Path, dead_pid: int
) -> None:
    left_between_the_renames(tmp_path / "out", dead_pid)

    recover(tmp_path / "out")

    assert result("old").items() <= tree(tmp_path).items()
    assert not list(tmp_path.glob("*.replaced"))


def test_the_next_result_recovers_the_old_one_first_and_leaves_nothing_beside(
    tmp_path: Path, dead_pid: int
) -> None:
    left_between_the_renames(tmp_path / "out", dead_pid)

    with contextlib.suppress(ValueError), staged_folder(tmp_path / "out", marker=MARKER):
        raise ValueError

    assert result("old") == tree(tmp_path)


def test_nothing_is_put_back_over_a_result_that_is_there(tmp_path: Path, dead_pid: int) -> None:
    left_between_the_renames(tmp_path / "out", dead_pid)
    (tmp_path / "out").mkdir()

    recover(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())

    write_result(tmp_path / "out", "new")
    assert result("new") == tree(tmp_path)


def test_looking_for_what_is_nowhere_changes_nothing(tmp_path: Path) -> None:
    recover(tmp_path / "no" / "such")

    assert {} == tree(tmp_path)


WRITES = """
import sys
from pathlib import Path
from calexnet.files import storage
if sys.argv[2] == "no exchange":
    storage._exchange = lambda one, other: False
with storage.staged_folder(Path(sys.argv[1]) / "deep" / "out", marker="marker") as stage:
    (stage / "inner").mkdir()
    (stage / "inner" / "part.bin").write_text("part")
    (stage / "marker").write_text("whole")
with storage.staged_file(Path(sys.argv[1]) / "one.npz") as stage:
    stage.write_text("whole")
"""


def traced(folder: Path, how: str) -> list[str]:
    """Return what was written through, renamed and removed, in order, with paths cut short."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    calls = "trace=fsync,rename,renameat,renameat2,unlinkat,rmdir"
    command = [strace, "-f", "-y", "-e", calls, sys.executable, "-c", WRITES, str(folder), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr and "ptrace" in done.stderr:
        pytest.skip("needs strace, which may not trace here")
    assert 0 == done.returncode, done.stderr
    lines = [line for line in done.stderr.splitlines() if str(folder) in line]
    short = re.compile(r"\.(out|one\.npz)\.\d+\.")
    return [short.sub(r"\1.", line.replace(str(folder), "")) for line in lines]


def at(lines: list[str], *words: str) -> int:
    """Return where the first call with all these words is."""
    return next(k for k, line in enumerate(lines) if all(word in line for word in words))


@pytest.mark.parametrize("how", ["exchange", "no exchange"])
def test_bytes_then_names_then_the_new_place_are_on_the_disk_before_the_old_is_removed(
    tmp_path: Path, how: str
) -> None:
    """A power cut at any moment leaves the old result or the new one."""
    traced(tmp_path, how)

    lines = traced(tmp_path, how)

    files = [at(lines, "fsync", f"out.partial/{name}>") for name in ("inner/part.bin", "marker")]
    inner, stage = (at(lines, "fsync", f"out.partial{end}>") for end in ("/inner", ""))
    place = at(lines, "rename", '/out.partial"', '/deep/out"')
    parent = place + at(lines[place:], "fsync", "</deep>")
    removed = at(lines, "unlinkat")
    assert max(files) < inner < stage < place < parent < removed

    written = at(lines, "fsync", "one.npz.partial>")
    renamed = at(lines, "rename", "one.npz.partial")
    assert written < renamed < renamed + at(lines[renamed:], "fsync", "<>")


def test_the_name_of_a_new_folder_above_is_on_the_disk_too(tmp_path: Path) -> None:
    lines = traced(tmp_path, "exchange")

    assert at(lines, "fsync", "<>") < at(lines, "rename", "/deep/out")


def test_a_file_system_that_cannot_write_through_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    write_result(tmp_path / "out", "new")

    assert result("new") == tree(tmp_path)


def test_what_could_not_be_written_through_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(tmp_path / "out", "old")

    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=r"got Input/output error"):
        write_result(tmp_path / "out", "new")

    assert result("old") == tree(tmp_path)


def test_what_is_made_anew_if_need_be_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "fsync")

    with staged_file(tmp_path / "kept", durable=False) as stage:
        stage.write_text("new")

    assert {"kept": "new"} == tree(tmp_path)


def test_a_folder_is_copied_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "one").write_text("1")
    (tmp_path / "a" / "b" / "c" / "two").write_text("2")
    (tmp_path / "copy").mkdir()

    copy_folder(tmp_path / "a", tmp_path / "copy")

    assert tree(tmp_path / "a") == tree(tmp_path / "copy")


def test_a_disk_that_fills_up_while_a_folder_is_copied_is_explained(small_disk: Path) -> None:
    """`shutil.copytree` ends in an error without a number, which nobody explains."""
    (small_disk / "one").mkdir()
    for name in ("a", "b"):
        (small_disk / "one" / name).write_bytes(b"x" * 20_000)

    with (
        pytest.raises(StorageError, match="got No space left on device"),
        staged_folder(small_disk / "two", marker=MARKER) as stage,
    ):
        copy_folder(small_disk / "one", stage)

    assert {"one", "one/a", "one/b"} == set(tree(small_disk))


def test_swapping_what_is_missing_says_no(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    assert not storage._exchange(tmp_path / "one", tmp_path / "other")
    assert {"one": "/"} == tree(tmp_path)


def test_a_system_without_renameat2_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())

    assert not storage._exchange(Path("one"), Path("other"))


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "data.npz"
    write_file(path, "old")

    with staged_file(path) as stage:
        stage.write_text("new")
        assert "old" == path.read_text()

    assert {"sub": "/", "sub/data.npz": "new"} == tree(tmp_path)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_the_earlier_file(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    write_file(tmp_path / "data.npz", "old")

    def interrupted() -> None:
        with staged_file(tmp_path / "data.npz") as stage:
            stage.write_text("half")
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert {"data.npz": "old"} == tree(tmp_path)


def test_a_folder_is_no_place_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"^cannot write the file: got .*, a folder; expected a file name$"
    ):
        write_file(tmp_path, "new")
    assert {} == tree(tmp_path)


def test_the_file_that_a_killed_process_was_writing_is_removed_with_the_next_one(
    tmp_path: Path, dead_pid: int
) -> None:
    abandoned = tmp_path / f".out.npz.{dead_pid}.partial"
    running = tmp_path / f".out.npz.{os.getppid()}.partial"
    other = tmp_path / f".other.npz.{dead_pid}.partial"
    for path in (abandoned, running, other):
        path.write_bytes(b"half")

    with storage.staged_file(tmp_path / "out.npz") as stage:
        stage.write_bytes(b"whole")

    assert {"out.npz", running.name, other.name} == {path.name for path in tmp_path.iterdir()}
