"""Add, Sub, Mul and Div, which may clamp their result."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator of the same name."""
    inputs = [to.read(value) for value in node.inputs]
    to.emit(
        node.op_type.upper(),
        inputs,
        [to.write(node.outputs[0])],
        f"{node.op_type}Options",
        fusedActivationFunction=to.activation(node),
    )
