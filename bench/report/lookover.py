"""Does a report agree with itself? Looked over once, where it is read, so that no reader trips.

The schema says that a row has a batch; here, that the row which it stands for is there too, once,
and that its numbers are of a size that something was measured at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from calexnet.bench.report.document import Report
from calexnet.files.schema import SchemaError

#: No figure of a report is larger, and none that another is divided by is smaller.
_MOST, _LEAST = 1e15, 1e-12
#: Samples a call: what is foretold takes steps for each.
_MOST_BATCH = 2**16

_SUBJECT = ("target", "precision")
_SETTING = (*_SUBJECT, "threads")
_CELL = (*_SETTING, "batch")

#: Table -> what tells its rows apart.
_KEYS: dict[str, tuple[str, ...]] = {
    "alternatives": ("name",),
    "rivals": ("name",),
    "amortisation": _CELL,
    "crossover": _CELL,
    "latency": (*_CELL, "network"),
    "operating_points": (*_SUBJECT, "name"),
    "exits": (*_SUBJECT, "exit"),
    "worst": _CELL,
    "foretold": (*_CELL, "early"),
    "segments": (*_CELL, "segment"),
    "gathers": (*_CELL, "segment"),
    "energy": _CELL,
    "energy_crossover": _CELL,
    "exit_energy": (*_SUBJECT, "exit"),
    "samples": (*_CELL, "network"),
    "counts": (*_SUBJECT, "segment"),
    "memory": (*_CELL, "network"),
    "layouts": (*_SETTING, "exit"),
}
#: Table -> another that has a row of the same key for each of its own.
_BESIDE = {"crossover": "amortisation", "energy_crossover": "energy", "foretold": "amortisation"}
#: What others are divided by, or drawn on a scale by, so that it is over 0.
_OVER_0 = {
    *("plain_ms", "cascade_ms", "latency_ms", "segments_ms", "one_file_ms", "quantiles_ms"),
    *("ratio", "macs_ratio"),
}
_ALSO_OVER_0 = {
    "alternatives": ("ms",),
    "operating_points": ("ms",),
    "foretold": ("ms",),
    "samples": ("ms",),
    "worst": ("ms",),
    "flops": ("plain",),
}
_SHARES = {"rate", "early", "observed_exit_rate", "break_even_exit_rate", "exit_rates", "max_drop"}
_FROM_1 = {"batch", "threads", "exit", "cut", "rank", "from_batch", "to_batch"}


def look_over(report: Report) -> None:
    """Do nothing if all parts of a report fit one another.

    Raises:
        SchemaError: Two do not; the message names them.
    """
    for name, value in _parts(report):
        for where, key, number in _numbers(value, name, name):
            _of_a_size(name.partition("[")[0], where, key, number)
    for table, names in _KEYS.items():
        _once(table, [_key(row, names) for row in getattr(report, table)])
    for table, other in _BESIDE.items():
        _beside(report, table, other)
    _named(report)
    _exits(report)
    _grids(report)
    _steadiness(report)


def _parts(report: Report) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(report, field.name)) for field in dataclasses.fields(report))


def _numbers(value: Any, where: str, key: str) -> Iterator[tuple[str, str, float]]:
    """Yield each number with its place and the name of the field that it stands in."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield where, key, value
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _numbers(item, f"{where}[{place}]", key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, f"{where}.{name}", key)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _numbers(getattr(value, field.name), f"{where}.{field.name}", field.name)


def _of_a_size(part: str, where: str, key: str, number: float) -> None:
    whole = isinstance(number, int)
    low, high = -_MOST, 2.0**63 if whole else _MOST
    if key in _OVER_0 or key in _ALSO_OVER_0.get(part, ()):
        low = _LEAST
    elif key in _SHARES:
        low, high = 0.0, 1.0
    elif key in _FROM_1 and whole:
        low, high = 1, _MOST_BATCH
    _require(low <= number <= high, f"{where} is {number:g}, not from {low:g} to {high:g}")


def _key(row: Any, names: Iterable[str]) -> tuple[Hashable, ...]:
    return tuple(getattr(row, name) for name in names)


