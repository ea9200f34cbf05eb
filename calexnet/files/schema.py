"""Frozen dataclasses to JSON and back, with every type checked on the way in.

Manifests, checkpoints and reports are plain dataclasses; this file is the only one that knows how
they look as JSON. A mismatch names the place in the document (``segments[2].file.sha256``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import types
import typing
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

#: A value that the ``json`` module writes and reads without loss.
Json = Any


class SchemaError(ValueError):
    """A JSON document that does not have the shape of its dataclass."""


def encode(value: Any) -> Json:
    """Return `value` as JSON types: dataclasses become objects, tuples become arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


def decode(cls: type[T], document: Json, where: str = "") -> T:
    """Return the `cls` that `document` describes.

    Raises:
        SchemaError: A field is missing, unknown or of another type; the message says which.
    """
    return typing.cast("T", _decode(cls, document, where))


def fields(cls: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields."""
    return tuple(f.name for f in dataclasses.fields(cls))


def canonical(document: Json) -> bytes:
    """Return the one byte form of a JSON document: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def fingerprint(document: Json) -> str:
    """Return the SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()


def _decode(expected: Any, value: Json, where: str) -> Any:
    if expected is Any:
        return value
    if dataclasses.is_dataclass(expected):
        return _decode_dataclass(typing.cast("type", expected), value, where)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return _decode_optional(arguments, value, where)
    if origin is typing.Literal:
        _require(value in arguments, f"one of {', '.join(map(repr, arguments))}", value, where)
        return value
    if origin is tuple:
        _require(isinstance(value, list), "an array", value, where)
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        _require(isinstance(value, dict), "an object", value, where)
        return {key: _decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return _decode_scalar(expected, value, where)


def _decode_dataclass(cls: type, value: Json, where: str) -> Any:
    _require(isinstance(value, dict), "an object", value, where or "the document")
    fields = _fields(cls)
    unknown = sorted(set(value) - set(fields))
    _require(not unknown, f"no field {unknown[0]!r}" if unknown else "", value, where)
    found = {}
    for name, (hint, is_required) in fields.items():
        place = f"{where}.{name}" if where else name
        if name in value:
            found[name] = _decode(hint, value[name], place)
        elif is_required:
            raise SchemaError(f"{place} is missing")
    return cls(**found)


@cache  # hints are text, which is costly to evaluate, and a document has hundreds of records
def _fields(cls: type) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field, and whether a document must have it."""
    hints = typing.get_type_hints(cls)
    return {
        f.name: (hints[f.name], f.default is f.default_factory is dataclasses.MISSING)
        for f in dataclasses.fields(cls)
    }


def _decode_optional(arguments: tuple[Any, ...], value: Json, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    problems = []
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return _decode(argument, value, where)
        except SchemaError as problem:
            problems.append(problem)
    raise problems[0]


def _decode_scalar(expected: type, value: Json, where: str) -> Any:
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        _require(abs(value) <= sys.float_info.max, "a float", value, where)
        return float(value)
    fits = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
    _require(fits, f"a {expected.__name__}", value, where)
    return value


def _require(condition: bool, expected: str, value: Json, where: str) -> None:
    if not condition:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise SchemaError(f"{where or 'the document'}: expected {expected}, got {shown}")
