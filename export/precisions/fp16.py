"""Precision `fp16`: weights and activations of the trunk as float16, with a cast at either end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import ExportError
from calexnet.export.precisions import trunk

_FULL, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16
#: Inputs that ONNX wants as float32 whatever the data are: (operator, position).
_ALWAYS_FULL = {("Resize", 1), ("Resize", 2)}


def narrow(plain: onnx.ModelProto, images: NDArray[np.generic]) -> onnx.ModelProto:
    """See `calexnet.export.precisions.narrow`; no image is looked at.

    Raises:
        ExportError: A weight is too large for float16.
    """
    model = ir.serde.deserialize_model(plain)
    graph = model.graph
    part = trunk.find(graph)
    halves: dict[ir.Value, ir.Value] = {}
    for node in part.nodes:
        _take_halves(graph, node, halves)
        _make_halves(node)
    _cast(part.entry, _HALF, readers=part.nodes)
    outside = [node for node, _ in part.exit.uses() if node not in set(part.nodes)]
    _cast(part.exit, _FULL, readers=outside)
    graph.sort()
    return ir.serde.serialize_model(model)


def _take_halves(graph: ir.Graph, node: ir.Node, halves: dict[ir.Value, ir.Value]) -> None:
    """Let `node` read its float32 constants as float16."""
    for index, value in enumerate(node.inputs):
        if value is None or not value.is_initializer() or value.dtype != _FULL:
            continue
        if (node.op_type, index) not in _ALWAYS_FULL:
            if value not in halves:
                halves[value] = _half(graph, value)
            node.replace_input_with(index, halves[value])


def _half(graph: ir.Graph, value: ir.Value) -> ir.Value:
    assert value.const_value is not None
    full = value.const_value.numpy()
    with np.errstate(over="ignore"):
        array = full.astype(np.float16)
    if not np.isfinite(array[np.isfinite(full)]).all():
        raise ExportError(
            f"{value.name} does not fit float16",
            got=f"numbers up to {np.abs(full).max():.3g}",
            expected="at most 65504",
            fix="Export at another --precision",
        )
    return ir.tape.Tape(graph).initializer(ir.tensor(array, name=f"{value.name}.fp16"))


def _make_halves(node: ir.Node) -> None:
    for value in node.outputs:
        if value.dtype == _FULL:
            value.dtype = _HALF
    constant = node.attributes.get("value")
    if node.op_type == "Constant" and constant is not None and constant.value.dtype == _FULL:
        half = ir.tensor(constant.value.numpy().astype(np.float16))
        node.attributes["value"] = ir.AttrTensor("value", half)
    if node.op_type == "Cast" and node.attributes.get_int("to", 0) == int(_FULL):
        node.attributes["to"] = ir.AttrInt64("to", int(_HALF))


def _cast(value: ir.Value, dtype: ir.DataType, readers: Iterable[ir.Node]) -> None:
    """Let `readers` read `value` as `dtype`."""
    node = ir.Node("", "Cast", [value], [ir.AttrInt64("to", int(dtype))])
    cast = node.outputs[0]
    cast.name, cast.shape, cast.dtype = f"{value.name}.{dtype.name.lower()}", value.shape, dtype
    for reader in readers:
        for index, read in enumerate(reader.inputs):
            if read is value:
                reader.replace_input_with(index, cast)
    first = value.graph
    assert first is not None
    first.append(node)
