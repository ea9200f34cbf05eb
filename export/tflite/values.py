"""What the passes and lowerings read of a graph's values, and how they refuse one of its nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import ExportError
from calexnet.export.tflite.flatbuffer import BATCH

#: The attribute that carries the schema's name of the clamp that an operator does itself.
ACTIVATION = "activation"


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return what `value` holds if it is a constant."""
    if value is None or not value.is_initializer() or value.const_value is None:
        return None
    return value.const_value.numpy()


def add_constant(graph: ir.Graph, name: str, array: NDArray[Any]) -> ir.Value:
    """Return a new constant of `graph`."""
    tensor = ir.tensor(np.ascontiguousarray(array), name=name)
    type, shape = ir.TensorType(tensor.dtype), ir.Shape(array.shape)
    value = ir.Value(name=name, const_value=tensor, type=type, shape=shape)
    graph.register_initializer(value)
    return value


def dims(value: ir.Value) -> tuple[int, ...]:
    """Return the dimensions of `value`, `BATCH` for its batch."""
    assert value.shape is not None
    return tuple(dim if isinstance(dim, int) else BATCH for dim in value.shape)


def refusal(graph: ir.Graph | None, node: ir.Node, *, got: str, expected: str) -> ExportError:
    """Return the error that names the layer and the segment that TFLite cannot have."""
    where = "a graph" if graph is None else graph.name
    layer, _, _ = (node.name or "").rpartition("/")
    place = f"layer {layer!r} in {where}" if layer else f"node {node.name!r} of {where}"
    return ExportError(
        f"{node.op_type}, {place}, cannot be written for tflite",
        got=got,
        expected=expected,
        fix="Change that layer in the network, use --target onnxruntime, or export the run with "
        "--converter litert-torch",
    )
