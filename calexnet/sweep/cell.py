"""One cell: from its spec and the data to its result, and to nothing else. Needs torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

from calexnet import data
from calexnet.data.dataset import Dataset
from calexnet.data.rule import PARTS
from calexnet.data.split import Split, SplitRecord, divide
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.files.storage import sha256
from calexnet.images.preprocessing import Preprocessing
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.sweep import results
from calexnet.sweep.results import Answered, Answers, CellResult
from calexnet.sweep.spec import CellSpec, Source, hash_of, own_parts
from calexnet.training import backbones
from calexnet.training.backbones import BackboneSpec, default_attach
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.branches import Branch
from calexnet.training.cascade import CascadePlan, build_parts, preprocessing_of, train_cascade
from calexnet.training.features import Features, compute
from calexnet.training.methods.base import exit_table
from calexnet.training.weights import load_weights


def run(
    spec: CellSpec,
    folder: Path,
    *,
    data_root: Path | None,
    cache: Path,
    allow: Allowed = BUILT_IN_ONLY,
) -> None:
    """Train a cell and write its files into `folder`: what the engine calls.

    Args:
        spec: Which.
        folder: Where the result goes.
        data_root: Where named data sets lie on this machine.
        cache: Where features are kept, for all cells.
        allow: Whose own parts may be imported.
    """
    result, answers = train(spec, _samples(spec.data, data_root), cache, allow)
    results.write(result, answers, folder)


def train(
    spec: CellSpec, samples: Dataset, cache: Path, allow: Allowed = BUILT_IN_ONLY
) -> tuple[CellResult, bytes]:
    """Return a cell's result and its packed answers.

    Args:
        spec: Which.
        samples: The data set that it names.
        cache: Where features are kept.
        allow: Whose own parts may be imported.

    Raises:
        InputError: Data, division, weights or code are not those of the spec.
        TrainingError: A loss is not finite.
    """
    start = time.monotonic()
    _check_code(spec, allow)
    ground = _Ground(samples, _split(samples, spec.split), cache)
    plan = schema.decode(CascadePlan, spec.plan)
    network = _network(plan.backbone, plan.stem, len(samples.classes), spec.weights, allow)
    cascade = train_cascade(samples, ground.split, plan, network=network, cache=cache, allow=allow)
    parts = cascade.backbone, cascade.branches, cascade.spec.preprocessing
    calibration, test = (ground.answered(parts, part) for part in ("calibration", "test"))
    answers = results.pack(Answers(calibration, test))
    result = CellResult(
        schema=results.SCHEMA,
        fingerprint=spec.fingerprint,
        spec=spec,
        classes=samples.classes,
        rule=cascade.spec.recipe.rule,
        macs=cascade.macs(),
        branches=tuple(schema.encode(report) for report in cascade.spec.branches),
        answers=results.answers_record(spec.axes.name, answers),
        threads=torch.get_num_threads(),
        seconds=time.monotonic() - start,
        versions={name: metadata.version(name) for name in ("calexnet", "torch", "numpy")},
        uncalibrated=cascade.spec.uncalibrated,
    )
    return result, answers


def prepare(spec: CellSpec, samples: Dataset, cache: Path, allow: Allowed = BUILT_IN_ONLY) -> None:
    """Compute the features that a cell needs, before several cells would each do it.

    Args:
        spec: Of the cell.
        samples: The data set that it names.
        cache: Where features are kept.
        allow: Whose own parts may be imported.

    Raises:
        InputError: The spec does not fit the data.
    """
    ground = _Ground(samples, _split(samples, spec.split), cache)
    plan = schema.decode(CascadePlan, spec.plan)
    network = _network(plan.backbone, plan.stem, len(samples.classes), spec.weights, allow)
    backbone_spec = BackboneSpec(plan.backbone, len(samples.classes), plan.stem)
    preprocessing = preprocessing_of(samples, ground.split.indices["train"], plan)
    attach = plan.attach or default_attach(plan.backbone)
    backbone, branches = build_parts(
        backbone_spec, attach, plan.recipe, preprocessing, network, allow
    )
    for part in PARTS:
        ground.features((backbone, branches, preprocessing), part)


#: What features are computed by.
_Parts = tuple[FrozenBackbone, Sequence[Branch], Preprocessing]


@dataclass(frozen=True)
class _Ground:
    """What cells are trained and judged on, and where its features are kept."""

    samples: Dataset
    split: Split
    cache: Path

    def features(self, parts: _Parts, part: str) -> Features:
        """Return the features of one part of the split."""
        backbone, branches, preprocessing = parts
        heads, rows = [branch.head for branch in branches], self.split.indices[part]
        return compute(backbone, heads, self.samples, rows, preprocessing, self.cache, part)

    def answered(self, parts: _Parts, part: str) -> Answered:
        """Return what every exit answers for one part of the split."""
        found = self.features(parts, part)
        positions = self.split.indices[part].astype(np.int32)
        return Answered(exit_table(parts[1], found), found.truth.astype(np.int32), positions)


def _check_code(spec: CellSpec, allow: Allowed) -> None:
    found = own_parts(spec.plan, allow)
    for name, recorded in spec.code.items():
        if found.get(name) != recorded:
            raise InputError(
                f"the code of {name} is not that of this cell's spec",
                got=f"SHA-256 {found.get(name, 'none')[:12]}...",
                expected=f"{recorded[:12]}...",
                fix="Run the sweep again: it was changed meanwhile",
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
def _network(
    backbone: str, stem: str | None, classes: int, weights: Source, allow: Allowed
) -> nn.Module:
    path = Path(weights.name)
    found = sha256(path.read_bytes()) if path.is_file() else "none: no such file"
    if found != weights.sha256:
        raise InputError(
            f"{path} does not hold the weights of this cell's spec",
            got=f"SHA-256 {found[:18]}",
            expected=weights.sha256[:12],
        )
    network = backbones.build(BackboneSpec(backbone, classes, stem), allow)
    load_weights(network, path)
    return network
