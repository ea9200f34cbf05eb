"""``make fuzz``: damaged data must end in an answer or in one of calexnet's own errors.

Each case is drawn from its number alone, so any can be had again: ``python -m campaigns.fuzz --only
bundles --first 1234 -n 1``. Cases run in one process a kind; where that dies or stands still for
20 s, the case is counted and the next process goes on behind it.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from random import Random

from campaigns.damage import OUTSIDE, PLANTED
from campaigns.subjects import SUBJECTS, Files, Subject

LIMIT_S, SEED = 10.0, 16
#: What is no fault.
FINE = ("read", "refused")


class Outside:
    """A file that nobody may open, watched by the kernel (Linux's inotify)."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"\0" * 4096)
        self._libc = ctypes.CDLL(None)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK)
        self._libc.inotify_add_watch(self._handle, os.fsencode(path), 0x20 | 0x1)

    def was_opened(self) -> bool:
        """Tell whether it was since the last time."""
        with suppress(BlockingIOError):
            return bool(os.read(self._handle, 65536))
        return False


def files_of(folder: Path) -> Files:
    """Return path -> content of all below `folder`."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def written(files: Files, folder: Path) -> Path:
    """Return `folder` with these files alone in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def outcome(subject: Subject, folder: Path) -> str:
    """Return how reading ends: `FINE`, or what is wrong with that."""
    from calexnet.errors import CalexnetError

    try:
        subject.read(folder)
    except CalexnetError as refused:
        words = str(refused)
        short = len(words) <= 400 and "\n" not in words
        return "refused" if short else f"a message of {len(words)} characters: {words[:80]}"
    except BaseException as fault:
        last = traceback.extract_tb(fault.__traceback__)[-1]
        return (
            f"{type(fault).__name__}: {str(fault)[:80]} ({Path(last.filename).name}:{last.lineno})"
        )
    return "read"


def work(name: str, first: int, count: int) -> None:
    """Run cases of one kind in the working folder; a line of JSON for each, before and after."""
    subject, place = SUBJECTS[name], Path.cwd()
    whole = place / "whole"
    if not whole.is_dir():
        whole.mkdir()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            subject.make(whole)
    files = files_of(whole)
    sound = {name: data for name, data in files.items() if subject.sound in (None, name)}
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        subject.read(written(sound, place / "case"))
    (place / f"{PLANTED}.py").write_text("")
    sys.path.insert(0, str(place))
    outside = Outside(place / OUTSIDE)
    say = os.fdopen(3, "w")
    for number in range(first, first + count):
        print(number, file=say, flush=True)
        random = Random(f"{SEED} {name} {number}")
        folder = written(subject.damaged(files, random), place / "case")
        started = time.process_time()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            found = outcome(subject, folder)
        if PLANTED in sys.modules:
            found = "code of the data was run"
            del sys.modules[PLANTED]
        if outside.was_opened():
            found = "a file outside was opened"
        if time.process_time() - started > LIMIT_S:
            found = "more than 10 s of processor time"
        print(json.dumps(found), file=say, flush=True)


def campaign(name: str, first: int, count: int, place: Path) -> dict[str, list[int]]:
    """Return outcome -> numbers of its cases."""
    found: dict[str, list[int]] = collections.defaultdict(list)
    at, end = first, first + count
    while at < end:
        at = _stretch(name, at, end - at, place, found)
    return found


def _stretch(name: str, first: int, count: int, place: Path, found: dict[str, list[int]]) -> int:
    """Run cases in one process for as long as it lives; return the number of the next one."""
    read, write = os.pipe()
    words = [sys.executable, "-m", "campaigns.fuzz", "--work", "--only", name]
    words += ["--first", str(first), "-n", str(count)]
    root = str(Path(__file__).parents[1])
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3>&{write}', "worker", *words],
            cwd=place,
            env=os.environ | {"PYTHONPATH": root, "CALEXNET_CACHE": "0"},
            pass_fds=(write,),
            stdout=said,
            stderr=said,
        )
    os.close(write)
    number, open_case = first, False
    for line in _lines(read, process):
        if line.startswith('"'):
            found[json.loads(line)].append(number)
            number, open_case = number + 1, False
        else:
            number, open_case = int(line), True
    code = process.wait()
    if number >= first + count:
        return number
    if not open_case:
        raise SystemExit(f"{name}: the worker failed\n{(place / 'said').read_text()[-3000:]}")
    found["stood still for 20 s" if code == -9 else f"the process died by {code}"].append(number)
    return number + 1


def _lines(handle: int, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield a worker's lines; kill it where a case takes longer than twice its limit."""
    import select

    rest, begun = b"", False
    with os.fdopen(handle, "rb", buffering=0) as stream:
        while True:
            ready, _, _ = select.select([stream], [], [], 2 * LIMIT_S if begun else 300)
            data = stream.read(65536) if ready else b""
            if not ready:
                process.kill()
            if not data:
                return
            begun = True
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode() for line in lines)


def main() -> int:
    """Run the campaigns and print a table; 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="campaigns.fuzz", description=main.__doc__)
    parser.add_argument("-n", type=int, default=10_000, help="cases of each kind")
    parser.add_argument("--only", choices=SUBJECTS, help="this kind alone")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.only, asked.first, asked.n)
        return 0
    faults = 0
    print(f"{'data':10}{'cases':>8}{'read':>8}{'refused':>9}{'faults':>8}")
    for name in [asked.only] if asked.only else SUBJECTS:
        with tempfile.TemporaryDirectory(prefix="calexnet-fuzz-") as folder:
            found = campaign(name, asked.first, asked.n, Path(folder))
        wrong = {words: numbers for words, numbers in found.items() if words not in FINE}
        bad = sum(map(len, wrong.values()))
        fine = [len(found.get(words, ())) for words in FINE]
        print(f"{name:10}{asked.n:8}{fine[0]:8}{fine[1]:9}{bad:8}", flush=True)
        for words, numbers in sorted(wrong.items(), key=lambda one: -len(one[1])):
            shown = ", ".join(map(str, numbers[:3]))
            print(f"    {len(numbers)} x {words}, cases {shown}", flush=True)
        faults += bad
    print("no faults" if not faults else f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
