"""A profile of ONNX Runtime itself: what a chain adds to plain, by kind of work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import profile as speed_profile
from benchmarks.profile import KINDS, Profile, profile, table
from calexnet.bundle import open_bundle
from tests.support.onnx_bundle import random_images, write_bundle


@pytest.mark.parametrize("threads", [1, None])
def test_the_work_of_plain_and_of_the_chain_is_told_by_kind(
    tmp_path: Path, threads: int | None
) -> None:
    write_bundle(tmp_path / "bundle")

    found = profile(open_bundle(tmp_path / "bundle"), random_images(1), threads, runs=5)

    assert ["plain", "chain"] == [*found]
    for one in found.values():
        assert set(KINDS) == set(one.us)
        assert one.us["convolutions"] > 0
        assert one.us["other operators"] > 0
        assert one.us["dispatch"] > 0


def test_each_run_is_told_apart_and_dispatch_is_what_is_left() -> None:
    def node(ts: int, dur: int, operator: str) -> dict[str, object]:
        place = {"cat": "Node", "name": "n_kernel_time", "args": {"op_name": operator}}
        return {**place, "ts": ts, "dur": dur}

    def whole(ts: int, dur: int) -> dict[str, object]:
        return {"cat": "Session", "name": "model_run", "ts": ts, "dur": dur}

    events = [
        *[whole(0, 100), node(5, 50, "Conv"), node(60, 10, "ReorderOutput")],
        *[whole(200, 30), node(201, 20, "FusedConv"), node(225, 4, "Softmax")],
        {"cat": "Node", "name": "n_fence_before", "ts": 202, "dur": 1, "args": {}},
    ]

    one, other = speed_profile._runs(events)

    assert {"convolutions": 50, "reorders": 10, "dispatch": 40} == dict(one)
    assert {"convolutions": 20, "other operators": 4, "dispatch": 6} == dict(other)


def test_a_chain_is_as_fast_as_one_run_through_all_of_it(tmp_path: Path) -> None:
    """Not as the fastest runs of each session put together, which plain could not be."""
    files = []
    for index, durations in enumerate(((10, 90), (90, 10))):
        events = [
            event
            for start, dur in zip((0, 1000), durations, strict=True)
            for event in (
                {"cat": "Session", "name": "model_run", "ts": start, "dur": dur},
                {
                    "cat": "Node",
                    "name": "n_kernel_time",
                    "ts": start,
                    "dur": dur,
                    "args": {"op_name": "Conv"},
                },
            )
        ]
        files.append(tmp_path / f"{index}.json")
        files[-1].write_text(json.dumps(events))

    found = speed_profile._profile([str(file) for file in files])

    assert pytest.approx(100.0) == found.us["convolutions"]


def test_the_table_says_what_the_chain_adds() -> None:
    plain = Profile(dict(zip(KINDS, (80.0, 0.0, 10.0, 10.0), strict=True)))
    chain = Profile(dict(zip(KINDS, (80.0, 3.0, 12.0, 15.0), strict=True)))

    lines = [line.split() for line in table({"plain": plain, "chain": chain})[1:]]

    assert ["reorders", "0", "3", "3.0"] == lines[1]
    assert ["dispatch", "10", "15", "5.0"] == lines[3]
    assert ["all", "100", "110", "10.0"] == lines[4]
