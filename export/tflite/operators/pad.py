"""Pad with a constant or mirrored."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter

MODES = {"constant", "reflect"}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write PAD, PADV2 for another value than 0, or MIRROR_PAD."""
    source, result = node.inputs[0], node.outputs[0]
    pads = to.argument(node, 1, "padding")
    filling = to.argument(node, 2, "value")
    mode = node.attributes.get_string("mode", "constant")
    assert pads is not None
    if mode not in MODES:
        raise to.refuse(node, f"mode {mode}", f"one of {', '.join(sorted(MODES))}")
    if (pads < 0).any():
        raise to.refuse(node, "padding below 0", "padding from 0 up; cut with a slice")
    begin, end = pads.reshape(2, -1).tolist()
    amounts = to.pairs(f"{result.name}.pads", list(zip(begin, end, strict=True)))
    inputs, outputs = [to.read(source), amounts], [to.write(result)]
    if mode == "reflect":
        kind = to.number("MirrorPadMode", "REFLECT")
        to.emit("MIRROR_PAD", inputs, outputs, "MirrorPadOptions", mode=kind)
    elif filling is None or filling == 0:
        to.emit("PAD", inputs, outputs, "PadOptions")
    else:
        value = to.constant(f"{result.name}.filling", filling.reshape(()))
        to.emit("PADV2", [*inputs, value], outputs, "PadV2Options")
