"""The runner: the same answers as the gate in numpy, whatever the batch and the thresholds."""

from __future__ import annotations

import copy
import dataclasses
import re
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.errors import EngineError, InputError
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels, passes
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import CLASSES, LOOSE, POINTS, STRICT, preprocessing, random_images

#: Scores of one sample in batches of two sizes may differ by this much.
ROUNDING = 1e-5
BRANCHES = 2
TABLES = {point.name: point.table() for point in POINTS}


def is_same(one: Result, other: Result) -> bool:
    pairs = [
        (one.labels, other.labels),
        (one.exits, other.exits),
        (one.scores, other.scores),
        (one.probabilities, other.probabilities),
    ]
    return all(
        np.array_equal(a, b) if a is not None and b is not None else a is b for a, b in pairs
    )


def rows(result: Result, positions: Sequence[int] | slice | NDArray[np.intp]) -> Result:
    table = result.probabilities
    return Result(
        result.labels[positions],
        result.scores[positions],
        result.exits[positions],
        None if table is None else table[positions],
    )


def probabilities_of_every_exit(runner: Runner, images: Array) -> Array:
    """Return float32 ``(exits, n, classes)``, nobody leaving."""
    calls = [call for call, _ in runner.trace(images)]
    asked = [dataclasses.replace(call, outputs=("probabilities",)) for call in calls]
    return np.stack([call()[0].copy() for call in asked])


def is_decided(table: ExitTable, probabilities: Array, thresholds: Array) -> NDArray[np.bool_]:
    """Return for which samples rounding decides no label and no exit."""
    ranked = np.sort(probabilities, axis=-1)
    clear: NDArray[np.bool_] = (ranked[..., -1] - ranked[..., -2] > ROUNDING).all(0)
    for branch in range(BRANCHES):
        bars = thresholds[branch][table.labels[branch]]
        clear &= np.abs(table.scores[branch] - bars) > ROUNDING
    return clear


