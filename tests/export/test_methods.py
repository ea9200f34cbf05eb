"""Every method exported: ONNX Runtime answers as PyTorch does, at any batch, states included."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

import calexnet
from calexnet.data.dataset import Dataset
from calexnet.export import export_bundle, export_if, export_run
from calexnet.gating import ExitTable, choose_exits, chosen_labels
from calexnet.manifest import IF
from calexnet.registry import Allowed, Part
from calexnet.runtimes import Runner
from calexnet.training import checkpoint
from calexnet.training.cascade import Cascade
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import Optimisation
from tests.support.small_cascade import PLAN, train

ATTACH = ("conv1", "layer1", "layer2")

Made = tuple[Cascade, Runner]
Make = Callable[..., Made]

#: One of the scores is defined here.
TRUSTED = Allowed(("tests",))


class Doubt(nn.Module):
    """A score of one's own: above 1, and falling with the smallest logit."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return scores ``(n,)`` of logits ``(n, classes)``."""
        return 2.0 - logits.sigmoid().amin(1)


@pytest.fixture(scope="module")
def make(small_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Train a cascade and export it, each kind once."""
    known: dict[tuple[str, str, str], Made] = {}

    def made(method: str, head: str = "linear", score: str = "softmax") -> Made:
        key = (method, head, score)
        if key not in known:
            recipe = plan_recipe(
                Part(method),
                allow=TRUSTED,
                head=head,
                score=score,
                rule=Part("budget"),
                settings=(0.5, 2.0),
                optimisation=Optimisation(epochs=2, lr=0.05),
            )
            plan = dataclasses.replace(PLAN, attach=ATTACH, recipe=recipe)
            run, bundle = (tmp_path_factory.mktemp("made") / name for name in ("run", "bundle"))
            run.mkdir()
            checkpoint.save(train(small_data, plan, allow=TRUSTED), run)
            export_run(run, bundle, allow=["tests"])
            known[key] = checkpoint.load(run, TRUSTED)[0], calexnet.load(bundle, threads=1)
        return known[key]

    return made


KINDS = [
    ("calexnet", "prototype", "softmax"),
    ("calexnet", "linear", "gap"),
    ("calexnet", "linear", "entropy"),
    ("calexnet", "linear", "tests.export.test_methods:Doubt"),
    ("reference", "linear", "softmax"),
    ("softmax", "linear", "softmax"),
    ("pteenet", "native", "softmax"),
    ("ztw", "native", "softmax"),
    ("ztw", "linear", "gap"),
    ("boostnet", "native", "softmax"),
    ("boostnet", "linear", "entropy"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "head", "score"), KINDS)
def test_the_runner_answers_as_the_cascade_does(
    make: Make, small_data: Dataset, method: str, head: str, score: str
) -> None:
    cascade, runner = make(method, head, score)

    for batch in (1, 3, 8):
        compare(cascade, runner, small_data.images[-batch:])
    compare(cascade, runner, small_data.images[:64])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "head", "score"),
    [
        ("calexnet", "linear", "gap"),
        ("ztw", "native", "softmax"),
        ("boostnet", "native", "softmax"),
    ],
)
def test_the_one_graph_of_layout_if_does_too(
    make: Make, small_data: Dataset, method: str, head: str, score: str
) -> None:
    """States that skip a segment are seen from the graph around it."""
    cascade, runner = make(method, head, score)
    if not any(build.layout == IF for build in runner.bundle.manifest.compiled):
        export_if(runner.bundle.folder)

    compare(cascade, calexnet.load(runner.bundle.folder, layout=IF), small_data.images[:24])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnxruntime", "tflite"])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize(
    ("method", "head", "score"), [("ztw", "native", "softmax"), ("boostnet", "linear", "entropy")]
)
def test_states_stay_in_full_beside_narrow_features(
    make: Make,
    small_data: Dataset,
    small_npz: Path,
    tmp_path: Path,
    method: str,
    head: str,
    score: str,
    target: str,
    precision: str,
) -> None:
    _, full = make(method, head, score)
    bundle = tmp_path / "bundle"
    calib_data = str(small_npz)
    export_bundle(
        full.bundle.folder, bundle, target=target, precision=precision, calib_data=calib_data
    )
    runner = calexnet.load(bundle, target=target, precision=precision, threads=1)

    assert carried(full) == carried(runner)
    for engine in runner.engines:
        for tensor in (*engine.record.inputs, *engine.record.outputs):
            if "state" in tensor.name:
                assert ("float32", None) == (tensor.dtype, tensor.scale)
            elif tensor.name in ATTACH and precision == "int8":
                assert tensor.dtype in ("int8", "uint8")
                assert tensor.scale is not None
    table = runner.ask_every_exit(small_data.images)
    near = full.ask_every_exit(small_data.images)
    assert (table.labels == near.labels).mean() > 0.9
    assert np.abs(table.scores - near.scores).mean() < 0.02
    for batch in (1, 3, 8, 64):
        check_chain(runner, small_data.images[-batch:])


def check_chain(runner: Runner, images: NDArray[np.uint8]) -> None:
    """Check that the chain decides by what its own exits say, where about half leave each time."""
    table = runner.ask_every_exit(images)
    thresholds = halving(table)
    result = runner.with_thresholds(thresholds)(images)
    exits = choose_exits(table, thresholds)
    assert exits.tolist() == result.exits.tolist()
    assert chosen_labels(table, exits).tolist() == result.labels.tolist()


def halving(table: ExitTable) -> NDArray[np.float32]:
    """Return thresholds just above the middle score of each branch."""
    middle = np.median(table.scores[:-1], axis=1, keepdims=True) + np.float32(2e-5)
    return np.repeat(middle, 4, axis=1).astype(np.float32)


def compare(cascade: Cascade, runner: Runner, images: NDArray[np.uint8]) -> None:
    """Check every exit's answer, and the chain's where about half of the rest leaves each time."""
    reference, found = cascade.answer(images), runner.ask_every_exit(images)

    np.testing.assert_allclose(found.scores, reference.scores, atol=1e-5)
    assert np.array_equal(reference.labels, found.labels)
    thresholds = halving(reference)
    result = runner.with_thresholds(thresholds)(images, probabilities=True)
    exits = choose_exits(reference, thresholds)
    assert exits.tolist() == result.exits.tolist()
    assert chosen_labels(reference, exits).tolist() == result.labels.tolist()
    samples = np.arange(len(images))
    np.testing.assert_allclose(result.scores, reference.scores[exits - 1, samples], atol=1e-5)
    assert result.probabilities is not None
    expected = cascade.probabilities(images)[exits - 1, samples]
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-5)


def carried(runner: Runner) -> list[tuple[set[str], set[str]]]:
    """Return the states that each segment reads and gives."""
    return [
        tuple(  # type: ignore[misc]
            {t.name for t in tensors if "state" in t.name}
            for tensors in (engine.record.inputs, engine.record.outputs)
        )
        for engine in runner.engines
    ]


@pytest.mark.slow
def test_a_branch_that_sums_hands_its_sum_to_the_next_alone(make: Make) -> None:
    """The last branch's is read by nobody, so it is not carried."""
    _, runner = make("boostnet", "native")

    one, two = "branch1.state", "branch2.state"
    assert [(set(), {one}), ({one}, {two}), ({two}, set()), (set(), set())] == carried(runner)
    for engine in runner.engines:
        for tensor in (*engine.record.inputs, *engine.record.outputs):
            if "state" in tensor.name:
                assert ("float32", ("n", 4)) == (tensor.dtype, tensor.shape)


@pytest.mark.slow
def test_a_state_skips_a_segment_on_its_way_to_a_later_one(make: Make) -> None:
    """Branch 3 reads branch 1's log-probabilities, which segment 2 read but did not make."""
    _, runner = make("ztw", "native")

    one, two = "branch1.state", "branch2.state"
    assert [
        (set(), {one}),
        ({one}, {two}),
        ({one, two}, set()),
        (set(), set()),
    ] == carried(runner)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["calexnet", "pteenet"])
