"""QuantizeLinear and DequantizeLinear: where integers and floats meet."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter

CODES = {"DequantizeLinear": "DEQUANTIZE", "QuantizeLinear": "QUANTIZE"}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator of the same meaning; scale and zero point stand beside the integers."""
    to.emit(CODES[node.op_type], [to.read(node.inputs[0])], [to.write(node.outputs[0])])
