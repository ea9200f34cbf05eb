"""The lane of LiteRT: interpreters of its own, and one copy from one to the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calexnet.bundle import open_bundle
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.steps import steps_of
from calexnet.runtimes.tflite import engine
from calexnet.runtimes.tflite.interpreter import Planned
from calexnet.runtimes.tflite.lane import TfliteLane
from tests.support.onnx_bundle import random_images


@pytest.fixture
def runner(hand_made_tflite: Path) -> Runner:
    return load_runner(open_bundle(hand_made_tflite), "tflite", threads=1)


def lane_of(runner: Runner) -> TfliteLane:
    lane = TfliteLane(steps_of(runner.engines), runner.preprocessing, 1)
    lane.use(runner.thresholds)
    return lane


@pytest.mark.parametrize("kept", [1, 2**25])
def test_survivors_are_answered_as_in_a_batch_of_their_own(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Whether a segment has interpreters for many sizes or one for all."""
    monkeypatch.setattr(engine, "_KEPT_BYTES", kept)
    runner = load_runner(runner.bundle, "tflite", threads=1)
    lane = lane_of(runner)
    for seed, count in enumerate((16, 3, 1, 9, 16, 1)):
        images = random_images(count, seed)
        wanted = runner.ask_every_exit(images)
        alive = np.arange(count)
        lane.start(images)
        for segment in range(3):
            answer = lane.run(segment)

            assert np.array_equal(wanted.labels[segment, alive], answer.label)
            np.testing.assert_allclose(answer.score, wanted.scores[segment, alive], atol=1e-5)
            if len(alive) > 2 and segment < 2:
                lane.keep(np.arange(segment, len(alive), 2))
                alive = alive[segment::2]
    most = 1 if kept == 1 else 8
    assert all(engine.most_kept == most for engine in runner.engines)  # type: ignore[attr-defined]
    assert all(len(mine._planned) <= most for mine in lane._interpreters)


def test_an_interpreter_stays_where_it_is_planned(runner: Runner) -> None:
    """A view of its memory that moved on would read what is not its own."""
    (planned, *_) = (engine.lend() for engine in runner.engines)  # type: ignore[attr-defined]
    for batch in (1, 7, 64, 1):
        planned.plan(batch)
        planned.inputs["image"][...] = random_images(batch)
        planned.inputs["threshold"][...] = 0.5
        views = {**planned.inputs, **planned.outputs}
        indices = {**planned._input_index, **planned._output_index}
        for _ in range(3):
            planned.invoke()
        for name, view in views.items():
            there = planned._interpreter.tensor(indices[name])()

            assert there.ctypes.data == view.ctypes.data, name
            assert np.array_equal(there, view)
            del there


def test_a_lane_takes_the_interpreter_that_loading_made(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one would be a second copy of the weights."""
    made = []
    build = Planned.__init__

    def count(self: Planned, *arguments: object) -> None:
        made.append(self)
        build(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Planned, "__init__", count)
    loaded = load_runner(runner.bundle, "tflite", threads=1)
    before = len(made)

    loaded(random_images(1))

    assert 3 == before == len(made)
