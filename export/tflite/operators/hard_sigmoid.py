"""HardSigmoid."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write min(max(alpha x + beta, 0), 1)."""
    result = node.outputs[0]
    name = result.name
    alpha = to.scalar(f"{name}.alpha", node.attributes.get_float("alpha", 0.2))
    beta = to.scalar(f"{name}.beta", node.attributes.get_float("beta", 0.5))
    scaled, positive = to.like(result, f"{name}.scaled"), to.like(result, f"{name}.positive")
    relu = to.number("ActivationFunctionType", "RELU")
    to.emit("MUL", [to.read(node.inputs[0]), alpha], [scaled], "MulOptions")
    to.emit("ADD", [scaled, beta], [positive], "AddOptions", fusedActivationFunction=relu)
    to.emit("MINIMUM", [positive, to.scalar(f"{name}.one", 1.0)], [to.write(result)])
