"""How the house is built: no file imports itself by a detour."""

# The expected value comes first in every comparison.
from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.test_packaging import FOLDERS, ROOT


def modules() -> dict[str, Path]:
    """Return every module of the project by its import name."""
    found = {}
    for name, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if not any((ROOT / folder / part).is_symlink() for part in inside.parts[:1]):
                parts = [name, *inside.with_suffix("").parts]
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield every module of `known` that the file names in an import, wherever that stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from (
                    name
                    for name in [inner, node.module]
                    if name in known and (name == inner or inner not in known)
                )


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """Return one circle of imports, or nothing."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as found:
        path: list[str] = found.args[1]
        return path
    return []


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    known = modules()
    return {name: {*imported(path, known)} - {name} for name, path in known.items()}


def test_no_module_imports_itself_by_a_detour(arrows: dict[str, set[str]]) -> None:
    """Imports inside functions and for types alone count too: they tie files together as well."""
    assert [] == circle(arrows)


def test_a_circle_is_found_through_any_kind_of_import(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("def f():\n    from house import second\n")
    second.write_text("if TYPE_CHECKING:\n    from house.first import f\n")
    known = {"house.first": first, "house.second": second}

    found = circle({name: {*imported(path, known)} for name, path in known.items()})

    assert {*known} == {*found}
