"""A cascade as ONNX graphs: one a segment with its gate inside, and the plain backbone.

The contract of a segment's graph is in docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import onnx_ir as ir

from calexnet.export.graph import given, operators
from calexnet.export.graph.cut import Stage, cut
from calexnet.export.graph.dialect import BATCH, finished, state_name
from calexnet.training.graph_run import GraphCascade

if TYPE_CHECKING:
    from calexnet.training.runs import AnyCascade


class _Places(Protocol):
    @property
    def attach(self) -> Sequence[str]: ...


class _Linked(Protocol):
    @property
    def reads(self) -> Sequence[int]: ...
    @property
    def state_width(self) -> int: ...


class Attaching(Protocol):
    """Whatever has branches: where they are, and which state each reads and hands on."""

    @property
    def spec(self) -> _Places:
        """Attach points by number of the branch, from 0."""

    @property
    def branches(self) -> Sequence[_Linked]:
        """Likewise."""


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
    backbone_graph, branch_graph = translators(cascade)
    backbone = backbone_graph(cascade)
    if raw_input:
        operators.prepend_front(backbone, cascade.spec.preprocessing)
    whole = ir.convenience.extract(backbone, list(backbone.inputs), ["logits"])
    plain = answering(whole, "plain")
    *stages, rest = cut(backbone, cascade.spec.attach, ["logits"])
    read = {k for branch in cascade.branches for k in branch.reads}
    branches = [branch_graph(cascade, k) for k in range(len(stages))]
    alone = tuple(map(given.file_of, branches))
    segments = [
        segment(stage, branches[k], cascade, k, f"segment{k + 1}", hands_on=k in read)
        for k, stage in enumerate(stages)
    ]
    tail = answering(rest.graph, f"segment{len(stages) + 1}")
    return CascadeGraphs((*segments, tail), plain, alone)


def translators(
    cascade: AnyCascade,
) -> tuple[Callable[[Any], ir.Graph], Callable[[Any, int], ir.Graph]]:
    """Return what gives the graph of its backbone, and of a branch by number, from 0."""
    if isinstance(cascade, GraphCascade):
        return given.backbone_graph, given.branch_graph
    # torch, which graphs do without
    from calexnet.export.graph import capture

    return capture.backbone_graph, capture.branch_graph


def segment(
    stage: Stage,
    branch: ir.Graph,
    cascade: Attaching,
    index: int,
    name: str,
    *,
    hands_on: bool = False,
) -> ir.Model:
    """Return a stage with its branch and gate.

    Args:
        stage: Ends at the branch's feature.
        branch: Its graph, which is used up.
        cascade: That it is of.
        index: Of the branch, from 0.
        name: Of the segment.
        hands_on: Whether a later branch reads its state.
    """
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
    return finished(graph, [*carried, *answer], name)


def _state_input(cascade: Attaching, index: int) -> ir.Value:
    return ir.Value(
        name=state_name(index),
        type=ir.TensorType(ir.DataType.FLOAT),
        shape=ir.Shape([BATCH, cascade.branches[index].state_width]),
    )


def answering(graph: ir.Graph, name: str) -> ir.Model:
    """Return a graph that ends in logits, and answers, as the model `name`."""
    answer = operators.append_answer(graph, graph.outputs[0])
    return finished(graph, list(answer), name)
