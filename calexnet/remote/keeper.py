"""On the board: one run at a time, detached, and ended when nobody asks after it any more.

    python -Im calexnet.remote.keeper start FOLDER PATIENCE COMMANDS
    python -Im calexnet.remote.keeper attach FOLDER

A run's folder holds ``work``, where its commands run; ``out`` and ``err``, what they print;
``contact``, touched whenever the host was heard; and at the end ``code``. ``lock``, beside the
folders, is held as long as a run is going on, and names it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO

MODULE = "calexnet.remote.keeper"
#: Exit codes beside those of commands: another run is going on; this one went without a result.
BUSY, GONE = 75, 76
#: How a run ends that nobody asked after, in ``code``.
_ABANDONED = "abandoned"
#: The host is heard every few seconds; after so many without, its connection is taken for lost.
_DEAF_S = 60.0
_PERIOD_S = 1.0
#: What a command gets to clean up, once asked to end.
_GRACE_S = 10.0


def start(folder: Path, patience: str, commands: str) -> int:
    """Start a run in `folder`, unless it is going on already or has ended with a result.

    Args:
        folder: The run's own.
        patience: Seconds after the last contact.
        commands: JSON: for each, the words after ``python -Im``. The first that fails is the last.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0 if _holder(lock) == folder.name else BUSY
        code = folder / "code"
        if code.is_file() and code.read_text() != _ABANDONED:
            return 0
        code.unlink(missing_ok=True)
        (folder / "work").mkdir(parents=True, exist_ok=True)
        for name in ("out", "err", "contact"):
            (folder / name).write_bytes(b"")
        lock.truncate(0)
        lock.write(folder.name)
        lock.flush()
        words = [sys.executable, "-Im", MODULE, "keep", str(folder), patience, commands]
        quiet = subprocess.DEVNULL
        subprocess.Popen(  # it inherits the lock, and holds it to its end
            words,
            pass_fds=[lock.fileno()],
            start_new_session=True,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
        )
    return 0


def keep(folder: Path, patience: str, commands: str) -> int:
    """Run the commands, and write how they ended."""
    ended: int | str = 0
    for words in json.loads(commands):
        ended = _kept(folder, words, float(patience))
        if ended != 0:
            break
    stage = folder / "code.part"
    stage.write_text(str(ended))
    stage.replace(folder / "code")
    return 0


def attach(folder: Path) -> int:
    """Print what the run prints, from its first word to its last, and return its exit code.

    Standard input is the host's pulse; without it this ends, and the run goes on.
    """
    heard = time.monotonic()
    with (folder / "out").open("rb") as out, (folder / "err").open("rb") as err:
        while True:
            running = _is_running(folder)
            code = folder / "code"
            ended = code.read_text() if code.is_file() else None
            _pass_on(out, sys.stdout.buffer)
            _pass_on(err, sys.stderr.buffer)
            if ended is not None:
                return GONE if ended == _ABANDONED else int(ended)
            if not running:
                return GONE
            if select.select([0], [], [], _PERIOD_S)[0]:
                if not os.read(0, 4096):
                    return 0
                heard = time.monotonic()
                os.utime(folder / "contact")
            elif time.monotonic() - heard > _DEAF_S:
                return 0


def _kept(folder: Path, words: Sequence[str], patience_s: float) -> int | str:
    """Run one command to its end, or until nobody has asked after it for `patience_s`."""
    with (folder / "out").open("ab") as out, (folder / "err").open("ab") as err:
        process = subprocess.Popen(
            [sys.executable, "-Im", *words],
            cwd=folder / "work",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    waiting = threading.Thread(target=process.wait, daemon=True)  # does not wake up to look
    waiting.start()
    last, since = 0, time.monotonic()
    while waiting.is_alive():
        waiting.join(min(5.0, patience_s))
        contact = (folder / "contact").stat().st_mtime_ns
        if contact != last:  # a board's clock jumps: that it changed counts, not what it says
            last, since = contact, time.monotonic()
        if waiting.is_alive() and time.monotonic() - since > patience_s:
            _end(process, waiting)
            return _ABANDONED
    with contextlib.suppress(ProcessLookupError):  # whatever it left
        os.killpg(process.pid, signal.SIGKILL)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _end(process: subprocess.Popen[bytes], waiting: threading.Thread) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        waiting.join(_GRACE_S)


def _is_running(folder: Path) -> bool:
    with (folder.parent / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(lock) == folder.name
    return False


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read()


def _pass_on(source: BinaryIO, sink: BinaryIO) -> None:
    sink.write(source.read())
    sink.flush()


def main(words: Sequence[str]) -> int:
    """Do one of the three, and return the exit code."""
    verb, folder, *rest = words
    if verb == "attach":
        return attach(Path(folder))
    return {"start": start, "keep": keep}[verb](Path(folder), *rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
