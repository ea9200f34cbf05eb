"""Segments that are opened when the first sample gets there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet.bundle import open_bundle
from calexnet.errors import BundleError, InputError
from calexnet.export import export_if
from calexnet.gating import NEVER, forcing
from calexnet.runtimes import load
from calexnet.runtimes.loading import load_runner, runtime
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import random_images, write_bundle

OpenIt = Callable[[], tuple[Runner, list[str]]]


@pytest.fixture(params=["onnxruntime", "tflite"])
def folder(request: pytest.FixtureRequest, hand_made_tflite: Path, tmp_path: Path) -> Path:
    """A bundle that may be changed; its parent names the target."""
    place = tmp_path / str(request.param) / "bundle"
    shutil.copytree(hand_made_tflite, place)
    return place


@pytest.fixture
def open_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OpenIt:
    """Load it lazily; returns the runner, and the names of graphs opened, which goes on growing."""
    target, opened = folder.parent.name, list[str]()
    runs = runtime(target)
    genuine = runs.load

    def noted(_: Any, record: Any, data: bytes, **options: Any) -> Any:
        opened.append(record.name)
        return genuine(record, data, **options)

    monkeypatch.setattr(type(runs), "load", noted)
    return lambda: (load(folder, target, threads=1, lazy=True), opened)


def test_nothing_is_opened_before_a_sample_gets_there(open_it: OpenIt) -> None:
    runner, opened = open_it()
    images = random_images(5)
    for number in (1, 2, 3, 1):
        table = forcing(runner.thresholds.shape, number)

        exits = runner.with_thresholds(table)(images).exits

        assert [number] * 5 == exits.tolist()
        assert ["segment1", "segment2", "segment3"][: max(number, len(opened))] == opened
    assert 3 == len(opened)


def test_the_answers_are_those_of_segments_opened_at_once(folder: Path, open_it: OpenIt) -> None:
    images = random_images(40)
    wanted = load_runner(open_bundle(folder), folder.parent.name, threads=1)(images)
    assert [1, 2, 3] == np.unique(wanted.exits).tolist()

    found = open_it()[0](images)

    assert all(np.array_equal(a, b) for a, b in zip(wanted[:3], found[:3], strict=True))


def test_eight_threads_that_get_there_together_open_each_segment_once(open_it: OpenIt) -> None:
    runner, opened = open_it()
    staying = runner.with_thresholds(np.full(runner.thresholds.shape, NEVER, np.float32))
    jobs = [random_images(1 + seed % 3, seed) for seed in range(32)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(staying, jobs))

    assert ["segment1", "segment2", "segment3"] == sorted(opened)
    for images, result in zip(jobs, found, strict=True):
        assert np.array_equal(staying(images).labels, result.labels)


def test_what_was_changed_meanwhile_is_told_and_the_next_call_tries_again(
    folder: Path, open_it: OpenIt
) -> None:
    runner, opened = open_it()
    staying = runner.with_thresholds(np.full(runner.thresholds.shape, NEVER, np.float32))
    path = folder / runner.compiled.segments[1].file.path
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    for _ in range(2):
        with pytest.raises(BundleError, match=rf"{path.name} was changed: got SHA-256 "):
            staying(random_images(3))
        with pytest.raises(BundleError, match=rf"{path.name} was changed: got SHA-256 "):
            staying.ask_every_exit(random_images(3))
    assert ["segment1"] == opened
    path.write_bytes(data)

    assert [3] * 3 == staying(random_images(3)).exits.tolist()
    assert ["segment1", "segment2", "segment3"] == opened


def test_where_there_is_nothing_to_open_later_it_says_so(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    export_if(tmp_path / "bundle")

    with pytest.raises(
        InputError,
        match=r"^segments cannot be opened later: got lazy=True for onnxruntime fp32 if; expected "
        r"target onnxruntime, tflite or openvino in layout segments\. Leave out lazy\.$",
    ):
        load(tmp_path / "bundle", layout="if", lazy=True)
