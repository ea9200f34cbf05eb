"""What the report says of the machine: what it is, and how it was before and after."""

from __future__ import annotations

from dataclasses import dataclass

from calexnet.bench.report.document import Report
from calexnet.bench.words.figures import MISSING, percent
from calexnet.bench.words.tables.table import Column, Table, facts, with_unit
from calexnet.devices.base import DeviceState


@dataclass(frozen=True)
class Change:
    """One thing that moves while a measurement runs."""

    what: str
    before: str
    after: str


def device(report: Report) -> Table[tuple[str, str]]:
    """Return the machine, and what cannot be read of it."""
    found = report.device
    memory_gib = None if found.memory_bytes is None else found.memory_bytes / 2**30
    return facts(
        "device",
        "The machine",
        (),
        (
            ("Name", found.name),
            ("Processor or board", found.model),
            *((("Board", found.board),) if found.board else ()),
            ("System", found.system),
            ("Cores for this process", str(found.cores)),
            ("Memory", with_unit(memory_gib, "GiB")),
            *((("Power mode", found.power_mode),) if found.power_mode else ()),
            *found.details.items(),
            *((f"Not readable: {name}", why) for name, why in found.unreadable.items()),
        ),
    )


def state(report: Report) -> Table[Change]:
    """Return clocks, temperatures and throttling at the start and at the end."""
    before, after = _state(report.device.state), _state(report.device_after)
    names = dict.fromkeys((*before, *after))
    changes = (Change(n, before.get(n, MISSING), after.get(n, MISSING)) for n in names)
    return Table(
        "state",
        "The machine before and after",
        ("Of the moments in which the measurement started and ended.",),
        (
            Column("What", lambda row: row.what, "prose"),
            Column("Before", lambda row: row.before, "prose"),
            Column("After", lambda row: row.after, "prose"),
        ),
        tuple(changes),
    )


def _state(found: DeviceState | None) -> dict[str, str]:
    if found is None:
        return {}
    throttled = MISSING if found.throttled is None else "; ".join(found.throttled) or "no"
    return {
        "Load, mean of one minute": f"{found.load:.2f}",
        **{f"Clock of {clock.name}": clock.words() for clock in found.clocks},
        **{f"Temperature of {n}": f"{c:.1f} \u00b0C" for n, c in found.temperatures_c.items()},
        **{f"Load of {name}": percent(share) for name, share in found.loads.items()},
        "Slowed down": throttled,
        **{f"Events: {name}": str(count) for name, count in found.throttle_events.items()},
    }
