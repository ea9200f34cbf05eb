"""The lane of host memory, without a loop around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.lanes import host
from calexnet.runtimes.lanes.host import HostLane
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.steps import steps_of
from tests.support.onnx_bundle import CLASSES, random_images


def lane_of(runner: Runner, room: int) -> HostLane:
    lane = HostLane(steps_of(runner.engines), runner.preprocessing, room)
    lane.use(runner.thresholds)
    return lane


def test_survivors_are_answered_as_in_a_batch_of_their_own(runner: Runner) -> None:
    """Whatever is gathered where, and in batches of any size one after the other."""
    lane = lane_of(runner, 16)
    for seed, count in enumerate((16, 3, 1, 9, 16)):
        images = random_images(count, seed)
        wanted = runner.ask_every_exit(images)
        alive = np.arange(count)
        lane.start(images)
        for segment in range(3):
            answer = lane.run(segment)

            assert len(alive) == lane.rows == len(answer.label)
            assert np.array_equal(wanted.labels[segment, alive], answer.label)
            np.testing.assert_allclose(answer.score, wanted.scores[segment, alive], atol=1e-5)
            if len(alive) > 2 and segment < 2:
                lane.keep(np.arange(segment, len(alive), 2))
                alive = alive[segment::2]


def test_nothing_is_copied_between_segments_that_nobody_leaves(
    chain: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one segment is bound to write is what the next one is bound to read."""
    bound: list[tuple[Mapping[str, Array], Mapping[str, Array]]] = []
    bind = Engine.bind

    def seen(
        self: Engine, feeds: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> Callable[[], None]:
        bound.append((feeds, outputs))
        return bind(self, feeds, outputs)

    for kind in {type(engine) for engine in chain.engines}:
        monkeypatch.setattr(kind, "bind", seen)
    lane = lane_of(chain, 8)
    for count in (5, 5, 8):
        lane.start(random_images(count))
        for segment in range(3):
            lane.run(segment)

    assert 6 == len(bound), "three segments at two sizes, each bound once"
    for name, before, after in (("layer1", 0, 1), ("layer2", 1, 2), ("layer2", 4, 5)):
        made, read = bound[before][1][name], bound[after][0][name]
        assert made.ctypes.data == read.ctypes.data
        assert made.shape == read.shape


def test_a_lane_keeps_a_bounded_number_of_bindings(
    chain: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_MOST_BOUND", 2)
    lane = lane_of(chain, 8)
    for count in (1, 2, 3, 4, 1):
        lane.start(random_images(count))
        lane.run(0)

    assert [(4, (0,)), (1, (0,))] == list(lane._segments[0].bound)


def test_thresholds_are_copied_to_where_the_gates_read_them(chain: Runner) -> None:
    images = random_images(6)
    lane = lane_of(chain, 6)
    for bar, leaves in ((-np.inf, True), (np.inf, False)):
        table = np.full((2, len(CLASSES)), bar, np.float32)
        lane.use(table)
        lane.start(images)

        assert table is lane.thresholds
        exits = lane.run(0).exit
        assert exits is not None
        assert [leaves] * 6 == exits.tolist()


def test_the_largest_batch_fits_into_the_room_for_one_lane(chain: Runner) -> None:
    steps = steps_of(chain.engines)

    most = HostLane.most_rows(steps, chain.preprocessing)

    image, layer1, layer2 = 8 * 8 * 3, 4 * 4 * 4 * 4, 6 * 2 * 2 * 4
    assert 256 * 2**20 // (image + 2 * (layer1 + layer2)) == most
