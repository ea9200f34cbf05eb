"""What readers see of a machine: its files and commands, or those of a recorded tree.

Every reader in this package takes a `System` and nothing else, so that one root serves them all.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from calexnet import schema
from calexnet.errors import DeviceError

#: Names a recorded tree to be read instead of this machine: for tests and bug reports.
ROOT_VARIABLE = "CALEXNET_SYSFS_ROOT"
#: What makes a folder a recorded tree.
TREE = "tree.json"

_COMMAND_S = 5.0


@dataclass(frozen=True)
class TreeRecord:
    """Where a tree comes from.

    Attributes:
        origin: ``recorded`` on a board, or ``reconstructed`` from documents.
        board: What it is a tree of.
        sources: The documents, or the version of calexnet that recorded it.
        refused: Paths that could not be read there, with the system's word for it (``EACCES``).
    """

    origin: str
    board: str
    sources: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)


class System:
    """A machine's files and commands.

    Attributes:
        root: ``/``, or the folder of a recorded tree.
        tree: Of a recorded tree; ``None`` for this machine.
    """

    def __init__(self, root: Path = Path("/"), tree: TreeRecord | None = None) -> None:
        self.root, self.tree = root, tree

    def read(self, path: str) -> str:
        """Return the text of the file at `path`, which starts with a slash.

        Raises:
            OSError: As the system, or the recorded one, refused.
        """
        if self.tree is not None and path in self.tree.refused:
            word = self.tree.refused[path]
            number = getattr(errno, word, errno.EIO)
            raise OSError(number, os.strerror(number), path)
        return self.inside(path).read_text("utf-8", errors="replace").strip("\0\n ")

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
        found = self.root.glob(pattern.lstrip("/"))
        return sorted(
            ("/" + path.relative_to(self.root).as_posix() for path in found), key=_natural
        )

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

    def inside(self, path: str) -> Path:
        """Return where `path` really lies."""
        return self.root / path.lstrip("/")


def here() -> System:
    """Return this machine, or the recorded tree that ``CALEXNET_SYSFS_ROOT`` names.

    Raises:
        DeviceError: The variable names no recorded tree.
    """
    root = os.environ.get(ROOT_VARIABLE)
    return recorded_tree(Path(root)) if root else System()


def recorded_tree(root: Path) -> System:
    """Return the machine that was recorded in the folder `root`.

    Raises:
        DeviceError: It holds no recorded tree.
    """
    try:
        document = json.loads((root / TREE).read_bytes())
        return System(root, schema.decode(TreeRecord, document))
    except (OSError, ValueError) as problem:
        raise DeviceError(
            f"{root} is no recorded tree",
            got=problem,
            expected=f"a folder with a {TREE}, as calexnet doctor --record makes it",
            fix=f"Unset {ROOT_VARIABLE} to use this machine",
        ) from problem


def command_path(words: tuple[str, ...]) -> str:
    """Return where a tree keeps what a command printed."""
    return f"/commands/{' '.join(words)}"


def _natural(path: str) -> list[tuple[int, str]]:
    return [
        (int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path)
    ]
