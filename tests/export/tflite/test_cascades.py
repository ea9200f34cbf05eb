"""Whole cascades on both runtimes: the same labels and exits wherever rounding decides nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet import heads
from calexnet.backbones import default_attach
from calexnet.bundle import open_bundle
from calexnet.cascade import Cascade
from calexnet.export.bundle import export_cascade
from calexnet.export.narrow import write_narrow
from calexnet.gating import ExitTable
from calexnet.manifest import with_build
from calexnet.preprocessing import Preprocessing
from calexnet.runtimes import load
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from tests import efficientnet_lite0
from tests.small_cascade import untrained

#: A score this close to its threshold may fall on either side of it.
ROUNDING = 1e-5
BATCHES = (1, 3, 8, 64)

slow = pytest.mark.slow
CASCADES = [
    *(pytest.param("resnet8", head, 32, id=f"resnet8-{head}") for head in sorted(heads.HEADS)),
    pytest.param("resnet20", "prototype", 32, marks=slow, id="resnet20"),
    pytest.param("resnet56", "linear", 33, marks=slow, id="resnet56"),
    pytest.param("resnet18", "prototype", 64, marks=slow, id="resnet18"),
    pytest.param("resnet50", "linear", 64, marks=slow, id="resnet50"),
]


@pytest.mark.parametrize(("backbone", "head", "side"), CASCADES)
def test_both_runtimes_decide_alike(backbone: str, head: str, side: int, tmp_path: Path) -> None:
    cascade = untrained(backbone, default_attach(backbone), side=side, head=head, classes=10)
    images = np.random.default_rng(0).integers(0, 256, (64, side, side, 3), dtype=np.uint8)

    compare(cascade, images, tmp_path / "bundle")


def lite0() -> Cascade:
    """Return EfficientNet-Lite0 with its own weights and untrained branches."""
    pytest.importorskip(efficientnet_lite0.WEIGHTS)
    cascade = untrained(
        "tests.efficientnet_lite0:pretrained",
        ("_blocks.4", "_blocks.10"),
        network=efficientnet_lite0.pretrained(),
        side=efficientnet_lite0.SIDE,
        classes=1000,
    )
    side, mean, std = efficientnet_lite0.SIDE, efficientnet_lite0.MEAN, efficientnet_lite0.STD
    preprocessing = Preprocessing(side, side, mean, std)
    spec = dataclasses.replace(cascade.spec, preprocessing=preprocessing)
    return dataclasses.replace(cascade, spec=spec)


@slow
def test_efficientnet_lite0_with_its_own_weights_decides_alike(tmp_path: Path) -> None:
    cascade = lite0()
    images = photographs(64, efficientnet_lite0.SIDE)

    runner = compare(cascade, images, tmp_path / "bundle")

    # Weights and padding are right: it recognises what the photographs show.
    names = set(runner.plain(images).labels.tolist())
    assert names & {442, 698}, "no bell cote and no palace on the Chinese temple"
    assert 985 in names, "no daisy on the flower"


@slow
def test_efficientnet_lite0_counts_in_integers_as_onnx_runtime_does(tmp_path: Path) -> None:
    """Depthwise convolutions and clamps among them: only the front and the head are in float."""
    schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")
    export_cascade(lite0(), "random", tmp_path / "bundle", target="tflite", input="uint8")
    bundle = open_bundle(tmp_path / "bundle")
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


def compare(cascade: Cascade, images: NDArray[np.uint8], out: Path) -> Runner:
    """Export `cascade` to both targets and compare them; return the runner on tflite."""
    export_cascade(cascade, "random", out, target="tflite", input="uint8")
    ours, theirs = load(out, target="tflite"), load(out, target="onnxruntime")
    table = theirs.ask_every_exit(images)
    thresholds = halving(table, len(cascade.spec.classes))
    theirs, ours = theirs.with_thresholds(thresholds), ours.with_thresholds(thresholds)
    seen: set[int] = set()
    for batch in BATCHES:
        for start in range(0, len(images) if batch > 1 else 8, batch):
            part = slice(start, start + batch)
            sure = is_decided(table, thresholds, part)
            one, other = theirs(images[part]), ours(images[part])
            assert np.array_equal(one.exits[sure], other.exits[sure]), f"batch {batch}"
            assert np.array_equal(one.labels[sure], other.labels[sure]), f"batch {batch}"
            np.testing.assert_allclose(one.scores[sure], other.scores[sure], atol=ROUNDING)
            seen |= set(other.exits.tolist())
            plain, mine = theirs.plain(images[part]), ours.plain(images[part])
            assert np.array_equal(plain.labels, mine.labels), f"plain at batch {batch}"
    assert set(range(1, table.branches + 2)) == seen, "an exit was never taken"
    return ours


def halving(table: ExitTable, classes: int) -> NDArray[np.float32]:
    """Return thresholds by which about half of those that come to a branch leave."""
    alive = np.ones(table.labels.shape[1], np.bool_)
    rows = []
    for branch in range(table.branches):
        middle = np.quantile(table.scores[branch][alive], 0.5, method="nearest")
        rows.append(np.full(classes, middle + np.float32(3 * ROUNDING), np.float32))
        alive &= table.scores[branch] < rows[-1][0]
    return np.stack(rows)


def is_decided(table: ExitTable, thresholds: Any, part: slice) -> NDArray[np.bool_]:
    scores = table.scores[: table.branches, part]
    return np.asarray((np.abs(scores - thresholds[:, :1]) > ROUNDING).all(0))
