"""Parts by name: a built-in one, or the user's own as ``package.module:name``."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from calexnet import schema
from calexnet.errors import InputError
from calexnet.storage import sha256


@dataclass(frozen=True)
class Part:
    """A part as a record names it: what it is called, and the switches that were set.

    Attributes:
        name: A built-in name, or ``package.module:Class``.
        options: Field values of the dataclass that the name stands for; the rest are defaults.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)


def option_value(text: str) -> Any:
    """Return what an option's text means: a number, ``true``, ``false``, ``null``, or itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def find(name: str, built_in: Mapping[str, str], kind: str) -> Any:
    """Return what `name` stands for.

    Args:
        name: A key of `built_in`, or the user's own ``package.module:name``; the working folder
            may hold the module.
        built_in: name -> ``package.module:name``.
        kind: What is looked for, for messages.

    Raises:
        InputError: There is nothing of that name.
    """
    if name not in built_in and ":" not in name:
        raise InputError(
            f"unknown {kind}",
            got=repr(name),
            expected=f"one of {', '.join(built_in)}, or your own as package.module:name",
        )
    module, _, thing = built_in.get(name, name).partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), thing)
        inspect.signature(found)  # whatever it is, it will be called
        return found
    except (ImportError, AttributeError, ValueError, TypeError) as problem:
        raise InputError(
            f"cannot find the {kind} {name}",
            got=problem,
            expected="package.module:name, importable from here",
            fix="Check the name, or run from the folder that holds the module",
        ) from problem


def code_of(names: Iterable[str]) -> dict[str, str]:
    """Return those of `names` that are one's own, each with the SHA-256 of its module's file.

    Of that file alone, not of what it imports.

    Raises:
        InputError: A module cannot be imported, or has no file.
    """
    return {name: _code(name) for name in sorted(set(names)) if ":" in name}


def _code(name: str) -> str:
    find(name, {}, "part")
    module = sys.modules[name.partition(":")[0]]
    path = getattr(module, "__file__", None)
    if path is None:
        raise InputError(f"cannot tell the code of {name}", got=module, expected="a module's file")
    return sha256(Path(path).read_bytes())


def build(part: Part, built_in: Mapping[str, str], kind: str, base: type) -> Any:
    """Return the frozen dataclass that `part` names, with its options set.

    Args:
        part: What is wanted.
        built_in: See `find`.
        kind: See `find`.
        base: What the dataclass derives from.

    Raises:
        InputError: Unknown name, something else than a `base`, an option that it does not have, or
            a value that it refuses.
    """
    cls = find(part.name, built_in, kind)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise InputError(
            f"{part.name} is no {kind}",
            got=repr(cls),
            expected=f"a subclass of {base.__module__}.{base.__qualname__}",
        )
    try:
        return schema.decode(cls, part.options, part.name)
    except schema.SchemaError as problem:
        raise InputError(
            f"the {kind} {part.name} cannot be set up so",
            got=problem,
            expected=f"options among {', '.join(schema.fields(cls)) or 'none'}",
        ) from problem
