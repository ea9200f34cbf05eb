"""Reading an external meter's log: a CSV file whose heading says what its columns are.

A column is time, power, current or voltage, with a unit; the power is there, or is current times
voltage. Nothing is guessed: what the heading leaves open is refused with the heading's name.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from calexnet.devices.energy import Floats
from calexnet.errors import InputError

Kind = Literal["time", "power", "current", "voltage"]

#: A time at and above it is one since 1970; below, of the meter's own clock.
UNIX_S = 1e9
_LATEST_S = 1e10
#: Unix times without a unit are told by their size: these factors lead to 2001 until 2286.
_UNIX_FACTORS = (1.0, 1e-3, 1e-6, 1e-9)

_SCALES = {"": 1.0, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "kilo": 1e3}
_SHORT = {"": "", "m": "milli", "u": "micro", "\u00b5": "micro", "\u03bc": "micro", "n": "nano"}
_LONG: dict[Kind, tuple[str, ...]] = {
    "time": ("second", "seconds", "sec", "secs"),
    "power": ("watt", "watts"),
    "current": ("amp", "amps", "ampere", "amperes"),
    "voltage": ("volt", "volts"),
}
_LETTERS: dict[str, Kind] = {"s": "time", "w": "power", "a": "current", "v": "voltage"}
_UNITS: dict[str, tuple[Kind, float]] = {
    short + letter: (kind, _SCALES[scale])
    for letter, kind in _LETTERS.items()
    for short, scale in (*_SHORT.items(), ("k", "kilo"))
} | {
    scale + word: (kind, factor)
    for kind, words in _LONG.items()
    for word in words
    for scale, factor in _SCALES.items()
}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("time", "timestamp", "datetime", "date", "epoch", "elapsed", "t"), "time"),
    "power": "power",
    "current": "current",
    "voltage": "voltage",
}
#: Words of columns that are beside the whole: a Monsoon's extremes and its other channels.
_BESIDE = {"max", "min", "peak", "usb", "aux"}
#: What the heading of a Joulescope's statistics leaves out.
_JOULESCOPE = ("time", "current", "voltage", "power", "charge", "energy")
#: That of an Otii's export: a file a channel, which its name tells.
_OTII = ("timestamp", "value")

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|UTC|[+-]\d\d:?\d\d)?", re.I
)
#: A line of readings begins with a number, or a day.
_READING = re.compile(r"[-+]?[.,]?\d")


@dataclass(frozen=True)
class Column:
    """What a heading says.

    Attributes:
        place: From the left, 0 first.
        heading: As it is written.
        kind: Of quantity.
        factor: To seconds, watts, amperes or volts; ``None`` where no unit is named.
        words: Of the heading, in small letters.
    """

    place: int
    heading: str
    kind: Kind
    factor: float | None
    words: frozenset[str]


def read_log(path: Path, volts: float | None = None, *, least: int = 2) -> tuple[Floats, Floats]:
    """Return the moments, rising, and the watts of a meter's log.

    Moments are seconds since 1970 (at least `UNIX_S`) or of the meter's own clock. A last line
    without an end is still being written, and is left out.

    Args:
        path: The file.
        volts: Of the supply, for a meter that logs current alone.
        least: Readings that must be there.

    Raises:
        InputError: The file cannot be used, or its heading does not say what it holds.
    """
    try:
        return _read(path, volts, least)
    except (OSError, csv.Error, _UnclearError) as problem:
        raise InputError(
            f"{path} cannot be used as a meter's log",
            got=problem,
            expected="a time that rises and watts, or amperes and volts, "
            "in columns that the heading names with their units",
        ) from problem


class _UnclearError(Exception):
    """A log of which something cannot be told; the message says what."""


def _read(path: Path, volts: float | None, least: int) -> tuple[Floats, Floats]:
    lines = _text(path).rpartition("\n")[0].splitlines()
    heading, first = _heading(lines)
    columns = _columns(heading, path) if heading else _bare(lines, first)
    time, parts = _one(columns, "time"), _power(columns, volts)
    digits = _Digits(_delimiter(lines[first:]))
    stamps, powers = [], []
    for number, row in _rows(lines, first):
        _refuse_too_many(number, row, heading)
        try:
            stamps.append(row[time.place])
            powers.append(math.prod(digits.number(row[part.place]) for part in parts))
        except (ValueError, IndexError) as problem:
            raise _UnclearError(f"row {number}: {','.join(row)}") from problem
    held = volts if volts is not None and [part.kind for part in parts] == ["current"] else 1.0
    watts = np.array(powers, np.float64) * math.prod([part.factor or 1.0 for part in parts]) * held
    times_s = _moments(stamps, time, digits)
    if len(times_s) < least or not np.isfinite(watts).all() or not (np.diff(times_s) > 0).all():
        raise _UnclearError(f"{len(times_s)} readings, or times that do not rise")
    return times_s, watts


def _refuse_too_many(number: int, row: Sequence[str], heading: Sequence[str]) -> None:
    if heading and len(row) > len(heading):
        raise _UnclearError(
            f"row {number} with {len(row)} cells under {len(heading)} headings "
            "(a decimal comma needs ; or a tab between the columns)"
        )


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # a micro sign, as Windows writes it


def _delimiter(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return next((sign for sign in "\t;" if sign in first), ",")


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; empty ones at its end are none."""
    row = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    while row and not row[-1]:
        row.pop()
    return row


