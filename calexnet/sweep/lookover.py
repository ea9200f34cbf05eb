"""Does a sweep's cell agree with itself? Looked over where read, so that no analysis trips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.costs import Macs
from calexnet.files.schema import SchemaError
from calexnet.gating import ExitTable
from calexnet.sweep.spec import CellSpec

#: No figure of a cell is larger.
_MOST = 1e15

_Kind = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _MOST


def _or_none(kind: _Kind) -> _Kind:
    return lambda value: value is None or kind(value)


def _list_of(kind: _Kind) -> _Kind:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _is_part(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("options", {}), dict):
        return False
    return _is_text(value.get("name")) and _or_none(_is_number)(value.get("options", {}).get("lr"))


def _is_learning(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_or_none(_is_number), value.values()))


#: Of a plan, and of its recipe, what is read without torch -> what it must be if it is there.
_PLAN: dict[str, _Kind] = {
    "backbone": _is_text,
    "stem": _or_none(_is_text),
    "attach": _or_none(_list_of(_is_text)),
    "mean": _or_none(_list_of(_is_number)),
    "std": _or_none(_list_of(_is_number)),
    "recipe": lambda value: isinstance(value, dict),
}
_RECIPE: dict[str, _Kind] = {
    "method": _is_part,
    "rule": _is_part,
    "head": _is_text,
    "score": _is_text,
    "optimisation": _is_learning,
}


def look_over(spec: CellSpec, classes: int, macs: Macs, branches: int) -> None:
    """Do nothing if the parts of a cell's document fit one another.

    Args:
        spec: Its plan is looked into.
        classes: How many.
        macs: Of the parts.
        branches: What training was written down of: at least all that there are.

    Raises:
        SchemaError: Two do not; the message names them.
    """
    _require("backbone" in spec.plan, "spec.plan.backbone is missing")
    _of_kinds(spec.plan, _PLAN, "spec.plan")
    _of_kinds(spec.plan.get("recipe", {}), _RECIPE, "spec.plan.recipe")
    _require(_or_none(_is_number)(spec.axes.margin), "spec.axes.margin is no margin")
    _require(classes > 0, "classes is empty")
    _fits(macs)
    stages = len(macs.stages)
    said = f"branches has {branches} entries, and there are {stages} stages"
    _require(branches >= stages - 1, said)


def look_over_answers(
    name: str, table: ExitTable, truth: NDArray[np.int32], exits: int, classes: int
) -> None:
    """Do nothing if a part's answers may be those of a cell.

    Args:
        name: Of the part.
        table: The answers.
        truth: int32 ``(n,)``, the right classes.
        exits: That the cell has.
        classes: Likewise.

    Raises:
        SchemaError: They are of other exits or classes, or there are none.
    """
    found = len(table.labels)
    _require(found == exits, f"{name}: {found} exits, and the cell has {exits}")
    _require(len(truth) > 0, f"{name}: no samples")
    for labels in (truth, table.labels):
        known = 0 <= labels.min() <= labels.max() < classes
        _require(known, f"{name}: labels {labels.min()} to {labels.max()} are no classes")


def _fits(macs: Macs) -> None:
    counts = len(macs.stages), len(macs.branches), len(macs.gates)
    fits = counts == (counts[0], counts[0] - 1, counts[0] - 1) and counts[0] > 1
    said = " and ".join(map(str, counts))
    _require(fits, f"macs has {said} stages, branches and gates")
    every = (*macs.stages, *macs.branches, *macs.gates)
    _require(min(every) >= 0 and max(every) <= _MOST, f"macs has {min(every)} to {max(every)}")
    _require(macs.plain > 0, "macs.stages are all 0")


def _of_kinds(found: dict[str, Any], kinds: dict[str, _Kind], where: str) -> None:
    for name, kind in kinds.items():
        if name in found:
            shown = repr(found[name])
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            _require(kind(found[name]), f"{where}.{name} cannot be {shown}")


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise SchemaError(problem)
