"""Copies that change nothing, which torch's export leaves behind.

Torch averages a map that lies channels last and then says how the average lies, by strides; its
export writes that as a look-up of every number at its own place. Runtimes cannot see that, TFLite
has no ``Range``, and no shape follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir


def drop_strided_copies(graph: ir.Graph) -> None:
    """Read the source instead of each such look-up of `graph`, in place."""
    for node in list(graph):
        source = _source(node)
        if source is None:
            continue
        copy = node.outputs[0]
        if copy.is_graph_output():
            same = ir.Node("", "Identity", [source], name=node.name, num_outputs=1)
            graph.insert_before(node, same)
            here = same.outputs[0]
            here.type, here.shape = copy.type, copy.shape
            ir.convenience.replace_all_uses_with(copy, here, replace_graph_outputs=True)
            name = copy.name
            graph.remove(node, safe=True)
            here.name = name
        else:
            ir.convenience.replace_all_uses_with(copy, source)
            graph.remove(node, safe=True)


def _source(node: ir.Node) -> ir.Value | None:
    """Return what `node` copies number by number, ``None`` if it does something else."""
    if node.op_type != "Gather" or node.attributes.get_int("axis", 0) != 0:
        return None
    flat, places = node.inputs
    reshape = None if flat is None else flat.producer()
    if reshape is None or reshape.op_type != "Reshape" or places is None:
        return None
    source, copy = reshape.inputs[0], node.outputs[0]
    if source is None or source.shape is None or source.shape != copy.shape:
        return None
    rest = [dim for dim in source.shape if isinstance(dim, int)]
    is_copy = len(rest) == len(source.shape) - 1 and _counts_up(places, rest)
    return source if is_copy else None


def _counts_up(places: ir.Value, rest: Sequence[int]) -> bool:
    """Tell whether `places` are 0, 1, 2, ... in the shape ``(n, *rest)``.

    They are a sum: of each image's first place, and constants that count within an image.
    """
    within, firsts, terms = np.zeros((1, *rest), np.int64), [], [places]
    while terms:
        term = terms.pop()
        held = ir.convenience.get_const_tensor(term)
        maker = term.producer()
        if held is not None:
            within = within + held.numpy()
        elif maker is not None and maker.op_type == "Add":
            terms += [value for value in maker.inputs if value is not None]
        else:
            firsts.append(term)
    counted = np.arange(prod(rest)).reshape(1, *rest)
    return len(firsts) == 1 and np.array_equal(within, counted) and _starts(firsts[0], prod(rest))


def _starts(value: ir.Value, size: int) -> bool:
    """Tell whether `value` is 0, `size`, 2 `size`, ..., one an image."""
    node = value.producer()
    if node is not None and node.op_type in ("Unsqueeze", "Reshape"):
        node = node.inputs[0].producer() if node.inputs[0] is not None else None
    if node is not None and node.op_type == "Mul":
        (ranged, step) = node.inputs
        node = None if ranged is None or _number(step) != size else ranged.producer()
    elif size != 1:
        return False
    return node is not None and node.op_type == "Range" and _from_zero(node)


def _from_zero(node: ir.Node) -> bool:
    start, _, step = node.inputs
    return (_number(start), _number(step)) == (0, 1)


def _number(value: ir.Value | None) -> int | None:
    held = None if value is None else ir.convenience.get_const_tensor(value)
    return int(held.numpy().item()) if held is not None and held.size == 1 else None
