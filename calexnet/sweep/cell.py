"""One cell: from its spec and the data to its result, and to nothing else. Needs torch."""

from __future__ import annotations

import time
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

from calexnet import backbones, checkpoint, data, features, schema
from calexnet.backbones import BackboneSpec
from calexnet.backbones.frozen import FrozenBackbone
from calexnet.branches import Branch
from calexnet.cascade import CascadePlan, build_parts, preprocessing_of, train_cascade
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, SplitRecord, divide
from calexnet.errors import InputError
from calexnet.methods.base import exit_table
from calexnet.preprocessing import Preprocessing
from calexnet.storage import sha256
from calexnet.sweep import results
from calexnet.sweep.results import Answered, Answers, CellResult
from calexnet.sweep.spec import CellSpec, Source, hash_of

_PARTS = ("calibration", "test")


def run(spec: CellSpec, folder: Path, *, data_root: Path | None, cache: Path) -> None:
    """Train a cell and write its files into `folder`: what the engine calls.

    Args:
        spec: Which.
        folder: Where the result goes.
        data_root: Where named data sets lie on this machine.
        cache: Where features are kept, for all cells.
    """
    result, answers = train(spec, _samples(spec.data, data_root), cache)
    results.write(result, answers, folder)


def train(spec: CellSpec, samples: Dataset, cache: Path) -> tuple[CellResult, bytes]:
    """Return a cell's result and its packed answers.

    Args:
        spec: Which.
        samples: The data set that it names.
        cache: Where features are kept.

    Raises:
        InputError: Data, division or weights are not those of the spec.
        TrainingError: A loss is not finite.
    """
    from calexnet.export import flops

    start = time.monotonic()
    split = _split(samples, spec.split)
    plan = schema.decode(CascadePlan, spec.plan)
    network = _network(plan.backbone, plan.stem, len(samples.classes), spec.weights)
    cascade = train_cascade(samples, split, plan, network=network, cache=cache)
    preprocessing = cascade.spec.preprocessing
    macs = flops.count(cascade)
    answers = results.pack(
        Answers(
            *(
                _answered(
                    cascade.backbone, cascade.branches, preprocessing, samples, split, part, cache
                )
                for part in _PARTS
            )
        )
    )
    result = CellResult(
        schema=results.SCHEMA,
        fingerprint=spec.fingerprint,
        spec=spec,
        classes=samples.classes,
        rule=cascade.spec.recipe.rule,
        macs=macs,
        branches=tuple(schema.encode(report) for report in cascade.spec.branches),
        answers=results.answers_record(spec.axes.name, answers),
        threads=torch.get_num_threads(),
        seconds=time.monotonic() - start,
        versions={name: metadata.version(name) for name in ("calexnet", "torch", "numpy")},
    )
    return result, answers


def prepare(spec: CellSpec, samples: Dataset, cache: Path) -> None:
    """Compute the features that a cell needs, before several cells would each do it.

    Raises:
        InputError: The spec does not fit the data.
    """
    split = _split(samples, spec.split)
    plan = schema.decode(CascadePlan, spec.plan)
    network = _network(plan.backbone, plan.stem, len(samples.classes), spec.weights)
    backbone_spec = BackboneSpec(plan.backbone, len(samples.classes), plan.stem)
    preprocessing = preprocessing_of(samples, split.indices["train"], plan)
    parts = build_parts(backbone_spec, plan.attach or (), plan.recipe, preprocessing, network)
    for part in ("train", *_PARTS):
        _features(*parts, preprocessing, samples, split, part, cache)


def _answered(
    backbone: FrozenBackbone,
    branches: tuple[Branch, ...],
    preprocessing: Preprocessing,
    samples: Dataset,
    split: Split,
    part: str,
    cache: Path,
) -> Answered:
    found = _features(backbone, branches, preprocessing, samples, split, part, cache)
    return Answered(
        exit_table(branches, found),
        found.truth.astype(np.int32),
        split.indices[part].astype(np.int32),
    )


def _features(
    backbone: FrozenBackbone,
    branches: tuple[Branch, ...],
    preprocessing: Preprocessing,
    samples: Dataset,
    split: Split,
    part: str,
    cache: Path,
) -> features.Features:
    rows = split.indices[part]
    return features.compute(
        backbone,
        [branch.head for branch in branches],
        samples.images[rows],
        samples.labels[rows],
        preprocessing,
        cache,
        part,
    )


def _split(samples: Dataset, record: SplitRecord) -> Split:
    """Divide as recorded.

    Raises:
        InputError: The same rule gives other parts: this is not the data set of the record.
    """
    split = divide(samples, record.seed, record.rule)
    if split.record != record:
        raise InputError(
            f"{samples.name} divides otherwise than this cell's spec says",
            got=_parts(split.record),
            expected=_parts(record),
        )
    return split


def _parts(record: SplitRecord) -> str:
    return ", ".join(f"{name} {part.sha256[:8]}" for name, part in record.parts.items())


@lru_cache(maxsize=1)  # a worker runs many cells of one sweep
def _samples(source: Source, root: Path | None) -> Dataset:
    samples = data.load(source.name, root)
    found = hash_of(samples)
    if found != source.sha256:
        raise InputError(
            f"{source.name} is not the data set of this cell's spec",
            got=f"SHA-256 {found[:12]}...",
            expected=f"{source.sha256[:12]}...",
        )
    return samples


@lru_cache(maxsize=1)
def _network(backbone: str, stem: str | None, classes: int, weights: Source) -> nn.Module:
    path = Path(weights.name)
    found = sha256(path.read_bytes()) if path.is_file() else "none: no such file"
    if found != weights.sha256:
        raise InputError(
            f"{path} does not hold the weights of this cell's spec",
            got=f"SHA-256 {found[:18]}",
            expected=weights.sha256[:12],
        )
    network = backbones.build(BackboneSpec(backbone, classes, stem))
    checkpoint.load_weights(network, path)
    return network
