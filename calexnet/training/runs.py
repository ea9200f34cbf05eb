"""A run from disk, of either kind: torch modules, or ONNX graphs, which need no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from calexnet.errors import RuntimeUnavailableError
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.training import graph_run, record
from calexnet.training.graph_run import GraphCascade

if TYPE_CHECKING:
    from calexnet.training.cascade import Cascade

    #: A cascade of either kind: both answer, count and are exported alike.
    AnyCascade: TypeAlias = Cascade | GraphCascade


def load(folder: Path, allow: Allowed = BUILT_IN_ONLY) -> tuple[AnyCascade, str]:
    """Return the cascade in `folder`, and a hash that names it.

    Args:
        folder: What ``calexnet train`` or ``calexnet distill`` wrote.
        allow: Whose own parts may be imported, if the cascade has some.

    Raises:
        CheckpointError: There is none, it is of another schema, or a file was changed.
        InputError: It names a part that may not be imported.
        RuntimeUnavailableError: It is of torch modules, and torch is not installed.
    """
    found, identity = record.read(folder)
    if found.cascade.is_graphs:
        return graph_run.read(folder, found), identity
    try:
        from calexnet.training import checkpoint
    except ImportError as missing:
        raise RuntimeUnavailableError(
            f"the run {folder} cannot be used here",
            got=missing,
            expected="torch, which its network or branches are written in",
            fix='Run: pip install "calexnet[train]"; or use it where it was trained',
        ) from missing
    return checkpoint.load(folder, allow)
