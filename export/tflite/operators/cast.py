"""Cast."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.flatbuffer import TYPES


def lower(node: ir.Node, to: Emitter) -> None:
    """Write CAST."""
    source, result = node.inputs[0], node.outputs[0]
    kinds = [
        to.number("TensorType", TYPES[value.dtype.numpy().name])
        for value in (source, result)
        if value is not None and value.dtype is not None
    ]
    inputs, outputs = [to.read(source)], [to.write(result)]
    to.emit("CAST", inputs, outputs, "CastOptions", inDataType=kinds[0], outDataType=kinds[1])
