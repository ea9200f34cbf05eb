"""The ONNX that every graph is written in, and the names that all of them share."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common as passes

OPSET = 20
#: Newer IR versions break older runtimes.
IR_VERSION = 10
#: Name of the symbolic batch size in every graph.
BATCH = "n"


def state_name(index: int) -> str:
    """Return the name of the tensor in which a branch (from 0) hands on its state."""
    return f"branch{index + 1}.state"


def finished(graph: ir.Graph, outputs: list[ir.Value], name: str) -> ir.Model:
    """Return `graph` as a model with these outputs: named, tidied, the same bytes on every run."""
    graph.outputs[:] = outputs
    graph.name = name
    graph.opset_imports.clear()
    graph.opset_imports[""] = OPSET
    model = ir.Model(graph, ir_version=IR_VERSION, producer_name="calexnet")
    # The exporter's notes hold source lines and paths of the machine that exported.
    passes.ClearMetadataAndDocStringPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.NameFixPass()(model)
    for value in ir.convenience.create_value_mapping(graph).values():
        value.metadata_props.clear()
    _sort_initializers(graph)
    return model


def _sort_initializers(graph: ir.Graph) -> None:
    """Put constants in the order of their names: the same cascade gives the same bytes."""
    ordered = sorted(graph.initializers.items())
    graph.initializers.clear()
    graph.initializers.update(ordered)
