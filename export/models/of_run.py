"""The backbone of a run, with its branches or without, as a network of a model cascade."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import onnx_ir as ir

from calexnet.errors import InputError
from calexnet.export.graph.given import file_of
from calexnet.export.models.of_file import model_of
from calexnet.models import Model, ModelBranch, is_models
from calexnet.registry import Allowed
from calexnet.training import runs
from calexnet.training.graph_run import GraphCascade


def of_run(
    folder: Path, name: str, classes: tuple[str, ...], allow: Allowed, *, branches: bool
) -> Model:
    """Return the backbone of a run.

    Args:
        folder: What ``calexnet train`` wrote.
        name: In the cascade.
        classes: Names in label order.
        allow: Whose own parts may be imported.
        branches: Keep its branches.

    Raises:
        CheckpointError: There is no such run, or it was changed.
        InputError: It is a cascade of whole networks itself, or has other classes.
        ExportError: torch cannot translate it.
        RuntimeUnavailableError: It is of torch modules, and torch is not installed.
    """
    if is_models(folder):
        raise InputError(
            f"{folder} is a cascade of whole networks itself",
            expected="networks, or a run with branches of its own",
            fix="Name its networks one by one",
        )
    cascade, identity = _graphs(folder, allow)
    spec = cascade.spec
    if spec.classes != classes:
        raise InputError(
            f"{folder} has other classes than the data",
            got=", ".join(spec.classes[:5]),
            expected=", ".join(classes[:5]),
            fix="Give the data set that it was trained from",
        )
    images = replace(spec.preprocessing, resize=None, input="uint8")
    if not branches or not spec.attach:
        return model_of(name, identity, _bare(cascade.backbone.data), images)
    return _with_branches(cascade, model_of(name, identity, cascade.backbone.data, images))


def _graphs(folder: Path, allow: Allowed) -> tuple[GraphCascade, str]:
    cascade, identity = runs.load(folder, allow)
    if isinstance(cascade, GraphCascade):
        return cascade, identity
    from calexnet.export.graph.capture import as_graphs

    return as_graphs(cascade), identity


def _bare(data: bytes) -> bytes:
    """Return a network's graph with its logits alone."""
    graph = ir.serde.deserialize_model(onnx.load_from_string(data)).graph
    graph.outputs[:] = [value for value in graph.outputs if value.name == "logits"]
    return file_of(graph)


def _with_branches(cascade: GraphCascade, model: Model) -> Model:
    spec = cascade.spec
    branches = tuple(
        ModelBranch(
            attach,
            spec.head_of(number),
            branch.known.macs,
            branch.known.parameters,
            branch.reads,
            branch.state_width,
        )
        for number, (attach, branch) in enumerate(zip(spec.attach, cascade.branches, strict=True))
    )
    known = replace(model.spec, macs=cascade.backbone.costs.macs, branches=branches)
    return replace(model, spec=known, branches=tuple(one.data for one in cascade.branches))