def _heading(lines: Sequence[str]) -> tuple[list[str], int]:
    """Return the last line ahead of the first reading, a remark's sign taken off, and its place."""
    heading: list[str] = []
    for place, line in enumerate(lines):
        row = _cells(line.lstrip("# "), _delimiter([line]))
        if row and _READING.match(row[0]) and not line.startswith("#"):
            return heading, place
        heading = row if len(row) > 1 else heading
    return heading, len(lines)


def _rows(lines: Sequence[str], first: int) -> Iterator[tuple[int, list[str]]]:
    delimiter = _delimiter(lines[first:])
    for number, line in enumerate(lines[first:], start=first + 1):
        row = _cells(line, delimiter)
        if row and not row[0].startswith("#"):
            yield number, row


def _bare(lines: Sequence[str], first: int) -> list[Column]:
    """Return the columns of a log without a heading: time and watts."""
    count = len(_cells(lines[first], _delimiter(lines[first:]))) if first < len(lines) else 2
    if count != 2:
        raise _UnclearError(f"{count} columns without a heading")
    return [
        Column(0, "time", "time", None, frozenset()),
        Column(1, "watts", "power", 1.0, frozenset()),
    ]


def _columns(heading: Sequence[str], path: Path) -> list[Column]:
    """Return the columns that a heading names, others left out."""
    names = tuple(name.lower() for name in heading)
    spoken = list(heading)
    if names == _JOULESCOPE:
        spoken = ["time_s", "current_A", "voltage_V", "power_W", "", ""]
    elif names == _OTII:
        channel = next((k for k in ("power", "current") if k in path.stem.lower()), None)
        unit = {"power": "power_W", "current": "current_A", None: "Value"}[channel]
        spoken = ["timestamp", unit]
    found = (_column(place, name) for place, name in enumerate(spoken))
    columns = [column for column in found if column is not None]
    if not any(column.kind == "time" for column in columns):
        raise _UnclearError(f"no time among the headings {', '.join(map(repr, heading))}")
    if len(columns) == 1:
        raise _UnclearError(f"neither power nor current among the headings {_listed(heading)}")
    return columns


def _column(place: int, heading: str) -> Column | None:
    """Return what a heading names: by its unit in brackets, its words, or its last word."""
    bracket = re.search(r"[(\[]\s*([^()\[\]]*?)\s*[)\]]\s*$", heading)
    words = [word for word in re.split(r"[\W_]+", heading.lower()) if word]
    kinds = {_KINDS[word] for word in words if word in _KINDS}
    unit = None
    if bracket is not None:
        unit = _UNITS.get(bracket[1].lower())
    elif words:
        long = (word for word in words if len(word) > 2 and word in _UNITS)
        unit = _UNITS.get(words[-1]) or _UNITS.get(next(long, ""))
    kinds |= {unit[0]} if unit else set()
    if len(kinds) > 1:
        raise _UnclearError(f"the heading {heading!r}, which names {' and '.join(sorted(kinds))}")
    if not kinds:
        return None
    return Column(place, heading, kinds.pop(), unit[1] if unit else None, frozenset(words))


