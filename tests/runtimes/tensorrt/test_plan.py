"""Whether copying survivors on the GPU pays: measured in the lane, obeyed by the runner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.planning import measure
from tests.runtimes.tensorrt.conftest import LARGEST
from tests.support.onnx_bundle import random_images
from tests.support.tensorrt_stand_in import Cuda

LAYER1, LAYER2 = 4 * 4 * 4 * 4, 6 * 2 * 2 * 4


def test_every_segment_and_every_gathering_is_timed_where_the_tensors_lie(
    cuda: Cuda, bundle: Path
) -> None:
    runner = calexnet.load(bundle, target="tensorrt")
    cuda.said.clear()

    plan = measure(runner, random_images(LARGEST), (1, 4, LARGEST), repeats=3)

    assert (1, 4, LARGEST) == plan.times.batches
    assert 3 == plan.segments
    assert 0.0 == plan.gather_ms[0]
    assert all(ms > 0 for row in (*plan.times.call_ms, plan.gather_ms[1:]) for ms in row)
    # Every second row is a copy of its own, before segment 2 and before segment 3.
    copied = [size for kind, size, *_ in cuda.said if kind == "DeviceToDevice"]
    assert [LAYER1] * (LARGEST // 2) * 3 + [LAYER2] * (LARGEST // 2) * 3 == copied
    # Nothing larger than labels came back to the host.
    assert 4 * LARGEST == max(words[1] for words in cuda.said if words[0] == "DeviceToHost")


@pytest.mark.parametrize(("gather_ms", "copies"), [(0.0, True), (100.0, False)])
def test_the_runner_copies_where_the_plan_says_that_it_pays(
    cuda: Cuda, bundle: Path, gather_ms: float, copies: bool
) -> None:
    times = SegmentTimes((1, LARGEST), ((1.0, 8.0),) * 3)
    plan = Plan(times, (0.0, gather_ms, gather_ms))
    always = calexnet.load(bundle, target="tensorrt")
    planned = calexnet.load(bundle, target="tensorrt", plan=plan)
    images = random_images(LARGEST - 1)
    halves = np.median(always.ask_every_exit(images).scores[:-1], axis=1, keepdims=True)
    thresholds = np.repeat(halves, 4, axis=1).astype(np.float32)
    expected = always.with_thresholds(thresholds)(images)
    cuda.said.clear()

    found = planned.with_thresholds(thresholds)(images)

    assert expected.exits.tolist() == found.exits.tolist()
    assert expected.labels.tolist() == found.labels.tolist()
    assert copies == ("DeviceToDevice" in [words[0] for words in cuda.said])


@pytest.mark.parametrize("batches", [(), (2, 4), (1, 4, 4), (1, LARGEST + 1)])
def test_sizes_that_cannot_be_measured_are_refused(
    cuda: Cuda, bundle: Path, batches: tuple[int, ...]
) -> None:
    runner = calexnet.load(bundle, target="tensorrt")

    with pytest.raises(
        InputError, match=rf"^cannot measure a plan: .*rising sizes from 1 to at most {LARGEST}, "
    ):
        measure(runner, random_images(2 * LARGEST), batches)
