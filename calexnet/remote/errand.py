"""A run on a board from the first look to the report at home.

The run is detached, and named by what it is: after a lost connection the same command finds it
again, going on or ended, and takes nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from calexnet.errors import DeviceError
from calexnet.files.storage import staged_file, staged_folder
from calexnet.remote import keeper, wheel
from calexnet.remote.parcel import Parcel, parcel, send
from calexnet.remote.place import Place, furnish, look, require_room
from calexnet.remote.ssh import FAILED, Board, popen

#: Seconds after the last contact at which a run ends by itself.
PATIENCE_S = 1800
_PULSE_S = 5.0


@dataclass(frozen=True)
class Errand:
    """What is to be done on a board.

    Attributes:
        commands: From the parcels' paths there, the words after ``python -Im`` of each command.
        parcels: What they read, by the name that `commands` takes it by.
        extras: Of ``pip install calexnet[...]`` that they need.
        wished: Likewise, where they can be had.
        out: The file or folder that they write, as they name it.
        brought_to: Where it goes here.
        marker: The file that a folder of its kind has.
    """

    commands: Callable[[Mapping[str, str]], Sequence[Sequence[str]]]
    parcels: Mapping[str, Parcel]
    extras: tuple[str, ...]
    wished: tuple[str, ...] = ()
    out: PurePosixPath | None = None
    brought_to: Path | None = None
    marker: str = ""


def carry_out(board: Board, errand: Errand, wheelhouse: Path | None = None) -> int:
    """Do `errand` on `board`, or go on with it, and return its exit code.

    Args:
        board: Where.
        errand: What.
        wheelhouse: Folder of wheels for a board without a network.

    Raises:
        CalexnetError: The board cannot be reached, lacks something, or does something else.
    """
    package = wheel.this_calexnet()
    parcels = list(errand.parcels.values())
    wheels = None if wheelhouse is None else parcel(wheelhouse)
    place = look(
        board, package.source_hash, [*parcels, parcel(package.path), *([wheels] if wheels else [])]
    )
    missing = [item for item in parcels if item.digest not in place.contents]
    if missing or place.extras is None:
        require_room(board, place, missing)
    furnish(board, place, package, (errand.extras, errand.wished), wheels)
    send(board, place.root, missing)
    commands = json.dumps(
        errand.commands({name: item.there(place.root) for name, item in errand.parcels.items()})
    )
    folder = f"{place.root}/runs/{_name(commands, package.source_hash, errand.brought_to)}"
    return _Run(board, place, folder).finish(commands, errand)


def _name(commands: str, source_hash: str, brought_to: Path | None) -> str:
    """Return the run's name: the same for the same command, given here, by the same calexnet."""
    here = str(brought_to.absolute()) if brought_to else ""
    text = "\0".join([commands, source_hash, platform.node(), here])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Run:
    """One run in its folder on a board."""

    board: Board
    place: Place
    folder: str

    def finish(self, commands: str, errand: Errand) -> int:
        self._start(commands)
        code = self._attach()
        if errand.out is not None and errand.brought_to is not None:
            self._bring(errand.out, errand.brought_to, errand.marker)
        self.board.run("clearing up", ["rm", "-rf", self.folder])
        return code

    def _keeper(self, *words: str) -> list[str]:
        return [self.place.interpreter, "-Im", keeper.MODULE, *words]

    def _start(self, commands: str) -> None:
        words = self._keeper("start", self.folder, str(PATIENCE_S), commands)
        said = self.board.run("starting", ["sh", "-c", '"$@" || echo "code $?"', "sh", *words])
        told = [line for line in said.splitlines() if line.startswith("code ")]
        if told == [f"code {keeper.BUSY}"]:
            raise DeviceError(
                f"{self.board.destination} is busy with another run of calexnet's",
                fix="Wait for it: two at a time would measure each other",
            )
        if told:
            raise DeviceError(f"on {self.board.destination}, starting failed", got=told[0])

    def _attach(self) -> int:
        """Print what the run prints, to its end."""
        there = self.board.destination
        sys.stdout.flush()
        words = self.board.words(self._keeper("attach", self.folder))
        process = popen(words, stdin=subprocess.PIPE)
        try:
            _pulse(process)
        except KeyboardInterrupt:
            process.kill()
            raise KeyboardInterrupt(
                f"the run on {there} goes on for {PATIENCE_S // 60} minutes, and the same command "
                "finds it again"
            ) from None
        if process.returncode == FAILED:
            raise DeviceError(
                f"the connection to {there} was lost",
                fix=f"The run goes on there for {PATIENCE_S // 60} minutes: give the same command "
                "again to find it",
            )
        if process.returncode == keeper.GONE:
            raise DeviceError(
                f"the run on {there} ended without a result",
                got="a restart, a lack of memory, or a stop from elsewhere",
                fix="Give the same command again",
            )
        return process.returncode

    def _bring(self, out: PurePosixPath, home: Path, marker: str) -> None:
        """Put what the run wrote in its place here; it may have ended before it wrote any."""
        script = 'cd "$1/work"; if [ -e "$2" ]; then tar -c -f - "$2"; fi'
        with tempfile.TemporaryDirectory() as scratch:
            with self.board.open(
                ["sh", "-c", script, "sh", self.folder, str(out)], stdin=subprocess.DEVNULL
            ) as process:
                assert process.stdout is not None
                complete = _unpack(process, Path(scratch))
            if not complete:
                raise DeviceError(
                    f"the connection to {self.board.destination} was lost on the way back",
                    fix="Give the same command again: what was measured is kept there",
                )
            found = Path(scratch, out)
            if found.is_dir():
                with staged_folder(home, marker=marker) as stage:
                    shutil.copytree(found, stage, dirs_exist_ok=True)
            elif found.is_file():
                with staged_file(home) as stage:
                    shutil.copyfile(found, stage)


def _pulse(process: subprocess.Popen[bytes]) -> None:
    """Let the board hear that somebody is here, until `process` ends."""
    assert process.stdin is not None
    while True:
        try:
            process.wait(_PULSE_S)
            return
        except subprocess.TimeoutExpired:
            pass
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            process.wait()
            return


def _unpack(process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Write the plain files and folders of a tar archive below `folder`; tell if all came."""
    try:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for entry in archive:
                place = (folder / entry.name).resolve()
                if not place.is_relative_to(folder.resolve()):
                    continue
                if entry.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                elif (content := archive.extractfile(entry)) and entry.isreg():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with content, place.open("wb") as file:
                        shutil.copyfileobj(content, file)
    except tarfile.ReadError:
        pass  # cut off, or nothing was written there
    process.communicate()
    return process.returncode == 0
