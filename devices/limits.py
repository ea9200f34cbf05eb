"""What a process really has of a processor: an emulator or a quota in between, instruction sets.

A quota is that of a control group (``cpu.max`` of version 2, ``cpu.cfs_quota_us`` of version 1), as
containers have it. A process that has used up its share of a period stands still until the next
one: its threads look as fast as ever, and then wait for tens of milliseconds.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from pathlib import PurePosixPath

from calexnet.devices.host import available_cores
from calexnet.devices.system import System

_GROUPS = "/sys/fs/cgroup"
_MODALIAS = "/sys/devices/system/cpu/modalias"
#: What the kernel calls a family of processors -> what a process that runs on it natively is told.
_FAMILIES = {
    "x86": ("x86_64", "amd64", "i686", "i586", "i386", "x86"),
    "aarch64": ("aarch64", "arm64", "armv8l", "armv7l"),
    "arm": ("armv7l", "armv6l", "armv5tel"),
}
#: Of x86, then of Arm.
_FEATURES = (
    *("sse4_1", "avx", "f16c", "fma", "avx2", "avx512f", "avx512_vnni", "avx_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    *("neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)


@dataclass(frozen=True)
class Quota:
    """A bound on processor time.

    Attributes:
        cores: How many the process may keep busy; ``None`` = as many as there are.
        throttled: Periods so far in which it was held back; ``None`` if not counted.
    """

    cores: float | None
    throttled: int | None


def quota(system: System) -> Quota:
    """Return the tightest bound of this process's control group and those above it."""
    found = [*_version_2(system), *_version_1(system)]
    cores = [one.cores for one in found if one.cores is not None]
    counts = [one.throttled for one in found if one.throttled is not None]
    return Quota(min(cores, default=None), max(counts, default=None))


def usable_cores(system: System) -> int:
    """Return how many threads this process can keep busy: its cores, and no more than its quota."""
    bound = quota(system).cores
    return available_cores() if bound is None else max(1, min(available_cores(), floor(bound)))


def emulated(system: System, machine: str | None = None) -> str | None:
    """Return the family of the real processor if this process runs on another kind of it.

    That is so under qemu's user mode, which answers for the processor but not for the kernel's own
    list of devices.

    Args:
        system: The machine's files.
        machine: What the process is told to run on; asked for by default.
    """
    kind = re.match(r"cpu:type:(\w+)", system.text(_MODALIAS) or "")
    if kind is None or kind[1] not in _FAMILIES:
        return None
    told = (machine or platform.machine()).lower()
    return None if told in _FAMILIES[kind[1]] else kind[1]


def features(system: System) -> tuple[str, ...]:
    """Return the processor's instruction sets that runtimes choose their kernels by.

    Two processors that have the same ones give the same answers; others may round otherwise.
    """
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", system.text("/proc/cpuinfo") or "", re.M)
    return tuple(word for word in _FEATURES if found and word in found[1].split())


def _version_2(system: System) -> Iterator[Quota]:
    for folder in _upwards(_GROUPS, _group_of(system, "")):
        bound = (system.text(f"{folder}/cpu.max") or "").split()
        if len(bound) == 2:
            cores = None if bound[0] == "max" else float(bound[0]) / float(bound[1])
            yield Quota(cores, _throttled(system, folder))


def _version_1(system: System) -> Iterator[Quota]:
    for mount in ("cpu,cpuacct", "cpu"):
        for folder in _upwards(f"{_GROUPS}/{mount}", _group_of(system, "cpu")):
            micros = system.number(f"{folder}/cpu.cfs_quota_us")
            period = system.number(f"{folder}/cpu.cfs_period_us")
            if micros is not None and period:
                cores = None if micros < 0 else micros / period
                yield Quota(cores, _throttled(system, folder))


def _group_of(system: System, controller: str) -> str:
    """Return the path of this process's group, ``/`` where the system does not say."""
    for line in (system.text("/proc/self/cgroup") or "").splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path
    return "/"


def _upwards(mount: str, group: str) -> Iterator[str]:
    """Yield the group's folder and those above it; in a container only the mount may be there."""
    inner = PurePosixPath(group)
    for path in (inner, *inner.parents):
        yield f"{mount}/{str(path).strip('/')}".rstrip("/")


def _throttled(system: System, folder: str) -> int | None:
    found = re.search(r"^nr_throttled (\d+)$", system.text(f"{folder}/cpu.stat") or "", re.M)
    return None if found is None else int(found[1])
