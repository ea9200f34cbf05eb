"""``--on``: from a host to a board and back, over a real sshd; each failure by its message."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calexnet.errors import StorageError
from calexnet.remote.parcel import parcel, send
from calexnet.remote.ssh import Board
from tests.remote.conftest import TOOLS, Loopback

TRIAL = Path(__file__).resolve().parents[2] / "calexnet/trial"
BUNDLE = [str(TRIAL / "bundle"), "--data", str(TRIAL / "digits.npz")]
#: What keeps a measurement short.
QUICK = "--batch 1 --threads 1 --blocks 10 --seconds 1 --no-memory --allow-unstable"
BENCH = ["bench", *BUNDLE, *QUICK.split(), "--energy-windows", "0", "--out", "reports/board"]

pytestmark = pytest.mark.slow


def words(*command: str) -> list[str]:
    return [sys.executable, "-Im", "calexnet", *command, "--on", "board"]


def given(board: Loopback, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(*command),
        cwd=folder,
        env=board.environment,
        capture_output=True,
        text=True,
        timeout=170,
    )


def refused(board: Loopback, folder: Path, *command: str) -> tuple[int, str]:
    """Return how a command ended, and the one line that it said."""
    done = given(board, folder, *command)
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_the_host_is_unknown(loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    board = loopback()
    (board.folder / "known").write_text("")

    assert (
        4,
        "calexnet doctor: error: the host key of board is not known here: got Host key "
        "verification failed.. Compare and accept it once by hand: ssh board.",
    ) == refused(board, tmp_path, "doctor")


def test_the_key_is_refused(loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    board = loopback()
    (board.folder / "authorized").write_text("")

    code, said = refused(board, tmp_path, "doctor")

    assert 4 == code
    assert said.startswith("calexnet doctor: error: board takes none of the keys offered: got ")
    assert said.endswith(
        "Put yours there (ssh-copy-id board), or into ssh-agent: nothing is asked here."
    )


def test_nobody_answers(loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    board = loopback()
    board.process.terminate()
    board.process.wait()

    code, said = refused(board, tmp_path, "doctor")

    assert 4 == code
    assert said.startswith("calexnet doctor: error: board cannot be reached: got ssh: connect to ")
    assert said.endswith("Look whether it is on and runs sshd: ssh board.")


def test_there_is_no_python(loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(str(shutil.which(name)))
    board = loopback(path=str(tools))

    assert (
        4,
        "calexnet doctor: error: there is no Python for calexnet on board: got none; expected "
        "Python 3.10 or newer. Install one there, for example: sudo apt-get install "
        "python3.10-venv.",
    ) == refused(board, tmp_path, "doctor")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home with 8 MB."""
    home = tmp_path / "home"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(home)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to mount a small disk")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_there_is_no_space(
    loopback: Callable[..., Loopback], small_disk: Path, tmp_path: Path
) -> None:
    board = loopback(home=small_disk)

    code, said = refused(board, tmp_path, *BENCH)

    assert 2 == code
    assert "calexnet bench: error: there is no space left on board: got 8 MB for " in said
    assert said.endswith(
        "expected 401 MB. Make room there; what earlier runs sent is in ~/.cache/calexnet/boards."
    )


def test_the_disk_fills_up_on_the_way(
    loopback: Callable[..., Loopback],
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = loopback(home=small_disk)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(12_000_000))
    monkeypatch.setenv("PATH", board.environment["PATH"])
    with pytest.raises(StorageError) as caught:
        send(Board("board"), str(small_disk), [parcel(large)])

    assert str(caught.value).startswith("there is no space left on board: got copying large: ")
    assert [] == list((small_disk / "content").iterdir()), "no half content stays"


def test_the_walk_from_the_first_look_to_the_report(board: Loopback, tmp_path: Path) -> None:
    looked = given(board, tmp_path, "doctor")
    assert 0 == looked.returncode, looked.stderr
    assert "onnxruntime  yes  can be used" in looked.stdout
    assert "board: installing onnxruntime, bench" in looked.stderr

    verified = given(board, tmp_path, "verify", *BUNDLE)
    assert (0, "") == (verified.returncode, verified.stderr)
    assert verified.stdout.startswith("538 test images of digits\nonnxruntime fp32: the reference")
    sent = contents(board)

    measured = given(board, tmp_path, *BENCH)
    assert 0 == measured.returncode, measured.stderr
    assert measured.stdout.endswith("Report: reports/board/report.html\n")
    report = json.loads((tmp_path / "reports/board/report.json").read_bytes())
    assert "cpu" == report["device"]["name"]
    assert (tmp_path / "reports/board/report.html").is_file()
    assert sent == contents(board), "nothing is sent twice"
    assert [] == runs(board)


