"""Cutting a backbone's graph at its attach points into stages that run one after the other.

A stage holds the nodes that its feature needs and no earlier stage has; the last one, the rest. As
many tensors cross a cut as the graph demands. Only tensors with a leading batch axis may cross,
since survivors are gathered along it; constants are repeated in every stage that reads them, and a
batch size read off an earlier tensor is read off one of the stage's own instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from calexnet.errors import ExportError


@dataclass(frozen=True)
class Stage:
    """One piece of a cut graph.

    Attributes:
        graph: A graph of its own, whose inputs and outputs are the crossing tensors (and the
            stage's feature, if it has a branch).
        carried: Names of the outputs that a later stage reads.
    """

    graph: ir.Graph
    carried: tuple[str, ...]


def cut(graph: ir.Graph, attach: Sequence[str], final: Sequence[str]) -> tuple[Stage, ...]:
    """Return the stages of `graph`, one more than attach points; `graph` itself may be changed.

    Args:
        graph: One input with a symbolic batch axis.
        attach: Names of the tensors to cut at, in running order.
        final: Names of the tensors that the last stage gives.

    Raises:
        ExportError: The attach points are out of order, or a tensor without a batch axis would
            have to cross.
    """
    return _Cutter(graph, attach, final).stages()


class _Cutter:
    def __init__(self, graph: ir.Graph, attach: Sequence[str], final: Sequence[str]) -> None:
        self.graph = graph
        self.attach = tuple(attach)
        self.final = tuple(final)
        self.values = ir.convenience.create_value_mapping(graph, include_subgraphs=False)
        self.batch = _leading(graph.inputs[0])
        self.stage_of = self._assign()
        self.local: dict[tuple[ir.Value, int], ir.Value] = {}
        self.first: dict[int, ir.Node] = {}

    def stages(self) -> tuple[Stage, ...]:
        last = len(self.attach)
        # Copies go before what was the stage's first node, each after those that it reads.
        self.first = {stage: self._nodes(stage)[0] for stage in range(last + 1)}
        for stage in range(1, last + 1):
            self._localise_unbatched(stage)
        return tuple(self._extract(stage) for stage in range(last + 1))

    def _assign(self) -> dict[ir.Node, int]:
        """Give each node the first stage whose feature needs it."""
        stage_of: dict[ir.Node, int] = {}
        targets = [[self.values[name]] for name in self.attach]
        targets.append([self.values[name] for name in self.final])
        for stage, goals in enumerate(targets):
            producer = goals[0].producer()
            if producer is None or producer in stage_of:
                before = self.attach[stage - 1] if stage else "the image"
                raise ExportError(
                    "the attach points are out of order",
                    got=f"{goals[0].name} after {before}",
                    expected="the order in which data reaches them",
                    fix="Reorder --attach",
                )
            for node in needed(goals):
                stage_of.setdefault(node, stage)
        return stage_of

    def _made_in(self, value: ir.Value) -> int:
        """Return the stage that makes `value`; -1 for the graph's input."""
        producer = value.producer()
        return -1 if producer is None else self.stage_of[producer]

    def _nodes(self, stage: int) -> list[ir.Node]:
        return [node for node in self.graph if self.stage_of.get(node) == stage]

    def _crossing_into(self, stage: int) -> list[ir.Value]:
        """Return what nodes of `stage` read from earlier ones, in order of first use."""
        found: dict[ir.Value, None] = {}
        for node in self._nodes(stage):
            for value in node.inputs:
                if value is None or value.is_initializer():
                    continue
                if self._made_in(value) < stage:
                    found[value] = None
        return list(found)

    def _localise_unbatched(self, stage: int) -> None:
        crossing = self._crossing_into(stage)
        batched = [value for value in crossing if self._is_batched(value)]
        for value in crossing:
            if self._is_batched(value):
                continue
            if not batched:
                raise self._refusal(value, stage)
            here = self._recompute(value, stage, batched[0])
            for node, index in tuple(value.uses()):
                if self.stage_of.get(node) == stage:
                    node.replace_input_with(index, here)

    def _recompute(self, value: ir.Value, stage: int, anchor: ir.Value) -> ir.Value:
        """Return a value equal to `value`, computed in `stage` from constants and batch size."""
        if value.is_initializer():
            return value
        if (value, stage) in self.local:
            return self.local[value, stage]
        node = value.producer()
        if node is None:
            raise self._refusal(value, stage)
        if node.op_type == "Shape":
            copies = self._shape_of(node, stage, anchor)
        elif any(v is not None and self._is_batched(v) for v in node.inputs):
            raise self._refusal(value, stage)
        else:
            inputs = [v and self._recompute(v, stage, anchor) for v in node.inputs]
            copies = [self._copy(node, inputs)]
        self.graph.insert_before(self.first[stage], copies)
        for copy in copies:
            self.stage_of[copy] = stage
        here = copies[-1].outputs[value.index() or 0]
        here.shape, here.type = value.shape, value.type
        self.local[value, stage] = here
        return here

    def _shape_of(self, node: ir.Node, stage: int, anchor: ir.Value) -> list[ir.Node]:
        """Return nodes that give `node`'s shape, with the batch size read off `anchor`."""
        source = node.inputs[0]
        assert source is not None
        if not self._is_batched(source) or source.shape is None:
            raise self._refusal(node.outputs[0], stage)
        start = node.attributes.get_int("start", 0)
        end = node.attributes.get_int("end", len(source.shape))
        dims = list(source.shape)[start:end]
        rest = dims[1:] if start == 0 else dims
        fixed = [dim for dim in rest if isinstance(dim, int)]
        if len(fixed) < len(rest):
            raise self._refusal(node.outputs[0], stage)
        tape = ir.tape.Tape()
        constant = tape.op("Constant", [], {"value_ints": fixed})
        if start == 0:
            size = tape.op("Shape", [anchor], {"start": 0, "end": 1})
            if rest:
                tape.op("Concat", [size, constant], {"axis": 0})
        nodes = list(tape.nodes)
        return nodes if rest else nodes[1:]

    def _copy(self, node: ir.Node, inputs: Sequence[ir.Value | None]) -> ir.Node:
        return ir.Node(
            node.domain,
            node.op_type,
            inputs,
            attributes=[ir.Attr(a.name, a.type, a.value) for a in node.attributes.values()],
            overload=node.overload,
            num_outputs=len(node.outputs),
            version=node.version,
        )

    def _extract(self, stage: int) -> Stage:
        inputs = [v for v in self._crossing_into(stage) if self._is_batched(v)]
        carried = [
            value
            for node in self._nodes(stage)
            for value in node.outputs
            if self._is_batched(value) and self._is_read_after(value, stage)
        ]
        outputs = list(carried)
        names = self.final if stage == len(self.attach) else (self.attach[stage],)
        outputs += [self.values[n] for n in names if self.values[n] not in carried]
        piece = ir.convenience.extract(self.graph, inputs, outputs)
        return Stage(piece, tuple(value.name or "" for value in carried))

    def _is_read_after(self, value: ir.Value, stage: int) -> bool:
        return any(self.stage_of.get(node, -1) > stage for node, _ in value.uses())

    def _is_batched(self, value: ir.Value) -> bool:
        return _leading(value) == self.batch

    def _refusal(self, value: ir.Value, stage: int) -> ExportError:
        return ExportError(
            f"the graph cannot be cut at {self.attach[stage - 1]}",
            got=f"a tensor {value.name!r} {value.shape} that would have to cross",
            expected=f"only tensors with the leading axis {self.batch!r}, which survivors can be "
            "gathered along",
            fix="Choose another attach point",
        )


def needed(goals: Iterable[ir.Value], start: ir.Value | None = None) -> set[ir.Node]:
    """Return the nodes that `goals` depend on; from `start` on, if there is one."""
    found: set[ir.Node] = set()
    stack = list(goals)
    while stack:
        value = stack.pop()
        node = value.producer()
        if value is start or node is None or node in found:
            continue
        found.add(node)
        stack += [v for v in node.inputs if v is not None]
    return found


def _leading(value: ir.Value) -> str | None:
    """Return the symbol of the first axis, or None if it has none."""
    if value.shape is None or len(value.shape) == 0:
        return None
    first = value.shape[0]
    return first.value if isinstance(first, ir.SymbolicDim) else None
