"""A cascade as ONNX graphs: one a segment with its gate inside, and the plain backbone.

The contract of a segment's graph is in docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from calexnet.export.graph import given, operators
from calexnet.export.graph.cut import Stage, cut
from calexnet.export.graph.dialect import BATCH, finished, state_name
from calexnet.training.graph_run import GraphCascade

if TYPE_CHECKING:
    from calexnet.training.runs import AnyCascade


@dataclass(frozen=True)
class CascadeGraphs:
    """The portable form of a cascade, from which every target is compiled.

    Attributes:
        segments: One a stage with its branch and gate; the last is the tail.
        plain: The backbone alone.
        branches: Each segment's branch alone, as an ONNX file, to be counted; none where only the
            segments are known.
    """

    segments: tuple[ir.Model, ...]
    plain: ir.Model
    branches: tuple[bytes, ...] = ()


def build(cascade: AnyCascade, *, raw_input: bool = True) -> CascadeGraphs:
    """Return the graphs of `cascade`.

    Args:
        cascade: A trained one.
        raw_input: Take uint8 ``(n, H, W, C)`` and normalise inside; else normalised float32.

    Raises:
        ExportError: torch cannot translate a part, or the graph cannot be cut.
    """
    if isinstance(cascade, GraphCascade):
        return _joined(cascade, given.backbone_graph(cascade), given.branch_graph, raw_input)
    # torch, which graphs do without
    from calexnet.export.graph import capture

    return _joined(cascade, capture.backbone_graph(cascade), capture.branch_graph, raw_input)


def _joined(
    cascade: AnyCascade,
    backbone: ir.Graph,
    branch_graph: Callable[[Any, int], ir.Graph],
    raw_input: bool,
) -> CascadeGraphs:
    """Return the segments that a backbone and branches come to."""
    if raw_input:
        operators.prepend_front(backbone, cascade.spec.preprocessing)
    plain = _plain(ir.convenience.extract(backbone, list(backbone.inputs), ["logits"]))
    *stages, tail = cut(backbone, cascade.spec.attach, ["logits"])
    read = {k for branch in cascade.branches for k in branch.reads}
    branches = [branch_graph(cascade, k) for k in range(len(stages))]
    alone = tuple(map(given.file_of, branches))
    segments = [
        _segment(stage, branches[k], cascade, k, hands_on=k in read)
        for k, stage in enumerate(stages)
    ]
    return CascadeGraphs((*segments, _tail(tail, len(stages) + 1)), plain, alone)


def _segment(
    stage: Stage, branch: ir.Graph, cascade: AnyCascade, index: int, *, hands_on: bool
) -> ir.Model:
    graph = stage.graph
    feature = next(v for v in graph.outputs if v.name == cascade.spec.attach[index])
    carried = [value for value in graph.outputs if value.name in stage.carried]
    earlier = [_state_input(cascade, k) for k in cascade.branches[index].reads]
    graph.inputs.extend(earlier)
    said = operators.inline(graph, branch, [feature, *earlier], "branch")
    logits, own_score, state = (said.get(n) for n in ("logits", "score", state_name(index)))
    assert logits is not None
    if state is not None and hands_on:
        state.name = state_name(index)
        carried.append(state)
    label, score, probabilities = operators.append_answer(graph, logits, own_score)
    leaves = operators.append_gate(graph, label, score, operators.classes_of(logits))
    answer = [label, score, leaves, probabilities]
    return finished(graph, [*carried, *answer], f"segment{index + 1}")


def _state_input(cascade: AnyCascade, index: int) -> ir.Value:
    return ir.Value(
        name=state_name(index),
        type=ir.TensorType(ir.DataType.FLOAT),
        shape=ir.Shape([BATCH, cascade.branches[index].state_width]),
    )


def _tail(stage: Stage, number: int) -> ir.Model:
    answer = operators.append_answer(stage.graph, stage.graph.outputs[0])
    return finished(stage.graph, list(answer), f"segment{number}")


def _plain(graph: ir.Graph) -> ir.Model:
    answer = operators.append_answer(graph, graph.outputs[0])
    return finished(graph, list(answer), "plain")
