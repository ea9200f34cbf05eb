"""Cascades whose network and branches are ONNX graphs already: read, and cut short. No torch."""

from __future__ import annotations

from dataclasses import replace

import onnx
import onnx_ir as ir

from calexnet.export.graph import operators
from calexnet.export.graph.broadcast import leave_to_broadcasting
from calexnet.export.graph.counts import count
from calexnet.export.graph.dialect import finished, state_name
from calexnet.export.graph.pooling import pool_globally
from calexnet.training.backbones.graph_file import GraphCosts, GraphFile
from calexnet.training.graph_run import GraphCascade


def backbone_graph(cascade: GraphCascade) -> ir.Graph:
    """Return the backbone: ``image`` float32 ``(n, C, H, W)`` to its features and ``logits``."""
    return portable_graph(cascade.backbone.data)


def branch_graph(cascade: GraphCascade, index: int) -> ir.Graph:
    """Return one branch (from 0): ``features`` and the states it reads, to what it says."""
    return _graph(cascade.branches[index].data)


def portable_graph(data: bytes) -> ir.Graph:
    """Return the graph of a network in the form that is cut into segments."""
    graph = _graph(data)
    leave_to_broadcasting(graph)
    pool_globally(graph)
    return graph


def file_of(graph: ir.Graph) -> bytes:
    """Return `graph` as an ONNX file: the same bytes on every run, without notes of the machine."""
    proto = ir.serde.serialize_model(finished(graph, list(graph.outputs), graph.name or "network"))
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def cut_after(cascade: GraphCascade, number: int) -> GraphCascade:
    """Return `cascade` cut after stage `number`: its network answers as exit `number` does.

    Its score is the largest probability, as that of every plain network.

    Args:
        cascade: A trained one; it is not changed.
        number: Of one of its branches, from 1.
    """
    graph = _graph(cascade.backbone.data)
    features = {value.name: value for value in graph.outputs}
    states: dict[int, ir.Value] = {}
    for k, branch in enumerate(cascade.branches[:number]):
        sources = [features[cascade.spec.attach[k]], *(states[read] for read in branch.reads)]
        said = operators.inline(graph, branch_graph(cascade, k), sources, f"branch{k + 1}")
        states |= {k: said[state_name(k)]} if state_name(k) in said else {}
    features["logits"].name = "logits.whole"
    said["logits"].name = "logits"
    graph.outputs[:] = [said["logits"]]
    reads = [branch.reads for branch in cascade.branches]
    data = file_of(graph)
    costs = GraphCosts((cascade.macs().cut(number, reads),), count(data).parameters)
    spec = replace(cascade.spec.cut_after(number), graph=costs)
    return replace(cascade, spec=spec, backbone=GraphFile(data, (), costs), branches=())


def _graph(data: bytes) -> ir.Graph:
    return ir.serde.deserialize_model(onnx.load_from_string(data)).graph
