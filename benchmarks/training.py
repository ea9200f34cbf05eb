"""The training lines of ``make bench``: branches on cached features, new thresholds. Needs torch.

On random features of the shapes that a ResNet-18 gives for 32x32 images (3x3 stem with pooling),
as the recipe trains by default: each branch, the passes that weight the next one's samples, and the
thresholds of all operating points. In a process of its own, so that its memory is known.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from calexnet import rules
from calexnet.bench.measuring.memory import in_own_process, peak_bytes
from calexnet.registry import Part
from calexnet.training import heads, methods
from calexnet.training.branches import Branch
from calexnet.training.features import Features
from calexnet.training.methods.base import Task, exit_table
from calexnet.training.recipe import plan_recipe, train_branches
from calexnet.training.spec import Recipe

_SHAPES = ((64, 16, 16), (128, 8, 8), (256, 4, 4))
_CLASSES = 20
_TRAIN, _CALIBRATION = 45_000, 5_000

#: Maps made at a time.
_CHUNK = 1_000


def print_training_figures() -> None:
    """Print all lines."""
    recipe = plan_recipe()
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for part, count in (("train", _TRAIN), ("calibration", _CALIBRATION)):
            _make(random, count, Path(folder, part))
        seconds, busy, peak = in_own_process(__name__, "train_once", folder)
        calibration = _read(Path(folder, "calibration"))
        table = exit_table(_branches(recipe), calibration)
    what = f"three branches, {_TRAIN:,} samples, {recipe.optimisation.length(_TRAIN)[0]} epochs"
    print(f"{what:<84} {seconds:5.0f} s   (bar 120)")
    print(f"{what + ': processor time':<84} {busy:5.0f} s")
    print(f"{what + ': peak memory of the process':<84} {peak / 1e9:5.2f} GB  (bar 4)")
    start = time.perf_counter()
    rules.build(Part("cpm")).calibrate(table, calibration.truth, _CLASSES, 0.05)
    what = f"another operating point of trained branches, {_CALIBRATION:,} samples"
    print(f"{what:<84} {time.perf_counter() - start:5.2f} s")


def train_once(folder: str) -> None:
    """Train on the features in `folder`; print what it took as JSON.

    Seconds, seconds of all processors together, and the process's peak memory in bytes.
    """
    recipe = plan_recipe()
    branches = _branches(recipe)
    task = Task(
        attach=tuple(f"layer{k + 1}" for k in range(len(_SHAPES))),
        train=_read(Path(folder, "train")),
        calibration=_read(Path(folder, "calibration")),
        rule=rules.build(recipe.rule),
        setting=recipe.setting,
        optimisation=recipe.optimisation,
        costs=np.array([0.28, 0.52, 0.76, 1.0]),
    )
    start, busy = time.perf_counter(), time.process_time()
    train_branches(branches, recipe, task)
    print(json.dumps([time.perf_counter() - start, time.process_time() - busy, peak_bytes()]))


def _branches(recipe: Recipe) -> list[Branch]:
    """Return fresh branches for features of `_SHAPES`."""
    fresh = [heads.build(recipe.head, shape, _CLASSES) for shape in _SHAPES]
    return [branch.eval() for branch in methods.build(recipe.method).branches(fresh, None)]


def _make(random: np.random.Generator, count: int, place: Path) -> None:
    """Write features of `count` samples, as the head ``prototype`` reduces them."""
    place.mkdir()
    for k, (channels, height, width) in enumerate(_SHAPES):
        shape = (count, channels, min(height, 8), min(width, 8))
        store = np.lib.format.open_memmap(place / f"{k}.npy", "w+", np.float32, shape)
        for start in range(0, count, _CHUNK):
            part = store[start : start + _CHUNK]
            part[:] = random.random(part.shape, dtype=np.float32)
    np.save(place / "logits.npy", random.normal(size=(count, _CLASSES)).astype(np.float32))


def _read(place: Path) -> Features:
    stores = (np.load(place / f"{k}.npy", mmap_mode="r") for k in range(len(_SHAPES)))
    logits = np.load(place / "logits.npy")
    return Features(tuple(stores), logits, logits.argmax(1).astype(np.int64))