@st.composite
def batches(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Random images, in any order, some of them several times."""
    pool = random_images(24, seed=draw(st.integers(0, 2**16)))
    chosen = draw(st.lists(st.integers(0, len(pool) - 1), max_size=40))
    return pool[np.array(chosen, dtype=np.intp)]


@st.composite
def thresholds_for(draw: st.DrawFn, table: ExitTable) -> NDArray[np.float32]:
    """Anything for each branch and class; often exactly the score of some sample."""
    scores = [float(score) for score in table.scores.ravel()] or [0.5]
    bar = st.sampled_from(scores) | st.sampled_from([-np.inf, NEVER]) | st.floats(0.25, 1, width=32)
    drawn = draw(st.lists(bar, min_size=8, max_size=8))
    return np.array(drawn, dtype=np.float32).reshape(BRANCHES, len(CLASSES))


@settings(deadline=None)
@given(images=batches(), data=st.data())
def test_every_sample_leaves_where_the_gate_in_numpy_says(
    runner: Runner, images: NDArray[np.uint8], data: st.DataObject
) -> None:
    table = runner.ask_every_exit(images)
    thresholds = data.draw(thresholds_for(table))

    result = runner.with_thresholds(thresholds)(images, probabilities=True)

    exits = choose_exits(table, thresholds)
    event(f"exits taken: {sorted(set(exits.tolist()))}")
    assert [np.int32, np.int32, np.float32] == [
        array.dtype for array in (result.labels, result.exits, result.scores)
    ]
    assert len(images) == len(result.labels) == len(result.exits) == len(result.scores)
    assert result.probabilities is not None
    assert (len(images), len(CLASSES)) == result.probabilities.shape
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert np.array_equal(result.labels, result.probabilities.argmax(axis=1))
    assert np.array_equal(result.scores, result.probabilities.max(axis=1))
    if len(images) == 0:
        return
    probabilities = probabilities_of_every_exit(runner, images)
    sure = is_decided(table, probabilities, thresholds)
    columns = np.arange(len(images))
    assert np.array_equal(exits[sure], result.exits[sure])
    assert np.array_equal(chosen_labels(table, exits)[sure], result.labels[sure])
    for mine, wanted in (
        (result.scores, table.scores[exits - 1, columns]),
        (result.probabilities, probabilities[exits - 1, columns]),
    ):
        np.testing.assert_allclose(mine[sure], wanted[sure], atol=ROUNDING)


@settings(deadline=None)
@given(images=batches(), label=st.integers(0, len(CLASSES) - 1), position=st.integers(0, 39))
def test_a_score_that_equals_its_threshold_leaves(
    chain: Runner, images: NDArray[np.uint8], label: int, position: int
) -> None:
    """On the first branch, where runner and table see the same batch to the last bit."""
    table = chain.ask_every_exit(images)
    mine = table.scores[0][table.labels[0] == label]
    event("a sample of the class" if len(mine) else "none of the class")
    thresholds = np.full((BRANCHES, len(CLASSES)), NEVER, np.float32)
    thresholds[0, label] = mine[position % len(mine)] if len(mine) else NEVER

    result = chain.with_thresholds(thresholds)(images)

    leaves = passes(table.labels[0], table.scores[0], thresholds[0])
    assert np.array_equal(leaves, result.exits == 1)
    assert np.array_equal(table.scores[0][leaves], result.scores[leaves])


@settings(deadline=None)
@given(images=batches(), data=st.data())
def test_results_come_in_input_order(
    runner: Runner, images: NDArray[np.uint8], data: st.DataObject
) -> None:
    """A batch shuffled gives its answers shuffled likewise, and so does each image alone."""
    order = np.array(data.draw(st.permutations(range(len(images)))), dtype=np.intp)

    result, shuffled = runner(images), runner(images[order])

    assert np.array_equal(result.exits[order], shuffled.exits)
    assert np.array_equal(result.labels[order], shuffled.labels)
    np.testing.assert_allclose(result.scores[order], shuffled.scores, atol=ROUNDING)
    for index in range(min(3, len(images))):
        alone = runner(images[index : index + 1])
        assert result.exits[index] == alone.exits[0]
        assert result.labels[index] == alone.labels[0]
        assert pytest.approx(result.scores[index], abs=ROUNDING) == alone.scores[0]


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize(("bars", "taken"), [((-np.inf, 0), 1), ((NEVER, -np.inf), 2)])
def test_everyone_may_leave_at_one_branch(
    runner: Runner, count: int, bars: tuple[float, float], taken: int
) -> None:
    images = random_images(count)
    thresholds = np.repeat(np.array(bars, np.float32)[:, None], len(CLASSES), axis=1)

    result = runner.with_thresholds(thresholds)(images)

    assert [taken] * count == result.exits.tolist()
    assert np.array_equal(runner.ask_every_exit(images).labels[taken - 1], result.labels)


@pytest.mark.parametrize("count", [1, 7])
def test_with_nobody_leaving_early_the_cascade_answers_as_plain_does(
    runner: Runner, count: int
) -> None:
    images = random_images(count)

    result, plain = runner.with_thresholds(TABLES[STRICT])(images), runner.plain(images)

    assert [BRANCHES + 1] * count == result.exits.tolist() == plain.exits.tolist()
    assert np.array_equal(plain.labels, result.labels)
    np.testing.assert_allclose(plain.scores, result.scores, atol=ROUNDING)
    assert plain.probabilities is None


def test_nan_images_are_refused_but_a_nan_score_would_stay(float_runner: Runner) -> None:
    """Infinite inputs make NaN scores; these never leave early, not even below minus infinity."""
    images = np.full((2, *preprocessing("float").batch_shape()), np.inf, np.float32)
    open_gates = np.full((BRANCHES, len(CLASSES)), -np.inf, np.float32)

    result = float_runner.with_thresholds(open_gates)(images)

    assert np.isnan(result.scores).all()
    assert [BRANCHES + 1] * 2 == result.exits.tolist()


@pytest.mark.parametrize("probabilities", [False, True])
def test_an_empty_batch_gives_an_empty_result(runner: Runner, probabilities: bool) -> None:
    nothing = random_images(0)

    result = runner(nothing, probabilities=probabilities)

    shapes = [(0,), (0,), (0,)]
    assert shapes == [result.labels.shape, result.scores.shape, result.exits.shape]
    table = result.probabilities
    assert table is None if not probabilities else table is not None and (0, 4) == table.shape
    assert 0 == len(runner.plain(nothing).labels)
    assert (BRANCHES + 1, 0) == runner.ask_every_exit(nothing).labels.shape


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((1, 8, 8, 3), np.float32),
            "does not fit this cascade: got float32 (1, 8, 8, 3); expected uint8 (n, 8, 8, 3). "
            "Pass images as a camera or a decoder gives them: bytes, channels last.",
        ),
        (
            np.zeros((1, 3, 8, 8), np.uint8),
            "does not fit this cascade: got uint8 (1, 3, 8, 8); expected uint8 (n, 8, 8, 3). "
            "Pass images as a camera or a decoder gives them: bytes, channels last.",
        ),
        (
            np.zeros((9, 8, 3), np.uint8),
            "does not fit this cascade: got uint8 (9, 8, 3); expected uint8 (n, 8, 8, 3). "
            "Pass cascade.resize(images)",
        ),
        (None, "does not fit this cascade: got object (); expected uint8 (n, 8, 8, 3)"),
    ],
)
@pytest.mark.parametrize("ask", ["__call__", "plain", "ask_every_exit", "trace"])
def test_a_batch_that_does_not_fit_is_refused(
    chain: Runner, ask: str, images: Any, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        getattr(chain, ask)(images)


def test_a_float_bundle_takes_normalised_images_and_no_nan(
    chain: Runner, float_runner: Runner
) -> None:
    raw = random_images(5)
    images = preprocessing().normalise(raw)

    result, wanted = float_runner(images), chain(raw)

    assert np.array_equal(wanted.exits, result.exits)
    assert np.array_equal(wanted.labels, result.labels)
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN: got 1 of 5 images with NaN; expected numbers"):
        float_runner(images)
    with pytest.raises(InputError, match=r"got uint8 .*Pass normalised images, channels first"):
        float_runner(raw)


def test_images_need_not_be_contiguous(runner: Runner) -> None:
    images = random_images(8)

    assert is_same(rows(runner(images), slice(None, None, -1)), runner(images[::-1]))
    assert is_same(runner(images[:4].copy()), runner(images[:4]))


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("table", TABLES)
def test_a_result_is_not_what_the_next_call_writes_to(
    runner: Runner, count: int, table: str
) -> None:
    one, other = random_images(count, seed=1), random_images(count, seed=2)
    mine = runner.with_thresholds(TABLES[table])
    results = [mine(one, probabilities=True), mine.plain(one)]
    answers = mine.ask_every_exit(one)
    before = copy.deepcopy(results)
    labels, scores = answers.labels.copy(), answers.scores.copy()

    mine(other, probabilities=True)
    mine.plain(other)
    mine.ask_every_exit(other)

    assert [True, True] == [is_same(*pair) for pair in zip(before, results, strict=True)]
    assert np.array_equal(labels, answers.labels)
    assert np.array_equal(scores, answers.scores)


@pytest.mark.parametrize("count", [1, 3])
def test_a_result_may_be_changed_without_changing_the_runner(runner: Runner, count: int) -> None:
    images = random_images(count)
    for table in TABLES.values():
        mine = runner.with_thresholds(table)
        wanted, spoilt = mine(images), mine(images)
        for array in (spoilt.labels, spoilt.scores, spoilt.exits):
            array[...] = 77

        assert is_same(wanted, mine(images))


@pytest.mark.parametrize("count", [1, 3])
def test_an_array_that_is_filled_anew_is_read_anew(runner: Runner, count: int) -> None:
    """As a camera's buffer is."""
    frames = [random_images(count, seed=seed) for seed in range(6)]
    buffer = np.empty_like(frames[0])

    for frame in frames:
        buffer[...] = frame

        assert is_same(runner(frame.copy()), runner(buffer))
        assert is_same(runner.plain(frame.copy()), runner.plain(buffer))


@pytest.mark.parametrize("count", [1, 3])
def test_images_may_be_read_only(runner: Runner, count: int) -> None:
    """As those of a decoder or a memory map are."""
    images = random_images(count)
    frozen = np.frombuffer(images.tobytes(), np.uint8).reshape(images.shape)
    assert not frozen.flags.writeable

    assert is_same(runner(images), runner(frozen))
    assert is_same(runner.plain(images), runner.plain(frozen))


def test_a_call_leaves_the_images_and_thresholds_alone(runner: Runner) -> None:
    images, thresholds = random_images(9), runner.thresholds.copy()
    before = images.copy()

    runner(images, probabilities=True)

    assert np.array_equal(before, images)
    assert np.array_equal(thresholds, runner.thresholds)


@pytest.mark.parametrize("table", TABLES)
def test_the_images_of_a_call_are_not_held_on_to(runner: Runner, table: str) -> None:
    """Not by a late segment either that reads them, and that nobody reached."""
    mine = runner.with_thresholds(TABLES[table])
    images = random_images(3)
    gone = weakref.ref(images)

    mine(images)
    mine.plain(images)
    del images

    assert gone() is None


def test_a_trace_can_be_made_again_after_other_calls(runner: Runner) -> None:
    images = random_images(1)
    seen = runner.trace(images)
    wanted = [{name: array.copy() for name, array in outputs.items()} for _, outputs in seen]
    runner.trace(random_images(1, seed=3))
    runner(random_images(1, seed=4))

    for (call, outputs), expected in zip(seen, wanted, strict=True):
        assert all(np.array_equal(expected[name], array) for name, array in outputs.items())
        again = dict(zip(call.outputs, call(), strict=True))
        assert all(np.array_equal(expected[name], array) for name, array in again.items())


def test_eight_threads_at_once_get_the_answers_of_one(runner: Runner) -> None:
    jobs = [random_images(1 + seed % 5, seed) for seed in range(80)]
    runners = [runner, *(runner.with_thresholds(table) for table in TABLES.values())]
    work = [(runners[i % len(runners)], images) for i, images in enumerate(jobs)]
    wanted = [one(images, probabilities=True) for one, images in work]

    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda job: job[0](job[1], probabilities=True), work))

            assert all(is_same(*pair) for pair in zip(wanted, found, strict=True))


