"""Means and maxima over the whole map as global pools.

torch.onnx writes them as general reductions. Runtimes keep a blocked layout through a global pool
and leave it for a reduction, which costs a small branch more than its arithmetic.
"""

from __future__ import annotations

import onnx_ir as ir

POOLS = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}


def pool_globally(graph: ir.Graph) -> None:
    """Replace every reduction of `graph` over both spatial axes of ``(n, C, H, W)``, in place."""
    for node in list(graph):
        if node.op_type in POOLS and _reduces_maps(node):
            _replace(graph, node)


def _reduces_maps(node: ir.Node) -> bool:
    source = node.inputs[0]
    if source is None or source.shape is None or len(source.shape) != 4 or len(node.inputs) < 2:
        return False
    axes = None if node.inputs[1] is None else ir.convenience.get_const_tensor(node.inputs[1])
    return axes is not None and sorted(int(axis) % 4 for axis in axes.numpy()) == [2, 3]


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    source, reduced = node.inputs[0], node.outputs[0]
    assert source is not None
    assert source.shape is not None
    tape = ir.tape.Tape()
    pooled = tape.op(POOLS[node.op_type], [source])
    if node.attributes.get_int("keepdims", 1) == 0:
        pooled.type, pooled.shape = source.type, ir.Shape([*source.shape[:2], 1, 1])
        pooled = tape.op("Flatten", [pooled], {"axis": 1})
    pooled.type, pooled.shape = reduced.type, reduced.shape
    nodes = list(tape.nodes)
    graph.insert_before(node, nodes)
    ir.convenience.replace_all_uses_with(reduced, pooled, replace_graph_outputs=True)
    name = reduced.name
    graph.remove(node, safe=True)
    pooled.name = name
