"""One command on a board through the system's own ``ssh``, and its failures told by their kind.

Names, keys and jump hosts are those of the user's own configuration. Nothing is ever asked: a
password or an unknown host is a failure with a next step.
"""

from __future__ import annotations

import shlex
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from calexnet.errors import CalexnetError, DeviceError, InputError, StorageError

OPTIONS = (
    *("-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"),
    *("-o", "ClearAllForwardings=yes"),
)
#: How ssh ends for a failure of its own.
FAILED = 255
#: What a program says that has no room to write; GNU tar, but how far it came.
_FULL = ("No space left on device", "Wrote only")


@dataclass(frozen=True)
class Board:
    """A machine that ssh reaches.

    Attributes:
        destination: As ssh takes it: ``user@host``, or a name in the user's configuration.
    """

    destination: str

    def __post_init__(self) -> None:
        if not self.destination or self.destination.startswith("-"):
            raise InputError("no board", got=repr(self.destination), expected="user@board")

    def words(self, command: Sequence[str]) -> list[str]:
        """Return the local command that runs `command` there."""
        return ["ssh", *OPTIONS, "--", self.destination, shlex.join(command)]

    def run(self, step: str, command: Sequence[str], *, fix: str | None = None) -> str:
        """Run `command` there to its end, and return what it printed.

        Args:
            step: What it does, for the message if it fails.
            command: Its words.
            fix: The next step if it fails.

        Raises:
            CalexnetError: ssh, or the command, failed.
        """
        with self.open(command, stdin=subprocess.DEVNULL) as process:
            said, complaint = process.communicate()
        self._check(step, process.returncode, said + b"\n" + complaint, fix)
        return said.decode("utf-8", "replace")

    def receive(
        self, step: str, command: Sequence[str], content: Sequence[tuple[str, str]]
    ) -> None:
        """Run `command` there with a tar archive as its input.

        Args:
            step: As of `run`.
            command: Likewise.
            content: Files or folders here, each with its name in the archive.
        """
        with self.open(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            try:
                with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
                    for path, name in content:
                        archive.add(path, name, filter=_nobodys)
            except BrokenPipeError:
                pass  # it ended before: its own words say why
            said, complaint = _rest(process)
        self._check(step, process.returncode, said + b"\n" + complaint)

    @contextmanager
    def open(self, command: Sequence[str], stdin: int) -> Iterator[subprocess.Popen[bytes]]:
        """Yield `command` running there, its output and complaints in pipes."""
        process = popen(
            self.words(command), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _check(self, step: str, code: int, said: bytes, fix: str | None = None) -> None:
        lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
        told = "\n".join(line for line in lines if line)
        if code == FAILED:
            raise self.failure(told)
        full = [line for line in lines if any(sign in line for sign in _FULL)]
        if code and full:
            raise StorageError(
                f"there is no space left on {self.destination}",
                got=f"{step}: {full[0]}",
                fix="Make room there; what earlier runs sent is in ~/.cache/calexnet/boards",
            )
        if code:
            last = told.splitlines()[-1] if told else f"exit code {code}"
            raise DeviceError(f"on {self.destination}, {step} failed", got=last, fix=fix)

    def failure(self, said: str) -> CalexnetError:
        """Return the error for what ssh itself complained about."""
        there = self.destination
        for sign, what, fix in _KINDS:
            if sign in said:
                return DeviceError(
                    what.format(there=there),
                    got=next(line for line in said.splitlines() if sign in line),
                    fix=fix.format(there=there),
                )
        got = said.splitlines()[-1] if said else None
        return DeviceError(
            f"the connection to {there} was lost", got=got, fix="Give the same command again"
        )


#: What ssh says -> what is wrong, and the next step.
_KINDS = (
    (
        "IDENTIFICATION HAS CHANGED",
        "{there} has another host key than it had before",
        "If the board was set up anew: ssh-keygen -R its name, then ssh {there} once by hand",
    ),
    (
        "Host key verification failed",
        "the host key of {there} is not known here",
        "Compare and accept it once by hand: ssh {there}",
    ),
    (
        "Permission denied",
        "{there} takes none of the keys offered",
        "Put yours there (ssh-copy-id {there}), or into ssh-agent: nothing is asked here",
    ),
    (
        "Could not resolve hostname",
        "{there} is no name that is known here",
        "Look at its spelling, or name it in ~/.ssh/config",
    ),
    *(
        (sign, "{there} cannot be reached", "Look whether it is on and runs sshd: ssh {there}")
        for sign in ("Connection refused", "timed out", "No route to host", "unreachable")
    ),
)


def popen(words: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Start a local ssh.

    Raises:
        DeviceError: There is none.
    """
    try:
        return subprocess.Popen(words, **streams)
    except FileNotFoundError:
        raise DeviceError("there is no ssh here", fix="Install OpenSSH's client") from None


def _rest(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return what a process prints that has got all its input."""
    stdin: IO[bytes] | None = process.stdin
    assert stdin is not None
    with suppress(BrokenPipeError):
        stdin.close()
    process.stdin = None
    return process.communicate()


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if entry.name.endswith("__pycache__") else entry
