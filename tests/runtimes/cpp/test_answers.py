"""The C++ library answers as Python does: the same graphs on the same runtime, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

import calexnet
from calexnet.export import export_bundle
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner
from tests.runtimes.cpp.conftest import require_runtime, run
from tests.support.onnx_bundle import LOOSE, STRICT, Wiring, random_images, write_bundle

BATCHES = (1, 3, 32)
TARGETS = ("onnxruntime", "tflite")


def in_batches(runner: Runner, images: NDArray[np.uint8], batch: int) -> Result:
    parts = [
        runner(images[first : first + batch], probabilities=True)
        for first in range(0, len(images), batch)
    ]
    return Result.joined(parts)


def said(program: Path, bundle: Path, images: NDArray[np.uint8], *words: object) -> Result:
    """Return what calexnet-run prints for `images`."""
    raw = program.parent / f"{id(images)}.raw"
    images.tofile(raw)
    try:
        lines = run(program, bundle, raw, "--threads", 1, *words).stdout.splitlines()
    finally:
        raw.unlink()
    rows = [line.split("\t") for line in lines]
    return Result(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[2] for row in rows], np.float32),
        np.array([row[3] for row in rows], np.int32),
        np.array([row[4:] for row in rows], np.float32),
    )


def assert_same(expected: Result, found: Result) -> None:
    for mine, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.fixture(scope="module", params=get_args(Wiring))
def wired(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for each way in which tensors cross the cuts."""
    folder = tmp_path_factory.mktemp("wired") / "bundle"
    write_bundle(folder, wiring=request.param)
    export_bundle(folder, target="tflite")
    return folder


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("target", TARGETS)
def test_answers_are_pythons_however_tensors_cross(
    release: Path, wired: Path, target: str, batch: int
) -> None:
    require_runtime(target)
    images = random_images(96, seed=3)
    words = ("--target", target, "--batch", batch, "--probabilities")

    found = said(release / "calexnet-run", wired, images, *words)

    expected = in_batches(calexnet.load(wired, target=target, threads=1), images, batch)
    assert {1, 2, 3} == {*expected.exits}
    assert_same(expected, found)


@pytest.fixture(scope="module")
def trained(small_narrow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained cascade for every target at full precision and narrower."""
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    export_bundle(small_narrow_bundle, folder, target="tflite")
    return folder


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("target", TARGETS)
def test_answers_are_pythons_for_a_trained_cascade(
    release: Path, trained: Path, target: str, precision: str, batch: int
) -> None:
    require_runtime(target)
    images = random_images(64)
    words = ("--target", target, "--precision", precision, "--batch", batch)

    found = said(release / "calexnet-run", trained, images, *words, "--probabilities")

    runner = calexnet.load(trained, target=target, precision=precision, threads=1)
    assert_same(in_batches(runner, images, batch), found)


@pytest.mark.parametrize(("point", "exits"), [(STRICT, {3}), (LOOSE, {1})])
def test_an_operating_point_is_chosen_by_name(
    release: Path, hand_made: Path, point: str, exits: set[int]
) -> None:
    words = ("--operating-point", point, "--batch", 8)

    found = said(release / "calexnet-run", hand_made, random_images(16), *words)

    assert exits == {*found.exits}


def test_plain_is_the_backbone_alone(release: Path, hand_made: Path) -> None:
    images = random_images(20)

    found = said(release / "calexnet-run", hand_made, images, "--plain", "--batch", 20)

    expected = calexnet.load(hand_made, threads=1).plain(images)
    np.testing.assert_array_equal(expected.labels, found.labels)
    np.testing.assert_array_equal(expected.scores, found.scores)
    assert {3} == {*found.exits}


def test_times_come_in_blocks_with_the_exits_taken(
    release: Path, hand_made: Path, tmp_path: Path
) -> None:
    images = random_images(40, seed=3)
    images.tofile(tmp_path / "images.raw")
    words = ("--time", tmp_path / "times.json", "--blocks", 2, "--batch", 8, "--threads", 1)

    run(release / "calexnet-run", hand_made, tmp_path / "images.raw", *words)

    record = json.loads((tmp_path / "times.json").read_text())
    runner = calexnet.load(hand_made, threads=1)
    assert runner.bundle.sha256 == record["bundle"]
    assert np.bincount(runner(images).exits, minlength=4)[1:].tolist() == record["exits"]
    assert 2 == len(record["blocks"])
    assert all(0 < block["cascade_ms"] and 0 < block["plain_ms"] for block in record["blocks"])
    assert not [*tmp_path.glob("*.partial")]


@pytest.mark.parametrize("kind", ["release", "sanitized", "thread"])
@pytest.mark.parametrize("target", TARGETS)
def test_threads_share_a_cascade(
    built: Callable[[str], Path], wired: Path, target: str, kind: str
) -> None:
    require_runtime(target)

    done = run(built(kind) / "threads", wired, target, "fp32")

    assert done.stdout.endswith("wrong 0\n")


@pytest.mark.parametrize("kind", ["release", "sanitized"])
def test_our_own_code_allocates_nothing_after_warm_up(
    built: Callable[[str], Path], kind: str
) -> None:
    assert run(built(kind) / "own_cost").stdout.startswith("allocations 0\n")


@pytest.mark.parametrize("kind", ["release", "sanitized"])
def test_misuse_ends_in_codes_with_words(
    built: Callable[[str], Path], hand_made: Path, kind: str
) -> None:
    run(built(kind) / "misuse", hand_made)
