"""The backbone of a sweep that was given none: trained once, kept for all cells. Needs torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from calexnet import registry
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, over_classes
from calexnet.files import jsontext, schema
from calexnet.files.storage import sha256, staged_folder
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.sweep.spec import Source
from calexnet.training import backbones
from calexnet.training.backbone import train_backbone
from calexnet.training.backbones import BackboneSpec
from calexnet.training.backbones.check import IMAGES
from calexnet.training.cascade import CascadePlan, check_plan, preprocessing_of
from calexnet.training.weights import pack

FOLDER = "backbone"
_RECORD, _WEIGHTS = "backbone.json", "backbone.safetensors"


@dataclass(frozen=True)
class _Record:
    """What the weights follow from, as a hash, and the hash of their file."""

    fingerprint: str
    sha256: str


def trained(
    plan: CascadePlan,
    samples: Dataset,
    data_sha256: str,
    split: Split,
    out: Path,
    allow: Allowed = BUILT_IN_ONLY,
) -> Source:
    """Return the plan's backbone, trained on the train part, or as an earlier run left it.

    Args:
        plan: Says what to train and how.
        samples: The data set.
        data_sha256: Its hash.
        split: Its division.
        out: The sweep's folder.
        allow: Whose own backbone may be imported.

    Raises:
        InputError: The network cannot be a cascade.
        TrainingError: The loss is not finite.
        StorageError: The weights could not be written.
    """
    code = registry.code_of([plan.backbone], allow).values()
    what = schema.encode([data_sha256, split.record, plan.backbone, plan.stem, *code])
    told = schema.encode([plan.backbone_training, plan.mean, plan.std])
    fingerprint = schema.fingerprint([what, told])
    path = out / FOLDER / _WEIGHTS
    if (found := _earlier(out / FOLDER, fingerprint)) is not None:
        return Source(str(path), found)
    rows = split.indices["train"]
    few = over_classes(samples, rows, IMAGES, split.record.seed)
    check_plan(samples.take(few), plan, allow=allow)
    torch.manual_seed(plan.backbone_training.seed)
    spec = BackboneSpec(plan.backbone, len(samples.classes), plan.stem)
    network = backbones.build(spec, allow)
    train_backbone(
        network,
        samples.images[rows],
        samples.labels[rows],
        preprocessing_of(samples, rows, plan),
        plan.backbone_training,
    )
    weights = pack(network)
    record = _Record(fingerprint, sha256(weights))
    with staged_folder(out / FOLDER, marker=_RECORD) as stage:
        (stage / _WEIGHTS).write_bytes(weights)
        (stage / _RECORD).write_text(json.dumps(schema.encode(record), indent=1) + "\n")
    return Source(str(path), record.sha256)


def _earlier(folder: Path, fingerprint: str) -> str | None:
    """Return the hash of weights trained in just this way, ``None`` if there are none, whole."""
    try:
        record = schema.decode(_Record, jsontext.read(folder / _RECORD))
        found = sha256((folder / _WEIGHTS).read_bytes())
    except (OSError, ValueError):
        return None
    return found if (fingerprint, found) == (record.fingerprint, record.sha256) else None
