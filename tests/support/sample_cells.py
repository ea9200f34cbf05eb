"""Cells of a sweep made by hand: answers drawn so that scores mean something, no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calexnet.costs import Macs
from calexnet.data.split import PartRecord, SplitRecord
from calexnet.gating import ExitTable
from calexnet.registry import Part
from calexnet.sweep import results
from calexnet.sweep.results import Answered, Answers, Cell, CellResult
from calexnet.sweep.spec import Axes, CellSpec, Source

CLASSES = ("cat", "dog", "eel")
MACS = Macs((100, 200, 300), (10, 20), (0, 0))

#: Skill of each exit: the chance to see through an image of middling difficulty.
SKILL = (0.55, 0.7, 0.85)


def axes(method: str = "calexnet", seed: int = 0, **changes: Any) -> Axes:
    """Return where a cell lies, with the given fields replaced."""
    margin = 0.0 if method in ("calexnet", "reference") else None
    known: dict[str, Any] = {"head": "prototype", "margin": margin, "options": {}, **changes}
    return Axes(method=method, seed=seed, **known)


def spec(where: Axes, **changes: Any) -> CellSpec:
    """Return the spec of a cell, with the given fields replaced."""
    split = SplitRecord(
        "animals",
        seed=0,
        parts={name: PartRecord(300, name * 4) for name in ("train", "calibration", "test")},
        rule="train=train calibration=valid test=test",
    )
    known: dict[str, Any] = {
        "data": Source("animals.npz", "da" * 32),
        "split": split,
        "weights": Source("weights.npz", "fe" * 32),
        "plan": {"backbone": "resnet8", "attach": ["layer1", "layer2"], "head": where.head},
        **changes,
    }
    return CellSpec(axes=where, **known)


def answered(count: int, seed: int, skill: tuple[float, ...] = SKILL, start: int = 0) -> Answered:
    """Return answers on `count` samples; `seed` draws the samples, the exits share their luck."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(CLASSES), count).astype(np.int32)
    hard = random.uniform(0, 1, count)
    labels, scores = [], []
    for level in skill:
        chance = np.clip(level + 0.9 * (0.5 - hard), 0.2, 0.98)
        right = random.uniform(0, 1, count) < chance
        wrong = (truth + random.integers(1, len(CLASSES), count)) % len(CLASSES)
        labels.append(np.where(right, truth, wrong).astype(np.int32))
        scores.append(np.clip(chance + random.normal(0, 0.05, count), 0, 1).astype(np.float32))
    positions = np.arange(start, start + count, dtype=np.int32)
    return Answered(ExitTable(np.stack(labels), np.stack(scores)), truth, positions)


def answers(seed: int = 0, skill: tuple[float, ...] = SKILL, count: int = 400) -> Answers:
    """Return answers on a calibration and a test part."""
    return Answers(answered(count, seed + 1000, skill), answered(count, seed, skill, start=count))


def result(where: Axes, packed: bytes = b"", **changes: Any) -> CellResult:
    """Return the record of a cell, with the given fields replaced."""
    known: dict[str, Any] = {
        "schema": results.SCHEMA,
        "spec": spec(where),
        "classes": CLASSES,
        "rule": Part("cpm" if where.margin is not None else "threshold"),
        "macs": MACS,
        "branches": tuple({"attach": f"layer{k}", "effective_samples": 300.0 / k} for k in (1, 2)),
        "answers": results.answers_record(where.name, packed),
        "threads": 1,
        "seconds": 1.5,
        "versions": {"calexnet": "0"},
        **changes,
    }
    return CellResult(fingerprint=known["spec"].fingerprint, **known)


def save(where: Axes, found: Answers, folder: Path, **changes: Any) -> Cell:
    """Write a cell with the given answers and return it as it is read back."""
    packed = results.pack(found)
    record = result(where, packed, **changes)
    results.write(record, packed, folder)
    return Cell(folder, record)