def _once(table: str, keys: Sequence[tuple[Hashable, ...]]) -> None:
    seen: set[tuple[Hashable, ...]] = set()
    for place, key in enumerate(keys):
        _require(key not in seen, f"{table}[{place}] is about {_said(key)}, as an earlier row is")
        seen.add(key)


def _beside(report: Report, table: str, other: str) -> None:
    there = {_key(row, _CELL) for row in getattr(report, other)}
    for place, row in enumerate(getattr(report, table)):
        key = _key(row, _CELL)
        _require(key in there, f"{table}[{place}] is about {_said(key)}, and no row of {other} is")


def _named(report: Report) -> None:
    """Look for the networks that the decision names; a report may be without any."""
    names = {one.name for one in report.alternatives}
    for field in ("name", "against", "doubt", "lossy"):
        name = getattr(report.decision, field)
        there = name is None or name in names or not names
        _require(there, f"decision.{field} is {_short(name)}, and no alternative is called so")


def _exits(report: Report) -> None:
    """Look at all that has one entry an exit."""
    last, macs = len(report.bundle.attach) + 1, report.flops.macs
    for name, found, wanted in (
        ("flops.macs.stages", macs.stages, last),
        ("flops.macs.branches", macs.branches, last - 1),
        ("flops.macs.gates", macs.gates, last - 1),
        *(
            (f"operating_points[{place}].exit_rates", row.exit_rates, last)
            for place, row in enumerate(report.operating_points)
        ),
    ):
        _require(len(found) == wanted, f"{name} has {len(found)} entries, the cascade {wanted}")
    every = [*range(1, last + 1)]
    for key, exits in _grouped(report.exits, _SUBJECT, "exit").items():
        _require(sorted(exits) == every, f"exits of {_said(key)} are {exits}, not 1 to {last}")
    for key, exits in _grouped(report.layouts, _SETTING, "exit").items():
        wanted_rows = [None, *every]
        _require(exits == wanted_rows, f"layouts of {_said(key)} are of exits {exits}")
    for place, row in enumerate(report.exits):
        count = len(row.quantiles_ms)
        _require(count > 1, f"exits[{place}].quantiles_ms has {count} entries, not 2 or more")


def _grids(report: Report) -> None:
    """Look at what is measured or foretold over two axes: every pair is there."""
    last = len(report.bundle.attach) + 1
    for table, axis, wanted in (
        ("segments", "segment", [*range(last + 1)]),
        ("foretold", "early", None),
    ):
        rows = getattr(report, table)
        whole = _grouped(rows, _SETTING, axis)
        for key, found in _grouped(rows, _CELL, axis).items():
            every = sorted(set(whole[key[:3]])) if wanted is None else wanted
            fits = sorted(found) == every
            _require(fits, f"{table} of {_said(key)} are of {axis} {found}, not of {every}")
    for key, batches in _grouped(report.segments, _SETTING, "batch").items():
        _require(1 in batches, f"segments of {_said(key)} are of no batch of 1")
    for place, row in enumerate(report.gathers):
        _require(2 <= row.segment <= last, f"gathers[{place}].segment is {row.segment}")


def _steadiness(report: Report) -> None:
    found = report.validity
    for name in ("drift", "swing"):
        _require(bool(getattr(found, name)), f"validity.{name} is empty")
    for place, row in enumerate(report.samples):
        _require(len(row.ms) > 1, f"samples[{place}].ms has {len(row.ms)} entries, not 2 or more")
    for place, joules in enumerate(report.energy):
        for compared in (joules.gross, joules.net):
            ends = () if compared is None else _key(compared, ("ratio", "ratio_low", "ratio_high"))
            known = {end is None for end in ends}
            _require(len(known) < 2, f"energy[{place}] has a ratio without an interval")


def _grouped(
    rows: Iterable[Any], by: Sequence[str], of: str
) -> dict[tuple[Hashable, ...], list[Any]]:
    found: dict[tuple[Hashable, ...], list[Any]] = {}
    for row in rows:
        found.setdefault(_key(row, by), []).append(getattr(row, of))
    return found


def _said(key: Iterable[object]) -> str:
    return " ".join(_short(part) for part in key)


def _short(part: object) -> str:
    text = repr(part)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise SchemaError(problem)
