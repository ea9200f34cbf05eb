"""Every command on a disk that fills up: one message, exit code 2, the earlier result untouched."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calexnet import cli
from calexnet.bundle import open_bundle
from calexnet.cli import export
from tests.support.small_cascade import files_of

#: A command's name -> what it runs, given the disk and the folder with all that it reads.
COMMANDS: dict[str, Callable[[Path, Path], int]] = {
    "export a run": lambda disk, given: export.main(
        [str(given / "run"), "--out", str(disk / "earlier")]
    ),
    "add a target": lambda disk, _: export.main([str(disk / "earlier"), "--target", "tflite"]),
    "add a precision": lambda disk, given: export.main(
        [
            *(str(disk / "earlier"), "--precision", "fp16"),
            *("--calib-data", str(given / "tints.npz"), "--calib-samples", "16"),
        ]
    ),
    "data": lambda disk, given: cli.main(
        ["data", str(given / "tints.npz"), "--out", str(disk / "earlier.npz")]
    ),
    "train": lambda disk, given: cli.main(
        [
            *("train", "--data", str(given / "tints.npz"), "--backbone", "resnet8"),
            *("--backbone-epochs", "1", "--epochs", "1", "--out", str(disk / "run")),
        ]
    ),
}
#: KiB of room beside the earlier result.
ROOM = [0, 8, 100, 400, 700, 1000, 1400]


@pytest.fixture(scope="module")
def given(small_run: Path, small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands read."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copytree(small_run, folder / "run")
    shutil.copy(small_npz, folder / "tints.npz")
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, to be made smaller."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount") or "mount"
    command = [mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("only root can mount a small disk")
    if done.returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def leave(disk: Path, kib: int) -> None:
    """Make `disk` so small that no more than this is free."""
    usage = shutil.disk_usage(disk)
    subprocess.run(
        ["mount", "-o", f"remount,size={usage.used // 1024 + kib}k", str(disk)], check=True
    )


@pytest.mark.usefixtures("translated")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kib", ROOM)
def test_a_full_disk_ends_in_one_message_and_keeps_what_was_there(
    disk: Path,
    given: Path,
    small_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    kib: int,
) -> None:
    shutil.copytree(small_bundle, disk / "earlier")
    (disk / "earlier.npz").write_bytes(b"earlier")
    before = files_of(disk)
    leave(disk, kib)

    code = COMMANDS[command](disk, given)

    told = capsys.readouterr().err
    open_bundle(disk / "earlier")
    assert code in (0, 2), told
    if code == 2:
        assert before == files_of(disk)
        assert 1 == told.count("error: ")
        foretold = "the features do not fit on the disk" in told
        assert foretold or "No space left on device" in told
        assert foretold or "nothing earlier was changed" in told
    else:
        assert kib > 8, "there was no room for this"
    assert not list(disk.glob(".*")), "nothing is left beside it"
