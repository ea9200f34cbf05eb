"""When gathering pays: from measured times, and with the same answers either way."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.export import export_if
from calexnet.runtimes import load
from calexnet.runtimes.lanes.lane import Lane
from calexnet.runtimes.loading import load_runner, runtime
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.planning import measure
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import CLASSES, random_images, write_bundle

BRANCHES = 2
#: A second segment that costs 1 ms and 0.1 ms a sample; 0.05 ms to gather one.
TIMES = SegmentTimes((1, 4, 32), ((1.0, 2.0, 8.0), (1.1, 1.4, 4.2), (1.0, 1.0, 1.0)))
PLAN = Plan(TIMES, (0.0, 0.05, 0.0))


@pytest.mark.parametrize(
    ("rows", "left", "gathers"),
    [
        # Running on with 32 costs 4.2 ms; 21 cost 1.0 + 2.1 + 1.05 = 4.15 ms, 22 cost 4.3 ms.
        (32, 21, True),
        (32, 22, False),
        (32, 31, False),
        (32, 1, True),
        # 2 of 3: 1.2 + 0.1 = 1.3 ms, and so does running on.
        (3, 2, False),
        # Beyond what was measured.
        (33, 32, True),
    ],
)
def test_survivors_are_gathered_where_that_is_faster(rows: int, left: int, gathers: bool) -> None:
    assert gathers == PLAN.gathers(1, rows, left)


def test_a_segment_that_costs_the_same_for_any_batch_is_run_on() -> None:
    assert not any(PLAN.gathers(2, 32, left) for left in range(1, 32))


class Fixed(Plan):
    """A plan that is told when to gather."""

    def __init__(self, answers: list[bool]) -> None:
        super().__init__(SegmentTimes((1,), ((1.0,),) * 3), (0.0,) * 3)
        object.__setattr__(self, "answers", answers)

    def gathers(self, segment: int, rows: int, left: int) -> bool:
        answers: list[bool] = self.answers  # type: ignore[attr-defined]
        return answers[segment]


@pytest.mark.slow
@given(st.data())
def test_the_answers_do_not_depend_on_the_plan(runner: Runner, data: st.DataObject) -> None:
    images = random_images(data.draw(st.integers(1, 24)), seed=data.draw(st.integers(0, 99)))
    table = runner.ask_every_exit(images)
    bars = st.sampled_from([float(score) for score in table.scores.ravel()]) | st.just(np.inf)
    drawn = data.draw(st.lists(bars, min_size=8, max_size=8))
    thresholds = np.array(drawn, np.float32).reshape(BRANCHES, len(CLASSES)) + np.float32(2e-5)
    answers = data.draw(st.lists(st.booleans(), min_size=3, max_size=3))
    other = load_runner(
        runner.bundle, runner.compiled.target, threads=1, plan=Fixed(answers), thresholds=thresholds
    )

    wanted = runner.with_thresholds(thresholds)(images, probabilities=True)
    found = other(images, probabilities=True)

    assert np.array_equal(wanted.exits, found.exits)
    assert np.array_equal(wanted.labels, found.labels)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)
    assert found.probabilities is not None
    assert wanted.probabilities is not None
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-5)


def test_a_plan_that_runs_on_gathers_nobody(chain: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    for kind in (type(lane) for lane in [chain._cascade.lanes.take(1)]):
        genuine = kind.keep

        def keep(self: Lane, rows: Any, genuine: Any = genuine) -> None:
            kept.append(len(rows))
            genuine(self, rows)

        monkeypatch.setattr(kind, "keep", keep)
    images = random_images(40)
    assert [1, 2, 3] == np.unique(chain(images).exits).tolist()
    assert 2 == len(kept)

    load_runner(chain.bundle, chain.compiled.target, threads=1, plan=Fixed([False] * 3))(images)

    assert 2 == len(kept)


def test_a_plan_is_measured_kept_as_text_and_loaded(chain: Runner) -> None:
    plan = measure(chain, random_images(8), batches=(1, 2, 8), repeats=2)

    assert (1, 2, 8) == plan.times.batches
    assert 3 == plan.segments == len(plan.times.call_ms)
    assert all(ms > 0 for row in plan.times.call_ms for ms in row)
    assert 0.0 == plan.gather_ms[0] < min(plan.gather_ms[1:])
    again = Plan.from_json(plan.to_json())
    assert plan == again
    assert again.stamp is not None
    result = load(chain.bundle.folder, chain.compiled.target, threads=1, plan=again)(
        random_images(9)
    )
    assert np.array_equal(chain(random_images(9)).exits, result.exits)


def test_a_plan_that_was_altered_is_refused_and_one_without_a_hash_is_an_older_one() -> None:
    plan = Plan(TIMES, (0.0, 0.1, 0.1))
    text = plan.to_json()

    with pytest.raises(InputError, match=r"^this is no plan: got content with SHA-256 "):
        Plan.from_json(text.replace("8.0", "8.5"))
    older = {name: value for name, value in json.loads(text).items() if name != "sha256"}
    assert plan == Plan.from_json(json.dumps(older))
    assert plan == Plan.from_json(f"{text}\n"), "an editor ended the line"


@pytest.mark.parametrize("text", ["", "[]", '{"times": 3}', "{"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^this is no plan: got .*Measure one with calexnet"):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("times", "gather_ms"),
    [(TIMES, (0.0, 0.1)), (SegmentTimes((1, 2), ((1.0,),)), (0.0,)), (TIMES, (0.0, 0.1, np.nan))],
)
def test_a_plan_that_contradicts_itself_is_refused(
    times: SegmentTimes, gather_ms: tuple[float, ...]
) -> None:
    with pytest.raises(InputError, match="the plan cannot be used: got "):
        Plan(times, gather_ms)


@pytest.mark.parametrize("sizes", [(), (0,), (2, 2), (4, 1), (-1,), (1, 2**20 + 1), (10**18,)])
def test_batch_sizes_that_cannot_be_are_refused(sizes: tuple[int, ...]) -> None:
    times = SegmentTimes(sizes, ((1.0,) * len(sizes),) * 2)

    with pytest.raises(
        InputError,
        match=r"^the plan cannot be used: got (batch sizes.* rise from 1|times at .* 1048576)",
    ):
        Plan(times, (0.0, 0.1))


def test_a_plan_of_another_cascade_is_refused(chain: Runner) -> None:
    other = Plan(SegmentTimes((1,), ((1.0,),)), (0.0,))
    with pytest.raises(InputError, match="another cascade: got 1 segments; expected 3"):
        load(chain.bundle.folder, chain.compiled.target, plan=other)


@pytest.mark.parametrize(
    "other",
    [
        {"bundle": "f" * 64},
        {"target": "toaster"},
        {"precision": "int8"},
        {"threads": 3},
        {"runtime": "onnxruntime-0.1"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_plan_is_refused_with_anything_else_than_it_was_measured_with(
    chain: Runner, other: dict[str, Any]
) -> None:
    assert chain.stamp is not None
    mine = replace(PLAN, stamp=chain.stamp)
    load(chain.bundle.folder, chain.compiled.target, threads=1, plan=mine)
    found = replace(chain.stamp, **other)
    message = (
        f"the plan was measured with something else: got {found}; expected {chain.stamp}. "
        "Measure one with what it is to be used with: calexnet.runtimes.measure."
    )

    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(
            chain.bundle.folder,
            chain.compiled.target,
            threads=1,
            plan=replace(PLAN, stamp=found),
        )


def test_a_stamp_says_what_it_is_of(chain: Runner) -> None:
    version = runtime(chain.compiled.target).version()

    start = f"{chain.compiled.target} fp32 of bundle {chain.bundle.sha256[:12]}..., 1 thread, "
    assert f"{start}{version}" == str(chain.stamp)
    assert measure(chain, random_images(1), (1,), 1).stamp == chain.stamp
    every = load(chain.bundle.folder, chain.compiled.target).stamp
    assert every is not None
    assert len(os.sched_getaffinity(0)) == every.threads


def test_layout_if_takes_no_plan(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    export_if(tmp_path / "bundle")

    with pytest.raises(
        InputError, match=r"^a plan is for segments: got layout if\. Leave out the plan\.$"
    ):
        load(tmp_path / "bundle", layout="if", plan=PLAN)


@pytest.mark.parametrize("batches", [(), (2, 4), (1, 4, 2), (1, 16)])
def test_sizes_that_cannot_be_measured_are_refused(chain: Runner, batches: tuple[int, ...]) -> None:
    message = re.escape(
        f"cannot measure a plan: got batches {batches} and 8 images; expected rising"
    )
    with pytest.raises(InputError, match=message):
        measure(chain, random_images(8), batches)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ((), "got batch sizes; expected sizes that rise from 1"),
        ((2, 4), "got batch sizes 2, 4; expected sizes that rise from 1"),
        ((1, 1), "got batch sizes 1, 1; expected sizes that rise from 1"),
        ((1, 2**63), f"got batch sizes 1, {2**63}; expected sizes that rise from 1"),
        ((1, 10**18), f"got times at a batch of {10**18}; expected at most 1048576"),
    ],
)
def test_a_plan_of_sizes_that_cannot_be_is_refused_before_memory_is_taken(
    batches: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=f"^the plan cannot be used: {message}"):
        Plan(SegmentTimes(batches, ((1.0,) * len(batches),)), (0.0,))
