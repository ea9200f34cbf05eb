"""Parts by name: a built-in one, or the user's own as ``package.module:name``.

Names come out of files too, so nothing is imported but what is built in or was allowed by name.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from calexnet.errors import InputError
from calexnet.files import jsontext, schema
from calexnet.files.storage import sha256


@dataclass(frozen=True)
class Part:
    """A part as a record names it: what it is called, and the switches that were set.

    Attributes:
        name: A built-in name, or ``package.module:Class``.
        options: Field values of the dataclass that the name stands for; the rest are defaults.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Allowed:
    """Which modules may be imported for parts that are not built in.

    Attributes:
        names: Of packages or modules; with each goes all that is in it.
        outside: Folders of data, out of which nothing is imported, whatever it is called.
    """

    names: tuple[str, ...] = ()
    outside: tuple[Path, ...] = ()

    def but_not_from(self, folder: Path) -> Allowed:
        """Return the same for parts that the data in `folder` name."""
        return replace(self, outside=(*self.outside, folder))

    def refuse(self, name: str, kind: str) -> None:
        """Do nothing if the module of ``package.module:name`` may be imported.

        No code is run to find that out.

        Raises:
            InputError: It was not allowed, or lies in a folder of data.
        """
        module, top = name.partition(":")[0], name.partition(":")[0].partition(".")[0]
        if not any(f"{module}.".startswith(f"{allowed}.") for allowed in self.names):
            raise InputError(
                f"will not import the {kind} {name}",
                got="a module that was not allowed",
                expected="the name of a built-in one, or a module that you trust",
                fix=f"If you trust its code, add --allow {top}, or in Python allow=[{top!r}]",
            )
        for path, around in _files(module):
            data = [one for one in self.outside if path.is_relative_to(one.resolve())]
            data += [one for one in around if any((one / mark).is_file() for mark in _DATA)]
            if data:
                raise InputError(
                    f"will not import the {kind} {name}",
                    got=f"{path}, a file in the data folder {data[0]}",
                    expected="code that lies outside of data",
                    fix="If it is your own, move it out of there",
                )


#: Nothing but what is built in.
BUILT_IN_ONLY = Allowed()

#: A file of one of these names tells a folder of data: a run, a bundle, a report.
_DATA = ("cascade.json", "manifest.json", "report.json")


def _files(module: str) -> Iterator[tuple[Path, Sequence[Path]]]:
    """Yield the files that importing `module` would run, as far as that is known before.

    Each with the folders that its name leads through, without the one that the search began in.
    """
    where, parts = None, module.split(".")
    for end in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:end]), where)
        if spec is None:
            return
        where = spec.submodule_search_locations
        if spec.has_location and spec.origin:
            path = Path(spec.origin).resolve()
            yield path, path.parents[: end - (where is None)]


def _spec(module: str, where: Any) -> ModuleSpec | None:
    """Return where `module` would come from; unlike `importlib.util.find_spec`, no import."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(module, where, None) if find and module else None
        if spec is not None:
            return spec
    return None


def from_working_folder() -> None:
    """Let modules be found in the working folder, as ``python -m`` does; for command lines."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def option_value(text: str) -> Any:
    """Return what an option's text means: a number, ``true``, ``false``, ``null``, or itself."""
    try:
        return jsontext.parse(text)
    except ValueError:
        return text


def find(name: str, built_in: Mapping[str, str], kind: str, allow: Allowed = BUILT_IN_ONLY) -> Any:
    """Return what `name` stands for.

    Args:
        name: A key of `built_in`, or the user's own ``package.module:name``.
        built_in: name -> ``package.module:name``.
        kind: What is looked for, for messages.
        allow: What else may be imported.

    Raises:
        InputError: There is nothing of that name, or it may not be imported.
    """
    if name not in built_in and ":" not in name:
        raise InputError(
            f"unknown {kind}",
            got=repr(name),
            expected=f"one of {', '.join(built_in)}, or your own as package.module:name",
        )
    if name not in built_in:
        allow.refuse(name, kind)
    module, _, thing = built_in.get(name, name).partition(":")
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


def code_of(names: Iterable[str], allow: Allowed = BUILT_IN_ONLY) -> dict[str, str]:
    """Return those of `names` that are one's own, each with the SHA-256 of its module's file.

    Of that file alone, not of what it imports.

    Raises:
        InputError: A module may not or cannot be imported, or has no file.
    """
    return {name: _code(name, allow) for name in sorted(set(names)) if ":" in name}


def _code(name: str, allow: Allowed) -> str:
    find(name, {}, "part", allow)
    module = sys.modules[name.partition(":")[0]]
    path = getattr(module, "__file__", None)
    if path is None:
        raise InputError(f"cannot tell the code of {name}", got=module, expected="a module's file")
    return sha256(Path(path).read_bytes())


def build(
    part: Part,
    built_in: Mapping[str, str],
    kind: str,
    base: type,
    allow: Allowed = BUILT_IN_ONLY,
) -> Any:
    """Return the frozen dataclass that `part` names, with its options set.

    Args:
        part: What is wanted.
        built_in: See `find`.
        kind: See `find`.
        base: What the dataclass derives from.
        allow: See `find`.

    Raises:
        InputError: Unknown name, something else than a `base`, an option that it does not have, or
            a value that it refuses.
    """
    cls = find(part.name, built_in, kind, allow)
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
