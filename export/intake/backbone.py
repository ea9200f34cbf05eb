"""A model taken in, with branches to be attached at tensors of its graph."""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx_ir as ir

from calexnet.errors import InputError
from calexnet.export.graph.counts import count
from calexnet.export.graph.cut import cut
from calexnet.export.intake.places import places, work_up_to
from calexnet.export.intake.taking import Taken
from calexnet.manifest import RESERVED
from calexnet.training.backbones.graph_file import GraphCosts, GraphFile
from calexnet.training.backbones.places import spread

#: Characters that names of files and tensors have on every target.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]+")


def with_branches(taken: Taken, attach: Sequence[str] | None) -> GraphFile:
    """Return the graph of `taken` with the features at its attach points among its outputs.

    Args:
        taken: The model.
        attach: Names of tensors, or of the nodes that make them, in running order; none for the
            network alone; ``None`` = places that are spread well. Characters that file names cannot
            have become ``.``.

    Raises:
        InputError: There is no such tensor, or it is no map nor vector.
        ExportError: The graph cannot be cut there.
    """
    found = places(taken.data)
    good = [place.name for place in spread([place for place in found if place.tensors == 1])]
    if attach is None and not good:
        raise InputError(
            "no attach points", got="a graph that nothing separates", expected="--attach with some"
        )
    model = _model(taken.data)
    values = [_value(model.graph, name, good) for name in (good if attach is None else attach)]
    for value in values:
        value.name = _UNSAFE.sub(".", str(value.name)).strip(".")
    names = tuple(str(value.name) for value in values)
    _refuse_names(model.graph, names)
    model.graph.outputs[:] = [*values, *model.graph.outputs]
    data = ir.serde.serialize_model(model).SerializeToString(deterministic=True)
    # A cut that cannot be made is found before anything is trained.
    cut(_model(data).graph, names, ["logits"])
    costs = GraphCosts(work_up_to(data, [*names, "logits"]), count(taken.data).parameters)
    return GraphFile(data, names, costs)


def _model(data: bytes) -> ir.Model:
    import onnx

    return ir.serde.deserialize_model(onnx.load_from_string(data))


def _value(graph: ir.Graph, name: str, good: Sequence[str]) -> ir.Value:
    """Return the tensor of this name, or the first that a node of this name makes."""
    for node in graph:
        for output in node.outputs:
            if output.name == name:
                return output
    for node in graph:
        if node.name == name:
            return node.outputs[0]
    raise InputError(
        "no such attach point",
        got=repr(name),
        expected=f"a tensor or node of the graph, such as {', '.join(good) or 'none found'}",
        fix="calexnet inspect lists places for branches",
    )


def _refuse_names(graph: ir.Graph, names: Sequence[str]) -> None:
    known = [str(output.name) for node in graph for output in node.outputs]
    for name in names:
        if name in RESERVED or names.count(name) > 1 or known.count(name) > 1:
            raise InputError(
                "the attach points cannot be used",
                got=name,
                expected="each of them once, under a name of its own",
            )
