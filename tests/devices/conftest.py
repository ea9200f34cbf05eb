"""Recorded machines by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calexnet.devices.system import System, recorded_tree

TREES = Path(__file__).with_name("trees")
NAMES = sorted(path.stem for path in TREES.glob("*.json"))

Tree = Callable[[str], System]


def recorded(name: str) -> Path:
    """Return the file of the machine that was recorded under a name."""
    return TREES / f"{name}.json"


@pytest.fixture
def tree() -> Tree:
    """Return the machine that was recorded under a name; a test may change it."""
    return lambda name: recorded_tree(recorded(name))


def write(system: System, path: str, text: str) -> None:
    """Change a file of a recorded machine."""
    assert system.tree is not None
    system.tree.files[path] = text


def remove(system: System, path: str) -> None:
    """Take away a file of a recorded machine, or all below a folder."""
    assert system.tree is not None
    for file in [f for f in system.tree.files if f == path or f.startswith(f"{path}/")]:
        del system.tree.files[file]
