"""Counting an ONNX graph: MACs, parameters, bytes, and every other operator by name.

Convolutions and matrix products of every kind count, a fused multiply-add as one, whatever the
precision they are written in; `calexnet.training.flops` counts torch's modules alike. What a
runtime computes once, from constants alone, costs none. Of an ``If`` the branch that multiplies
more is the one that counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from calexnet.counts import GraphCounts, OperatorCount
from calexnet.errors import ExportError, RuntimeUnavailableError

Shape = tuple[int, ...]

#: They only say that a tensor is narrow.
_QUANTISERS = {"QuantizeLinear", "DequantizeLinear"}
#: They move no data: the same bytes under another shape, or a shape alone.
_RENAMES = {"Constant", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze"}
#: Constants of these are shapes, axes and flags.
_NO_PARAMETERS = {"int64", "bool"}


def _convolution(graph: _Graph, node: Any, weight: int) -> int:
    samples, _, *positions = graph.shape(node.output[0])
    return samples * prod(graph.shape(node.input[weight])) * prod(positions)


def _transposed(graph: _Graph, node: Any, weight: int) -> int:
    samples, _, *positions = graph.shape(node.input[0])
    return samples * prod(graph.shape(node.input[weight])) * prod(positions)


def _product(graph: _Graph, node: Any, weight: int) -> int:
    """Return the MACs of a matrix product: those of one output, times the outputs."""
    turned = any(a.name == "transB" and a.i for a in node.attribute)
    shared = graph.shape(node.input[weight])
    return prod(graph.shape(node.output[0])) * shared[-1 if turned or len(shared) == 1 else -2]


def _recurrent(graph: _Graph, node: Any, weight: int) -> int:
    """Return the MACs of a layer over a sequence: two products a step, image and direction."""
    steps, samples, _ = graph.shape(node.input[0])
    if any(a.name == "layout" and a.i for a in node.attribute):
        steps, samples = samples, steps
    weights = (graph.shape(node.input[place]) for place in (weight, weight + 1))
    return steps * samples * sum(map(prod, weights))


def _attention(graph: _Graph, node: Any, weight: int) -> int:
    """Return the MACs of ``softmax(Q K') V``: each query with each key, each score with a value."""
    keys = graph.shape(node.input[weight])[-2]
    if len(node.input) > 4 and node.input[4]:
        keys += graph.shape(node.input[4])[-2]
    return keys * (prod(graph.shape(node.input[0])) + prod(graph.shape(node.output[0])))


def _einsum(graph: _Graph, node: Any, weight: int) -> int:
    equation = next(a.s.decode() for a in node.attribute if a.name == "equation")
    return contraction(equation, [graph.shape(name) for name in node.input])


def contraction(equation: str, shapes: Sequence[Shape]) -> int:
    """Return the MACs of an Einstein sum whose operands are taken one after the other.

    Each step costs the product of the sizes of all its letters, if it sums over one that both
    sides have; else it is a product element by element, which costs none. A letter that one side
    alone has, and nobody after it, is summed before.

    Args:
        equation: Such as ``bij,jk->bik``; without an arrow the letters that occur once are kept.
        shapes: Of the operands.
    """
    left, arrow, kept = equation.replace(" ", "").partition("->")
    terms = [
        _spelled(term, len(shape)) for term, shape in zip(left.split(","), shapes, strict=True)
    ]
    letters = [letter for term in terms for letter in term]
    sizes: dict[str, int] = {}
    for letter, size in zip(letters, (size for shape in shapes for size in shape), strict=True):
        sizes[letter] = max(size, sizes.get(letter, 1))
    dots = {letter for letter in letters if letter.isdigit()}
    once = {letter for letter in letters if letters.count(letter) == 1}
    wanted = set(kept.replace(".", "")) if arrow else once
    wanted |= dots if "..." in kept or not arrow else set()
    done, *rest = map(set, terms)
    total = 0
    for place, term in enumerate(rest):
        later = wanted.union(*rest[place + 1 :])
        summed = (done & term) - later
        done, term = done & (later | term), term & (later | done)
        total += prod(sizes[letter] for letter in done | term) if summed else 0
        done = (done | term) & later
    return total


def _spelled(term: str, rank: int) -> list[str]:
    """Return a letter for each axis; those of an ellipsis are numbers, counted from the last."""
    before, ellipsis, after = term.partition("...")
    free = rank - len(before) - len(after) if ellipsis else 0
    return [*before, *(str(free - k) for k in range(free)), *after]


@dataclass(frozen=True)
class Counted:
    """An operator whose MACs count.

    Attributes:
        macs: How they follow from the shapes.
        weight: Which of its inputs the weight is.
        data: Which of its inputs are data; the others are scales and zero points. ``None`` = all.
    """

    macs: Callable[[_Graph, Any, int], int]
    weight: int = 1
    data: tuple[int, ...] | None = None


COUNTED = {
    "Attention": Counted(_attention),
    "Conv": Counted(_convolution),
    "ConvInteger": Counted(_convolution, data=(0, 1)),
    "QLinearConv": Counted(_convolution, 3, (0, 3, 8)),
    "ConvTranspose": Counted(_transposed),
    "DeformConv": Counted(_convolution),
    "Einsum": Counted(_einsum),
    "GRU": Counted(_recurrent),
    "Gemm": Counted(_product),
    "LSTM": Counted(_recurrent),
    "MatMul": Counted(_product),
    "MatMulInteger": Counted(_product, data=(0, 1)),
    "QLinearMatMul": Counted(_product, 3, (0, 3)),
    "RNN": Counted(_recurrent),
    "com.microsoft:FusedConv": Counted(_convolution),
    "com.microsoft:FusedGemm": Counted(_product),
    "com.microsoft:FusedMatMul": Counted(_product),
    "com.microsoft:QGemm": Counted(_product, 3, (0, 3, 6)),
}


def count(data: bytes) -> GraphCounts:
    """Return what the ONNX file with this content holds, for one image.

    A graph that is made for another batch is counted for that.

    Raises:
        ExportError: A shape does not follow from the file, for a batch of one image.
        RuntimeUnavailableError: onnx is not installed.
    """
    return _Graph(_for_one_image(data).graph).counts()


@dataclass(frozen=True)
class Counts:
    """A graph node by node, for one image.

    Attributes:
        nodes: Each with its MACs, in running order; what is computed from constants costs none.
        shapes: Of every tensor whose shape follows from the image's.
    """

    nodes: tuple[tuple[Any, int], ...]
    shapes: dict[str, Shape]


def by_node(data: bytes) -> Counts:
    """Return what each node of the ONNX file with this content costs.

    Raises:
        ExportError: A shape that is needed does not follow from the file.
        RuntimeUnavailableError: onnx is not installed.
    """
    graph = _Graph(_for_one_image(data).graph)
    nodes = tuple((node, graph._macs(node)) for node in graph._nodes)
    return Counts(nodes, {name: shape for name, (shape, _) in graph._types.items()})


class _Graph:
    """A graph whose tensors' shapes and dtypes are known for one image."""

    def __init__(self, graph: Any, around: _Graph | None = None) -> None:
        self._constants: set[str] = _constants(graph)
        self._types: dict[str, tuple[Shape, str]] = dict(_types(graph))
        self._fixed = set(self._constants)
        if around is not None:
            self._constants |= around._constants
            self._types = around._types | self._types
            self._fixed |= around._fixed
        self._nodes: list[Any] = []
        self._makers: dict[str, Any] = {}
        for node in graph.node:  # in running order
            self._nodes += self._straightened(node)
            self._makers.update((name, node) for name in node.output)
            if set(node.input) - {""} and set(node.input) <= self._fixed | {""}:
                self._fixed.update(node.output)
        self._readers: dict[str, list[str]] = defaultdict(list)
        for node in self._nodes:
            for name in node.input:
                self._readers[name].append(node.op_type)

    def _straightened(self, node: Any) -> list[Any]:
        """Return the node; instead of an ``If`` the nodes of its branch that multiplies more."""
        if node.op_type != "If":
            return [node]
        ways = [_Graph(attribute.g, self) for attribute in node.attribute]
        longest = max(ways, key=lambda way: way.macs())
        self._constants |= longest._constants
        self._types |= longest._types
        self._fixed |= longest._fixed
        self._makers |= longest._makers
        return longest._nodes

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor."""
        return self._type(name)[0]

    def macs(self) -> int:
        """Return the multiply-accumulates."""
        return sum(map(self._macs, self._nodes))

    def _macs(self, node: Any) -> int:
        counted = COUNTED.get(_name(node))
        if counted is None or self._fixed.issuperset(node.output):
            return 0
        return counted.macs(self, node, counted.weight)

    def counts(self) -> GraphCounts:
        """Return all of it."""
        others, elements = Counter[str](), Counter[str]()
        weights: dict[str, int] = {}
        weight_bytes = activation_bytes = 0
        for node in self._nodes:
            name = _name(node)
            if name not in COUNTED and name != "Constant":
                others[name] += 1
                elements[name] += sum(prod(self.shape(output)) for output in node.output if output)
            for constant in self._parameters(node):
                weights[constant] = prod(self.shape(constant))
            read, moved = self._bytes(node)
            weight_bytes, activation_bytes = weight_bytes + read, activation_bytes + moved
        return GraphCounts(
            macs=self.macs(),
            parameters=sum(weights.values()),
            weight_bytes=weight_bytes,
            activation_bytes=activation_bytes,
            others=tuple(OperatorCount(n, others[n], elements[n]) for n in sorted(others)),
        )

    def _parameters(self, node: Any) -> Iterator[str]:
        """Yield the constants that `node` computes with."""
        if node.op_type in _QUANTISERS:
            return  # whoever reads its output computes with what it stands for
        for stored in self._data(node):
            if stored in self._constants and self._type(stored)[1] not in _NO_PARAMETERS:
                yield stored

    def _bytes(self, node: Any) -> tuple[int, int]:
        """Return the bytes of constants that `node` reads, and of all else that it moves."""
        if node.op_type in _RENAMES:
            return 0, 0
        if node.op_type == "DequantizeLinear":
            return 0, 0
        if node.op_type == "QuantizeLinear":
            source, target = node.input[0], node.output[0]
            return 0, 0 if self._becomes_narrow(source) else self._size(target)
        constants = activations = 0
        for stored in self._data(node):
            if stored in self._constants:
                constants += self._size(stored)
            else:
                activations += self._size(stored)
        activations += sum(self._size(self._written(name)) for name in node.output if name)
        return constants, activations

    def _data(self, node: Any) -> list[str]:
        """Return the tensors that `node` reads, as they are stored."""
        counted = COUNTED.get(_name(node))
        places = None if counted is None else counted.data
        return [
            self._stored(name)
            for place, name in enumerate(node.input)
            if name and (places is None or place in places)
        ]

    def _stored(self, name: str) -> str:
        """Return the narrow tensor that stands for `name`, itself if there is none."""
        maker = self._makers.get(name)
        if maker is not None and maker.op_type == "DequantizeLinear":
            return str(maker.input[0])
        return name

    def _written(self, name: str) -> str:
        """Return what is written of an output: the narrow tensor that it becomes, or itself."""
        if not self._becomes_narrow(name):
            return name
        makers = self._makers.items()
        narrow = (o for o, m in makers if m.op_type == "QuantizeLinear" and m.input[0] == name)
        return str(next(narrow))

    def _becomes_narrow(self, name: str) -> bool:
        return set(self._readers[name]) == {"QuantizeLinear"} and name in self._makers

    def _size(self, name: str) -> int:
        shape, dtype = self._type(name)
        return prod(shape) * np.dtype(dtype).itemsize

    def _type(self, name: str) -> tuple[Shape, str]:
        try:
            return self._types[name]
        except KeyError:
            maker = self._makers.get(name)
            source = "" if maker is None else f", which {_name(maker)} makes"
            raise ExportError(
                "a graph cannot be counted",
                got=f"no shape for {name}{source}",
                expected="shapes that follow from the image's, for a batch of one",
            ) from None


def _name(node: Any) -> str:
    return f"{node.domain}:{node.op_type}" if node.domain else str(node.op_type)


def _for_one_image(data: bytes) -> Any:
    """Return the model with the shapes that follow for a batch of one."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "graphs cannot be counted here", got=missing, fix="Run: pip install onnx"
        ) from missing
    try:
        model = onnx.load_from_string(data)
    except DecodeError as problem:
        raise ExportError("a file that is no ONNX graph cannot be counted") from problem
    constant = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constant and dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    _forget_shapes(model.graph)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _forget_shapes(graph: Any) -> None:
    """Drop what was written down, which holds for any batch; it is found anew."""
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for attribute in node.attribute:
            _forget_shapes(attribute.g)


def _constants(graph: Any) -> set[str]:
    made = {node.output[0] for node in graph.node if node.op_type == "Constant"}
    return made | {tensor.name for tensor in graph.initializer}


def _types(graph: Any) -> Iterator[tuple[str, tuple[Shape, str]]]:
    """Yield name, shape and dtype of every tensor whose shape is known to the last dimension."""
    from onnx import helper

    def dtype(kind: int) -> str:
        return np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name

    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        dims = kind.shape.dim
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            yield value.name, (tuple(dim.dim_value for dim in dims), dtype(kind.elem_type))
    for tensor in graph.initializer:
        yield tensor.name, (tuple(tensor.dims), dtype(tensor.data_type))
