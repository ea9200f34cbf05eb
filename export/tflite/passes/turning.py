"""How each map of a graph lies in memory, and what is put in where it has to lie otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import ArrayLike, NDArray

from calexnet.export.tflite.passes.order import FIRST, LAST, Permutation, order_at_border
from calexnet.export.tflite.quantisation import note, quantisation
from calexnet.export.tflite.values import add_constant, constant, refusal

_SUFFIX = {LAST: ".channels_last", FIRST: ".channels_first"}


class Turning:
    """One graph while its maps are turned.

    Args:
        graph: Its shapes are known; it is changed in place.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        #: How each tensor of rank 4 lies; what is not in it lies as ONNX says.
        self._lies: dict[ir.Value, Permutation] = {}
        #: What was inserted so far, to be used again.
        self._turned_already: dict[tuple[ir.Value, Permutation], ir.Value] = {}

    def turn_inputs(self) -> None:
        """Let the inputs lie as they cross the graph's border."""
        for value in self.graph.inputs:
            if _at_border(value) == LAST:
                self._note(value, LAST)

    def turn_outputs(self) -> None:
        """Let the outputs lie as they cross the graph's border, in the end."""
        for index, value in enumerate(self.graph.outputs):
            if _at_border(value) == LAST != self.order(value):
                self._turn_output(index, value)

    def order(self, value: ir.Value | None) -> Permutation:
        """Return how a tensor lies."""
        return FIRST if value is None else self._lies.get(value, FIRST)

    def _note(self, value: ir.Value, order: Permutation) -> None:
        assert value.shape is not None
        self._lies[value] = order
        value.shape = ir.Shape([value.shape[axis] for axis in order])

    def give(self, node: ir.Node, order: Permutation) -> None:
        """Let all that `node` makes lie in `order`; tensors of other ranks stay."""
        for value in node.outputs:
            if rank_of(value) == 4:
                self._note(value, order)

    def feed(
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
        elif rank_of(value) == 4 and self.order(value) != wanted:
            node.replace_input_with(index, self._turned(value, wanted, node))

    def _turned_constant(
        self, value: ir.Value, order: Permutation, array: NDArray[Any]
    ) -> ir.Value:
        if order == FIRST:
            return value
        if (value, order) not in self._turned_already:
            turned = add_constant(self.graph, f"{value.name}{_SUFFIX[order]}", array)
            note(turned, quantisation(value))  # channels of weights are the first axis in either
            self._turned_already[value, order] = turned
        return self._turned_already[value, order]

    def _turned(self, value: ir.Value, order: Permutation, before: ir.Node) -> ir.Value:
        if (value, order) not in self._turned_already:
            turn = self._turning(value, order)
            turn.outputs[0].name = f"{value.name}{_SUFFIX[order]}"
            self.graph.insert_before(before, turn)
            self._turned_already[value, order] = turn.outputs[0]
        return self._turned_already[value, order]

    def _turn_output(self, index: int, value: ir.Value) -> None:
        """Put a channels-last output of the same name in the place of `value`."""
        turn = self._turning(value, LAST)
        turn.outputs[0].name, value.name = value.name, f"{value.name}{_SUFFIX[FIRST]}"
        self.graph.append(turn)
        self.graph.outputs[index] = turn.outputs[0]

    def _turning(self, value: ir.Value, order: Permutation) -> ir.Node:
        """Return a node that gives `value` in `order`: a reshape where that moves nothing."""
        assert value.shape is not None
        perm = [self.order(value).index(axis) for axis in order]
        moved = [axis for axis in perm if value.shape[axis] != 1]
        result = ir.Value(type=value.type, shape=ir.Shape([value.shape[axis] for axis in perm]))
        name = f"layout.{value.name}"
        self._lies[result] = order
        note(result, quantisation(value))
        if moved == sorted(moved):
            return ir.Node("", "Flatten", [value], outputs=[result], name=name)
        attributes = [ir.AttrInt64s("perm", perm)]
        return ir.Node("", "Transpose", [value], attributes, outputs=[result], name=name)

    def lies_as_onnx_says(self, value: ir.Value | None) -> bool:
        """Tell whether only axes of length 1 have changed places."""
        if value is None or rank_of(value) != 4:
            return True
        order = self.order(value)
        moved = [a for a, dim in zip(order, value.shape or (), strict=True) if dim != 1]
        return moved == sorted(moved)

    def argument(self, node: ir.Node, index: int, default: Iterable[int]) -> list[int]:
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

    def set_argument(self, node: ir.Node, index: int, numbers: ArrayLike) -> None:
        """Put constant numbers in the place of such an input."""
        if len(node.inputs) <= index:
            node.resize_inputs(index + 1)
        name = f"{node.outputs[0].name}.{node.op_type.lower()}{index}"
        value = add_constant(self.graph, name, np.asarray(numbers, np.int64))
        node.replace_input_with(index, value)


def rank_of(value: ir.Value | None) -> int:
    """Return the rank of a tensor, 0 if it is left out or unknown."""
    return 0 if value is None or value.shape is None else len(value.shape)


def _at_border(value: ir.Value) -> Permutation:
    return order_at_border(value.name or "", rank_of(value))