def test_branches_that_keep_nothing_carry_nothing(make: Make, method: str) -> None:
    _, runner = make(method, "native" if method == "pteenet" else "prototype")

    assert [(set(), set())] * 4 == carried(runner)


@pytest.mark.slow
def test_survivors_take_their_own_states_along(make: Make, small_data: Dataset) -> None:
    """Whoever leaves first, a sample that stays is answered as it is alone."""
    cascade, runner = make("ztw", "native")
    images = small_data.images[:32]
    reference = cascade.answer(images)
    bar = float(np.median(reference.scores[0]))
    thresholds = np.array([[bar] * 4, [np.inf] * 4, [-1.0] * 4], np.float32)

    together = runner.with_thresholds(thresholds)(images)

    stayed = together.exits == 3
    assert 8 < stayed.sum() < 24
    np.testing.assert_allclose(together.scores[stayed], reference.scores[2][stayed], atol=1e-5)
    assert reference.labels[2][stayed].tolist() == together.labels[stayed].tolist()


def test_the_bundle_names_method_and_rule(make: Make) -> None:
    _, runner = make("boostnet", "linear", "entropy")

    assert Part("boostnet") == runner.bundle.manifest.method
    assert Part("budget") == runner.bundle.manifest.rule
    points = runner.bundle.manifest.operating_points
    assert ["budget-0.5", "budget-1", "budget-2"] == [point.name for point in points]


def test_the_run_folder_gives_the_cascade_back(make: Make, tmp_path: Path) -> None:
    cascade, runner = make("boostnet", "linear", "entropy")
    checkpoint.save(cascade, tmp_path)

    again, _ = checkpoint.load(tmp_path)

    images = cascade.samples.images[:5]
    assert np.array_equal(cascade.answer(images).scores, again.answer(images).scores)
    assert cascade.spec == again.spec
    assert runner.bundle.manifest.method == again.spec.recipe.method
