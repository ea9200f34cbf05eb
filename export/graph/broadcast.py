"""What broadcasting does by itself, taken out of a graph.

Torch stretches a tensor over the batch, or over an axis of length 1, before it computes with it.
So a positional encoding, which is the same for every image, is computed anew for each; a runtime
cannot see that it is a constant, and TFLite has not all of its operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


class _Use(NamedTuple):
    """A reader of a value, as onnx_ir tells it."""

    node: ir.Node
    idx: int


#: They stretch what they read, as far as the other operand is.
_STRETCHING = {"Add", "Div", "Mul", "Sub"}
#: They tell of a tensor how large it is, not what is in it.
_SIZES = {"Shape", "Size"}


def leave_to_broadcasting(graph: ir.Graph) -> None:
    """Replace what depends on the number of images alone by a constant, and drop stretches.

    Args:
        graph: One input, whose first axis is the batch; it is changed in place.
    """
    _fold_what_is_the_same_for_every_image(graph)
    for node in list(graph):
        if node.op_type == "Expand" and _is_stretched_anyway(node.outputs[0]):
            source, stretched = node.inputs[0], node.outputs[0]
            assert source is not None
            ir.convenience.replace_all_uses_with(stretched, source)
            graph.remove(node, safe=True)


def _is_stretched_anyway(value: ir.Value) -> bool:
    """Tell whether whoever reads `value` would stretch it to the same shape."""
    readers = _uses(value)
    return bool(readers) and not value.is_graph_output() and all(map(_other_is_full, readers))


def _uses(value: ir.Value) -> list[_Use]:
    return [_Use(node, index) for node, index in value.uses()]


def _other_is_full(use: _Use) -> bool:
    other = _other(use)
    here = use.node.inputs[use.idx]
    return other is not None and here is not None and other.shape == here.shape


def _other(use: _Use) -> ir.Value | None:
    """Return the other operand of a reader that stretches, ``None`` if it does not."""
    return use.node.inputs[1 - use.idx] if use.node.op_type in _STRETCHING else None


def _fold_what_is_the_same_for_every_image(graph: ir.Graph) -> None:
    pictures = _depending_on_pixels(graph)
    for index, (value, uses) in enumerate(list(_met_by(graph, pictures))):
        rows = _computed(graph, value)
        if rows is None:
            continue
        tensor = ir.tensor(rows, name=f"every_image.{index}")
        held = ir.Value(
            name=tensor.name,
            const_value=tensor,
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape(rows.shape),
        )
        graph.register_initializer(held)
        for use in uses:
            use.node.replace_input_with(use.idx, held)


def _depending_on_pixels(graph: ir.Graph) -> set[ir.Value]:
    found = set(graph.inputs)
    for node in graph:
        if node.op_type not in _SIZES and found.intersection(v for v in node.inputs if v):
            found.update(node.outputs)
    return found


def _met_by(graph: ir.Graph, pictures: set[ir.Value]) -> Iterator[tuple[ir.Value, list[_Use]]]:
    """Yield values ``(n, ...)`` that depend on no pixel, with the readers that stretch them."""
    for node in graph:
        for value in node.outputs:
            if value in pictures or value.shape is None or value.is_graph_output():
                continue
            first, *rest = [*value.shape] or [1]
            if isinstance(first, int) or not all(isinstance(size, int) for size in rest):
                continue
            uses = [
                use
                for use in _uses(value)
                if (other := _other(use)) in pictures and other and other.shape == value.shape
            ]
            if uses:
                yield value, uses


def _computed(graph: ir.Graph, value: ir.Value) -> NDArray[np.generic] | None:
    """Return `value` for one image, ``None`` if another image of a batch has something else."""
    import onnx.reference

    (image,) = graph.inputs
    piece = ir.convenience.extract(graph, [image], [value])
    piece.name, piece.opset_imports[""] = "piece", graph.opset_imports[""]
    runs = onnx.reference.ReferenceEvaluator(
        ir.serde.serialize_model(ir.Model(piece, ir_version=10))
    )
    assert image.name is not None
    assert image.shape is not None
    sizes = [size for size in image.shape if isinstance(size, int)]
    found = []
    for images in (1, 2):
        said = runs.run(None, {image.name: np.zeros((images, *sizes), np.float32)})
        assert isinstance(said, list)
        found.append(np.asarray(said[0]))
    one, two = found
    # A product of more rows may be rounded otherwise.
    return one if np.allclose(two, np.concatenate([one, one]), rtol=1e-5, atol=1e-6) else None
