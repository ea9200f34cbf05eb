"""Cascades of many shapes against PyTorch: the same exits at any batch, layout, thread count."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.bundle import open_bundle
from calexnet.costs import SegmentTimes
from calexnet.export import export_bundle, export_if
from calexnet.export.from_run import export_cascade
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels
from calexnet.runtimes.lanes import lane
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.runner import Runner
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import untrained

pytestmark = pytest.mark.slow

#: What runs the portable graphs too, where it is installed.
HERE = ("openvino",) if find_spec("openvino") else ()
#: Wherever a score is further than this from its threshold, exits have to be the same.
BOUND = 1e-5
_BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]
#: Blocks, and points inside of them, past which a shortcut is carried too; in running order.
POINTS = ["conv1", *(name for b in _BLOCKS for name in (f"{b}.conv1", f"{b}.bn2", b))]


class Shape(NamedTuple):
    classes: int
    side: int
    seed: int


class Exported(NamedTuple):
    reference: Cascade
    images: NDArray[np.uint8]
    runners: tuple[Runner, ...]


@pytest.fixture(
    scope="module",
    params=[Shape(2, 9, 0), Shape(1000, 13, 1), Shape(4, 32, 2), Shape(10, 17, 3)],
    ids=str,
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A cascade with branches at random points of a ResNet-20, on every runtime and layout."""
    shape: Shape = request.param
    rng = np.random.default_rng(shape.seed)
    chosen = rng.choice(len(POINTS), size=rng.integers(1, 5), replace=False)
    attach = [POINTS[index] for index in sorted(chosen)]
    cascade = untrained("resnet20", attach, classes=shape.classes, side=shape.side, head="linear")
    images = rng.integers(0, 256, (40, shape.side, shape.side, 3), dtype=np.uint8)
    _spread(cascade, images)
    folder = tmp_path_factory.mktemp("shape") / "bundle"
    export_cascade(cascade, "0" * 64, folder, target="onnxruntime", input="uint8")
    export_bundle(folder, target="tflite")
    export_if(folder)
    return Exported(cascade, images, tuple(_runners(folder, len(attach) + 1)))


def _runners(folder: Path, segments: int) -> Iterator[Runner]:
    bundle = open_bundle(folder)
    flat = Plan(SegmentTimes((1, 64), ((1.0, 1.0),) * segments), (0.0,) * segments)
    for target in ("onnxruntime", "tflite", *HERE):
        for threads in (1, 2):
            yield load_runner(bundle, target, threads=threads)
        yield load_runner(bundle, target, threads=1, plan=flat)  # nobody is ever gathered
        with pytest.MonkeyPatch.context() as small:
            small.setattr(lane, "ROOM_BYTES", 0)
            yield load_runner(bundle, target, threads=1)  # image by image
            counts = bundle.manifest.compiled[0].plain.counts
            assert counts is not None
            largest = 5 * counts.activation_bytes // 2
            small.undo()
            small.setattr(lane, "WORK_BYTES", largest)
            yield load_runner(bundle, target, threads=1)  # five at a time, or a few more
    for target in ("onnxruntime", *HERE):
        yield load_runner(bundle, target, layout="if", threads=1)


def _spread(cascade: Cascade, images: NDArray[np.uint8]) -> None:
    """Scale and centre the last layer of every exit: scores lie apart, as a trained one's do.

    No more than it takes, for rounding is scaled with them.

    A random head of a thousand classes gives each a thousandth, and rounding decides most labels.
    """
    logits = np.log(cascade.probabilities(images))
    spread = max(0.1, len(cascade.spec.classes) / 1000)  # of logits over images
    linears: list[Any] = [
        *(branch.head.linear for branch in cascade.branches),
        cascade.backbone.network.linear,
    ]
    for layer, said in zip(linears, logits, strict=True):
        mean = said.mean(0)
        scale = spread / float((said - mean).std())
        layer.weight.data *= scale
        layer.bias.data = scale * (layer.bias.data - torch.from_numpy(mean))


def test_a_runner_takes_no_more_at_once_than_its_room(exported: Exported) -> None:
    most = {runner._cascade.lanes.most for runner in exported.runners}

    assert 1 in most
    assert any(1 < size < 40 for size in most)


