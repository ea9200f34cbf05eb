"""Where modules have moved to: old import paths go on working for one version, with a word."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

_WING = "calexnet.training"

#: Old path -> new one; what lies below moved with it. Plug-ins import heads, methods and networks.
MOVED = {
    f"calexnet.{name}": f"{_WING}.{name}"
    for name in (
        *("backbones", "branches", "cascade", "checkpoint", "features", "flops"),
        *("heads", "methods", "recipe", "scores"),
    )
}


class OldPaths:
    """Gives the very module that lies at the new path, so that its classes stay the same ones.

    A finder and loader without their base classes, whose import costs as much as half of calexnet.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for a path of `MOVED` or below; ``None`` for all others."""
        return ModuleSpec(name, cast("Any", self)) if _moved_to(name) else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make one."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of the new path in the place of the old one."""
        old = module.__name__
        new = _moved_to(old)
        warnings.warn(
            f"{old} has moved to {new}; the old path will be gone in the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        sys.modules[old] = import_module(new)


def _moved_to(name: str) -> str:
    """Return the new path of an old one, or nothing."""
    area, _, below = name.partition(".")[2].partition(".")
    new = MOVED.get(f"calexnet.{area}") if name.startswith("calexnet.") else None
    return "" if new is None else f"{new}.{below}".rstrip(".")


def install() -> None:
    """Let the old paths be found, before Python looks for files."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.insert(0, OldPaths())
