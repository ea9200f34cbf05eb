"""The training lines of ``make bench``: branches on cached features, new thresholds. Needs torch.

On random features of the shapes that a ResNet-18 gives for 32x32 images (3x3 stem with pooling).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from calexnet import heads, methods, rules
from calexnet.features import Features
from calexnet.gating import ExitTable
from calexnet.heads.base import Head
from calexnet.methods.base import Task, exit_table
from calexnet.methods.fitting import Optimisation
from calexnet.registry import Part

_SHAPES = ((64, 16, 16), (128, 8, 8), (256, 4, 4))
_CLASSES = 20

#: What is timed, of what the line is about: an epoch on a quarter of the samples.
_SAMPLES, _WANTED = 11_250, 45_000


def print_training_figures() -> None:
    """Print the two lines."""
    with tempfile.TemporaryDirectory() as folder:
        task, table = _task(Path(folder))
        wanted_epochs, _ = Optimisation().length(_WANTED)
        seconds = _epoch_s(task) * wanted_epochs * _WANTED / _SAMPLES
    what = f"three branches, {_WANTED:,} samples, {wanted_epochs} epochs, from one on a quarter"
    print(f"{what:<84} {seconds:5.0f} s   (bar 120)")
    start = time.perf_counter()
    truth = table.labels[-1]
    rules.build(Part("cpm")).calibrate(table, truth, _CLASSES, 0.05)
    what = f"another operating point of trained branches, {len(truth):,} samples"
    print(f"{what:<84} {time.perf_counter() - start:5.2f} s")


def _epoch_s(task: Task) -> float:
    """Return the seconds of one epoch of all branches of CalexNet, head ``prototype``."""
    method = methods.build(Part("calexnet", {"soft_weights": False}))
    start = time.perf_counter()
    method.train(method.branches(_heads(), None), task)
    return time.perf_counter() - start


def _task(folder: Path) -> tuple[Task, ExitTable]:
    """Return what to train on, and the answers of untrained branches on 5,000 samples."""
    random = np.random.default_rng(0)
    train = _features(random, _SAMPLES, folder / "train")
    calibration = _features(random, 5_000, folder / "calibration")
    rule = rules.build(Part("cpm"))
    method = methods.build(Part("calexnet"))
    branches = [branch.eval() for branch in method.branches(_heads(), None)]
    costs = np.array([0.28, 0.52, 0.76, 1.0])
    attach = tuple(f"layer{k + 1}" for k in range(len(_SHAPES)))
    task = Task(attach, train, calibration, rule, 0.0, Optimisation(epochs=1), costs)
    return task, exit_table(branches, calibration)


def _heads() -> list[Head]:
    return [heads.build("prototype", shape, _CLASSES) for shape in _SHAPES]


def _features(random: np.random.Generator, count: int, path: Path) -> Features:
    stores = []
    for k, (channels, height, width) in enumerate(_SHAPES):
        shape = (count, channels, min(height, 8), min(width, 8))
        store = np.memmap(f"{path}-{k}", dtype=np.float32, mode="w+", shape=shape)
        for start in range(0, count, 1_000):
            part = store[start : start + 1_000]
            part[:] = random.random(part.shape, dtype=np.float32)
        stores.append(store)
    logits = random.normal(size=(count, _CLASSES)).astype(np.float32)
    return Features(tuple(stores), logits, logits.argmax(1).astype(np.int64))