def test_eight_threads_get_the_references_answers_in_layout_if(exported: Exported) -> None:
    cascade, pool, runners = exported
    whole, *_ = (runner for runner in runners if runner.compiled.layout == "if")
    answers = cascade.answer(pool)
    table = np.repeat(np.median(answers.scores[:-1], axis=1)[:, None], len(whole.classes), axis=1)
    exits = choose_exits(answers, table)
    firm = _is_sure(answers, table) & _has_clear_labels(cascade, pool)
    mine = whole.with_thresholds(table)

    with ThreadPoolExecutor(8) as threads:
        jobs = [pool[start : start + 5] for start in range(0, 40, 5)] * 3
        found = list(threads.map(mine, jobs))

    assert 1 < len(np.unique(exits))
    for start, result in zip([*range(0, 40, 5)] * 3, found, strict=True):
        part = slice(start, start + 5)
        assert np.array_equal(exits[part][firm[part]], result.exits[firm[part]])
        assert np.array_equal(
            chosen_labels(answers, exits)[part][firm[part]], result.labels[firm[part]]
        )


@st.composite
def tables(draw: st.DrawFn, answers: ExitTable, classes: int) -> NDArray[np.float32]:
    """Thresholds around the scores that are there, and at plus and minus infinity."""
    rows = []
    for branch in range(answers.branches):
        # Midway between two scores, as calibrated thresholds are.
        scores = np.unique(answers.scores[branch])
        place = round(draw(st.floats(0.3, 0.8)) * max(0, len(scores) - 2))
        bar = float(scores[place : place + 2].mean())
        if len(scores) == 1:
            bar *= draw(st.sampled_from([0.9, 1.1]))
        if draw(st.integers(0, 7)) == 0:
            bar = draw(st.sampled_from([-np.inf, NEVER]))
        row = np.full(classes, bar, np.float32)
        row[draw(st.integers(0, classes - 1))] = draw(st.sampled_from([-np.inf, NEVER]))
        rows.append(row)
    return np.stack(rows)


@settings(max_examples=12)
@given(data=st.data())
def test_exits_and_labels_are_the_references(exported: Exported, data: st.DataObject) -> None:
    """In batches that are permuted, with some images several times."""
    cascade, pool, runners = exported
    classes = len(cascade.spec.classes)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    images = pool[rng.integers(0, len(pool), data.draw(st.sampled_from([1, 2, 7, 16, 33])))]
    answers = cascade.answer(images)
    table = data.draw(tables(answers, classes))
    exits = choose_exits(answers, table)
    sure = _is_sure(answers, table)
    firm = sure & _has_clear_labels(cascade, images)
    event(f"{len(np.unique(exits))} exits taken; decided for {firm.mean():.0%} of the images")
    assert len(images) < 7 or firm.mean() >= 0.5, "or the test says little"

    for runner in runners:
        result = runner.with_thresholds(table)(images, probabilities=True)

        name = runner.compiled.name
        assert np.array_equal(exits[firm], result.exits[firm]), name
        assert np.array_equal(chosen_labels(answers, exits)[firm], result.labels[firm]), name
        wanted = answers.scores[exits - 1, np.arange(len(images))]
        np.testing.assert_allclose(result.scores[firm], wanted[firm], atol=2e-5, err_msg=name)
        assert result.probabilities is not None
        assert (len(images), classes) == result.probabilities.shape


def _is_sure(answers: ExitTable, table: NDArray[np.float32]) -> NDArray[np.bool_]:
    bars = np.stack([row[labels] for row, labels in zip(table, answers.labels, strict=False)])
    clear: NDArray[np.bool_] = (np.abs(answers.scores[:-1] - bars) > BOUND).all(axis=0)
    return clear


def _has_clear_labels(cascade: Cascade, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    ranked = np.sort(cascade.probabilities(images), axis=-1)
    lead = ranked[..., -1] - ranked[..., -2]
    # Of a thousand classes each has a thousandth: rounding is as much smaller.
    return np.asarray((lead > BOUND * ranked[..., -1]).all(axis=0))
