"""A model cascade as segments: each reads the image, brings it to its size, and has its gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from calexnet.export.graph import operators
from calexnet.export.graph.cut import cut
from calexnet.export.graph.dialect import BATCH, finished
from calexnet.export.graph.given import file_of, portable_graph
from calexnet.export.graph.segments import CascadeGraphs, answering, segment
from calexnet.images.preprocessing import Preprocessing
from calexnet.models import Average, Model, ModelBranch, ModelCascade, ModelSpec


@dataclass(frozen=True)
class _Held:
    """The last network's branches, as a segment is made of one."""

    spec: ModelSpec
    branches: Sequence[ModelBranch]


def build(cascade: ModelCascade) -> CascadeGraphs:
    """Return the graphs of `cascade`, for raw images.

    Raises:
        ExportError: The last network cannot be cut at its branches.
    """
    spec = cascade.spec
    *small, last = cascade.models
    segments = [_gated(model, spec.preprocessing, k, spec.average) for k, model in enumerate(small)]
    tail, heads = _last(last, spec.preprocessing, len(small), spec.average)
    plain = _network(last, spec.preprocessing)
    plain = ir.convenience.extract(plain, list(plain.inputs), ["logits"])
    alone = [file_of(_network(model, spec.preprocessing)) for model in small]
    return CascadeGraphs((*segments, *tail), answering(plain, "plain"), (*alone, *heads))


def _network(model: Model, images: Preprocessing) -> ir.Graph:
    """Return the graph of a network from the travelling image on."""
    graph = portable_graph(model.data)
    operators.prepend_front(graph, model.spec.preprocessing, images)
    return graph


def _gated(model: Model, images: Preprocessing, index: int, average: Average | None) -> ir.Model:
    """Return the segment of a network before the last (from 0)."""
    graph = _network(model, images)
    (logits,) = graph.outputs
    carried = _averaged(graph, logits, index, average)
    label, score, probabilities = operators.append_answer(graph, logits)
    leaves = operators.append_gate(graph, label, score, operators.classes_of(logits))
    answer = [label, score, leaves, probabilities]
    return finished(graph, [*carried, *answer], f"segment{index + 1}")


def _averaged(
    graph: ir.Graph, logits: ir.Value, index: int, average: Average | None
) -> list[ir.Value]:
    """Return the sum that a network adds its probabilities to, if the last gate averages."""
    if average is None:
        return []
    earlier = None if index == 0 else _state_input(index - 1, operators.classes_of(logits))
    if earlier is not None:
        graph.inputs.append(earlier)
    total = operators.append_average(
        graph, logits, average.temperatures[index], average.weights[index], earlier
    )
    total.name = _state_name(index)
    return [total]


def _state_name(index: int) -> str:
    """Return the name of the tensor in which a network (from 0) hands on the average so far."""
    return f"model{index + 1}.average"


def _state_input(index: int, classes: int) -> ir.Value:
    return ir.Value(
        name=_state_name(index),
        type=ir.TensorType(ir.DataType.FLOAT),
        shape=ir.Shape([BATCH, classes]),
    )


def _last(
    model: Model, images: Preprocessing, before: int, average: Average | None
) -> tuple[list[ir.Model], list[bytes]]:
    """Return the segments of the last network, and each of its branches alone as a file."""
    spec = model.spec
    *stages, tail = cut(_network(model, images), spec.attach, ["logits"])
    branches = [
        ir.serde.deserialize_model(onnx.load_from_string(data)).graph for data in model.branches
    ]
    alone = [file_of(branch) for branch in branches]
    read = {k for branch in spec.branches for k in branch.reads}
    held = _Held(spec, spec.branches)
    segments = [
        segment(stage, branch, held, k, f"segment{before + k + 1}", hands_on=k in read)
        for k, (stage, branch) in enumerate(zip(stages, branches, strict=True))
    ]
    (logits,) = (value for value in tail.graph.outputs if value.name == "logits")
    average_of_all = _averaged(tail.graph, logits, before, average)
    answer = operators.append_answer(tail.graph, logits, average=next(iter(average_of_all), None))
    number = before + len(stages) + 1
    return [*segments, finished(tail.graph, list(answer), f"segment{number}")], alone
