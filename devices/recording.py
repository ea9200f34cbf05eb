"""One file of what readers saw on a board: to test against, and to send in with a bug report.

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

from calexnet.devices import DEVICES, find_device
from calexnet.devices.system import System, TreeRecord, command_path, recorded_tree
from calexnet.errors import DeviceError, StorageError
from calexnet.files import schema
from calexnet.files.storage import staged_file

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


def record_tree(system: System, path: Path) -> tuple[str, ...]:
    """Write what readers see of `system` to the file `path`, and return what is in it.

    Raises:
        StorageError: It is somebody else's, or cannot be written.
    """
    _refuse_foreign(path)
    noted = _Noted(system)
    model = _survey(noted)
    record = TreeRecord(
        origin="recorded" if system.tree is None else system.tree.origin,
        board=model,
        sources=(f"calexnet {metadata.version('calexnet')} doctor --record",),
        refused=dict(sorted(noted.refused.items())),
        files=dict(sorted(noted.texts.items())),
    )
    with staged_file(path) as stage:
        stage.write_text(text_of(record), "utf-8")
    return tuple(record.files)


def text_of(record: TreeRecord) -> str:
    """Return the text of a record's file: JSON, a line for each file that was seen."""
    return json.dumps(schema.encode(record), indent=1, ensure_ascii=False) + "\n"


def _refuse_foreign(path: Path) -> None:
    if not path.is_file():
        return
    try:
        recorded_tree(path)
    except DeviceError as problem:
        raise StorageError(
            f"will not replace {path}",
            got="something else than a recorded machine",
            expected="a new file, or an earlier record",
        ) from problem


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
