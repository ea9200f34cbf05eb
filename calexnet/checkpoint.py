"""A cascade on disk: ``cascade.json``, two safetensors files and a few samples. Needs torch.

Loading runs no pickle: JSON, safetensors and plain arrays only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from calexnet import schema
from calexnet.cascade import Cascade, CascadeSpec, Samples, build_parts
from calexnet.data.npz import DAMAGE
from calexnet.errors import CheckpointError, InputError
from calexnet.manifest import MANIFEST
from calexnet.storage import sha256

RECORD = "cascade.json"
SCHEMA = 2
_BACKBONE, _BRANCHES, _SAMPLES = "backbone.safetensors", "branches.safetensors", "samples.npz"


@dataclass(frozen=True)
class _Record:
    schema: int
    files: dict[str, str]
    cascade: CascadeSpec


def save(cascade: Cascade, folder: Path) -> None:
    """Write `cascade` into `folder`, which exists and is empty.

    Stage the folder (`calexnet.storage.staged_folder`) to have it appear whole or not at all.
    """
    samples = BytesIO()
    np.savez(samples, images=cascade.samples.images, labels=cascade.samples.labels)
    files = {
        _BACKBONE: _tensors(cascade.backbone.network),
        _BRANCHES: _tensors(nn.ModuleList(cascade.branches)),
        _SAMPLES: samples.getvalue(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hashes = {name: sha256(data) for name, data in files.items()}
    document = schema.encode(_Record(SCHEMA, hashes, cascade.spec))
    (folder / RECORD).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def load(folder: Path) -> tuple[Cascade, str]:
    """Return the cascade in `folder`, and a hash that names it.

    Raises:
        CheckpointError: There is none, it is of another schema, or a file was changed.
    """
    record, identity = _read_record(folder)
    data = {name: _verified(folder / name, record.files.get(name)) for name in _FILES}
    spec = record.cascade
    backbone, branches = build_parts(spec.backbone, spec.attach, spec.recipe, spec.preprocessing)
    _fill(backbone.network, data[_BACKBONE], folder / _BACKBONE)
    _fill(nn.ModuleList(branches), data[_BRANCHES], folder / _BRANCHES)
    return Cascade(spec, backbone, branches, _samples(data[_SAMPLES], folder / _SAMPLES)), identity


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill `network` with trained weights from a safetensors file, or an ``.npz`` of arrays.

    Raises:
        InputError: No such file, another format, or tensors that do not fit the network.
    """
    if path.suffix not in (".safetensors", ".npz"):
        raise InputError(
            f"cannot read weights from {path}",
            got=path.suffix or "no suffix",
            expected=".safetensors, or .npz with one array a tensor",
            fix="Convert with: safetensors.torch.save_file(network.state_dict(), 'w.safetensors')",
        )
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        else:
            state = safetensors.torch.load(path.read_bytes())
    except (
        *DAMAGE,
        TypeError,
        AttributeError,  # one array and no archive, before Python 3.11
        safetensors.SafetensorError,
    ) as problem:
        raise InputError(
            f"cannot read weights from {path}", got=problem, expected="a file of tensors"
        ) from problem
    try:
        network.load_state_dict(_as_floats(state))
    except RuntimeError as problem:
        raise InputError(
            f"the weights in {path} do not fit the backbone",
            got=str(problem).splitlines()[-1].strip(),
            expected="the same tensor names and shapes",
            fix="Check --backbone, --stem and the number of classes",
        ) from problem


_FILES = (_BACKBONE, _BRANCHES, _SAMPLES)


def _tensors(module: nn.Module) -> bytes:
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    return safetensors.torch.save(state)


def _as_floats(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Widen half-precision weights; leave counters as they are."""
    return {name: t.float() if t.is_floating_point() else t for name, t in state.items()}


def _read_record(folder: Path) -> tuple[_Record, str]:
    path = folder / RECORD
    if not path.is_file():
        raise _no_cascade(folder)
    try:
        document = json.loads(path.read_bytes())
        found = document.get("schema") if isinstance(document, dict) else None
        if found != SCHEMA:
            raise CheckpointError(
                f"{path} is of another schema",
                got=repr(found),
                expected=str(SCHEMA),
                fix="Train again with this version of calexnet",
            )
        return schema.decode(_Record, document), schema.fingerprint(document)
    except (schema.SchemaError, json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise CheckpointError(
            f"{path} is damaged", got=problem, fix="Train again, or restore the folder"
        ) from problem


def _no_cascade(folder: Path) -> CheckpointError:
    found = f"no {RECORD}" if folder.exists() else "no folder"
    fix = (
        "Train one, for example: calexnet train --data digits --backbone resnet8 --out runs/digits"
    )
    if (folder / MANIFEST).is_file():
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


def _samples(data: bytes, path: Path) -> Samples:
    try:
        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            return Samples(arrays["images"], arrays["labels"])
    except (*DAMAGE, KeyError) as problem:
        raise CheckpointError(f"{path} is damaged", got=problem) from problem


def _fill(module: nn.Module, data: bytes, path: Path) -> None:
    try:
        module.load_state_dict(safetensors.torch.load(data))
    except (RuntimeError, safetensors.SafetensorError) as problem:
        raise CheckpointError(
            f"the tensors in {path} do not fit the cascade", got=problem
        ) from problem
