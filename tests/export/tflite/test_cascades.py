"""Whole cascades on both runtimes: the same labels and exits wherever rounding decides nothing."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from calexnet.bundle import open_bundle
from calexnet.export.from_run import export_cascade
from calexnet.export.precisions.cascade import write_narrow
from calexnet.gating import ExitTable
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import with_build
from calexnet.registry import Part
from calexnet.runtimes import load
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from calexnet.training import heads, methods, scores
from calexnet.training.branches import Branch
from calexnet.training.cascade import Cascade
from calexnet.training.methods.base import Method
from tests.support import efficientnet_lite0
from tests.support.small_cascade import untrained

#: A score this close to its threshold may fall on either side of it.
ROUNDING = 1e-5
BATCHES = (1, 3, 8, 64)

slow = pytest.mark.slow

#: Method, score and heads.
Line = tuple[str, str, tuple[str, ...]]

#: Every head, each native method and every score, by branches that stand side by side. What
#: a branch hands to later ones stays within its line.
LINES: tuple[Line, ...] = (
    ("calexnet", "softmax", ("prototype",)),
    ("calexnet", "gap", ("linear", "strided")),
    ("pteenet", "softmax", ("pteenet",)),
    ("ztw", "softmax", ("ztw", "ztw")),
    ("boostnet", "entropy", ("boostnet", "boostnet")),
)

#: The head for mobile networks, at two places of a small one.
SEPARABLE: tuple[Line, ...] = (("calexnet", "gap", ("separable", "separable")),)

#: Backbone -> image side and an attach point for each branch, some within a block.
CIFAR = ("conv1", "layer1.0", "layer1", "layer2.0", "layer2", "layer3.0", "layer3.1", "layer3")
IMAGENET = ("layer1.0", "layer1", "layer2.0", "layer2", "layer3.0", "layer3", "layer4.0", "layer4")
WITHIN = (
    "conv1",
    "layer1.0.bn1",
    "layer1",
    "layer2.0.bn1",
    "layer2.0.bn2",
    "layer2",
    "layer3.0.bn1",
    "layer3",
)
NETWORKS = [
    pytest.param("resnet8", 32, WITHIN, id="resnet8"),
    pytest.param("resnet20", 32, CIFAR, id="resnet20", marks=slow),
    pytest.param("resnet56", 33, CIFAR, id="resnet56", marks=slow),
    pytest.param("resnet18", 32, IMAGENET, id="resnet18", marks=slow),
    pytest.param("resnet50", 32, IMAGENET, id="resnet50", marks=slow),
]
LITE0 = tuple(f"_blocks.{block}" for block in range(0, 16, 2))


def test_no_head_method_or_score_is_left_out() -> None:
    """A method that has branches of its own kind, that is."""
    known = {name: type(methods.build(Part(name))) for name in methods.METHODS}
    own = {name for name, kind in known.items() if kind.branches is not Method.branches}

    assert own
    assert own <= {method for method, _, _ in LINES}
    every = {head for _, _, several in (*LINES, *SEPARABLE) for head in several}
    assert set(heads.HEADS) == every
    assert {scores.SOFTMAX, *scores.SCORES} == {score for _, score, _ in LINES}


def mixed(
    backbone: str,
    side: int,
    attach: Sequence[str],
    lines: Sequence[Line] = LINES,
    **options: Any,
) -> Cascade:
    """Return a cascade of random weights with all branches of `lines`."""
    cascade = untrained(backbone, attach, side=side, **options)
    shapes = iter([branch.head.feature_shape for branch in cascade.branches])
    branches: list[Branch] = []
    for method, score, several in lines:
        classes = len(cascade.spec.classes)
        line = [heads.build(head, next(shapes), classes) for head in several]
        made = methods.build(Part(method)).branches(line, scores.build(score))
        for branch in made:
            branch.reads = tuple(len(branches) + earlier for earlier in branch.reads)
        branches += made
    with torch.no_grad():
        for branch in branches:
            branch.head.linear.weight *= 8  # answers of some conviction, scores far apart
            for weights in branch.parameters():
                if not weights.any():  # hides what comes before it
                    nn.init.normal_(weights, std=0.3)
    return dataclasses.replace(cascade, branches=tuple(branch.eval() for branch in branches))


def test_both_runtimes_decide_alike_by_separable_heads(tmp_path: Path) -> None:
    cascade = mixed("resnet8", 32, ("layer1", "layer2"), SEPARABLE, classes=10)
    export_cascade(cascade, "random", tmp_path / "bundle", target="tflite", input="uint8")

    compare(tmp_path / "bundle", photographs(64, 32))


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "side", "attach"), NETWORKS)
def test_both_runtimes_decide_alike(
    backbone: str, side: int, attach: tuple[str, ...], tmp_path: Path
) -> None:
    cascade = mixed(backbone, side, attach, classes=10)
    export_cascade(cascade, "random", tmp_path / "bundle", target="tflite", input="uint8")

    compare(tmp_path / "bundle", photographs(64, side))


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of EfficientNet-Lite0 with its own weights and untrained branches."""
    pytest.importorskip(efficientnet_lite0.WEIGHTS)
    network, side = efficientnet_lite0.pretrained(), efficientnet_lite0.SIDE
    name = "tests.support.efficientnet_lite0:pretrained"
    cascade = mixed(name, side, LITE0, network=network, classes=1000)
    preprocessing = Preprocessing(side, side, efficientnet_lite0.MEAN, efficientnet_lite0.STD)
    spec = dataclasses.replace(cascade.spec, preprocessing=preprocessing)
    out: Path = tmp_path_factory.mktemp("lite0") / "bundle"
    cascade = dataclasses.replace(cascade, spec=spec)
    export_cascade(cascade, "random", out, target="tflite", input="uint8")
    return out


