"""The run of a model cascade on disk: ``cascade.json``, ONNX graphs, a few samples.

Nothing in it runs code: JSON, graphs that read no other file, plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calexnet.files.schema import SchemaError
from calexnet.files.storage import is_file
from calexnet.models.model import Model, ModelCascade, ModelCascadeSpec, ModelSpec
from calexnet.training import record
from calexnet.training.backbones.graph_file import GraphCosts, HeadGraph

#: Unlike that of a run with branches that were trained: neither is read as the other.
SCHEMA = 3


@dataclass(frozen=True)
class _Record:
    schema: int
    files: dict[str, str]
    models: ModelCascadeSpec


def is_models(folder: Path) -> bool:
    """Return whether `folder` holds the run of a model cascade."""
    return is_file(folder / record.RECORD) and "models" in record.document_in(folder)[0]


def save(cascade: ModelCascade, folder: Path) -> None:
    """Write `cascade` into `folder`, which exists and is empty.

    Stage the folder (`calexnet.files.storage.staged_folder`) to have it appear whole or not at all.
    """
    graphs = [data for model in cascade.models for data in (model.data, *model.branches)]
    files = dict(zip(_names(cascade.spec.models), graphs, strict=True))
    hashes = record.write_files(folder, files, cascade.samples)
    record.write_record(folder, _Record(SCHEMA, hashes, cascade.spec))


def load(folder: Path) -> tuple[ModelCascade, str]:
    """Return the model cascade in `folder`, and a hash that names it.

    Args:
        folder: What `save` wrote.

    Raises:
        CheckpointError: There is none, it is of another schema, or a file was changed.
    """
    found, identity = record.read_as(
        _Record, SCHEMA, folder, lambda found: _look_over(found.models)
    )
    spec = found.models
    graphs = iter([record.content(folder, name, found) for name in _names(spec.models)])
    models = tuple(
        Model(one, next(graphs), tuple(next(graphs) for _ in one.branches)) for one in spec.models
    )
    shape = spec.preprocessing.image_shape
    samples = record.read_samples(folder, found, shape, len(spec.classes))
    return ModelCascade(spec, models, samples), identity


def _look_over(spec: ModelCascadeSpec) -> None:
    """Do nothing if the parts of a record fit one another.

    Raises:
        SchemaError: Two do not, or a number cannot be; the message names it.
    """
    exits, classes = len(spec.attach), spec.classes
    names = [point.name for point in spec.operating_points]
    facts = {
        "classes": len(set(classes)) == len(classes) >= 1,
        "operating_points": len(set(names)) == len(names)
        and all(point.can_be(exits, len(classes)) for point in spec.operating_points),
        "default_operating_point": spec.default_operating_point in names,
        "uncalibrated": set(spec.uncalibrated) <= set(classes),
        "plain_accuracy": 0 <= spec.plain_accuracy <= 1,
        "cuts": len(spec.cuts) == exits and all(0 <= cut.accuracy <= 1 for cut in spec.cuts),
        "models": all(map(_can_cost, spec.models)),
        "split.parts": all(part.samples >= 0 for part in spec.split.parts.values()),
    }
    for name, holds in facts.items():
        if not holds:
            raise SchemaError(f"models.{name} does not fit the rest, or cannot be")


def _can_cost(model: ModelSpec) -> bool:
    """Tell whether these may be a network's costs, and its branches'."""
    heads = (HeadGraph(b.reads, b.state_width, b.macs, b.parameters) for b in model.branches)
    costs = GraphCosts(model.macs, model.parameters)
    return (
        len(model.macs) == len(model.branches) + 1
        and costs.can_be
        and all(head.can_be(number) for number, head in enumerate(heads))
    )


def _names(models: tuple[ModelSpec, ...]) -> Iterator[str]:
    """Yield the name of each graph's file: of each network, then of its branches."""
    for number, model in enumerate(models, start=1):
        yield f"model{number}.onnx"
        yield from (f"model{number}.branch{k}.onnx" for k in range(1, len(model.branches) + 1))
