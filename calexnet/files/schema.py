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
from collections.abc import Callable
from functools import cache, partial
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
    return typing.cast("T", _decoder(typing.cast("Any", cls))(document, where))


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


#: Decodes one value; told where it is in the document.
_Decoder = Callable[[Json, str], Any]


@cache  # looking at a type is costly, and a document has thousands of values of a few types
def _decoder(expected: Any) -> _Decoder:
    """Return what decodes values of one type; a dataclass's fields are looked at when met."""
    if expected is Any:
        return lambda value, where: value
    if dataclasses.is_dataclass(expected):
        return partial(_decode_dataclass, typing.cast("type", expected))
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        kinds = tuple(_decoder(each) for each in arguments if each is not type(None))
        return partial(_decode_optional, kinds, type(None) in arguments)
    if origin is typing.Literal:
        return partial(_decode_literal, arguments)
    if origin is tuple:
        return partial(_decode_tuple, _decoder(arguments[0]))
    if origin is dict:
        return partial(_decode_dict, _decoder(arguments[1]))
    return partial(_decode_scalar, expected)


def _decode_dataclass(cls: type, value: Json, where: str) -> Any:
    _require(isinstance(value, dict), "an object", value, where or "the document")
    fields = _fields(cls)
    if unknown := sorted(set(value) - set(fields)):
        raise _mismatch(f"no field {unknown[0]!r}", value, where)
    found = {}
    for name, (decoder, is_required) in fields.items():
        place = f"{where}.{name}" if where else name
        if name in value:
            found[name] = decoder(value[name], place)
        elif is_required:
            raise SchemaError(f"{place} is missing")
    return cls(**found)


@cache  # hints are text, which is costly to evaluate
def _fields(cls: type) -> dict[str, tuple[_Decoder, bool]]:
    """Return what decodes each field, and whether a document must have it."""
    hints = typing.get_type_hints(cls)
    return {
        f.name: (_decoder(hints[f.name]), f.default is f.default_factory is dataclasses.MISSING)
        for f in dataclasses.fields(cls)
    }


def _decode_optional(
    kinds: tuple[_Decoder, ...], may_be_none: bool, value: Json, where: str
) -> Any:
    if value is None and may_be_none:
        return None
    problems = []
    for decoder in kinds:
        try:
            return decoder(value, where)
        except SchemaError as problem:
            problems.append(problem)
    raise problems[0]


def _decode_literal(allowed: tuple[Any, ...], value: Json, where: str) -> Any:
    _require(value in allowed, f"one of {', '.join(map(repr, allowed))}", value, where)
    return value


def _decode_tuple(item: _Decoder, value: Json, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list), "an array", value, where)
    return tuple(item(each, f"{where}[{i}]") for i, each in enumerate(value))


def _decode_dict(item: _Decoder, value: Json, where: str) -> dict[str, Any]:
    _require(isinstance(value, dict), "an object", value, where)
    return {key: item(each, f"{where}.{key}") for key, each in value.items()}


def _decode_scalar(expected: type, value: Json, where: str) -> Any:
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        _require(abs(value) <= sys.float_info.max, "a float", value, where)
        return float(value)
    if isinstance(value, expected) and (expected is bool or not isinstance(value, bool)):
        return value
    raise _mismatch(f"a {expected.__name__}", value, where)


def _require(condition: bool, expected: str, value: Json, where: str) -> None:
    if not condition:
        raise _mismatch(expected, value, where)


def _mismatch(expected: str, value: Json, where: str) -> SchemaError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return SchemaError(f"{where or 'the document'}: expected {expected}, got {shown}")
