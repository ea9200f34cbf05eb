"""A cascade of torch modules on disk: its record and two files of weights. Needs torch.

An ONNX graph that is the backbone is kept as it is, as runs did before their branches were graphs
too (`calexnet.training.graph_run`).
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from calexnet.errors import CheckpointError, first_line
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.training import record, weights
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.backbones.graph import GraphBackbone
from calexnet.training.backbones.graph_file import GraphFile
from calexnet.training.cascade import Cascade, build_parts

_BACKBONE, _BRANCHES = "backbone.safetensors", "branches.safetensors"


def save(cascade: Cascade, folder: Path) -> None:
    """Write `cascade` into `folder`; see `calexnet.training.record.write`."""
    network = _BACKBONE if cascade.spec.graph is None else record.GRAPH
    files = {
        network: _packed(cascade.backbone),
        _BRANCHES: weights.pack(nn.ModuleList(cascade.branches)),
    }
    record.write(folder, cascade.spec, files, cascade.samples)


def _packed(backbone: FrozenBackbone) -> bytes:
    if isinstance(backbone, GraphBackbone):
        return backbone.data
    return weights.pack(backbone.network)


def load(folder: Path, allow: Allowed = BUILT_IN_ONLY) -> tuple[Cascade, str]:
    """Return the cascade in `folder`, and a hash that names it.

    Args:
        folder: What `save` wrote.
        allow: Whose own parts may be imported, if the cascade has some.

    Raises:
        CheckpointError: There is none, it is of another schema, or a file was changed.
        InputError: It names a part that may not be imported.
    """
    found, identity = record.read(folder)
    spec = found.cascade
    network = _BACKBONE if spec.graph is None else record.GRAPH
    backbone_data, branch_data = (record.content(folder, n, found) for n in (network, _BRANCHES))
    graph = None if spec.graph is None else GraphFile(backbone_data, spec.attach, spec.graph)
    backbone, branches = build_parts(
        spec.backbone,
        spec.attach,
        spec.recipe,
        spec.preprocessing,
        network=graph,
        allow=allow.but_not_from(folder),
    )
    if graph is None:
        _fill(backbone.network, backbone_data, folder / _BACKBONE)
    _fill(nn.ModuleList(branches), branch_data, folder / _BRANCHES)
    return Cascade(spec, backbone, branches, record.samples(folder, found)), identity


def _fill(module: nn.Module, data: bytes, path: Path) -> None:
    try:
        weights.unpack(module, data)
    except Exception as problem:  # a network's own loading may raise anything
        raise CheckpointError(
            f"the tensors in {path} do not fit the cascade", got=first_line(problem)
        ) from problem
