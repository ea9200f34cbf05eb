"""How much memory this process may still take, asked before something large is begun."""

from __future__ import annotations

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Return what the system could still give, within this container's limit if there is one."""
    free = [_system_bytes()]
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            used = int((_CGROUP / "memory.current").read_text())
            free.append(max(0, int(limit) - used))
    except (OSError, ValueError):  # no such limit here
        pass
    return min(free)


def _system_bytes() -> int:
    try:
        for line in _MEMINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) << 10
    except (OSError, ValueError, IndexError):  # no Linux
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def amount(count: int) -> str:
    """Return a number of bytes as people say it: ``950 kB``, ``1.5 GB``."""
    size, unit = count / 1e3, "kB"
    for larger in ("MB", "GB", "TB", "PB", "EB"):
        if size < 1000:
            break
        size, unit = size / 1e3, larger
    return f"{size:.3g} {unit}"
