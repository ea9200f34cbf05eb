"""The pass that lets steps between DequantizeLinear and QuantizeLinear count in integers.

ONNX writes a quantised step as a float one with a conversion at either end; TFLite writes the
integers themselves, and beside each tensor what they stand for. Where it has no integer form of a
step, the conversions stay and the step is done in float.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.export.tflite.quantisation import LOWEST, Quantisation, note, quantisation
from calexnet.export.tflite.values import add_constant, constant

_NARROW, _WIDE = "QuantizeLinear", "DequantizeLinear"

#: Steps on integers of any scales.
RESCALING = {"Add", "GlobalAveragePool", "Mul", "Relu", "Sub"}
#: Steps that hand their first input's numbers on: one scale for what goes in and comes out.
MOVES = {
    *("Flatten", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "Split", "Squeeze"),
    *("Transpose", "Unsqueeze"),
}


def count_in_integers(graph: ir.Graph) -> None:
    """Turn `graph`, in place; conversions that stay have one input, the tensor to convert."""
    for node in list(graph):
        if node.op_type in (_NARROW, _WIDE):
            _note_scale(graph, node)
    for node in list(graph):
        if _counts_in_integers(node):
            _take_integers(graph, node)
    for node in list(graph):
        if node.op_type == _WIDE:
            _tidy(graph, node)


def _note_scale(graph: ir.Graph, node: ir.Node) -> None:
    """Move scale and zero point from a conversion to its integers, and make these signed."""
    scale, point = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None
    assert point is not None
    shift = LOWEST if point.dtype == np.uint8 else 0
    found = Quantisation(
        scale.reshape(-1).astype(np.float32),
        point.reshape(-1).astype(np.int64) + shift,
        node.attributes.get_int("axis", 1) if scale.ndim else 0,
    )
    integers = node.outputs[0] if node.op_type == _NARROW else node.inputs[0]
    assert integers is not None
    array = constant(integers)
    if array is not None:
        if shift:
            array = (array.astype(np.int64) + shift).astype(np.int8)
        integers = add_constant(graph, f"{node.outputs[0].name}.integers", array)
        node.replace_input_with(0, integers)
    elif shift:
        integers.dtype = ir.DataType.INT8
    note(integers, found)
    node.resize_inputs(1)


def _counts_in_integers(node: ir.Node) -> bool:
    """Tell whether TFLite has `node` on the integers that stand around it."""
    made = [_narrowed(value) for value in node.outputs]
    given = [_integers(value) for value in node.inputs]
    if not given or given[0] is None or None in made:
        return False
    if node.op_type == "Conv":
        return _has_integer_weights(node)
    if node.op_type in RESCALING:
        return None not in given
    if node.op_type == "Concat":
        return None not in given and _mean_the_same([*given, *made])
    if node.op_type == "Pad" and not _pads_with_zero(node):
        return False
    return node.op_type in MOVES and _mean_the_same([given[0], *made])


def _has_integer_weights(node: ir.Node) -> bool:
    weight = _integers(node.inputs[1])
    found, array = quantisation(weight), constant(weight)
    if found is None or array is None:
        return False
    is_by_output = len(found.scale) == 1 or found.axis == 0
    return is_by_output and array.dtype == np.int8 and not found.zero_point.any()


def _pads_with_zero(node: ir.Node) -> bool:
    """Tell whether a pad puts in what TFLite does: the integer that stands for 0."""
    filling = node.inputs[2] if len(node.inputs) > 2 else None
    return filling is None or not _numbers(filling).any()


def _mean_the_same(values: Sequence[ir.Value | None]) -> bool:
    first, *others = map(quantisation, values)
    return first is not None and all(first.is_same(other) for other in others)


def _integers(value: ir.Value | None) -> ir.Value | None:
    """Return the integers that `value` is the float form of."""
    node = None if value is None else value.producer()
    return node.inputs[0] if node is not None and node.op_type == _WIDE else None


def _narrowed(value: ir.Value) -> ir.Value | None:
    """Return the integers that `value` becomes, if it is read for nothing else."""
    readers = [node for node, _ in value.uses()]
    if len(readers) != 1 or value.is_graph_output() or readers[0].op_type != _NARROW:
        return None
    return readers[0].outputs[0]


def _take_integers(graph: ir.Graph, node: ir.Node) -> None:
    """Let `node` read what lies before its conversions, and give what comes behind them."""
    if node.op_type == "Conv":
        _take_bias(graph, node)
    for index, value in enumerate(node.inputs[:1] if node.op_type in MOVES else node.inputs):
        integers = _integers(value)
        if integers is not None:
            node.replace_input_with(index, integers)
    for value in node.outputs:
        integers = _narrowed(value)
        assert integers is not None
        conversion = integers.producer()
        assert conversion is not None
        ir.convenience.replace_all_uses_with(integers, value, replace_graph_outputs=True)
        note(value, quantisation(integers))
        name = integers.name
        graph.remove(conversion, safe=True)
        value.name, value.dtype = name, ir.DataType.INT8


def _take_bias(graph: ir.Graph, node: ir.Node) -> None:
    """Give a convolution its bias in the scale of its sums: the input's times the weights'."""
    given, weights = (quantisation(_integers(value)) for value in node.inputs[:2])
    weight = constant(_integers(node.inputs[1]))
    assert given is not None
    assert weights is not None
    assert weight is not None
    scale = np.broadcast_to(given.scale * weights.scale, len(weight)).astype(np.float32)
    bias = _numbers(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(len(weight))
    sums = np.round(bias.astype(np.float64) / scale)
    limits = np.iinfo(np.int32)
    integers = np.clip(sums, limits.min, limits.max).astype(np.int32)
    value = add_constant(graph, f"{node.outputs[0].name}.bias.integers", integers)
    note(value, Quantisation(scale, np.zeros(len(scale), np.int64)))
    node.resize_inputs(3)
    node.replace_input_with(2, value)


def _numbers(value: ir.Value | None) -> NDArray[Any]:
    """Return what a constant holds, quantised or not."""
    integers = _integers(value)
    found, array = quantisation(integers), constant(integers)
    if found is not None and array is not None:
        return found.numbers(array)
    array = constant(value)
    assert array is not None
    return array


def _tidy(graph: ir.Graph, node: ir.Node) -> None:
    """Put floats in the place of constants that stayed quantised; drop what nobody reads."""
    result = node.outputs[0]
    if constant(node.inputs[0]) is not None:
        floats = add_constant(graph, f"{result.name}.floats", _numbers(result))
        ir.convenience.replace_all_uses_with(result, floats)
    if not result.uses() and not result.is_graph_output():
        graph.remove(node, safe=True)