def test_the_hardware_check_comes_back_as_one_file(board: Loopback, tmp_path: Path) -> None:
    command = [sys.executable, "-Im", "calexnet.cli.hardware_check", *BUNDLE, "--on", "board"]
    done = subprocess.run(
        [*command, "--out", "found.json", "--", *QUICK.split(), "--energy-windows", "0"],
        cwd=tmp_path,
        env=board.environment,
        capture_output=True,
        text=True,
        timeout=170,
    )

    assert 0 == done.returncode, done.stderr
    assert done.stdout.endswith("To send in: found.json\n")
    found = json.loads((tmp_path / "found.json").read_bytes())
    assert None is found["report_problem"]
    assert "tensorrt" == found["builds"][0]["target"]
    assert found["builds"][0]["problem"].startswith("TensorRT cannot be used here")


def test_engines_that_cannot_be_built_there_are_told(board: Loopback, tmp_path: Path) -> None:
    code, said = refused(board, tmp_path, "verify", *BUNDLE, "--target", "tensorrt")

    assert 4 == code
    assert said.startswith("engines: error: TensorRT cannot be used here: got ")


def test_a_package_that_no_wheel_fits_is_told(board: Loopback, tmp_path: Path) -> None:
    """An empty wheelhouse stands for a board's architecture that nobody built wheels for."""
    (tmp_path / "wheels").mkdir()
    words = ["verify", *BUNDLE, "--target", "openvino", "--wheelhouse", "wheels"]
    code, said = refused(board, tmp_path, *words)

    assert 4 == code
    assert said.startswith("calexnet verify: error: on board, installing onnxruntime, bench, ")
    assert "openvino (/usr/bin/python3, " in said
    assert said.endswith(
        "If it has no network, or no wheel fits it: --wheelhouse DIR (docs/boards.md)."
    )


def test_a_board_without_a_network_takes_wheels_from_the_host(
    loopback: Callable[..., Loopback], tmp_path: Path
) -> None:
    board = loopback(more="PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=http://127.0.0.1:1/")
    code, said = refused(board, tmp_path, "doctor")
    assert 4 == code
    assert said.endswith(
        "If it has no network, or no wheel fits it: --wheelhouse DIR (docs/boards.md)."
    )

    fetch = ["download", "--quiet", "--only-binary=:all:", "--dest", str(tmp_path / "wheels")]
    python = subprocess.check_output(["/usr/bin/python3", "-V"], text=True).split()[1]
    fetch += ["--python-version", python, "--platform", f"manylinux2014_{platform.machine()}"]
    fetch += ["--platform", f"manylinux_2_28_{platform.machine()}"]
    packages = ["numpy", "onnxruntime", "pillow", "psutil"]
    subprocess.run([sys.executable, "-Im", "pip", *fetch, *packages], check=True)
    done = given(board, tmp_path, "doctor", "--wheelhouse", "wheels")
    assert 0 == done.returncode, done.stderr
    assert "onnxruntime  yes  can be used" in done.stdout


def test_a_bad_gate_is_told_as_at_home(board: Loopback, tmp_path: Path) -> None:
    done = given(board, tmp_path, *BENCH, "--fail-if", "nonsense>1")

    assert 2 == done.returncode
    assert "calexnet bench: error: " in done.stderr
    assert not (tmp_path / "reports").exists()


def test_a_lost_connection_loses_nothing(board: Loopback, tmp_path: Path) -> None:
    command = [*BENCH, "--blocks", "40", "--seconds", "8"]
    errors = tmp_path / "errors"
    with errors.open("wb") as stream:
        first = subprocess.Popen(
            words(*command), cwd=tmp_path, env=board.environment, stderr=stream
        )
        until(lambda: "finding out" in errors.read_text() or first.poll() is not None)
    (keeper,) = keepers(board)
    board.hang_up()

    assert 4 == first.wait(30)
    assert errors.read_text().splitlines()[-1] == (
        "calexnet bench: error: the connection to board was lost. The run goes on there for 30 "
        "minutes: give the same command again to find it."
    )
    assert [keeper] == keepers(board), "it goes on"
    busy = refused(board, tmp_path, "doctor")
    assert (
        4,
        "calexnet doctor: error: board is busy with another run of calexnet's. Wait for it: two "
        "at a time would measure each other.",
    ) == busy

    again = given(board, tmp_path, *command)
    assert 0 == again.returncode, again.stderr
    assert "finding out" in again.stderr, "from its first word"
    assert 1 == again.stderr.count("finding out"), "and not begun anew"
    assert (tmp_path / "reports/board/report.json").is_file()
    assert [] == keepers(board)
    assert [] == runs(board)


def contents(board: Loopback) -> list[str]:
    return sorted(path.name for path in (board.cache / "content").iterdir())


def runs(board: Loopback) -> list[str]:
    return [path.name for path in (board.cache / "runs").iterdir() if path.name != "lock"]


def keepers(board: Loopback) -> list[int]:
    """Return the processes that keep a run on `board`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"keep" in line and str(board.cache).encode() in b"\0".join(line):
            found.append(int(path.parent.name))
    return found


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)
