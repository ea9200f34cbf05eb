"""NVIDIA Jetson modules with JetPack 6 and 7: their rails, clocks, power mode and temperatures.

NVML opens on a Jetson and then reads next to nothing, so all comes from Linux's own files. Rails
and module numbers after NVIDIA's Jetson Linux Developer Guide ("Platform Power and Performance")
and the device trees of Linux (tegra234-p3701.dtsi, tegra234-p3767.dtsi).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from calexnet.devices import cuda_context, host, ina
from calexnet.devices.base import AbsentError, Clock, Device, DeviceRecord, DeviceState, Probe
from calexnet.devices.energy import Total
from calexnet.devices.system import System
from calexnet.errors import DeviceError


@dataclass(frozen=True)
class Whole:
    """Rails that together are the whole, and what the whole is.

    Attributes:
        total: How they make it up.
        rails: All of them must be there.
        covers: What is in the whole, and what is not.
    """

    total: Total
    rails: tuple[str, ...]
    covers: str


@dataclass(frozen=True)
class Board:
    """One row of the table of boards.

    Attributes:
        name: Ours.
        modules: Part numbers in the device tree's ``compatible``.
        wholes: Ways to the whole, the best first.
    """

    name: str
    modules: tuple[str, ...]
    wholes: tuple[Whole, ...]


_MODULE_INPUT = Whole("measured", ("VDD_IN",), "the whole module; not the carrier board")
_AGX_ORIN_RAILS = Whole(
    "sum",
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    "the module's three input rails, added up (VDDQ_VDD2_1V8AO hangs off one of them); "
    "not the carrier board",
)
_THOR_INPUT = Whole("measured", ("VIN",), "module and carrier board, at the board's input")
_THOR_RAILS = Whole(
    "sum",
    ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),
    "the module's rails, added up; not the carrier board",
)

BOARDS = (
    Board("jetson-orin-nano", ("p3767-0003", "p3767-0004", "p3767-0005"), (_MODULE_INPUT,)),
    Board("jetson-orin-nx", ("p3767-0000", "p3767-0001"), (_MODULE_INPUT,)),
    Board("jetson-agx-orin", ("p3701-",), (_AGX_ORIN_RAILS,)),
    Board("jetson-thor", ("p3834-",), (_THOR_INPUT, _THOR_RAILS)),
)

_COMPATIBLE = "/proc/device-tree/compatible"
_RELEASE = "/etc/nv_tegra_release"
_DEVFREQ = "/sys/class/devfreq/*"
_OVERCURRENT = "/sys/class/hwmon/hwmon*/oc*_event_cnt"
_POWER_MODE = ("nvpmodel", "-q")
_KERNEL = "/proc/sys/kernel/osrelease"
_NO_MONITOR = "no current monitor under /sys/bus/i2c/devices; a container must be given /sys"
#: Docker hides /sys/firmware, where the device tree is, and whatever is mounted there.
_PASS_SYSFS = (
    "docker run --security-opt systempaths=unconfined -v /sys:/sys:ro "
    "-v /etc/nv_tegra_release:/etc/nv_tegra_release:ro ..."
)
#: Jetson Linux's major release -> JetPack.
_JETPACK = {"36": "6", "38": "7", "39": "7"}
#: Names of the GPU's node in the device tree, and of Thor's devfreq devices, which have none.
_GPU_NODES = ("ga10b", "gb10b", "gpu")
_GPU_DEVICES = ("gpu-gpc-0", "gpu-nvd-0")


class JetsonDevice(Device):
    """A Jetson module: processor and GPU in one, with one power budget.

    Attributes:
        board: Its row of the table.
    """

    name = "jetson"

    def __init__(self, system: System, board: Board) -> None:
        super().__init__(system)
        self.board = board

    def describe(self) -> DeviceRecord:
        """Return what is known of the board now."""
        system, found, now = self.system, host.host(self.system), self.state()
        mode, why_no_mode = _power_mode(system)
        rails, refused = ina.rails(system)
        details = {
            "Jetson Linux": _release(system),
            "jetson_clocks": _jetson_clocks(now.clocks),
            "Rails now": ", ".join(
                f"{name} {watts:.2f} W" for name, watts in ina.power_now(system, rails).items()
            ),
        }
        unreadable = host.unreadable(system, now) | refused
        if why_no_mode is not None:
            unreadable["power mode"] = why_no_mode
        if not any(clock.name.startswith("gpu") for clock in now.clocks):
            unreadable["GPU clock"] = f"no GPU under {_DEVFREQ}"
        elif "gpu" not in now.loads:
            unreadable["GPU load"] = "this release has no load file under devfreq"
        return DeviceRecord(
            name=self.name,
            model=found.model,
            system=found.system,
            cores=found.cores,
            memory_bytes=found.memory_bytes,
            state=now,
            board=self.board.name,
            power_mode=mode,
            details={name: value for name, value in details.items() if value},
            unreadable=unreadable,
        )

    def state(self) -> DeviceState:
        """Return clocks, temperatures, loads and over-current events now."""
        system, now = self.system, host.state(self.system)
        gpus = _gpus(system)
        loads = [share for path in gpus if (share := _load(system, path)) is not None]
        return replace(
            now,
            clocks=now.clocks + tuple(_clock(system, path) for path in gpus),
            loads={"gpu": max(loads)} if loads else {},
            throttle_events=_overcurrent(system),
        )

    def probes(self) -> tuple[Probe, ...]:
        """Return the board's rails, as its row of the table adds them up."""
        found, refused = ina.rails(self.system)
        for whole in self.board.wholes:
            if all(name in found for name in whole.rails):
                rails = tuple(found[name] for name in whole.rails)
                sensor = ina.InaSensor(self.system, rails, total=whole.total, covers=whole.covers)
                return (Probe(ina.NAME, sensor),)
        wanted = " or ".join(" + ".join(whole.rails) for whole in self.board.wholes)
        there = ", ".join(found) or "none"
        if not found and not refused:
            return (Probe(ina.NAME, None, _NO_MONITOR, _PASS_SYSFS),)
        why = "".join(f"; {name}: {reason}" for name, reason in refused.items())
        return (
            Probe(
                ina.NAME,
                None,
                f"the rails of a {self.board.name} are {wanted}; readable here: {there}{why}",
                "calexnet doctor --record FILE, and send it in",
            ),
        )

    def drain(self) -> None:
        """Wait for the GPU, if this process uses it."""
        cuda_context.synchronise()


