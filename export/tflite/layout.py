"""The pass that turns channels-first maps into channels-last ones.

ONNX has maps as ``(n, C, H, W)``, TFLite as ``(n, H, W, C)``. After this pass every tensor of rank
4 is as it lies in memory: operators on maps read and write channels last, axes count in that order,
constants are permuted, and a ``Transpose`` stands where, and only where, an operator has to see the
other order. Lowerings so never think of layouts.

Graph inputs and outputs of rank 4 become channels last too, but for the image, whose layout is the
bundle's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import ArrayLike, NDArray

from calexnet.export.tflite.order import FIRST, LAST, Permutation, order_at_border
from calexnet.export.tflite.prepare import add_constant, constant, refusal
from calexnet.export.tflite.quantisation import note, quantisation

_SUFFIX = {LAST: ".channels_last", FIRST: ".channels_first"}

#: How the operators follow; any other one sees what ONNX says.
MAPS = {
    *("Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"),
    "BatchNormalization",
}
ELEMENTWISE = {
    *("Abs", "Add", "And", "Cast", "Clip", "DequantizeLinear", "Div", "Equal", "Exp", "Floor"),
    "Greater",
    *("GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu", "Less", "LessOrEqual", "Log"),
    *("Max", "Min", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "QuantizeLinear", "Reciprocal"),
    *("Relu", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh", "Where"),
}
ONE_AXIS = {"Concat", "LogSoftmax", "Softmax", "Split"}
REDUCTIONS = {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"}
RESHAPES = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"}


def channels_last(graph: ir.Graph) -> None:
    """Turn `graph`, whose shapes are known, in place."""
    _Layout(graph).turn()


class _Layout:
    """The pass at work on one graph.

    Attributes:
        lies: How each tensor of rank 4 lies in memory; what is not in it lies as ONNX says.
        turned: What was inserted so far, to be used again.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.lies: dict[ir.Value, Permutation] = {}
        self.turned: dict[tuple[ir.Value, Permutation], ir.Value] = {}

    def turn(self) -> None:
        for value in self.graph.inputs:
            if self._at_border(value) == LAST:
                self._note(value, LAST)
        for node in list(self.graph):
            self._rule(node.op_type)(node)
        for index, value in enumerate(self.graph.outputs):
            if self._at_border(value) == LAST != self._order(value):
                self._turn_output(index, value)

    def _rule(self, operator: str) -> Callable[[ir.Node], None]:
        families = (
            (MAPS, self._map),
            (ELEMENTWISE, self._elementwise),
            (ONE_AXIS, self._one_axis),
            (REDUCTIONS, self._reduction),
            (RESHAPES, self._reshape),
            ({"Pad"}, self._pad),
            ({"Slice"}, self._slice),
            ({"Transpose"}, self._transpose),
        )
        return next((rule for names, rule in families if operator in names), self._as_onnx_says)

    # One rule a family of operators.

    def _as_onnx_says(self, node: ir.Node) -> None:
        for index in range(len(node.inputs)):
            self._feed(node, index, FIRST)

    def _map(self, node: ir.Node) -> None:
        if _rank(node.inputs[0]) == 4:
            self._feed(node, 0, LAST)
            if node.op_type == "Conv":  # its weights too: (O, I, h, w) -> (O, h, w, I)
                self._feed(node, 1, LAST)
            self._give(node, LAST)

    def _elementwise(self, node: ir.Node) -> None:
        varying = [value for value in node.inputs if value and constant(value) is None]
        # A varying tensor of rank 1 to 3 is broadcast along ONNX's last axes.
        last = any(self._order(value) == LAST for value in varying) and not any(
            0 < _rank(value) < 4 for value in varying
        )
        wanted = LAST if last else FIRST
        for index in range(len(node.inputs)):
            self._feed(node, index, wanted, broadcast=True)
        self._give(node, wanted)

    def _one_axis(self, node: ir.Node) -> None:
        last = any(self._order(value) == LAST for value in node.inputs)
        wanted = LAST if last else FIRST
        for index in range(len(node.inputs)):
            self._feed(node, index, wanted)
        rank = _rank(node.inputs[0])
        axis = node.attributes.get_int("axis", 0 if node.op_type == "Split" else -1) % rank
        node.attributes.add(ir.AttrInt64("axis", wanted.index(axis) if rank == 4 else axis))
        self._give(node, wanted)

    def _reduction(self, node: ir.Node) -> None:
        source = node.inputs[0]
        rank = _rank(source)
        axes = [int(axis) % rank for axis in self._argument(node, 1, range(rank))]
        wanted = self._order(source)
        left = [axis for axis in wanted if axis not in axes]
        if node.attributes.get_int("keepdims", 1) == 0 and left != sorted(left):
            wanted = FIRST
        self._feed(node, 0, wanted)
        if rank == 4:
            axes = [wanted.index(axis) for axis in axes]
        self._set_argument(node, 1, sorted(axes))
        self._give(node, wanted)

    def _reshape(self, node: ir.Node) -> None:
        if not self._lies_as_onnx_says(node.inputs[0]):
            self._feed(node, 0, FIRST)

    def _pad(self, node: ir.Node) -> None:
        source = node.inputs[0]
        rank, order = _rank(source), self._order(source)
        axes = [int(axis) for axis in self._argument(node, 3, range(rank))]
        pads = np.zeros((rank, 2), np.int64)
        pads[axes] = np.reshape(self._argument(node, 1, [0] * 2 * len(axes)), (2, -1)).T
        if rank == 4:
            pads = pads[list(order)]
        self._set_argument(node, 1, pads.T.reshape(-1))
        node.resize_inputs(min(len(node.inputs), 3))
        self._give(node, order)

    def _slice(self, node: ir.Node) -> None:
        source = node.inputs[0]
        rank, order = _rank(source), self._order(source)
        count = len(self._argument(node, 1, ()))
        axes = [int(axis) % rank for axis in self._argument(node, 3, range(count))]
        if rank == 4:
            axes = [order.index(axis) for axis in axes]
        self._set_argument(node, 3, axes)
        self._give(node, order)

    def _transpose(self, node: ir.Node) -> None:
        """Let the result lie as the source does, if that is one of our two orders."""
        source = node.inputs[0]
        perm = tuple(node.attributes.get_ints("perm", tuple(reversed(range(_rank(source))))))
        for wanted in (LAST, FIRST):
            if _rank(source) == 4 and tuple(perm[i] for i in wanted) == self._order(source):
                node.op_type = "Identity"
                node.attributes.clear()
                return self._give(node, wanted)
        self._feed(node, 0, FIRST)
        return None

    # What the rules are made of.

    def _at_border(self, value: ir.Value) -> Permutation:
        return order_at_border(value.name or "", _rank(value))

    def _order(self, value: ir.Value | None) -> Permutation:
        return FIRST if value is None else self.lies.get(value, FIRST)

    def _note(self, value: ir.Value, order: Permutation) -> None:
        assert value.shape is not None
        self.lies[value] = order
        value.shape = ir.Shape([value.shape[axis] for axis in order])

    def _give(self, node: ir.Node, order: Permutation) -> None:
        for value in node.outputs:
            if _rank(value) == 4:
                self._note(value, order)

    def _feed(
        self, node: ir.Node, index: int, wanted: Permutation, *, broadcast: bool = False
    ) -> None:
        """Let `node` read an input in the order `wanted`; tensors of other ranks stay.

        Args:
            node: The reader.
            index: Of the input.
            wanted: FIRST or LAST.
            broadcast: Constants of lower rank stretch over the last of ONNX's axes.
        """
        value = node.inputs[index]
        if value is None:
            return
        array = constant(value)
        if array is not None:
            if array.ndim == 4 or (broadcast and wanted == LAST and array.size > 1):
                array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(wanted)
                node.replace_input_with(index, self._turned_constant(value, wanted, array))
        elif _rank(value) == 4 and self._order(value) != wanted:
            node.replace_input_with(index, self._turned(value, wanted, node))

    def _turned_constant(
        self, value: ir.Value, order: Permutation, array: NDArray[Any]
    ) -> ir.Value:
        if order == FIRST:
            return value
        if (value, order) not in self.turned:
            turned = add_constant(self.graph, f"{value.name}{_SUFFIX[order]}", array)
            note(turned, quantisation(value))  # channels of weights are the first axis in either
            self.turned[value, order] = turned
        return self.turned[value, order]

    def _turned(self, value: ir.Value, order: Permutation, before: ir.Node) -> ir.Value:
        if (value, order) not in self.turned:
            turn = self._turning(value, order)
            turn.outputs[0].name = f"{value.name}{_SUFFIX[order]}"
            self.graph.insert_before(before, turn)
            self.turned[value, order] = turn.outputs[0]
        return self.turned[value, order]

    def _turn_output(self, index: int, value: ir.Value) -> None:
        """Put a channels-last output of the same name in the place of `value`."""
        turn = self._turning(value, LAST)
        turn.outputs[0].name, value.name = value.name, f"{value.name}{_SUFFIX[FIRST]}"
        self.graph.append(turn)
        self.graph.outputs[index] = turn.outputs[0]

    def _turning(self, value: ir.Value, order: Permutation) -> ir.Node:
        """Return a node that gives `value` in `order`: a reshape where that moves nothing."""
        assert value.shape is not None
        perm = [self._order(value).index(axis) for axis in order]
        moved = [axis for axis in perm if value.shape[axis] != 1]
        result = ir.Value(type=value.type, shape=ir.Shape([value.shape[axis] for axis in perm]))
        name = f"layout.{value.name}"
        self.lies[result] = order
        note(result, quantisation(value))
        if moved == sorted(moved):
            return ir.Node("", "Flatten", [value], outputs=[result], name=name)
        attributes = [ir.AttrInt64s("perm", perm)]
        return ir.Node("", "Transpose", [value], attributes, outputs=[result], name=name)

    def _lies_as_onnx_says(self, value: ir.Value | None) -> bool:
        """Tell whether only axes of length 1 have changed places."""
        if value is None or _rank(value) != 4:
            return True
        order = self._order(value)
        moved = [a for a, dim in zip(order, value.shape or (), strict=True) if dim != 1]
        return moved == sorted(moved)

    def _argument(self, node: ir.Node, index: int, default: Iterable[int]) -> list[int]:
        """Return an input that says how, not what; it has to be a constant."""
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None:
            return list(default)
        array = constant(value)
        if array is None:
            raise refusal(
                self.graph, node, got=f"{value.name!r}, computed", expected="a constant there"
            )
        return [int(number) for number in array.reshape(-1)]

    def _set_argument(self, node: ir.Node, index: int, numbers: ArrayLike) -> None:
        if len(node.inputs) <= index:
            node.resize_inputs(index + 1)
        name = f"{node.outputs[0].name}.{node.op_type.lower()}{index}"
        value = add_constant(self.graph, name, np.asarray(numbers, np.int64))
        node.replace_input_with(index, value)


def _rank(value: ir.Value | None) -> int:
    return 0 if value is None or value.shape is None else len(value.shape)
