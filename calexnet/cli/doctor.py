"""``calexnet doctor``: what every target, device and sensor can do here, and the next command."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from calexnet.cli import on_board
from calexnet.errors import CalexnetError, RuntimeUnavailableError

if TYPE_CHECKING:
    from calexnet.devices.base import Device, DeviceRecord, Probe
    from calexnet.devices.system import System

HELP = "Say what every target, device and sensor can do on this machine, and why not."


@dataclass(frozen=True)
class Finding:
    """One line of the answer.

    Attributes:
        what: Was looked at.
        works: Whether it can be used here.
        says: What it can do, or why not.
        fix: The next command, where there is one.
    """

    what: str
    works: bool
    says: str
    fix: str | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write what the readers see here to one file, to send in: no names, no serial numbers",
    )
    on_board.declare(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print all findings; with none of the targets usable, that is an error."""
    from calexnet.devices.system import ROOT_VARIABLE, here

    if arguments.on is not None:
        return on_board.run(arguments, ("calexnet", "doctor"))
    system = here()
    if arguments.record is not None:
        return _record(system, arguments.record)
    print(
        f"calexnet {metadata.version('calexnet')}, Python {platform.python_version()}, "
        f"numpy {metadata.version('numpy')}, {platform.system()} {platform.machine()}"
    )
    if system.tree is not None:
        print(f"{ROOT_VARIABLE}: {system.tree.origin}: {system.tree.board}")
    targets = list(_targets())
    _show("Targets", targets)
    _show("Devices", list(_devices(system)))
    for device in _shown(system):
        _show(f"Energy on {device.name}", [_energy(probe) for probe in device.probes()])
        _show(f"Sensors on {device.name}", list(_sensors(device.describe())))
    if not any(target.works for target in targets):
        raise RuntimeUnavailableError(
            "no target can be used here", fix="Run: pip install 'calexnet[onnxruntime]'"
        )
    return 0


def _record(system: System, path: Path) -> int:
    from calexnet.devices.recording import record_tree

    seen = record_tree(system, path)
    print(f"{path}: {len(seen)} files that the readers saw. Look through it, then send it in.")
    return 0


def _targets() -> Iterator[Finding]:
    from calexnet.runtimes.loading import RUNTIMES, runtime

    for name in RUNTIMES:
        try:
            runtime(name).require()
        except CalexnetError as problem:
            yield Finding(name, False, str(problem))
        else:
            yield Finding(name, True, "can be used")


def _devices(system: System) -> Iterator[Finding]:
    from calexnet import devices

    for name in devices.names(system):
        try:
            found = devices.find_device(name, system).describe()
        except CalexnetError as problem:
            yield Finding(name, False, str(problem))
        else:
            words = [found.model, *([found.power_mode] if found.power_mode else [])]
            yield Finding(found.name, True, ", ".join(words))


def _shown(system: System) -> Iterator[Device]:
    """Yield the device that ``auto`` takes, and every GPU."""
    from calexnet import devices

    taken = False
    for name in devices.names(system):
        try:
            device = devices.find_device(name, system)
        except CalexnetError:
            continue
        is_gpu = name.partition(":")[0] in devices.BY_NAME_ONLY
        if is_gpu or not taken:
            yield device
        taken = taken or not is_gpu


def _energy(probe: Probe) -> Finding:
    if probe.source is None:
        return Finding(probe.name, False, probe.reason or "", probe.fix)
    found = probe.source.record
    rails = f"; {' + '.join(found.rails)} ({found.total})" if found.rails else ""
    return Finding(probe.name, True, f"{found.name}, {found.kind}: {found.covers}{rails}")


def _sensors(found: DeviceRecord) -> Iterator[Finding]:
    now = found.state
    for clock in now.clocks:
        yield Finding(f"clock of {clock.name}", True, clock.words())
    for name, celsius in now.temperatures_c.items():
        yield Finding(f"temperature of {name}", True, f"{celsius:.1f} C")
    for name, share in now.loads.items():
        yield Finding(f"load of {name}", True, f"{share:.0%}")
    if now.throttled is not None:
        yield Finding("slowed down", True, "; ".join(now.throttled) or "no")
    for name, count in now.throttle_events.items():
        yield Finding("events", True, f"{name}: {count}")
    for name, value in found.details.items():
        yield Finding(name, True, value)
    for name, why in found.unreadable.items():
        yield Finding(name, False, why)


def _show(title: str, findings: list[Finding]) -> None:
    print(f"\n{title}")
    width = max((len(finding.what) for finding in findings), default=0)
    for finding in findings:
        print(f"  {finding.what:<{width}}  {'yes' if finding.works else 'no ':<3}  {finding.says}")
        if finding.fix is not None:
            print(f"  {'':<{width}}       next: {finding.fix}")
