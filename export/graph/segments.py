"""A cascade as ONNX graphs: one a segment with its gate inside, and the plain backbone.

The contract of a segment's graph is in docs/formats.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir
from onnx_ir.passes import common as passes

from calexnet.export.graph import operators
from calexnet.export.graph.cut import Stage, cut
from calexnet.export.graph.dialect import BATCH, IR_VERSION, OPSET, state_name

if TYPE_CHECKING:
    from calexnet.training.cascade import Cascade


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


def build(cascade: Cascade, *, raw_input: bool = True) -> CascadeGraphs:
    """Return the graphs of `cascade`.

    Args:
        cascade: A trained one.
        raw_input: Take uint8 ``(n, H, W, C)`` and normalise inside; else normalised float32.

    Raises:
        ExportError: torch cannot translate a part, or the graph cannot be cut.
    """
    # torch, which a bundle's graphs do without
    from calexnet.export.graph.capture import backbone_graph, branch_graph

    backbone = backbone_graph(cascade)
    if raw_input:
        operators.prepend_front(backbone, cascade.spec.preprocessing)
    plain = _plain(ir.convenience.extract(backbone, list(backbone.inputs), ["logits"]))
    *stages, tail = cut(backbone, cascade.spec.attach, ["logits"])
    read = {k for branch in cascade.branches for k in branch.reads}
    branches = [branch_graph(cascade, k) for k in range(len(stages))]
    alone = tuple(map(_file, branches))
    segments = [
        _segment(stage, branches[k], cascade, k, hands_on=k in read)
        for k, stage in enumerate(stages)
    ]
    return CascadeGraphs((*segments, _tail(tail, len(stages) + 1)), plain, alone)


def _file(branch: ir.Graph) -> bytes:
    model = ir.Model(branch, ir_version=IR_VERSION)
    model.graph.opset_imports[""] = OPSET
    data: bytes = ir.serde.serialize_model(model).SerializeToString()
    return data


def _segment(
    stage: Stage, branch: ir.Graph, cascade: Cascade, index: int, *, hands_on: bool
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


def _state_input(cascade: Cascade, index: int) -> ir.Value:
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


def finished(graph: ir.Graph, outputs: list[ir.Value], name: str) -> ir.Model:
    """Return `graph` as a model with these outputs: named, tidied, the same bytes on every run."""
    graph.outputs[:] = outputs
    graph.name = name
    graph.opset_imports.clear()
    graph.opset_imports[""] = OPSET
    model = ir.Model(graph, ir_version=IR_VERSION, producer_name="calexnet")
    # The exporter's notes hold source lines and paths of the machine that exported.
    passes.ClearMetadataAndDocStringPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.NameFixPass()(model)
    for value in ir.convenience.create_value_mapping(graph).values():
        value.metadata_props.clear()
    _sort_initializers(graph)
    return model


def _sort_initializers(graph: ir.Graph) -> None:
    """Put constants in the order of their names: the same cascade gives the same bytes."""
    ordered = sorted(graph.initializers.items())
    graph.initializers.clear()
    graph.initializers.update(ordered)