def _power(columns: Sequence[Column], volts: float | None) -> list[Column]:
    """Return the columns whose product is the power."""
    if any(column.kind == "power" and column.factor for column in columns):
        if volts is not None:
            raise _UnclearError(
                f"the heading {_one(columns, 'power').heading!r}, and volts besides"
            )
        return [_one(columns, "power")]
    if any(column.kind == "current" and column.factor for column in columns):
        current = _one(columns, "current")
        if volts is not None:
            return [current]
        if any(column.kind == "voltage" for column in columns):
            return [current, _one(columns, "voltage")]
        raise _UnclearError(
            f"the heading {current.heading!r}, a current, and no voltage "
            "(if the supply holds one, add --power-volts V)"
        )
    unnamed = [column.heading for column in columns if column.kind in ("power", "current")]
    if unnamed:
        raise _UnclearError(f"the heading {unnamed[0]!r}, which names no unit")
    raise _UnclearError(f"neither power nor current among {_listed([c.heading for c in columns])}")


def _one(columns: Sequence[Column], kind: Kind) -> Column:
    """Return the one column of a kind; of several, the one that is not beside the whole."""
    found = [column for column in columns if column.kind == kind]
    usable = [column for column in found if column.factor or kind == "time"]
    whole = [column for column in usable if not column.words & _BESIDE]
    if len(whole) == 1 or len(usable) == 1:
        return (whole or usable)[0]
    if not usable:
        raise _UnclearError(f"the heading {found[0].heading!r}, which names no unit")
    raise _UnclearError(
        f"several columns of {kind}: {_listed([c.heading for c in whole or usable])}"
    )


class _Digits:
    """How a log writes numbers; one that uses both decimal signs is refused.

    Args:
        delimiter: Between columns; where it is no comma, a comma is a decimal sign.
    """

    def __init__(self, delimiter: str) -> None:
        self._may_be_comma = delimiter != ","
        self._signs: set[str] = set()

    def number(self, text: str) -> float:
        self._signs |= set(text) & {".", ","}
        if len(self._signs) > 1:
            raise _UnclearError(f"numbers with a point and with a comma: {text}")
        return float(text.replace(",", ".") if self._may_be_comma else text)


def _moments(stamps: Sequence[str], time: Column, digits: _Digits) -> Floats:
    """Return seconds: of numbers by unit or size, of ISO 8601 since 1970; no zone is local time."""
    read = _iso_s if stamps and _ISO.fullmatch(stamps[0]) else digits.number
    zone = "Z" if "utc" in time.words else ""
    found = []
    for stamp in stamps:
        try:
            found.append(read(stamp + zone) if read is _iso_s else read(stamp))
        except ValueError as problem:
            raise _UnclearError(f"the time {stamp!r} under {time.heading!r}") from problem
    moments = np.array(found, np.float64)
    return moments if read is _iso_s or not found else moments * _seconds_each(time, found[0])


def _iso_s(text: str) -> float:
    found = _ISO.match(text)
    if found is None:
        raise ValueError(text)
    day, clock, fraction, zone = found.groups()
    if zone:
        zone = "+00:00" if zone.upper() in ("Z", "UTC") else f"{zone[:3]}:{zone[-2:]}"
    whole = datetime.fromisoformat(f"{day}T{clock}{zone or ''}")
    return whole.timestamp() + float(f"0.{fraction or 0}")


def _seconds_each(time: Column, first: float) -> float:
    """Return the seconds in a unit of time, by its heading or by the size of Unix times."""
    if time.factor is None and first >= UNIX_S:
        fits = [factor for factor in _UNIX_FACTORS if UNIX_S <= first * factor < _LATEST_S]
    else:
        factor = time.factor or 1.0
        fits = [factor] if first * factor < _LATEST_S else []
    if not fits:
        raise _UnclearError(
            f"{first:.0f} under the heading {time.heading!r}, neither a meter's own clock nor a "
            "time since 1970 in any unit that it may be"
        )
    return fits[0]


def _listed(headings: Sequence[str]) -> str:
    return ", ".join(map(repr, headings))
