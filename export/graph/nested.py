"""Layout `if`: a cascade as one ONNX graph, each segment inside an ``If`` of the one before.

For one image at a time: what decides an ``If`` is one truth value. Builds graphs, so it needs onnx.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir

from calexnet.export.graph import operators
from calexnet.export.graph.dialect import BATCH, finished
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.graph.serialise import portable

#: What the graph and every branch of an ``If`` answer, in this order.
_ANSWER = {
    "label": ir.DataType.INT32,
    "score": ir.DataType.FLOAT,
    "exit": ir.DataType.INT32,
    "probabilities": ir.DataType.FLOAT,
}


def nest(graphs: PortableGraphs) -> PortableGraph:
    """Return the cascade as one graph, its own name ``if``.

    Inputs are ``image`` for one image and ``thresholds`` float32 ``(branches, classes)``; outputs
    ``label`` int32 ``(1,)``, ``score`` float32 ``(1,)``, ``exit`` int32 ``(1,)``, counted from 1,
    and ``probabilities`` float32 ``(1, classes)``.

    Args:
        graphs: Of a cascade, at any precision.

    Raises:
        ExportError: The graph is not valid ONNX.
    """
    parts = [
        ir.serde.deserialize_model(onnx.load_from_string(graph.data)).graph
        for graph in graphs.segments
    ]
    for part in parts:
        _fix_batch(part)
    image = next(value for value in parts[0].inputs if value.name == "image")
    classes = operators.classes_of(parts[0].outputs[-1])
    thresholds = ir.Value(
        name="thresholds",
        type=ir.TensorType(ir.DataType.FLOAT),
        shape=ir.Shape([len(parts) - 1, classes]),
    )
    camera = ir.Value(name="image", type=image.type, shape=image.shape)
    graph = ir.Graph([camera, thresholds], [], nodes=[], name="if")
    outputs = _from_segment(0, parts, graph, {"image": camera}, thresholds)
    for value, name in zip(outputs, _ANSWER, strict=True):
        value.name = name
    return portable(finished(graph, outputs, "if"))


def _from_segment(
    index: int,
    parts: list[ir.Graph],
    graph: ir.Graph,
    known: dict[str, ir.Value],
    thresholds: ir.Value,
) -> list[ir.Value]:
    """Add everything from one segment on to `graph`; return the answer.

    Args:
        index: Of the segment, from 0.
        parts: All segments; those used are emptied.
        graph: The whole, or the branch of an ``If``, which sees the tensors around it.
        known: Carried tensors so far, by name.
        thresholds: The input.
    """
    part, tape = parts[index], ir.tape.Tape(graph)
    prefix = f"segment{index + 1}"
    sources = dict(known)
    if index < len(parts) - 1:
        row = tape.initializer(ir.tensor(np.array(index, np.int64), name=f"{prefix}.row"))
        sources["threshold"] = tape.op("Gather", [thresholds, row], {"axis": 0})
        sources["threshold"].name = f"{prefix}.threshold"
    given = [sources[value.name or ""] for value in part.inputs]
    said = operators.inline(graph, part, given, prefix)
    if index == len(parts) - 1:
        return _answer(graph, said, index + 1)
    leaves = said["exit"]
    inside, outside = (ir.Graph([], [], nodes=[], name=f"{prefix}.{w}") for w in ("leave", "stay"))
    inside.outputs.extend(_answer(inside, said, index + 1))
    outside.outputs.extend(_from_segment(index + 1, parts, outside, known | said, thresholds))
    tape = ir.tape.Tape(graph)
    truth = tape.op("Squeeze", [leaves])
    truth.name, truth.dtype, truth.shape = f"{prefix}.leaves", ir.DataType.BOOL, ir.Shape([])
    branches = {"then_branch": inside, "else_branch": outside}
    outputs = tape.op_multi_out("If", [truth], branches, num_outputs=len(_ANSWER))
    return _typed(list(outputs), f"{prefix}.answer", inside.outputs)


def _answer(graph: ir.Graph, said: dict[str, ir.Value], number: int) -> list[ir.Value]:
    """Add what exit `number` answers to `graph`, which may lie within the one that computed it."""
    tape = ir.tape.Tape(graph)
    exit = tape.op("Constant", [], {"value": ir.tensor(np.array([number], np.int32))})
    exit.dtype, exit.shape = ir.DataType.INT32, ir.Shape([1])
    given = [said.get(name) if name != "exit" else exit for name in _ANSWER]
    outputs = [tape.op("Identity", [value]) for value in given]
    return _typed(outputs, f"exit{number}", [value for value in given if value is not None])


def _typed(values: list[ir.Value], prefix: str, like: Sequence[ir.Value]) -> list[ir.Value]:
    for value, (name, dtype), model in zip(values, _ANSWER.items(), like, strict=True):
        value.name, value.dtype, value.shape = f"{prefix}.{name}", dtype, model.shape
    return values


def _fix_batch(graph: ir.Graph) -> None:
    """Say that the batch is one image; shapes with more folded into it follow from the others."""
    for value in ir.convenience.create_value_mapping(graph).values():
        if value.shape is not None:
            value.shape = _of_one(value.shape)


def _of_one(shape: ir.Shape) -> ir.Shape | None:
    """Return a shape for one image, ``None`` where other axes depend on the batch too."""
    dims = [d if isinstance(d, int) else d.value for d in shape]
    sizes = [1 if d == BATCH else d for d in dims]
    return ir.Shape(sizes) if all(isinstance(d, int) for d in sizes) else None
