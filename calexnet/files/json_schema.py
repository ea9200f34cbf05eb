"""Frozen dataclasses as a JSON Schema (draft 2020-12): what `calexnet.files.schema` reads.

Other languages then read our documents from their published form. Descriptions are the docstrings
of the dataclasses, so that they have one source.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from typing import Any

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_of(cls: type) -> dict[str, Any]:
    """Return the JSON Schema of the documents that `cls` is read from."""
    found: dict[str, Any] = {}
    root = _object(cls, found)
    return {"$schema": DRAFT, "title": cls.__name__, **root, "$defs": dict(sorted(found.items()))}


def _object(cls: type, found: dict[str, Any]) -> dict[str, Any]:
    hints, words = typing.get_type_hints(cls), _words(cls)
    fields = dataclasses.fields(cls)
    return {
        "type": "object",
        "description": words.pop("", ""),
        "properties": {
            f.name: {
                **_type(hints[f.name], found),
                **({"description": words[f.name]} if f.name in words else {}),
            }
            for f in fields
        },
        "required": [f.name for f in fields if f.default is f.default_factory],
        "additionalProperties": False,
    }


def _type(hint: Any, found: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return {}
    if dataclasses.is_dataclass(hint):
        return _named(typing.cast("type", hint), found)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(one, found) for one in arguments]}
    if origin is typing.Literal:
        return {"enum": [*arguments]}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0], found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1], found)}
    return {"type": "null"} if hint is type(None) else {"type": _SCALARS[hint]}


def _named(cls: type, found: dict[str, Any]) -> dict[str, Any]:
    if cls.__name__ not in found:
        found[cls.__name__] = {}  # one that holds itself refers to itself
        found[cls.__name__] = _object(cls, found)
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _words(cls: type) -> dict[str, str]:
    """Return what the docstring says of each field, and its first paragraph under ``""``."""
    text, _, attributes = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:\n")
    words = {"": _plain(text.split("\n\n")[0])}
    for name, said in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        words[name] = _plain(said)
    return words


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
