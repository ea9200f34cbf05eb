"""What an ONNX file holds, read without onnx: enough to refuse it before a runtime sees it.

ONNX files are protocol buffers: fields of (number, wire type, value), messages within messages.
Weights are skipped over, not copied. Field numbers are those of ``onnx.proto`` (IR version 10);
they never change within ONNX.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from math import prod

from calexnet.files.declared import Described, GraphError, misfit, refuse_other
from calexnet.manifest import GraphRecord

#: Beyond these a graph is none of ours: they have hundreds of nodes, and one ``If`` in the other
#: for each branch.
MOST_NODES, MOST_DEPTH, MOST_CONSTANT_BYTES = 100_000, 24, 2**31 - 1

#: Operators' domains that runtimes have built in; another is somebody's library.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")

#: TensorProto.DataType -> numpy's name and bytes, of those that a segment takes or gives.
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
_MOST_BYTES_EACH = 16

#: Field -> kind of message in it.
_GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE = "graph", "node", "attribute", "tensor", "sparse"
_INNER = {
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
}
_FOREIGN = {20: "training steps", 25: "functions of its own"}


@dataclass
class Seen:
    """What a walk through a graph comes to.

    Attributes:
        domains: Those that operators may come from, ``None`` = any.
        nodes: Of it and all graphs in it.
        constant_bytes: Likewise.
        initializers: Names of the outermost graph's.
        inputs: Of the outermost graph, by name: dtype's name and shape, ``None`` if it is not said.
        outputs: Likewise.
    """

    domains: Container[str] | None
    nodes: int = 0
    constant_bytes: int = 0
    initializers: set[str] = field(default_factory=set)
    inputs: dict[str, Described] = field(default_factory=dict)
    outputs: dict[str, Described] = field(default_factory=dict)


def seen(data: bytes, domains: Container[str] | None = DOMAINS) -> Seen:
    """Return what is in an ONNX file.

    Args:
        data: Its bytes.
        domains: Those that operators may come from; ``None`` = any, and functions of its own too.

    Raises:
        GraphError: It is cut, reads other files, brings operators of its own, or is beyond a limit.
    """
    found, view, graphs = Seen(domains), memoryview(data), []
    for number, value in _fields(view):
        if number in _FOREIGN and domains is not None:
            raise GraphError(f"it has {_FOREIGN[number]}")
        if number == 8 and isinstance(value, memoryview):
            _refuse_domain(next((_text(v) for n, v in _fields(value) if n == 1), ""), domains)
        if number == 7:
            graphs.append(_message(value))
    if len(graphs) != 1:
        raise GraphError(f"it holds {len(graphs)} graphs")
    _walk(graphs[0], _GRAPH, found, 0)
    for number, value in _fields(graphs[0]):
        if number == 5:
            found.initializers.update(_text(v) for n, v in _fields(_message(value)) if n == 8)
        elif number in (11, 12):
            name, described = _value(_message(value))
            (found.inputs if number == 11 else found.outputs)[name] = described
    return found


def refuse_misfit(record: GraphRecord, data: bytes) -> None:
    """Do nothing if an ONNX file is the graph that its record declares.

    Raises:
        BundleError: It is not, or see `seen`.
    """
    with misfit(record):
        found = seen(data)
        inputs = {name: d for name, d in found.inputs.items() if name not in found.initializers}
        refuse_other("inputs", record.inputs, inputs)
        refuse_other("outputs", record.outputs, found.outputs)


def _walk(message: memoryview, kind: str, found: Seen, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise GraphError(f"graphs nested deeper than {MOST_DEPTH}")
    if kind == _TENSOR:
        _count(message, found)
        return
    if kind == _NODE:
        found.nodes += 1
        if found.nodes > MOST_NODES:
            raise GraphError(f"more than {MOST_NODES:,} nodes")
    inner = _INNER[kind]
    for number, value in _fields(message):
        if number in inner:
            _walk(_message(value), inner[number], found, depth + (inner[number] == _GRAPH))
        elif number == 7 and kind == _NODE:
            _refuse_domain(_text(value), found.domains)


def _count(tensor: memoryview, found: Seen) -> None:
    """Count a tensor's bytes; its numbers are in this file, and as many as its dimensions say."""
    dims: list[int] = []
    for number, value in _fields(tensor):
        if number == 1:
            dims += [value] if isinstance(value, int) else _packed(value)
        elif number == 13 or (number == 14 and value != 0):
            raise GraphError("a weight that lies in another file")
    if min(dims, default=0) < 0 or prod(dims) > MOST_CONSTANT_BYTES:
        raise GraphError("a constant of impossible size")
    found.constant_bytes += max(len(tensor), prod(dims) // _MOST_BYTES_EACH)
    if found.constant_bytes > MOST_CONSTANT_BYTES:
        raise GraphError(f"more than {MOST_CONSTANT_BYTES:,} bytes of constants")


def _refuse_domain(domain: str, known: Container[str] | None) -> None:
    if known is not None and domain not in known:
        raise GraphError(f"operators of {domain!r}, which no runtime has built in")


def _value(info: memoryview) -> tuple[str, Described]:
    """Return the name of a ValueInfoProto, its dtype and its shape."""
    name, dtype, shape = "", "no tensor", None
    for number, value in _fields(info):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for kind, of_kind in _fields(_message(value)):
                if kind == 1:
                    dtype, shape = _tensor_type(_message(of_kind))
    return name, (dtype, shape)


def _tensor_type(message: memoryview) -> tuple[str, tuple[int | str, ...] | None]:
    dtype, shape = "of no dtype", None
    for number, value in _fields(message):
        if number == 1:
            dtype = _DTYPES.get(value, f"dtype {value}") if isinstance(value, int) else dtype
        elif number == 2:
            shape = tuple(_dimension(_message(v)) for n, v in _fields(_message(value)) if n == 1)
    return dtype, shape


def _dimension(message: memoryview) -> int | str:
    found: int | str = "?"
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            found = value
        elif number == 2:
            found = _text(value) or "?"
    return found


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise GraphError("a number where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")


def _packed(data: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message: an integer, or bytes where they lie."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            size, at = _varint(data, at)
        if size is None or not 0 <= size <= end - at:
            raise GraphError("it is cut, or no ONNX file")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a number of up to 64 bits in two's complement, and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value - 2**64 if value >= 2**63 else value, at + place + 1
    raise GraphError("it is cut, or no ONNX file")
