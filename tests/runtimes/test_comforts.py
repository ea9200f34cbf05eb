"""What makes a runner handy in an app: names, operating points, counters, a hook, closing."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from calexnet.errors import BundleError, InputError
from calexnet.gating import forcing
from calexnet.runtimes.counters import Counters
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import CLASSES, POINTS, random_images


def fresh(runner: Runner) -> Runner:
    """Return a runner of its own counters, which shares engines."""
    return runner.with_thresholds(runner.thresholds)


def test_a_result_names_its_labels_and_ranks_its_classes() -> None:
    table = np.array([[0.1, 0.45, 0.45], [0.7, 0.1, 0.2]], np.float32)
    result = Result(np.array([1, 0], "i4"), table.max(1), np.ones(2, "i4"), table)
    result.classes = ("a", "b", "c")

    assert ["b", "a"] == result.names
    expected = [[("b", 0.45), ("c", 0.45)], [("a", 0.7), ("c", 0.2)]]
    for wanted, found in zip(expected, result.top(2), strict=True):
        assert [name for name, _ in wanted] == [name for name, _ in found]
        assert [p for _, p in found] == pytest.approx([p for _, p in wanted])
    assert [3, 3] == [len(row) for row in result.top()]
    assert ["b", "a"] == pickle.loads(pickle.dumps(result)).names
    with pytest.raises(InputError, match="k"):
        result.top(0)


def test_a_result_without_names_or_probabilities_says_so(chain: Runner) -> None:
    bare = Result(np.zeros(1, "i4"), np.zeros(1, "f4"), np.ones(1, "i4"))

    with pytest.raises(InputError, match="the classes of this result have no names"):
        _ = bare.names
    with pytest.raises(InputError, match=r"Call cascade\(images, probabilities=True\)"):
        chain(random_images(2)).top()


def test_one_frame_is_answered_as_in_its_batch_and_named(chain: Runner) -> None:
    images = random_images(4)
    result = chain(images, probabilities=True)

    alone = chain(images[2], probabilities=True)

    assert result.labels[2:3].tolist() == alone.labels.tolist()
    assert [CLASSES[result.labels[2]]] == alone.names
    assert alone.names[0] == alone.top(1)[0][0][0]


def test_an_operating_point_at_run_time_shares_engines(chain: Runner) -> None:
    assert tuple(point.name for point in POINTS) == chain.operating_points
    for point in POINTS:
        runner = chain.at(point.name)
        assert np.array_equal(point.table(), runner.thresholds)
        assert runner.engines is chain.engines
    with pytest.raises(BundleError, match="unknown operating point: got 'nowhere'; expected one"):
        chain.at("nowhere")


def test_counters_count_images_by_exit_and_start_anew(chain: Runner) -> None:
    images = random_images(5)
    for number in (1, 2, 3):
        runner = chain.with_thresholds(forcing(chain.thresholds.shape, number))
        runner(images)
        runner(images[0])
        runner.plain(images)
        runner(images[:0])
        found = runner.counters
        expected = tuple(6 if exit == number else 0 for exit in (1, 2, 3))
        assert (3, 6, expected) == (found.calls, found.images, found.exits)
        assert found.ms > 0
        assert found == runner.reset_counters()
        assert Counters(0, 0, (0, 0, 0), 0.0) == runner.counters
    mixed = fresh(chain)
    exits = mixed(random_images(40)).exits
    assert tuple(int((exits == k).sum()) for k in (1, 2, 3)) == mixed.counters.exits


def test_no_call_of_several_threads_is_lost(chain: Runner) -> None:
    runner, images = fresh(chain), random_images(3)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: runner(images[: 1 + k % 3]), range(120)))

    assert (120, 240) == (runner.counters.calls, runner.counters.images)
    assert 240 == sum(runner.counters.exits)


def test_a_hook_is_told_of_each_call(chain: Runner) -> None:
    told: list[tuple[Result, float]] = []
    runner = fresh(chain)
    runner.hook = lambda result, ms: told.append((result, ms))

    result = runner(random_images(2))
    runner.with_thresholds(runner.thresholds)(random_images(1))

    assert told[0][0] is result
    assert told[0][1] == runner.counters.ms
    assert 2 == len(told)


def test_warming_up_is_not_counted_and_needs_an_image(chain: Runner) -> None:
    runner = fresh(chain)

    runner.warm_up(batch=3)

    assert 0 == runner.counters.calls
    with pytest.raises(InputError, match="batch"):
        runner.warm_up(0)


def test_a_closed_cascade_refuses_and_those_that_share_its_engines_go_on(chain: Runner) -> None:
    images = random_images(2)
    with fresh(chain) as runner:
        other = runner.at(POINTS[0].name)
        runner(images)
    runner.close()

    for ask in (lambda: runner(images), lambda: runner.plain(images), lambda: runner.engines):
        with pytest.raises(InputError, match=r"^this cascade is closed\. Load its bundle again\.$"):
            ask()
    assert 1 == runner.counters.calls
    assert 2 == len(other(images).labels)