def detect(system: System, unit: str | None) -> JetsonDevice:
    """Return the board.

    Raises:
        AbsentError: This machine is no Jetson.
        DeviceError: It is one that the table does not know.
    """
    compatible = (system.text(_COMPATIBLE) or "").replace("\0", " ").split()
    release = system.text(_RELEASE)
    kernel = system.text(_KERNEL) or ""
    named = any("tegra" in entry for entry in compatible)
    if not named and release is None and (compatible or not kernel.endswith("-tegra")):
        raise AbsentError(
            "this machine is no jetson",
            got=f"neither {_RELEASE} nor nvidia,tegra in {_COMPATIBLE}",
            fix="Use --device auto",
        )
    for board in BOARDS:
        if any(module in entry for entry in compatible for module in board.modules):
            return JetsonDevice(system, board)
    if not compatible:
        raise DeviceError(
            "this is a Jetson whose device tree cannot be read, as in a container",
            got=f"no {_COMPATIBLE}",
            fix=f"Start the container with: {_PASS_SYSFS}; or use --device cpu",
        )
    rails, _ = ina.rails(system)
    raise DeviceError(
        "this Jetson is not in the table of boards, so its total power is not known",
        got=f"compatible {' '.join(compatible) or '?'}; rails {', '.join(rails) or 'none'}",
        expected=", ".join(board.name for board in BOARDS),
        fix="Use --device cpu, and send in what calexnet doctor --record FILE writes",
    )


def _release(system: System) -> str | None:
    """Return ``R36.4.3 (JetPack 6)`` from ``# R36 (release), REVISION: 4.3, ...``."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", system.text(_RELEASE) or "")
    if found is None:
        return None
    jetpack = _JETPACK.get(found[1])
    return f"R{found[1]}.{found[2]}" + (f" (JetPack {jetpack})" if jetpack else "")


def _power_mode(system: System) -> tuple[str | None, str | None]:
    """Return ``MAXN_SUPER (2)``, or why there is none."""
    try:
        listing = system.run(*_POWER_MODE)
    except OSError as problem:
        return None, f"nvpmodel does not answer: {problem}"
    found = re.search(r"NV Power Mode: *(\S+)\s+(\d+)", listing)
    if found is None:
        return None, f"nvpmodel -q said {' '.join(listing.split())!r}"
    return f"{found[1]} ({found[2]})", None


def _jetson_clocks(clocks: tuple[Clock, ...]) -> str | None:
    """Return whether all clocks are pinned; to ask the tool itself needs root."""
    governed = [clock for clock in clocks if clock.low_mhz is not None]
    if not governed:
        return None
    pinned = all(clock.pinned for clock in governed)
    return "on (inferred: every clock is pinned)" if pinned else "off (inferred: clocks may move)"


def _gpus(system: System) -> list[str]:
    return [
        path
        for path in system.glob(_DEVFREQ)
        if system.text(f"{path}/device/of_node/name") in _GPU_NODES
        or path.rpartition("/")[2] in _GPU_DEVICES
    ]


def _clock(system: System, path: str) -> Clock:
    device = path.rpartition("/")[2]
    hz = {name: system.number(f"{path}/{name}_freq") for name in ("cur", "min", "max")}
    mhz = {name: None if value is None else value / 1e6 for name, value in hz.items()}
    name = device if device.startswith("gpu-") else "gpu"
    return Clock(name, mhz["cur"], mhz["min"], mhz["max"], system.text(f"{path}/governor"))


def _load(system: System, path: str) -> float | None:
    per_mille = system.number(f"{path}/device/load")
    return None if per_mille is None else per_mille / 1e3


def _overcurrent(system: System) -> dict[str, int]:
    counts = {}
    for path in system.glob(_OVERCURRENT):
        count = system.number(path)
        if count is not None:
            line = path.rpartition("/")[2].partition("_")[0].removeprefix("oc")
            counts[f"over-current alarm {line}"] = int(count)
    return counts
