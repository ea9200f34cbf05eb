"""How the house is built: floors, no circles, small folders, and torch in a wing of its own."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.test_packaging import FOLDERS, ROOT

#: Rooms from the ground up. A room imports from lower floors alone, and from itself; what lies in
#: none of them is the core, on the ground.
FLOORS = (
    ("calexnet.devices", "calexnet.runtimes"),
    ("calexnet.training",),
    ("calexnet.models",),
    ("calexnet.export", "calexnet.sweep"),
    ("calexnet.bench.report",),
    ("calexnet.bench.model",),
    ("calexnet.bench.measuring", "calexnet.bench.words"),
    ("calexnet.bench.gates", "calexnet.bench.page", "calexnet.bench.costs"),
    ("calexnet.bench",),
    ("calexnet.analysis",),
    ("calexnet.choosing",),
    ("calexnet.remote",),
    ("calexnet.cli",),
)
#: Who hands a caller on to a higher floor: ``calexnet.load``, ``python -m calexnet``.
DOORS = {"calexnet": "calexnet.runtimes", "calexnet.__main__": "calexnet.cli"}

#: Where torch may be imported.
WING = ("calexnet.training", "calexnet.sweep", "calexnet.export.litert_torch")
CAPTURE = "calexnet.export.graph.capture"

MOST_FILES = 15
#: Folders of variants, all alike: boards, data sets, verbs, operators.
OF_VARIANTS = {
    *("devices", "calexnet/data", "calexnet/cli"),
    "export/tflite/operators",
}


def modules() -> dict[str, Path]:
    """Return every module of the project by its import name; links are not followed."""
    found = {}
    for name, folder in FOLDERS.items():
        for place, below, files in os.walk(ROOT / folder):
            below[:] = [child for child in below if not (Path(place) / child).is_symlink()]
            for file in sorted(files):
                path = Path(place) / file
                if path.suffix == ".py":
                    parts = [name, *path.relative_to(ROOT / folder).with_suffix("").parts]
                    found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every module that a file imports from, and what: wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"relative import in {path}"
            yield from ((node.module, alias.name) for alias in node.names)


def imported(path: Path, known: Mapping[str, Path]) -> set[str]:
    """Return every module of `known` that a file imports."""
    pairs = [(module, f"{module}.{name}") for module, name in named(path)]
    return {inner if inner in known else module for module, inner in pairs} & set(known)


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """Return one circle of imports, or nothing."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as found:
        path: list[str] = found.args[1]
        return path
    return []


def floor(name: str) -> tuple[int, str]:
    """Return the floor and the room of a module."""
    for height, rooms in enumerate(FLOORS, start=1):
        for room in rooms:
            if within(name, room):
                return height, room
    return 0, "core"


def within(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def climbs(name: str, other: str) -> bool:
    """Return whether `name` importing `other` goes up, or across."""
    (mine, room), (height, there) = floor(name), floor(other)
    return room != there and height >= mine and not within(other, DOORS.get(name, "nothing"))


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    known = modules()
    return {name: imported(path, known) - {name} for name, path in known.items()}


def test_no_module_imports_itself_by_a_detour(arrows: dict[str, set[str]]) -> None:
    """Imports inside functions and for types alone count too: they tie files together as well."""
    assert [] == circle(arrows)


def test_a_circle_is_found_through_any_kind_of_import(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("def f():\n    from house import second\n")
    second.write_text("if TYPE_CHECKING:\n    from house.first import f\n")
    known = {"house.first": first, "house.second": second}

    found = circle({name: imported(path, known) for name, path in known.items()})

    assert {*known} == {*found}


def test_imports_go_down_only(arrows: dict[str, set[str]]) -> None:
    found = [(name, other) for name, to in arrows.items() for other in to if climbs(name, other)]

    assert [] == sorted(found)


def test_climbing_is_seen() -> None:
    assert climbs("calexnet.bench.report.times", "calexnet.bench.words.figures")
    assert climbs("calexnet.devices.cpu", "calexnet.runtimes.loading")
    assert climbs("calexnet.manifest", "calexnet.devices.base")
    assert not climbs("calexnet.bench.words.figures", "calexnet.bench.report.times")
    assert not climbs("calexnet.devices.cpu", "calexnet.devices.base")


@pytest.mark.slow
def test_torch_is_imported_in_its_wing_alone() -> None:
    """That of the capture of graphs included; who hands networks on names its types alone."""
    users = {
        name
        for name, path in modules().items()
        if any(within(module, "torch", "safetensors") for module, _ in named(path))
    }

    handing_on = ("calexnet.cli", "calexnet.choosing")
    assert set() == {name for name in users if not within(name, *WING, *handing_on)} - {CAPTURE}


def test_no_folder_is_a_hall_with_many_doors() -> None:
    count: dict[str, int] = {}
    for path in modules().values():
        folder = path.parent.relative_to(ROOT).as_posix()
        count[folder] = count.get(folder, 0) + (path.name != "__init__.py")

    assert {} == {
        folder: files
        for folder, files in count.items()
        if files > MOST_FILES and folder not in OF_VARIANTS
    }
