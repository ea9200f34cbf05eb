"""The record of a run, ``cascade.json``, and the files that it signs for. Needs numpy alone.

Reading runs no pickle, and imports nothing that the record names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from calexnet.errors import CheckpointError
from calexnet.files import arrays, jsontext, schema, selfhash
from calexnet.files.storage import is_file, is_folder, recover, regular_bytes, sha256
from calexnet.manifest import MANIFEST
from calexnet.training.spec import CascadeSpec, Samples

RECORD = "cascade.json"
SCHEMA = 2
SAMPLES = "samples.npz"
#: The network, where it is an ONNX graph.
GRAPH = "backbone.onnx"


@dataclass(frozen=True)
class Record:
    """What ``cascade.json`` holds.

    Attributes:
        schema: Version of its form.
        files: Those beside it -> their SHA-256.
        cascade: All but the weights.
    """

    schema: int
    files: dict[str, str]
    cascade: CascadeSpec


class Signs(Protocol):
    """A record of any kind: what it signs for."""

    @property
    def files(self) -> dict[str, str]:
        """Files beside the record -> their SHA-256."""


Kind = TypeVar("Kind")


def write(folder: Path, spec: CascadeSpec, files: Mapping[str, bytes], samples: Samples) -> None:
    """Write a run into `folder`, which exists and is empty.

    Stage the folder (`calexnet.files.storage.staged_folder`) to have it appear whole or not at all.

    Args:
        folder: Where to.
        spec: All but the weights.
        files: Name -> content.
        samples: Real images.
    """
    hashes = write_files(folder, files, samples)
    write_record(folder, Record(SCHEMA, hashes, spec))


def write_files(folder: Path, files: Mapping[str, bytes], samples: Samples) -> dict[str, str]:
    """Write a run's files, samples among them; return their SHA-256 by name."""
    packed = BytesIO()
    np.savez(packed, images=samples.images, labels=samples.labels)
    contents = {**files, SAMPLES: packed.getvalue()}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return {name: sha256(data) for name, data in contents.items()}


def write_record(folder: Path, record: object) -> None:
    """Write the record of a run, a dataclass, last."""
    (folder / RECORD).write_bytes(selfhash.signed(schema.encode(record)))


def read(folder: Path) -> tuple[Record, str]:
    """Return the record of the run in `folder`, and a hash that names it.

    Raises:
        CheckpointError: There is none, it is of another schema, was altered, or contradicts itself.
    """
    return read_as(Record, SCHEMA, folder, lambda found: look_over(found.cascade))


def look_over(spec: CascadeSpec) -> None:
    """Do nothing if the parts of a run's record fit one another; no reader has to ask again.

    Raises:
        SchemaError: Two do not, or a number cannot be; the message names it.
    """
    for name, holds in (*_facts(spec).items(), *_facts_of_each(spec)):
        if not holds:
            raise schema.SchemaError(f"cascade.{name} does not fit the rest, or cannot be")


def _facts(spec: CascadeSpec) -> dict[str, bool]:
    """Return what must hold of the whole, by where it stands."""
    attach, classes, graph = spec.attach, spec.classes, spec.graph
    names = [point.name for point in spec.operating_points]
    widths = spec.recipe.widths
    return {
        "attach": len(set(attach)) == len(attach) and "" not in attach,
        "classes": len(set(classes)) == len(classes) >= 1,
        "backbone.classes": spec.backbone.classes == len(classes),
        "operating_points": len(set(names)) == len(names),
        "default_operating_point": spec.default_operating_point in names,
        "branches": len(spec.branches) in (0, len(attach)),
        "cuts": len(spec.cuts) in (0, len(attach)),
        "heads": len(spec.heads) in (0, len(attach)),
        "recipe.widths": len(widths) in (0, len(attach)) and min(widths, default=1) >= 1,
        "uncalibrated": set(spec.uncalibrated or ()) <= set(classes),
        "plain_accuracy": 0 <= (spec.plain_accuracy or 0) <= 1,
        "graph": graph is None or (len(graph.macs) == len(attach) + 1 and graph.can_be),
        "split.parts": all(part.samples >= 0 for part in spec.split.parts.values()),
        "distilled": spec.distilled is None or spec.distilled.can_be,
    }


def _facts_of_each(spec: CascadeSpec) -> Iterator[tuple[str, bool]]:
    """Yield what must hold of each part of a list."""
    branches, classes = len(spec.attach), len(spec.classes)
    for at, point in enumerate(spec.operating_points):
        yield f"operating_points[{at}]", point.can_be(branches, classes)
    for at, (attach, branch) in enumerate(zip(spec.attach, spec.branches, strict=False)):
        yield f"branches[{at}]", branch.attach == attach and branch.can_be
    for at, cut in enumerate(spec.cuts):
        yield f"cuts[{at}]", 0 <= cut.accuracy <= 1
    for at, head in enumerate(spec.heads):
        yield f"heads[{at}]", head.can_be(at)


