"""Folders for what a process needs while it runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calexnet.files.scratch import scratch_folder

PREFIX = ".features-"
HOLDS = """
import sys, time
from pathlib import Path
from calexnet.files.scratch import scratch_folder
with scratch_folder(".features-", Path(sys.argv[1])) as folder:
    (folder / "part.npy").write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process, and the folder that it holds."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()
    process.stdout.close()


def test_it_is_gone_when_the_block_ends_however_that_is(tmp_path: Path) -> None:
    with scratch_folder(PREFIX, tmp_path) as folder:
        (folder / "file").touch()
        assert folder.parent == tmp_path
    with pytest.raises(KeyboardInterrupt), scratch_folder(PREFIX, tmp_path):
        raise KeyboardInterrupt

    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_by_the_next(
    tmp_path: Path, owner: tuple[subprocess.Popen[str], Path]
) -> None:
    process, left = owner
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "part.npy").exists()

    with scratch_folder(PREFIX, tmp_path) as folder:
        assert [folder] == list(tmp_path.iterdir())


def test_what_a_live_process_holds_is_left_alone(
    tmp_path: Path, owner: tuple[subprocess.Popen[str], Path]
) -> None:
    _, held = owner

    with scratch_folder(PREFIX, tmp_path):
        pass

    assert "half" == (held / "part.npy").read_text()


def test_one_within_another_of_the_same_process_is_left_alone(tmp_path: Path) -> None:
    with scratch_folder(PREFIX, tmp_path) as outer, scratch_folder(PREFIX, tmp_path) as inner:
        assert outer.is_dir()
        assert inner.is_dir()


def test_only_folders_of_that_prefix_are_swept(tmp_path: Path) -> None:
    (tmp_path / "features-mine").mkdir()
    (tmp_path / ".features-file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".features-link").symlink_to("elsewhere")

    with scratch_folder(PREFIX, tmp_path):
        pass

    assert {"features-mine", ".features-file", "elsewhere", ".features-link"} == {
        path.name for path in tmp_path.iterdir()
    }


def test_many_at_once_take_nothing_from_each_other(tmp_path: Path) -> None:
    def use(_: int) -> bool:
        with scratch_folder(PREFIX, tmp_path) as folder:
            (folder / "file").touch()
            return (folder / "file").exists()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(200)))

    assert not list(tmp_path.iterdir())
