"""What readers see of a machine: its files and commands, or those of a recorded one.

Every reader in this package takes a `System` and nothing else, so that one root serves them all.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from calexnet.errors import DeviceError
from calexnet.files import jsontext, schema

#: Names a recorded machine to be read instead of this one: for tests and bug reports.
ROOT_VARIABLE = "CALEXNET_SYSFS_ROOT"
#: What makes a folder a recorded machine, as they were written before they were one file.
TREE = "tree.json"
_MOST_BYTES = 2**20

_COMMAND_S = 5.0


@dataclass(frozen=True)
class TreeRecord:
    """A recorded machine: where it comes from, and what readers saw.

    Attributes:
        origin: ``recorded`` on a board, or ``reconstructed`` from documents.
        board: What it is a tree of.
        sources: The documents, or the version of calexnet that recorded it.
        refused: Paths that could not be read there, with the system's word for it (``EACCES``).
        files: path -> text, what a command printed under ``/commands/``.
    """

    origin: str
    board: str
    sources: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


class System:
    """A machine's files and commands.

    Attributes:
        root: ``/``.
        tree: A recorded machine; ``None`` for this one.
    """

    def __init__(self, root: Path = Path("/"), tree: TreeRecord | None = None) -> None:
        self.root, self.tree = root, tree

    def read(self, path: str) -> str:
        """Return the text of the file at `path`, which starts with a slash.

        Raises:
            OSError: As the system, or the recorded one, refused.
        """
        if self.tree is None:
            text = (self.root / path.lstrip("/")).read_text("utf-8", errors="replace")
        elif path in self.tree.files and path not in self.tree.refused:
            text = self.tree.files[path]
        else:
            number = getattr(errno, self.tree.refused.get(path, "ENOENT"), errno.EIO)
            raise OSError(number, os.strerror(number), path)
        return text.strip("\0\n ")

    def text(self, path: str) -> str | None:
        """Return the text of a file, None if it cannot be read."""
        try:
            return self.read(path)
        except OSError:
            return None

    def number(self, path: str) -> float | None:
        """Return the number in a file, None if it cannot be read or holds none."""
        text = self.text(path)
        try:
            return None if text is None else float(text)
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that fit `pattern`, which starts with a slash; 10 comes after 9."""
        if self.tree is None:
            below = self.root.glob(pattern.lstrip("/"))
            found = {"/" + path.relative_to(self.root).as_posix() for path in below}
        else:
            files = map(PurePosixPath, self.tree.files)
            known = {path for file in files for path in (file, *file.parents)}
            found = {path.as_posix() for path in known if path.match(pattern)}
        return sorted(found, key=_natural)

    def run(self, *words: str) -> str:
        """Return what a command prints.

        Raises:
            OSError: It is not there, failed, or did not end in time.
        """
        if self.tree is not None:
            return self.read(command_path(words))
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=_COMMAND_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise OSError(
                errno.ETIMEDOUT, f"{words[0]} did not end in {_COMMAND_S:.0f} s"
            ) from late
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise OSError(errno.EIO, f"{' '.join(words)}: {said[-1] if said else 'failed'}")
        return done.stdout.strip()


def here() -> System:
    """Return this machine, or the recorded one that ``CALEXNET_SYSFS_ROOT`` names.

    Raises:
        DeviceError: The variable names no recorded machine.
    """
    root = os.environ.get(ROOT_VARIABLE)
    return recorded_tree(Path(root)) if root else System()


def recorded_tree(path: Path) -> System:
    """Return the machine that was recorded in the file `path`, or in an older record's folder.

    Raises:
        DeviceError: It holds no recorded machine.
    """
    try:
        document = jsontext.parse(_bounded(path / TREE if path.is_dir() else path))
        if path.is_dir():
            document["files"] = _files(path)
        return System(tree=schema.decode(TreeRecord, document))
    except (OSError, ValueError, TypeError) as problem:
        raise DeviceError(
            f"{path} is no recorded machine",
            got=problem,
            expected="a file that calexnet doctor --record made",
            fix=f"Unset {ROOT_VARIABLE} to use this machine",
        ) from problem


def _files(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        f"/{path.relative_to(folder).as_posix()}": _bounded(path).decode("utf-8", "replace")
        for path in paths
        if path != folder / TREE
    }


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes in {path.name}")
    return data


def command_path(words: tuple[str, ...]) -> str:
    """Return where a record keeps what a command printed."""
    return f"/commands/{' '.join(words)}"


def _natural(path: str) -> list[tuple[int, str]]:
    return [
        (int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path)
    ]
