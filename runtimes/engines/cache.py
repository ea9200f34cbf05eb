"""Optimised graphs of earlier loads, in a user's cache folder.

A runtime optimises a graph when it opens it, for this processor; kept, that is not done again. What
is kept is a shortcut and nothing else: anything wrong with it, and the bundle's own graph is
opened as if there were no cache. A bundle itself never changes.

    <cache folder>/calexnet/<bundle's SHA-256>/<runtime's version>-<processor>/<graph's SHA-256>.*
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from calexnet.files.storage import file_sha256, sha256, staged_file

#: Switches the cache off everywhere when it is ``0``.
VARIABLE = "CALEXNET_CACHE"

#: What the cache may take of the disk; the bundles longest unused go first.
MOST_BYTES = 2**30

_CPUINFO = Path("/proc/cpuinfo")
#: What two processors must share for a graph optimised on one to suit the other; x86, then Arm.
_CPU_FIELDS = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")

#: A stage of `staged_file` is a process's: its threads write one after the other.
_WRITING = threading.Lock()


@dataclass(frozen=True)
class GraphCache:
    """The folder with one bundle's graphs, optimised by one runtime for this processor.

    Attributes:
        folder: Made when first something is kept.
    """

    folder: Path

    def read(self, graph: str) -> bytes | None:
        """Return the optimised graph, unchanged since it was kept; ``None`` = there is none.

        Args:
            graph: SHA-256 of the bundle's own.
        """
        content, digest = self._paths(graph)
        try:
            data = content.read_bytes()
            recorded = digest.read_text()
        except (OSError, ValueError):
            return None
        if sha256(data) != recorded:
            return None
        with contextlib.suppress(OSError):
            os.utime(self._bundle)  # used now
        return data

    def write(self, graph: str, make: Callable[[Path], object]) -> None:
        """Keep what `make` writes to the path that it is given, whole or not at all.

        Args:
            graph: SHA-256 of the bundle's own.
            make: May fail.

        Raises:
            Exception: What `make` raises.
            StorageError: The system refused to write.
            OSError: Likewise.
        """
        content, digest = self._paths(graph)
        with _WRITING:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The digest comes last and a reader wants both: half of a pair is as good as none.
            with staged_file(content, durable=False) as stage:
                make(stage)
                found = file_sha256(stage)
            with staged_file(digest, durable=False) as stage:
                stage.write_text(found)
            self._trim()

    def _paths(self, graph: str) -> tuple[Path, Path]:
        return self.folder / f"{graph}.onnx", self.folder / f"{graph}.sha256"

    @property
    def _bundle(self) -> Path:
        return self.folder.parent

    @property
    def _root(self) -> Path:
        return self._bundle.parent

    def _trim(self) -> None:
        """Remove the bundles longest unused until the rest fits; never this one."""
        os.utime(self._bundle)
        room = MOST_BYTES - _size(self._bundle)
        for other in _by_use(self._root):
            if other != self._bundle:
                room -= _size(other)
                if room < 0:
                    shutil.rmtree(other, ignore_errors=True)


def user_cache(bundle: str, runtime: str, *, wanted: bool | None = None) -> GraphCache | None:
    """Return the cache for a bundle on this machine; ``None`` = there is to be none.

    Args:
        bundle: Its SHA-256.
        runtime: Name and version of what optimises.
        wanted: ``None`` = unless `VARIABLE` says otherwise.
    """
    processor = _processor()
    if wanted is None:
        wanted = os.environ.get(VARIABLE) != "0"
    if not wanted or processor is None:
        return None
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    if not base.is_absolute():  # as the XDG specification says: such a path is to be ignored
        return None
    return GraphCache(base / "calexnet" / bundle / f"{runtime}-{processor}")


def _processor() -> str | None:
    """Return what tells this kind of processor from others, its instruction sets included."""
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return None
    fields = dict(map(_field, text.strip().split("\n\n")[0].splitlines()))
    told = {name: fields[name] for name in _CPU_FIELDS if name in fields}
    if not told:
        return None
    words = repr((platform.machine(), told))
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _by_use(root: Path) -> Iterator[Path]:
    """Yield the folders of bundles, the last used first."""
    with contextlib.suppress(OSError):
        folders = [path for path in root.iterdir() if len(path.name) == 64 and path.is_dir()]
        yield from sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # removed meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total
