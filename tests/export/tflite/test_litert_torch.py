"""The same segments by Google's own converter, from torch: an independent opinion, and its speed.

Needs ``pip install litert-torch`` beside the pinned CPU torch, 1.2 GB more; skips without. With
``pytest -s`` it prints the times of both, in turns.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.bundle import open_bundle
from calexnet.export.from_run import export_cascade
from calexnet.training.cascade import Cascade
from tests.export.tflite.check import by_tflite, interpreters
from tests.support.small_cascade import untrained

os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "0")
litert_torch: Any = pytest.importorskip("litert_torch")

pytestmark = pytest.mark.slow

Array = NDArray[Any]
SIDE, CLASSES = 32, 20
BATCHES = (1, 8)
BLOCKS = 100


class Segment(nn.Module):
    """A stage, its branch and its gate, channels last on either side as our files are.

    Args:
        stage: From what comes in, channels first and float32, to the feature.
        branch: From the feature to logits; ``None`` = the stage gives them.
        front: Scale and shift of a raw image, where that is what comes in.
    """

    def __init__(
        self, stage: nn.Module, branch: nn.Module | None, front: tuple[Tensor, Tensor] | None = None
    ) -> None:
        super().__init__()
        self.stage, self.branch, self.front = stage, branch, front

    def forward(self, source: Tensor, threshold: Tensor | None = None) -> dict[str, Tensor]:
        """Return what a segment gives, by our names."""
        value = source.permute(0, 3, 1, 2)
        if self.front is not None:
            value = value.to(torch.float32) * self.front[0] + self.front[1]
        feature = self.stage(value)
        logits = feature if self.branch is None else self.branch(feature)[0]
        probabilities = torch.softmax(logits, 1)
        label, score = logits.argmax(1), probabilities.amax(1)
        said = {"label": label.to(torch.int32), "score": score, "probabilities": probabilities}
        if threshold is None:
            return said
        chosen = torch.arange(CLASSES)[None] == label[:, None]
        leaves = ((probabilities >= threshold) & chosen).any(1)
        return {**said, "exit": leaves, "feature": feature.permute(0, 2, 3, 1)}


class First(nn.Module):
    """The backbone up to its first attach point: what comes after is never asked for."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Return the first feature."""
        feature: Tensor = self.backbone(images)[0]
        return feature


@dataclass(frozen=True)
class Pair:
    """One segment in both forms, and what to feed it with."""

    ours: bytes
    module: nn.Module
    feeds: Callable[[int], dict[str, Array]]


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    attach = ("layer1", "layer2", "layer3")
    return untrained("resnet18", attach, side=SIDE, classes=CLASSES, stem="3x3+pool")


@pytest.fixture(scope="module")
def pairs(cascade: Cascade, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    out: Path = tmp_path_factory.mktemp("made") / "bundle"
    export_cascade(cascade, "random", out, target="tflite", input="uint8")
    build = open_bundle(out).compiled("tflite", "fp32")
    files = {g.name: (out / g.file.path).read_bytes() for g in (*build.segments, build.plain)}
    network, branches = cascade.backbone.network, cascade.branches
    scale, shift = map(torch.from_numpy, cascade.spec.preprocessing.scale_and_shift())
    front = (scale, shift)
    width = branches[0].head.feature_shape

    def images(batch: int) -> dict[str, Array]:
        shape = (batch, SIDE, SIDE, 3)
        return {"image": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}

    def first(batch: int) -> dict[str, Array]:
        return {**images(batch), "threshold": np.full(CLASSES, 0.06, np.float32)}

    def second(batch: int) -> dict[str, Array]:
        shape = (batch, *width[1:], width[0])
        layer1 = np.abs(np.random.default_rng(0).normal(0, 1, shape)).astype(np.float32)
        return {"layer1": layer1, "threshold": np.full(CLASSES, 0.06, np.float32)}

    layer2 = network.get_submodule("layer2")
    return {
        "segment1": Pair(
            files["segment1"], Segment(First(cascade.backbone), branches[0], front), first
        ),
        "segment2": Pair(files["segment2"], Segment(layer2, branches[1]), second),
        "plain": Pair(files["plain"], Segment(network, None, front), images),
    }


def converted(module: nn.Module, feeds: dict[str, Array]) -> bytes:
    """Return litert-torch's file for batches of this size."""
    given = tuple(torch.from_numpy(array) for array in feeds.values())
    model = litert_torch.convert(module.eval(), given)
    return bytes(model.model_content())


@pytest.mark.parametrize("name", ["segment1", "segment2", "plain"])
@pytest.mark.parametrize("batch", BATCHES)
def test_another_converters_file_answers_alike(
    pairs: dict[str, Pair], name: str, batch: int
) -> None:
    pair = pairs[name]
    feeds = pair.feeds(batch)
    theirs = converted(pair.module, feeds)
    (mine,) = by_tflite(interpreters()[0], pair.ours, [feeds])
    runs = [prepared(pair.ours, feeds), prepared(theirs, list(feeds.values()))]
    other = runs[1]()

    scores = [array for array in other if array.dtype == np.float32 and array.shape == (batch,)]
    labels = [array for array in other if array.dtype == np.int32]
    np.testing.assert_allclose(mine["score"], scores[0], atol=1e-5)
    assert mine["label"].tolist() == labels[0].tolist()
    exits = [array for array in other if array.dtype == np.bool_]
    if exits:
        assert mine["exit"].tolist() == exits[0].tolist()
    print(f"\n{name}, batch {batch}: {ratio(*runs):.3f} of litert-torch's time")


def prepared(data: bytes, feeds: dict[str, Array] | list[Array]) -> Callable[[], list[Array]]:
    """Return a call that feeds, runs and reads one planned interpreter."""
    interpreter = interpreters()[0](model_content=data, num_threads=1)
    (signature,) = interpreter._get_full_signature_list().values()
    indices = signature["inputs"]
    named = feeds if isinstance(feeds, dict) else dict(zip(sorted(indices), feeds, strict=True))
    for name, array in named.items():
        interpreter.resize_tensor_input(indices[name], array.shape)
    interpreter.allocate_tensors()

    def run() -> list[Array]:
        for name, array in named.items():
            interpreter.set_tensor(indices[name], array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in signature["outputs"].values()]

    return run


def ratio(ours: Callable[[], Any], theirs: Callable[[], Any]) -> float:
    """Return the shortest time of `ours` over that of `theirs`, called in turns.

    The shortest: whatever else runs on the machine only adds to it.
    """
    times: dict[Any, list[float]] = {ours: [], theirs: []}
    for call in times:
        call()
    for _ in range(BLOCKS):
        for call in random.sample([ours, theirs], 2):
            start = time.perf_counter()
            call()
            times[call].append(time.perf_counter() - start)
    return min(times[ours]) / min(times[theirs])