def test_other_thresholds_share_the_engines_and_leave_the_first_runner_alone(
    runner: Runner,
) -> None:
    images, table = random_images(9), TABLES[LOOSE].copy()
    before = runner(images)

    other = runner.with_thresholds(table)
    table[...] = NEVER

    assert all(mine is its for mine, its in zip(runner.engines, other.engines, strict=True))
    assert runner.plain_engine is other.plain_engine
    assert np.array_equal(TABLES[LOOSE], other.thresholds)
    assert [1] * 9 == other(images).exits.tolist()
    assert is_same(before, runner(images))
    assert is_same(other(images), runner.with_thresholds(TABLES[LOOSE].tolist())(images))


@pytest.mark.parametrize(
    ("thresholds", "got"),
    [
        (np.zeros((3, 4)), r"shape \(3, 4\)"),
        (np.zeros(4), r"shape \(4,\)"),
        ([[0.0] * 4, [0.0] * 3 + [np.nan]], "NaN in it"),
        ([[0.0] * 4, [0.0] * 3], r".*inhomogeneous.*"),
        ("abc", r".*'abc'"),
    ],
)
def test_thresholds_of_another_shape_or_with_nan_are_refused(
    chain: Runner, thresholds: Any, got: str
) -> None:
    expected = r"expected numbers \(2, 4\), one row a branch, one column a class; inf = never"
    message = f"^the threshold table cannot be used: got {got}; {expected}$"
    with pytest.raises(InputError, match=message):
        chain.with_thresholds(thresholds)


