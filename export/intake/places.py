"""Where an ONNX graph can be cut: tensors that separate what came before from what comes after.

A cut at a tensor leaves before it all that the tensor needs. What the rest reads of that has to be
carried over the cut: the tensor alone where it separates the graph, a few more where a path leads
around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any

from calexnet.export.graph.counts import by_node
from calexnet.training.backbones.places import LATEST, Place

#: More tensors than these are no place for a cut.
_MOST_TENSORS = 3
#: They tell of a tensor how large it is, not what is in it.
_SIZES = {"Shape", "Size"}
_TO_LAST = [0, 2, 3, 1]
#: Their result is channels first whatever comes in, or is no map any more.
_NEW_ORDER = {"AveragePool", "Conv", "ConvTranspose", "Flatten", "MaxPool", "Reshape"}


@dataclass(frozen=True)
class _Step:
    """A node that depends on the image's pixels.

    Attributes:
        node: Itself.
        macs: Of one image.
        needs: The steps that it depends on and itself, one bit each.
    """

    node: Any
    macs: int
    needs: int


def places(data: bytes) -> tuple[Place, ...]:
    """Return the places for branches by the work behind them, of those with the same the lightest.

    Args:
        data: A model whose only input is ``image``.
    """
    counted = by_node(data)
    steps = list(_steps(counted.nodes))
    whole = sum(step.macs for step in steps)
    turned = _turned(steps)
    found = [
        place
        for step in steps
        if turned.isdisjoint(step.node.output)
        and (place := _place(steps, step, counted.shapes, whole))
    ]
    by_work = groupby(sorted(found, key=lambda place: place.work), key=lambda place: place.work)
    return tuple(_lightest(list(same)) for _, same in by_work)


def work_up_to(data: bytes, names: Sequence[str]) -> tuple[int, ...]:
    """Return the MACs that each tensor needs, together with all before it in `names`."""
    steps = list(_steps(by_node(data).nodes))
    needs, found = 0, []
    for name in names:
        needs |= next(step.needs for step in steps if name in step.node.output)
        found.append(sum(step.macs for step in steps if step.needs & needs == step.needs))
    return tuple(found)


def _lightest(same: list[Place]) -> Place:
    """Return the place that carries least; of several the last, behind its activation."""
    return min(reversed(same), key=lambda place: (place.tensors, place.bytes))


def _steps(nodes: tuple[tuple[Any, int], ...]) -> Iterator[_Step]:
    makers: dict[str, int] = {"image": 0}
    for index, (node, macs) in enumerate(
        (node, macs) for node, macs in nodes if node.op_type not in _SIZES
    ):
        read = [makers[name] for name in node.input if name in makers]
        if not read:
            continue
        needs = 1 << index
        for before in read:
            needs |= before
        makers.update(dict.fromkeys(node.output, needs))
        yield _Step(node, macs, needs)


def _place(
    steps: list[_Step], step: _Step, shapes: dict[str, tuple[int, ...]], whole: int
) -> Place | None:
    """Return the cut at the first output of a step, ``None`` if that is no place for a branch."""
    name = str(step.node.output[0])
    shape = shapes.get(name, ())
    macs = sum(one.macs for one in steps if _is_in(one, step))
    if len(shape) != 4 or prod(shape[2:]) == 1 or not 0 < macs <= LATEST * whole:
        return None
    carried = _carried(steps, step)
    if name not in carried or len(carried) > _MOST_TENSORS or not carried <= shapes.keys():
        return None
    size = sum(4 * prod(shapes[one]) for one in carried)
    return Place(name, macs / whole, len(carried), size, shape[1:])


def _is_in(one: _Step, goal: _Step) -> bool:
    """Tell whether `goal` needs a step: all that this needs, with its own bit, is in that."""
    return one.needs & goal.needs == one.needs


def _carried(steps: list[_Step], goal: _Step) -> set[str]:
    """Return the tensors that the rest reads of what `goal` needs, the image included."""
    made = {"image"}
    read = set()
    for step in steps:
        if _is_in(step, goal):
            made.update(step.node.output)
        else:
            read.update(step.node.input)
    return made & read


def _turned(steps: list[_Step]) -> set[str]:
    """Return the tensors that have their channels last."""
    found: set[str] = set()
    for step in steps:
        node = step.node
        if node.op_type == "Transpose":
            perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
            last = perm == _TO_LAST
        else:
            last = node.op_type not in _NEW_ORDER and not found.isdisjoint(node.input)
        if last:
            found.update(node.output)
    return found
