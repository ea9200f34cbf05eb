"""A narrowed plain graph back to a cascade: cut at the attach points, with the float heads on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.export import precisions
from calexnet.export.graph import operators
from calexnet.export.graph.cut import Stage, cut, needed
from calexnet.export.graph.dialect import finished
from calexnet.export.graph.portable import PortableGraphs
from calexnet.export.graph.segments import CascadeGraphs, answering
from calexnet.export.graph.serialise import serialise
from calexnet.export.precisions import trunk

_WIDE = ir.DataType.FLOAT


def narrow_cascade(
    graphs: PortableGraphs, attach: Sequence[str], precision: str, images: NDArray[Any]
) -> PortableGraphs:
    """Return `graphs` at `precision`.

    Args:
        graphs: Of a cascade, float32; whole networks come before the branches.
        attach: Where its branches are, in running order.
        precision: One of `precisions.PRECISIONS`.
        images: Real ones, as the graphs take them.
    """
    narrowed = precisions.narrow(onnx.load_from_string(graphs.plain.data), precision, images)
    stages = narrow_stages(narrowed, attach)
    before = len(graphs.segments) - len(stages)
    segments = [_network(graph.data, precision, images) for graph in graphs.segments[:before]]
    segments += [
        narrow_segment(stage, onnx.load_from_string(full.data), feature)
        for (stage, feature), full in zip(stages, graphs.segments[before:], strict=True)
    ]
    return serialise(CascadeGraphs(tuple(segments), narrow_plain(narrowed, graphs.plain.name)))


def _network(data: bytes, precision: str, images: NDArray[Any]) -> ir.Model:
    """Return the segment of a whole network that is not the last, narrowed by itself."""
    graph = ir.serde.deserialize_model(onnx.load_from_string(data)).graph
    image = next(value for value in graph.inputs if value.name == "image")
    alone = answering(ir.convenience.extract(graph, [image], ["logits"]), "alone")
    narrowed = precisions.narrow(ir.serde.serialize_model(alone), precision, images)
    ((stage, feature),) = narrow_stages(narrowed, ())
    return narrow_segment(stage, onnx.load_from_string(data), feature)


def narrow_plain(narrowed: onnx.ModelProto, name: str) -> ir.Model:
    """Return the plain network, narrowed, as the model `name`."""
    whole = _typed(narrowed).graph
    return finished(whole, list(whole.outputs), name)


def narrow_stages(narrowed: onnx.ModelProto, attach: Sequence[str]) -> list[tuple[Stage, str]]:
    """Return the stages of a narrowed plain graph, each with the name of what its head reads.

    Args:
        narrowed: What `precisions.narrow` gives; it is not changed.
        attach: Where to cut, in running order.
    """
    graph = _trunk(narrowed, attach)
    logits = graph.outputs[0].name or ""
    return list(zip(cut(graph, attach, [logits]), [*attach, logits], strict=True))


def _trunk(narrowed: onnx.ModelProto, attach: Sequence[str]) -> ir.Graph:
    """Return the graph up to the logits, in which attach points name the narrowest tensors."""
    graph = _typed(narrowed).graph
    graph = ir.convenience.extract(graph, list(graph.inputs), [trunk.logits_of(graph)])
    for value in list(ir.convenience.create_value_mapping(graph).values()):
        if value.name in attach:
            _name_narrowest(value)
    _dedicate(graph)
    return graph


def _typed(model: onnx.ModelProto) -> ir.Model:
    """Return `model` with types and shapes on what the narrowing has put in."""
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(model))


def _name_narrowest(feature: ir.Value) -> None:
    """Give the attach point's name to the quantised form of `feature`, if there is one."""
    for node, _ in feature.uses():
        if node.op_type == "QuantizeLinear":
            name = feature.name
            feature.name, node.outputs[0].name = f"{name}.float", name


def _dedicate(graph: ir.Graph) -> None:
    """Give every reader its own DequantizeLinear: what crosses a cut is then the narrow tensor."""
    for node in list(graph):
        if node.op_type != "DequantizeLinear":
            continue
        wide = node.outputs[0]
        for reader, index in list(wide.uses())[1:]:
            copy = _widening(node.inputs[0], list(node.inputs[1:]), wide)
            reader.replace_input_with(index, copy.outputs[0])
            graph.insert_before(reader, [copy])


def narrow_segment(stage: Stage, full: onnx.ModelProto, feature: str) -> ir.Model:
    """Return a narrowed stage with the head of the float32 segment `full`, under that one's name.

    Args:
        stage: See `narrow_stages`; it is used up.
        full: The same segment at full precision.
        feature: What its head reads.
    """
    graph = stage.graph
    source = next(v for v in graph.outputs if v.name == feature)
    carried = [value for value in graph.outputs if value.name in stage.carried]
    head = _head(ir.serde.deserialize_model(full).graph, feature)
    answers = operators.graft(graph, head, {feature: _widened(graph, source)})
    return finished(graph, [*carried, *answers], full.graph.name)


def _head(segment: ir.Graph, feature: str) -> ir.Graph:
    """Return what a float32 segment does with its feature: from it to everything not carried."""
    values = ir.convenience.create_value_mapping(segment, include_subgraphs=False)
    source = values[feature]
    above = needed([source])
    outputs = [v for v in segment.outputs if v is not source and v.producer() not in above]
    read = {v for node in needed(outputs, source) for v in node.inputs}
    inputs = [source, *(v for v in segment.inputs if v in read and v is not source)]
    return ir.convenience.extract(segment, inputs, outputs)


def _widened(graph: ir.Graph, narrow: ir.Value) -> ir.Value:
    """Return `narrow` as float32, computed at the end of `graph`."""
    if narrow.dtype == _WIDE:
        return narrow
    producer = narrow.producer()
    if producer is not None and producer.op_type == "QuantizeLinear":
        node = _widening(narrow, list(producer.inputs[1:]), narrow)
    else:
        node = ir.Node("", "Cast", [narrow], [ir.AttrInt64("to", int(_WIDE))])
    node.outputs[0].dtype, node.outputs[0].shape = _WIDE, narrow.shape
    graph.append(node)
    return node.outputs[0]


def _widening(narrow: ir.Value | None, scale: list[ir.Value | None], like: ir.Value) -> ir.Node:
    node = ir.Node("", "DequantizeLinear", [narrow, *scale])
    node.outputs[0].dtype, node.outputs[0].shape = _WIDE, like.shape
    return node
