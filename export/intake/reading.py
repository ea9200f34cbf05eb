"""An ONNX file from disk, whole: one graph of ONNX's own operators with its weights in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError

from calexnet.errors import InputError, first_line
from calexnet.files.storage import open_regular, regular_bytes

#: Protocol buffers hold no more.
_MOST_BYTES = 2**31 - 1
_OWN = ("", "ai.onnx")


def read(path: Path) -> onnx.ModelProto:
    """Return the model in `path`: weights that lie beside it embedded, its own functions inlined.

    Raises:
        InputError: It is cut short, no ONNX file, reads a file outside its folder, or holds an
            operator that is not ONNX's own.
    """
    model = _parsed(path)
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _embed(tensor, path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _refuse_foreign(model.graph, path)
    return model


def opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's operators that `model` is written in; 1 if it does not say."""
    return max((one.version for one in model.opset_import if one.domain in _OWN), default=1)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield every node, those of graphs within too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def shown(node: onnx.NodeProto) -> str:
    """Return a node as messages name it."""
    domain = "" if node.domain in _OWN else f"{node.domain}:"
    name = node.name or (f"the one that makes {node.output[0]}" if node.output else "no name")
    return f"{domain}{node.op_type} ({name})"


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(regular_bytes(path, _MOST_BYTES))
    except (OSError, ValueError) as problem:
        raise InputError(
            f"cannot read {path}", got=first_line(problem), expected="an ONNX file"
        ) from problem
    except DecodeError as problem:
        raise _no_model(path) from problem
    if not model.graph.node or not model.graph.output:
        raise _no_model(path)
    return model


def _no_model(path: Path) -> InputError:
    return InputError(
        f"{path} is no ONNX file, or cut short",
        got=f"{path.stat().st_size:,} bytes that hold no graph",
        fix="Copy it again from where it was made, or export it anew",
    )


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _embed(tensor: onnx.TensorProto, model: Path) -> None:
    """Put the numbers of a tensor, which lie in another file, into it."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    path = _beside(model, said.get("location", ""))
    try:
        with open_regular(path) as file:
            file.seek(int(said.get("offset", 0)))
            length = int(said.get("length", -1))
            data = file.read(length) if length >= 0 else file.read(_MOST_BYTES)
    except (OSError, ValueError) as problem:
        raise InputError(
            f"{model} lacks weights",
            got=f"{path}: {first_line(problem)}",
            expected="the file beside it that it was saved with",
            fix="Copy both into one folder",
        ) from problem
    if len(data) < length:
        raise InputError(
            f"{path} is cut short",
            got=f"{len(data):,} bytes of {tensor.name}",
            expected=f"{length:,}",
            fix="Copy it again from where it was made",
        )
    tensor.raw_data = data
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def _beside(model: Path, location: str) -> Path:
    place, folder = PurePosixPath(location), model.parent.resolve()
    path = folder / place
    inside = location and not place.is_absolute() and path.resolve().is_relative_to(folder)
    if not inside or ".." in place.parts or "\\" in location:
        raise InputError(
            f"{model} reads a file outside its folder",
            got=repr(location),
            expected="weights in the model's own folder, reached over no link",
            fix="Load it where you trust it, and save it with its weights inside",
        )
    return path


def _refuse_foreign(graph: onnx.GraphProto, path: Path) -> None:
    for node in nodes(graph):
        if node.domain not in _OWN:
            raise InputError(
                f"{path} holds an operator that is not ONNX's own",
                got=shown(node),
                expected="operators that every runtime has",
                fix="Export it without fused or custom operators, before any runtime optimised it",
            )
        node.domain = ""
