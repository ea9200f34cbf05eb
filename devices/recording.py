"""A tree of what readers saw on a board: to test against, and to send in with a bug report.

The readers themselves are run, and every file and command that they ask for is kept; nothing else
is. Of files that hold more than a reader needs, only the lines that it needs are kept.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from calexnet import schema
from calexnet.devices import DEVICES, find_device
from calexnet.devices.system import TREE, System, TreeRecord, command_path
from calexnet.errors import DeviceError
from calexnet.storage import staged_folder

#: path -> what may be kept of it: whole lines, each once, or the part of one.
_PARTS = {
    "/proc/cpuinfo": re.compile(r"^model name.*$|\bhypervisor\b", re.MULTILINE),
    "/proc/meminfo": re.compile(r"^MemTotal:.*$", re.MULTILINE),
    "/proc/loadavg": re.compile(r"^[\d.]+"),
}


class _Noted(System):
    """A system that notes what is read of it, and what is refused."""

    def __init__(self, original: System) -> None:
        super().__init__(original.root, original.tree)
        self.texts: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def read(self, path: str) -> str:
        return self._note(path, lambda: super(_Noted, self).read(path))

    def run(self, *words: str) -> str:
        return self._note(command_path(words), lambda: super(_Noted, self).run(*words))

    def _note(self, path: str, read: Callable[[], str]) -> str:
        try:
            text = read()
        except OSError as refused:
            if refused.errno not in (None, errno.ENOENT, errno.ENOTDIR):
                self.refused[path] = errno.errorcode.get(refused.errno, "EIO")
            raise
        self.texts[path] = _part(path, text)
        return text


def record_tree(system: System, folder: Path) -> tuple[str, ...]:
    """Write the tree of `system` to `folder` and return the paths of its files.

    Raises:
        StorageError: The folder is somebody else's, or cannot be written.
    """
    noted = _Noted(system)
    model = _survey(noted)
    record = TreeRecord(
        origin="recorded" if system.tree is None else system.tree.origin,
        board=model,
        sources=(f"calexnet {metadata.version('calexnet')} doctor --record",),
        refused=dict(sorted(noted.refused.items())),
    )
    with staged_folder(folder, marker=TREE) as stage:
        for path, text in noted.texts.items():
            file = stage / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n", "utf-8")
        (stage / TREE).write_text(json.dumps(schema.encode(record), indent=1) + "\n", "utf-8")
    return tuple(sorted(noted.texts))


def _survey(system: System) -> str:
    """Have every reader look at the system and return what it is a tree of."""
    model = "unknown"
    for name in reversed(DEVICES):  # the processor first, boards with a name of their own last
        if name == "cuda":
            continue  # NVML has no files
        try:
            device = find_device(name, system)
        except DeviceError:
            continue
        model = device.describe().model
        device.probes()
    return model


def _part(path: str, text: str) -> str:
    pattern = _PARTS.get(path)
    if pattern is None:
        return text
    return "\n".join(dict.fromkeys(found[0] for found in pattern.finditer(text)))
