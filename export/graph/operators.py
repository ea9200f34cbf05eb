"""The few operators that calexnet writes itself: the image front, and the answer with its gate.

Softmax, score and comparison stay float32 at every precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from calexnet.export.graph.dialect import BATCH
from calexnet.export.graph.sizing import Sizing
from calexnet.images.preprocessing import Preprocessing

_FLOAT, _INT32 = ir.DataType.FLOAT, ir.DataType.INT32


#: Name of a network's input where its images were brought to size.
SIZED = "front.image"


def prepend_front(
    graph: ir.Graph, preprocessing: Preprocessing, images: Preprocessing | None = None
) -> None:
    """Let `graph` take raw images: uint8 ``(n, H, W, C)`` instead of normalised float32.

    Cast first: TensorRT transposes no bytes, and to ONNX Runtime the order is all one.

    Args:
        graph: Of one network; it is changed.
        preprocessing: What the network takes.
        images: What they are like, if they are of another size than it takes: they are brought to
            size as `calexnet.images.resizing.resize` does.
    """
    images = images or preprocessing
    normalised = graph.inputs[0]
    raw = ir.Value(
        name="image",
        type=ir.TensorType(ir.DataType.UINT8),
        shape=ir.Shape([BATCH, *images.image_shape]),
    )
    normalised.name = "normalised"
    tape = ir.tape.Tape(graph)
    scale, shift = (
        tape.initializer(ir.tensor(array, name=f"front.{name}"))
        for name, array in zip(("scale", "shift"), preprocessing.scale_and_shift(), strict=True)
    )
    front = ir.tape.Tape()
    floats = front.op("Cast", [raw], {"to": int(_FLOAT)})
    channels_first = front.op("Transpose", [floats], {"perm": [0, 3, 1, 2]})
    channels_first.dtype = _FLOAT
    channels_first.shape = ir.Shape([BATCH, images.channels, images.height, images.width])
    sized = Sizing(tape, front).brought(channels_first, images, preprocessing)
    scaled = front.op("Mul", [sized, scale])
    moved = front.op("Add", [scaled, shift])
    for value in (scaled, moved):
        value.dtype, value.shape = _FLOAT, normalised.shape
    floats.dtype, floats.shape = _FLOAT, raw.shape
    if sized is not channels_first:
        moved.name = SIZED  # the way there forks: whoever looks for the end of it asks by name
    ir.convenience.replace_all_uses_with(normalised, moved)
    graph.inputs[0] = raw
    graph.insert_before(graph[0], list(front.nodes))


def append_answer(
    graph: ir.Graph,
    logits: ir.Value,
    score: ir.Value | None = None,
    average: ir.Value | None = None,
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Add ``label``, ``score`` and ``probabilities`` to `graph`, from float32 ``(n, classes)``.

    Args:
        graph: What to add to.
        logits: Class scores.
        score: A branch's own score; without one it is the largest probability.
        average: Probabilities to answer by, in the place of the softmax of `logits`.

    Returns:
        Label int32 ``(n,)``, score float32 ``(n,)``, probabilities float32 ``(n, classes)``.
    """
    tape = ir.tape.Tape(graph)
    probabilities = average or tape.op("Softmax", [logits], {"axis": 1})
    best = tape.op("ArgMax", [average or logits], {"axis": 1, "keepdims": 0})
    label = tape.op("Cast", [best], {"to": int(_INT32)})
    if score is None:
        axes = tape.initializer(ir.tensor(np.array([1], dtype=np.int64), name="answer.axes"))
        score = tape.op("ReduceMax", [probabilities, axes], {"keepdims": 0})
    _name(label, "label", _INT32, [BATCH])
    _name(score, "score", _FLOAT, [BATCH])
    _name(probabilities, "probabilities", _FLOAT, [BATCH, classes_of(logits)])
    return label, score, probabilities


