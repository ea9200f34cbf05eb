"""A cascade on disk: ``cascade.json``, two files of weights and a few samples. Needs torch.

An ONNX graph that is the backbone is kept as it is.

Loading runs no pickle: JSON, safetensors and plain arrays only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from torch import nn

from calexnet.errors import CheckpointError, first_line
from calexnet.files import arrays, jsontext, schema, selfhash
from calexnet.files.storage import is_file, is_folder, recover, regular_bytes, sha256
from calexnet.manifest import MANIFEST
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.training import weights
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.backbones.graph import GraphBackbone
from calexnet.training.backbones.graph_file import GraphFile
from calexnet.training.cascade import Cascade, CascadeSpec, Samples, build_parts

RECORD = "cascade.json"
SCHEMA = 2
_BACKBONE, _BRANCHES, _SAMPLES = "backbone.safetensors", "branches.safetensors", "samples.npz"
#: Instead of the first, where the backbone is an ONNX graph.
_GRAPH = "backbone.onnx"


@dataclass(frozen=True)
class _Record:
    schema: int
    files: dict[str, str]
    cascade: CascadeSpec


def save(cascade: Cascade, folder: Path) -> None:
    """Write `cascade` into `folder`, which exists and is empty.

    Stage the folder (`calexnet.files.storage.staged_folder`) to have it appear whole or not at all.
    """
    samples = BytesIO()
    np.savez(samples, images=cascade.samples.images, labels=cascade.samples.labels)
    files = {
        _files(cascade.spec)[0]: _packed(cascade.backbone),
        _BRANCHES: weights.pack(nn.ModuleList(cascade.branches)),
        _SAMPLES: samples.getvalue(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hashes = {name: sha256(data) for name, data in files.items()}
    document = schema.encode(_Record(SCHEMA, hashes, cascade.spec))
    (folder / RECORD).write_bytes(selfhash.signed(document))


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
    record, identity = _read_record(folder)
    spec = record.cascade
    data = {name: _verified(folder / name, record.files.get(name)) for name in _files(spec)}
    graph = None if spec.graph is None else GraphFile(data[_GRAPH], spec.attach, spec.graph)
    backbone, branches = build_parts(
        spec.backbone,
        spec.attach,
        spec.recipe,
        spec.preprocessing,
        network=graph,
        allow=allow.but_not_from(folder),
    )
    if graph is None:
        _fill(backbone.network, data[_BACKBONE], folder / _BACKBONE)
    _fill(nn.ModuleList(branches), data[_BRANCHES], folder / _BRANCHES)
    return Cascade(
        spec, backbone, branches, _samples(data[_SAMPLES], folder / _SAMPLES, spec)
    ), identity


def _files(spec: CascadeSpec) -> tuple[str, str, str]:
    """Return the names of a run's files, the backbone's first."""
    return (_BACKBONE if spec.graph is None else _GRAPH), _BRANCHES, _SAMPLES


def _read_record(folder: Path) -> tuple[_Record, str]:
    recover(folder)
    path = folder / RECORD
    if not is_file(path):
        raise _no_cascade(folder)
    with _undamaged(path):
        data = regular_bytes(path, jsontext.MOST_BYTES)
        document = jsontext.parse(data)
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise CheckpointError(
            f"{path} is of another schema",
            got=repr(found),
            expected=str(SCHEMA),
            fix="Train again with this version of calexnet",
        )
    with _undamaged(path):
        identity, content = selfhash.verified(data, document, bare=True)
        return schema.decode(_Record, content), identity


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


def _verified(path: Path, recorded: str | None) -> bytes:
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


def _samples(data: bytes, path: Path, spec: CascadeSpec) -> Samples:
    try:
        found = arrays.read(data)
        images, labels = found["images"], found["labels"]
    except (ValueError, KeyError) as problem:
        raise CheckpointError(f"{path} is damaged", got=problem) from problem
    shape, classes = spec.preprocessing.image_shape, len(spec.classes)
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


def _fill(module: nn.Module, data: bytes, path: Path) -> None:
    try:
        weights.unpack(module, data)
    except Exception as problem:  # a network's own loading may raise anything
        raise CheckpointError(
            f"the tensors in {path} do not fit the cascade", got=first_line(problem)
        ) from problem
