"""LayerNormalization over the last axes."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write (x - mean) / sqrt(variance + epsilon) * scale + shift."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    if len(node.outputs) > 1:
        raise to.refuse(node, "its statistics as outputs", "one output")
    name, shape = result.name, dims(source)
    first = node.attributes.get_int("axis", -1) % len(shape)
    axes = to.numbers(f"{name}.axes", range(first, len(shape)))
    one = (*shape[:first], *(1 for _ in shape[first:]))
    value = to.read(source)
    mean, variance, inverse = (
        to.scratch(f"{name}.{what}", one, source) for what in ("mean", "variance", "inverse")
    )
    guarded = to.scratch(f"{name}.guarded", one, source)
    centred, squared, scaled = (
        to.like(source, f"{name}.{what}") for what in ("centred", "squared", "scaled")
    )
    epsilon = to.scalar(f"{name}.epsilon", node.attributes.get_float("epsilon", 1e-5))
    to.emit("MEAN", [value, axes], [mean], "ReducerOptions", keepDims=True)
    to.emit("SUB", [value, mean], [centred], "SubOptions")
    to.emit("MUL", [centred, centred], [squared], "MulOptions")
    to.emit("MEAN", [squared, axes], [variance], "ReducerOptions", keepDims=True)
    to.emit("ADD", [variance, epsilon], [guarded], "AddOptions")
    to.emit("RSQRT", [guarded], [inverse])
    to.emit("MUL", [centred, inverse], [scaled], "MulOptions")
    if len(node.inputs) < 3 or node.inputs[2] is None:
        to.emit("MUL", [scaled, to.read(node.inputs[1])], [to.write(result)], "MulOptions")
        return
    stretched = to.like(source, f"{name}.stretched")
    to.emit("MUL", [scaled, to.read(node.inputs[1])], [stretched], "MulOptions")
    to.emit("ADD", [stretched, to.read(node.inputs[2])], [to.write(result)], "AddOptions")