def append_average(
    graph: ir.Graph,
    logits: ir.Value,
    temperature: float,
    weight: float,
    earlier: ir.Value | None,
) -> ir.Value:
    """Add ``weight * softmax(logits / temperature)`` to what `earlier` networks said.

    Args:
        graph: What to add to.
        logits: float32 ``(n, classes)``.
        temperature: Over 0.
        weight: In the average.
        earlier: The sum so far, float32 ``(n, classes)``; ``None`` = nothing yet.

    Returns:
        The sum, float32 ``(n, classes)``.
    """
    tape = ir.tape.Tape(graph)
    inverse, share = (
        tape.initializer(ir.tensor(np.array(number, np.float32), name=f"average.{name}"))
        for name, number in (("inverse", 1 / temperature), ("share", weight))
    )
    said = tape.op("Softmax", [tape.op("Mul", [logits, inverse])], {"axis": 1})
    total = tape.op("Mul", [said, share])
    if earlier is not None:
        total = tape.op("Add", [earlier, total])
    total.dtype, total.shape = _FLOAT, logits.shape
    return total


def classes_of(logits: ir.Value) -> int:
    """Return how many classes ``(n, classes)`` has."""
    assert logits.shape is not None
    classes = logits.shape[1]
    assert isinstance(classes, int)
    return classes


def append_gate(graph: ir.Graph, label: ir.Value, score: ir.Value, classes: int) -> ir.Value:
    """Add the input ``threshold`` float32 ``(classes,)`` and the output ``exit`` bool ``(n,)``.

    ``exit = score >= threshold[label]``: equality exits, NaN never does.
    """
    threshold = ir.Value(name="threshold", type=ir.TensorType(_FLOAT), shape=ir.Shape([classes]))
    graph.inputs.append(threshold)
    tape = ir.tape.Tape(graph)
    bar = tape.op("Gather", [threshold, label], {"axis": 0})
    leaves = tape.op("GreaterOrEqual", [score, bar])
    _name(leaves, "exit", ir.DataType.BOOL, [BATCH])
    return leaves


def inline(
    graph: ir.Graph, part: ir.Graph, sources: Sequence[ir.Value], prefix: str
) -> dict[str, ir.Value]:
    """Move the nodes of `part` to the end of `graph`, fed with `sources`.

    Every name of the part gets `prefix`, so that it meets no other.

    Returns:
        The part's outputs by the names that they had.
    """
    outputs = {value.name or "": value for value in part.outputs}
    for value in _all_values(part):
        value.name = f"{prefix}.{value.name}"
    named = zip(part.inputs, sources, strict=True)
    graft(graph, part, {value.name or "": source for value, source in named})
    return outputs


def graft(graph: ir.Graph, part: ir.Graph, sources: Mapping[str, ir.Value]) -> list[ir.Value]:
    """Move the nodes of `part` to the end of `graph`; return its outputs.

    Args:
        graph: Gains the part's nodes, constants and those of its inputs that are not in `sources`.
        part: Left empty.
        sources: Value of `graph` to read, by the name of the part's input.
    """
    outputs = list(part.outputs)
    nodes, inputs = list(part), list(part.inputs)
    initializers = list(part.initializers.values())
    for value in inputs:
        if (source := sources.get(value.name or "")) is not None:
            ir.convenience.replace_all_uses_with(value, source)
    part.outputs.clear()
    part.inputs.clear()
    part.remove(nodes)
    part.initializers.clear()
    for value in initializers:
        graph.register_initializer(value)
    graph.inputs.extend(value for value in inputs if value.name not in sources)
    graph.extend(nodes)
    return outputs


def _all_values(part: ir.Graph) -> Sequence[ir.Value]:
    made = [value for node in part for value in node.outputs]
    return [*made, *list(part.initializers.values())]


def _name(value: ir.Value, name: str, dtype: ir.DataType, shape: list[int | str]) -> None:
    value.name, value.dtype, value.shape = name, dtype, ir.Shape(shape)
