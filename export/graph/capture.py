"""Torch modules to ONNX graphs, once each: the seam behind which nobody knows torch.

What comes out is what any other kind of backbone would have to give: one graph from ``image`` to
``logits`` in which the features at the attach points have the attach points' names.
"""

from __future__ import annotations

import ast
import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from calexnet.errors import ExportError
from calexnet.export.graph.broadcast import leave_to_broadcasting
from calexnet.export.graph.dialect import BATCH, OPSET, state_name
from calexnet.export.graph.given import file_of, portable_graph
from calexnet.export.graph.pooling import pool_globally
from calexnet.export.graph.strided import drop_strided_copies
from calexnet.training.backbones.check import capture_reason
from calexnet.training.backbones.graph import GraphBackbone
from calexnet.training.backbones.graph_file import GraphCosts, GraphFile, HeadGraph
from calexnet.training.graph_run import GraphBranch, GraphCascade

if TYPE_CHECKING:
    from calexnet.images.preprocessing import Preprocessing
    from calexnet.training.backbones.frozen import FrozenBackbone
    from calexnet.training.cascade import Cascade

#: Where the exporter notes the modules that a node comes from, outermost first, then itself.
_SCOPES = "pkg.torch.onnx.name_scopes"


def backbone_graph(cascade: Cascade) -> ir.Graph:
    """Return the backbone: ``image`` float32 ``(n, C, H, W)`` to its features and ``logits``."""
    if isinstance(cascade.backbone, GraphBackbone):
        return portable_graph(cascade.backbone.data)
    return network_graph(cascade.backbone, cascade.spec.preprocessing)


def network_graph(backbone: FrozenBackbone, images: Preprocessing) -> ir.Graph:
    """Return the same of a network for such images."""
    sample = torch.zeros(2, images.channels, images.height, images.width)
    return _graph(backbone, {"image": sample}, [*backbone.attach, "logits"], "the backbone")


def branch_graph(cascade: Cascade, index: int) -> ir.Graph:
    """Return one branch (from 0): ``features`` and the states it reads, to what it says.

    The outputs are ``logits``, then ``score`` and `state_name` where the branch has them.
    """
    branch = cascade.branches[index]
    inputs = {"features": torch.zeros(2, *branch.head.feature_shape)}
    for k in branch.reads:
        inputs[state_name(k)] = torch.zeros(2, cascade.branches[k].state_width)
    with torch.no_grad():
        said = branch.answer(branch.head.reduce(inputs["features"]), list(inputs.values())[1:])
    names = ("logits", "score", state_name(index))
    outputs = [name for name, tensor in zip(names, said, strict=True) if tensor is not None]
    where = f"the branch at {cascade.spec.attach[index]}"
    return _graph(branch, inputs, outputs, where)


def as_graphs(cascade: Cascade) -> GraphCascade:
    """Return `cascade` with its network and branches as ONNX graphs, which need no torch.

    Raises:
        ExportError: torch cannot translate a part.
    """
    spec, backbone = cascade.spec, cascade.backbone
    macs, parameters = cascade.macs(), cascade.parameters()
    costs = GraphCosts(tuple(np.cumsum(macs.stages).tolist()), parameters.network)
    if isinstance(backbone, GraphBackbone):
        network = backbone.data
    else:
        network = file_of(backbone_graph(cascade))
    branches = tuple(
        GraphBranch(
            file_of(branch_graph(cascade, k)),
            HeadGraph(branch.reads, branch.state_width, macs.branches[k], parameters.branches[k]),
        )
        for k, branch in enumerate(cascade.branches)
    )
    known = tuple(branch.known for branch in branches)
    return GraphCascade(
        replace(spec, graph=costs, heads=known),
        GraphFile(network, spec.attach, costs),
        branches,
        cascade.samples,
    )


def _graph(
    module: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str], what: str
) -> ir.Graph:
    module = module.eval()
    batch = {0: torch.export.Dim(BATCH)}
    _, *rest = inputs
    # A module's `*earlier` is one argument: a tuple of all that it holds.
    shapes = (batch, tuple(batch for _ in rest)) if rest else (batch,)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                tuple(inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=shapes,
                verbose=False,
            )
    except Exception as problem:  # the exporter raises many kinds; all mean the same to the user
        raise ExportError(
            f"torch.onnx.export cannot translate {what}",
            got=capture_reason(problem),
            expected="a network that torch.export captures, with any batch size",
        ) from problem
    if program is None:  # pragma: no cover - torch returns one for dynamo=True
        raise ExportError(f"torch.onnx.export gave nothing for {what}")
    graph = program.model.graph
    for value in ir.convenience.create_value_mapping(graph).values():
        if value.name in outputs:
            value.name = f"{value.name}.inner"
    for value, name in zip(graph.outputs, outputs, strict=True):
        value.name = name
    _name_by_layer(graph)
    drop_strided_copies(graph)
    if len(graph.inputs) == 1:
        leave_to_broadcasting(graph)
    pool_globally(graph)
    return graph


def _name_by_layer(graph: ir.Graph) -> None:
    """Name every node after the module that it comes from, so that whoever refuses it can say."""
    for node in graph:
        noted = node.metadata_props.get(_SCOPES)
        if noted is not None:
            _, *modules, _ = ast.literal_eval(noted)
            layer = modules[-1].removeprefix("network.") if modules else ""
            node.name = f"{layer}/{node.op_type}" if layer else node.op_type


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about packages and its own internals from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