def read_as(
    kind: type[Kind], version: int, folder: Path, look_over: Callable[[Kind], None]
) -> tuple[Kind, str]:
    """Return the record of a run of any kind.

    Args:
        kind: What ``cascade.json`` holds.
        version: Its ``schema``.
        folder: Of the run.
        look_over: Raises a ``ValueError`` if its parts do not fit one another.

    Raises:
        CheckpointError: There is none, it is of another schema, was altered, or contradicts itself.
    """
    document, data = document_in(folder)
    path, found = folder / RECORD, document.get("schema")
    if found != version:
        raise CheckpointError(
            f"{path} is of another schema",
            got=repr(found),
            expected=str(version),
            fix="Train again with this version of calexnet",
        )
    with _undamaged(path):
        identity, bare = selfhash.verified(data, document, bare=True)
        found = schema.decode(kind, bare)
        look_over(found)
        return found, identity


def document_in(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Return what a run's record says, unchecked, and its bytes.

    Raises:
        CheckpointError: There is no run, or the record is no JSON.
    """
    recover(folder)
    path = folder / RECORD
    if not is_file(path):
        raise _no_cascade(folder)
    with _undamaged(path):
        data = regular_bytes(path, jsontext.MOST_BYTES)
        document = jsontext.parse(data)
    return document if isinstance(document, dict) else {}, data


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Turn what is wrong in `path`, also a value that its own class refuses, into one message."""
    try:
        yield
    except selfhash.AlteredError as altered:
        raise CheckpointError(
            f"{path} was altered",
            got=f"content with SHA-256 {altered.actual[:12]}...",
            expected=f"{altered.recorded[:12]}..., as it says of itself",
            fix="Train again, or restore the folder; after an edit on purpose: "
            f"calexnet seal {path}",
        ) from None
    except (OSError, ValueError) as problem:
        raise CheckpointError(
            f"{path} is damaged", got=problem, fix="Train again, or restore the folder"
        ) from problem


def _no_cascade(folder: Path) -> CheckpointError:
    found = f"no {RECORD}" if is_folder(folder) or is_file(folder) else "no folder"
    fix = (
        "Train one, for example: calexnet train --data digits --backbone resnet8 --out runs/digits"
    )
    if is_file(folder / MANIFEST):
        found = "a bundle"
        fix = "Give the run that it was exported from; calexnet-bench and calexnet verify take it"
    return CheckpointError(
        f"{folder} holds no trained cascade",
        got=found,
        expected="what calexnet train writes",
        fix=fix,
    )


def content(folder: Path, name: str, record: Signs) -> bytes:
    """Return one of the run's files.

    Raises:
        CheckpointError: It cannot be read, or is not what the record signs for.
    """
    path, recorded = folder / name, record.files.get(name)
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise CheckpointError(
            f"cannot read {path}", got=problem.strerror, fix="Train again, or restore the folder"
        ) from problem
    if sha256(data) != recorded:
        raise CheckpointError(
            f"{path} was changed",
            got=f"SHA-256 {sha256(data)[:12]}...",
            expected=f"{(recorded or 'none')[:12]}...",
            fix="Train again, or restore the folder",
        )
    return data


def samples(folder: Path, record: Record) -> Samples:
    """Return the real images that were kept with the run.

    Raises:
        CheckpointError: They are damaged, or of another form than the cascade takes.
    """
    spec = record.cascade
    return read_samples(folder, record, spec.preprocessing.image_shape, len(spec.classes))


def read_samples(folder: Path, record: Signs, shape: tuple[int, ...], classes: int) -> Samples:
    """Return the same for images of `shape` ``(H, W, C)`` and so many classes."""
    path = folder / SAMPLES
    data = content(folder, SAMPLES, record)
    try:
        found = arrays.read(data)
        images, labels = found["images"], found["labels"]
    except (ValueError, KeyError) as problem:
        raise CheckpointError(f"{path} is damaged", got=problem) from problem
    if (
        (images.dtype.name, images.shape) != ("uint8", (*labels.shape, *shape))
        or (labels.dtype.kind, labels.ndim) != ("i", 1)
        or not 0 <= labels.min(initial=0) <= labels.max(initial=0) < classes
    ):
        raise CheckpointError(
            f"{path} does not fit the cascade",
            got=f"images {images.dtype} {images.shape}, labels {labels.dtype} {labels.shape}",
            expected=f"uint8 (n, {', '.join(map(str, shape))}), labels of {classes} classes",
        )
    return Samples(images, labels)
