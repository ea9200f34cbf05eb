"""A runner that is sent to another process opens its bundle there."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from calexnet.runtimes import load
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import random_images, write_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_pool_answers_as_the_runner_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another folder, and with thresholds of its own."""
    monkeypatch.chdir(folder.parent)
    given = load("bundle", threads=1)
    runner = given.with_thresholds(np.full(given.thresholds.shape, 0.4, np.float32))
    batches = [random_images(n) for n in (3, 1, 5)]
    monkeypatch.chdir("/")

    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        answers = list(pool.map(runner, batches))

    for batch, (labels, scores, exits, _) in zip(batches, answers, strict=True):
        expected = runner(batch)
        assert np.array_equal(expected.labels, labels)
        assert np.array_equal(expected.scores, scores)
        assert np.array_equal(expected.exits, exits)


def test_what_was_asked_for_is_opened_and_once_alone(folder: Path) -> None:
    runner = load(folder, threads=1, lazy=True, provider="cpu")

    again = [pickle.loads(pickle.dumps(runner)) for _ in range(2)]

    assert [runner.stamp] * 2 == [one.stamp for one in again]
    assert again[0].engines is again[1].engines
    assert type(runner.engines[1]) is type(again[0].engines[1])
    other = pickle.loads(pickle.dumps(load(folder, threads=2)))
    assert other.engines is not again[0].engines


def test_a_runner_made_by_hand_says_that_it_cannot_be_sent(folder: Path) -> None:
    runner = load(folder)
    by_hand = Runner(
        runner.bundle, runner.compiled, runner.engines, lambda: runner.engines[0], runner.thresholds
    )

    with pytest.raises(TypeError, match=r"a runner that calexnet\.load did not open cannot be pic"):
        pickle.dumps(by_hand)
