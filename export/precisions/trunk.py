"""Which part of a plain graph is narrowed: what lies between the image front and the last head.

The front turns bytes into numbers and the backbone's own head turns features into scores; both are
a sliver of the work and stay float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from calexnet.export.graph.cut import needed
from calexnet.export.graph.operators import SIZED

#: What the image front is made of.
_FRONT = {"Transpose", "Cast", "Mul", "Add"}
#: What turns the last feature map into logits.
_HEAD = {"GlobalAveragePool", "ReduceMean", "Flatten", "Reshape", "Squeeze", "Identity"}
_LINEAR = {"Gemm", "MatMul", "Add"}


@dataclass(frozen=True)
class Trunk:
    """The nodes to narrow, and what goes in and comes out in float32.

    Attributes:
        entry: The normalised image.
        nodes: In the graph's order.
        exit: The last feature, from which the backbone's own head makes logits.
    """

    entry: ir.Value
    nodes: tuple[ir.Node, ...]
    exit: ir.Value


def find(graph: ir.Graph) -> Trunk:
    """Return the trunk of the plain graph."""
    named = ir.convenience.create_value_mapping(graph, include_subgraphs=False)
    entry = named.get(SIZED) or _entry(graph.inputs[0])
    leaving = _last_feature(logits_of(graph))
    inside = needed([leaving], entry)
    return Trunk(entry, tuple(node for node in graph if node in inside), leaving)


def logits_of(graph: ir.Graph) -> ir.Value:
    """Return what the plain graph takes the softmax of."""
    probabilities = next(value for value in graph.outputs if value.name == "probabilities")
    softmax = probabilities.producer()
    assert softmax is not None
    assert softmax.op_type == "Softmax"
    logits = softmax.inputs[0]
    assert logits is not None
    return logits


def _entry(value: ir.Value) -> ir.Value:
    """Follow the front for as long as the image goes one way."""
    while True:
        readers = [node for node, _ in value.uses()]
        if len(readers) != 1 or readers[0].op_type not in _FRONT:
            return value
        value = readers[0].outputs[0]


def _last_feature(value: ir.Value) -> ir.Value:
    """Go back from the logits over the last linear layer, then over pooling and reshaping."""
    value = _before(value, _LINEAR)
    return _before(value, _HEAD)


def _before(value: ir.Value, operators: set[str]) -> ir.Value:
    while True:
        node = value.producer()
        if node is None or node.op_type not in operators:
            return value
        made = [v for v in node.inputs if v is not None and _is_computed(v)]
        if len(made) != 1:
            return value
        value = made[0]


def _is_computed(value: ir.Value) -> bool:
    return ir.convenience.get_const_tensor(value) is None
