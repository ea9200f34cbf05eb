"""Graphs to the bytes of valid ONNX files, the same bytes each time."""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import ExportError
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.graph.segments import CascadeGraphs
from calexnet.manifest import TensorRecord


def serialise(graphs: CascadeGraphs) -> PortableGraphs:
    """Return the portable form of `graphs`.

    Raises:
        ExportError: A graph is not valid ONNX.
    """
    return PortableGraphs(tuple(map(portable, graphs.segments)), portable(graphs.plain))


def portable(model: ir.Model) -> PortableGraph:
    """Return the portable form of one graph, named as it is.

    Raises:
        ExportError: It is not valid ONNX.
    """
    name = model.graph.name or ""
    proto = ir.serde.serialize_model(model)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise ExportError(f"{name} is not valid ONNX", got=problem) from problem
    return PortableGraph(
        name=name,
        data=proto.SerializeToString(deterministic=True),
        inputs=tuple(_record(value) for value in model.graph.inputs),
        outputs=tuple(_record(value) for value in model.graph.outputs),
    )


def _record(value: ir.Value) -> TensorRecord:
    assert value.name
    assert value.dtype is not None
    assert value.shape is not None
    shape = tuple(d if isinstance(d, int) else str(d.value) for d in value.shape)
    return TensorRecord(value.name, value.dtype.numpy().name, shape, *_quantisation(value))


def _quantisation(value: ir.Value) -> tuple[float, int] | tuple[()]:
    """Return scale and zero point of a quantised tensor, from what makes or reads it."""
    if value.dtype not in (ir.DataType.INT8, ir.DataType.UINT8):
        return ()
    nodes = [value.producer(), *(node for node, _ in value.uses())]
    for node in nodes:
        if node is not None and node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            return float(_constant(node.inputs[1])), int(_constant(node.inputs[2]))
    return ()


def _constant(value: ir.Value | None) -> NDArray[Any]:
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    assert tensor is not None
    return tensor.numpy()
