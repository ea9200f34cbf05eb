"""The pass that turns channels-first maps into channels-last ones.

ONNX has maps as ``(n, C, H, W)``, TFLite as ``(n, H, W, C)``. After this pass every tensor of rank
4 is as it lies in memory: operators on maps read and write channels last, axes count in that order,
constants are permuted, and a ``Transpose`` stands where, and only where, an operator has to see the
other order. Lowerings so never think of layouts.

Graph inputs and outputs of rank 4 become channels last too, but for the image, whose layout is the
bundle's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.passes.order import FIRST, LAST
from calexnet.export.tflite.passes.turning import Turning, rank_of
from calexnet.export.tflite.values import constant


def channels_last(graph: ir.Graph) -> None:
    """Turn `graph`, whose shapes are known, in place."""
    turning = Turning(graph)
    turning.turn_inputs()
    for node in list(graph):
        _rule(node.op_type)(turning, node)
    turning.turn_outputs()


def _as_onnx_says(turning: Turning, node: ir.Node) -> None:
    for index in range(len(node.inputs)):
        turning.feed(node, index, FIRST)


def _map(turning: Turning, node: ir.Node) -> None:
    if rank_of(node.inputs[0]) == 4:
        turning.feed(node, 0, LAST)
        if node.op_type == "Conv":  # its weights too: (O, I, h, w) -> (O, h, w, I)
            turning.feed(node, 1, LAST)
        turning.give(node, LAST)


def _elementwise(turning: Turning, node: ir.Node) -> None:
    varying = [value for value in node.inputs if value and constant(value) is None]
    # A varying tensor of rank 1 to 3 is broadcast along ONNX's last axes.
    last = any(turning.order(value) == LAST for value in varying) and not any(
        0 < rank_of(value) < 4 for value in varying
    )
    wanted = LAST if last else FIRST
    for index in range(len(node.inputs)):
        turning.feed(node, index, wanted, broadcast=True)
    turning.give(node, wanted)


def _one_axis(turning: Turning, node: ir.Node) -> None:
    last = any(turning.order(value) == LAST for value in node.inputs)
    wanted = LAST if last else FIRST
    for index in range(len(node.inputs)):
        turning.feed(node, index, wanted)
    rank = rank_of(node.inputs[0])
    axis = node.attributes.get_int("axis", 0 if node.op_type == "Split" else -1) % rank
    node.attributes.add(ir.AttrInt64("axis", wanted.index(axis) if rank == 4 else axis))
    turning.give(node, wanted)


def _reduction(turning: Turning, node: ir.Node) -> None:
    source = node.inputs[0]
    rank = rank_of(source)
    axes = [int(axis) % rank for axis in turning.argument(node, 1, range(rank))]
    wanted = turning.order(source)
    left = [axis for axis in wanted if axis not in axes]
    if node.attributes.get_int("keepdims", 1) == 0 and left != sorted(left):
        wanted = FIRST
    turning.feed(node, 0, wanted)
    if rank == 4:
        axes = [wanted.index(axis) for axis in axes]
    turning.set_argument(node, 1, sorted(axes))
    turning.give(node, wanted)


def _reshape(turning: Turning, node: ir.Node) -> None:
    if not turning.lies_as_onnx_says(node.inputs[0]):
        turning.feed(node, 0, FIRST)


def _pad(turning: Turning, node: ir.Node) -> None:
    source = node.inputs[0]
    rank, order = rank_of(source), turning.order(source)
    axes = [int(axis) for axis in turning.argument(node, 3, range(rank))]
    pads = np.zeros((rank, 2), np.int64)
    pads[axes] = np.reshape(turning.argument(node, 1, [0] * 2 * len(axes)), (2, -1)).T
    if rank == 4:
        pads = pads[list(order)]
    turning.set_argument(node, 1, pads.T.reshape(-1))
    node.resize_inputs(min(len(node.inputs), 3))
    turning.give(node, order)


def _slice(turning: Turning, node: ir.Node) -> None:
    source = node.inputs[0]
    rank, order = rank_of(source), turning.order(source)
    count = len(turning.argument(node, 1, ()))
    axes = [int(axis) % rank for axis in turning.argument(node, 3, range(count))]
    if rank == 4:
        axes = [order.index(axis) for axis in axes]
    turning.set_argument(node, 3, axes)
    turning.give(node, order)


def _transpose(turning: Turning, node: ir.Node) -> None:
    """Let the result lie as the source does, if that is one of our two orders."""
    source = node.inputs[0]
    perm = tuple(node.attributes.get_ints("perm", tuple(reversed(range(rank_of(source))))))
    for wanted in (LAST, FIRST):
        if rank_of(source) == 4 and tuple(perm[i] for i in wanted) == turning.order(source):
            node.op_type = "Identity"
            node.attributes.clear()
            return turning.give(node, wanted)
    turning.feed(node, 0, FIRST)
    return None


Rule = Callable[[Turning, ir.Node], None]

#: How the operators follow; any other one sees what ONNX says.
RULES: tuple[tuple[Rule, frozenset[str]], ...] = (
    (
        _map,
        frozenset(
            [
                *("AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool"),
                *("GlobalMaxPool", "MaxPool"),
            ]
        ),
    ),
    (
        _elementwise,
        frozenset(
            [
                *("Abs", "Add", "And", "Cast", "Clip", "DequantizeLinear", "Div", "Equal", "Exp"),
                *("Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish"),
                *(
                    "LeakyRelu",
                    "Less",
                    "LessOrEqual",
                    "Log",
                    "Max",
                    "Min",
                    "Mul",
                    "Neg",
                    "Not",
                    "Or",
                    "PRelu",
                ),
                *("Pow", "QuantizeLinear", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Sub", "Sum"),
                *("Tanh", "Where"),
            ]
        ),
    ),
    (_one_axis, frozenset(["Concat", "LogSoftmax", "Softmax", "Split"])),
    (_reduction, frozenset(["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"])),
    (_reshape, frozenset(["Flatten", "Reshape", "Squeeze", "Unsqueeze"])),
    (_pad, frozenset(["Pad"])),
    (_slice, frozenset(["Slice"])),
    (_transpose, frozenset(["Transpose"])),
)


def _rule(operator: str) -> Rule:
    return next((rule for rule, names in RULES if operator in names), _as_onnx_says)
