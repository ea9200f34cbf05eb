"""A board on this machine: a real sshd on loopback, with a home and keys of its own.

What needs it runs in ``make boards-test``: an environment is made on it, from a package index.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
#: Tools that a board has in any case: what is sent to it uses no others, but for Python.
TOOLS = ("sh", "cat", "mkdir", "rm", "mv", "tar", "uname", "df", "tail", "grep")


@dataclass(frozen=True)
class Loopback:
    """A running sshd, and a folder with the user's side of it.

    Attributes:
        home: On the board.
        folder: Here: ``bin/ssh`` is the system's, with a configuration that knows `board`.
        process: The sshd.
    """

    home: Path
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def cache(self) -> Path:
        return self.home / ".cache/calexnet/boards"

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}

    def hang_up(self) -> None:
        """Cut every connection, as a cable would; sshd itself goes on."""
        for number in _children(self.process.pid):
            os.kill(number, signal.SIGKILL)


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Loopback]]:
    """Start boards, with other homes or search paths than the usual ones."""
    if "CALEXNET_BOARDS_TEST" not in os.environ:
        pytest.skip("runs in make boards-test")
    if SSHD is None:
        pytest.skip("needs sshd: Debian's openssh-server")
    running: list[Loopback] = []

    def start(home: Path | None = None, path: str = "/usr/bin:/bin", more: str = "") -> Loopback:
        folder = tmp_path_factory.mktemp("board")
        found = _started(folder, home or folder / "home", f"{path} {more}")
        running.append(found)
        return found

    yield start
    for one in running:
        if one.process.poll() is None:
            one.hang_up()
            one.process.terminate()
            one.process.wait()


@pytest.fixture(scope="session")
def board(loopback: Callable[..., Loopback]) -> Loopback:
    """One board for all that leave it as it is."""
    return loopback()


def _started(folder: Path, home: Path, path: str) -> Loopback:
    home.mkdir(exist_ok=True)
    for name in ("host", "key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    port = _free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        f"SetEnv HOME={home} PATH={path}\n"
    )
    (folder / "config").write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder}/key\n"
        f"  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {folder}/known\n"
        "  GlobalKnownHostsFile /dev/null\n"
    )
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
    (folder / "bin").mkdir()
    ssh = folder / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    process = subprocess.Popen(
        [str(SSHD), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    )
    _wait_for(port)
    return Loopback(home, folder, process)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd does not answer")


def _children(number: int) -> list[int]:
    """Return the processes that `number` started, from the kernel."""
    text = Path(f"/proc/{number}/task/{number}/children").read_text()
    return [int(word) for word in text.split()]