@slow
def test_efficientnet_lite0_with_its_own_weights_decides_alike(lite0: Path) -> None:
    images = photographs(64, efficientnet_lite0.SIDE)

    runner = compare(lite0, images)

    # Weights and padding are right: it recognises what the photographs show.
    names = set(runner.plain(images).labels.tolist())
    assert names & {442, 698}, "no bell cote and no palace on the Chinese temple"
    assert 985 in names, "no daisy on the flower"


@slow
def test_efficientnet_lite0_counts_in_integers_as_onnx_runtime_does(
    lite0: Path, tmp_path: Path
) -> None:
    """Depthwise convolutions and clamps among them: only the front and the head are in float."""
    schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")
    bundle = open_bundle(shutil.copytree(lite0, tmp_path / "bundle"))
    images = photographs(64, efficientnet_lite0.SIDE)
    content = bundle.manifest
    for target in ("onnxruntime", "tflite"):
        content = with_build(content, write_narrow(bundle, target, "int8", images[:32]))
    bundle = dataclasses.replace(bundle, manifest=content)

    full, theirs, ours = (
        load_runner(bundle, *build, threads=1).plain(images)
        for build in (("tflite", "fp32"), ("onnxruntime", "int8"), ("tflite", "int8"))
    )

    assert (ours.labels == theirs.labels).mean() > 0.9
    assert (ours.labels == full.labels).mean() > 0.8
    data = (bundle.folder / "tflite" / "int8" / "plain.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    codes = [model.operatorCodes[o.opcodeIndex].builtinCode for o in model.subgraphs[0].operators]
    assert 1 == codes.count(schema.BuiltinOperator.QUANTIZE)
    assert 1 == codes.count(schema.BuiltinOperator.DEQUANTIZE)
    assert 16 == codes.count(schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def photographs(count: int, side: int) -> NDArray[np.uint8]:
    """Return squares cut from the two photographs that scikit-learn brings."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    pictures = load_sample_images().images
    crops = []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        size = int(rng.integers(300, min(picture.shape[:2])))
        top, left = (int(rng.integers(0, length - size)) for length in picture.shape[:2])
        crop = Image.fromarray(picture[top : top + size, left : left + size])
        crops.append(np.asarray(crop.resize((side, side))))
    return np.stack(crops)


def compare(bundle: Path, images: NDArray[np.uint8]) -> Runner:
    """Compare both targets of `bundle`; return the runner on tflite."""
    ours, theirs = (load(bundle, target=name, threads=1) for name in ("tflite", "onnxruntime"))
    table = theirs.ask_every_exit(images)
    thresholds = sharing(table, len(theirs.classes))
    theirs, ours = theirs.with_thresholds(thresholds), ours.with_thresholds(thresholds)
    sure = (np.abs(table.scores[:-1] - thresholds[:, :1]) > ROUNDING).all(0)
    assert sure.mean() > 0.9, "too many scores lie on a threshold"
    seen: set[int] = set()
    for batch in BATCHES:
        for start in range(0, len(images) if batch > 1 else 8, batch):
            part = slice(start, start + batch)
            firm = sure[part]
            one, other = theirs(images[part]), ours(images[part])
            assert np.array_equal(one.exits[firm], other.exits[firm]), f"batch {batch}"
            assert np.array_equal(one.labels[firm], other.labels[firm]), f"batch {batch}"
            np.testing.assert_allclose(one.scores[firm], other.scores[firm], atol=ROUNDING)
            seen |= set(other.exits.tolist())
            plain, mine = theirs.plain(images[part]), ours.plain(images[part])
            assert np.array_equal(plain.labels, mine.labels), f"plain at batch {batch}"
    assert set(range(1, table.branches + 2)) == seen, "an exit was never taken"
    return ours


def sharing(table: ExitTable, classes: int) -> NDArray[np.float32]:
    """Return thresholds by which about as many leave at each exit, where scores lie far apart."""
    alive = np.ones(table.labels.shape[1], np.bool_)
    rows = []
    for branch in range(table.branches):
        order = np.sort(table.scores[branch][alive])
        staying = len(order) - len(order) // (table.branches + 1 - branch)
        near = order[staying - 3 : staying + 3]
        widest = np.diff(near).argmax()
        rows.append(np.full(classes, near[widest : widest + 2].mean(), np.float32))
        alive &= table.scores[branch] < rows[-1][0]
    return np.stack(rows)
