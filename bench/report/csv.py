"""Dataclasses as CSV: a column a field, a line a record."""

from __future__ import annotations

import csv
import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from calexnet.bench.report.interval import Interval


def render(kind: type, records: Sequence[Any]) -> str:
    """Return records of a dataclass as CSV, its header first.

    A field that is a dataclass itself has a column for each of its own (``gross_plain_joules``), an
    `Interval` three (``p50_ms``, ``p50_ms_low``, ``p50_ms_high``). Several values in one field are
    parted by spaces, a record among them as its values parted by colons. What is not known is
    empty; floats have six significant digits.
    """
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_names(kind))
    writer.writerows(list(_cells(kind, record)) for record in records)
    return stream.getvalue()


def _names(kind: type, before: str = "") -> Iterator[str]:
    for name, inner in _fields(kind):
        if inner is None:
            yield before + name
        elif inner is Interval:
            yield from (f"{before}{name}{end}" for end in ("", "_low", "_high"))
        else:
            yield from _names(inner, f"{before}{name}_")


def _cells(kind: type, record: Any) -> Iterator[object]:
    for name, inner in _fields(kind):
        value = None if record is None else getattr(record, name)
        if inner is None:
            yield _cell(value)
        else:
            yield from _cells(inner, value)


def _fields(kind: type) -> Iterable[tuple[str, type | None]]:
    """Yield a dataclass's fields with the dataclass that each holds, if it does."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield field.name, _dataclass(hints[field.name])


def _dataclass(hint: Any) -> type | None:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [_dataclass(one) for one in typing.get_args(hint)]
        return next((one for one in inner if one is not None), None)
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None


def _cell(value: object) -> object:
    if isinstance(value, (tuple, list)):
        return " ".join(str(_cell(item)) for item in value)
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items())
    if dataclasses.is_dataclass(value):
        return ":".join(str(_cell(getattr(value, f.name))) for f in dataclasses.fields(value))
    return f"{value:.6g}" if isinstance(value, float) else value
