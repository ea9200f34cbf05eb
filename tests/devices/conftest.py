"""Recorded trees by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from calexnet.devices.system import System, recorded_tree

TREES = Path(__file__).with_name("trees")

Tree = Callable[[str], System]


@pytest.fixture
def tree() -> Tree:
    """Return the machine that was recorded under a name."""
    return lambda name: recorded_tree(TREES / name)


@pytest.fixture
def own_tree(tmp_path: Path) -> Tree:
    """Return a copy of a recorded machine, to be changed."""

    def copy(name: str) -> System:
        shutil.copytree(TREES / name, tmp_path / name)
        return recorded_tree(tmp_path / name)

    return copy


def write(system: System, path: str, text: str) -> None:
    """Change a file of a copied tree."""
    file = system.inside(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