class Flaky(Engine):
    """An engine that fails while it is told to."""

    target = "onnxruntime"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.record)
        self._engine = engine
        self.fails = False

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        if self.fails:
            raise MemoryError("no memory left")
        return self._engine.run(feeds, outputs)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_engine_that_fails_in_mid_batch_is_told_and_the_runner_goes_on(
    runner: Runner, position: int
) -> None:
    engines = [Flaky(engine) for engine in runner.engines]
    mine = Runner(
        runner.bundle, runner.compiled, engines, lambda: runner.plain_engine, runner.thresholds
    )
    images = random_images(40)
    wanted = runner(images)
    assert [1, 2, 3] == np.unique(wanted.exits).tolist(), "every engine has to be reached"

    engines[position].fails = True
    message = rf"^onnxruntime failed in segment{position + 1}: got no memory left for \w+ \("
    with pytest.raises(EngineError, match=message):
        mine(images)
    engines[position].fails = False

    assert is_same(wanted, mine(images))


def test_a_runner_says_what_it_is_for(chain: Runner) -> None:
    assert CLASSES == chain.classes
    assert preprocessing() == chain.preprocessing
    assert ["segment1", "segment2", "segment3"] == [e.record.name for e in chain.engines]
    assert "plain" == chain.plain_engine.record.name
