"""Interleaved blocks on a clock that only the tasks themselves move."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from calexnet.bench.measuring.schedule import calls_within
from calexnet.bench.measuring.timing import (
    Block,
    Load,
    Method,
    Spent,
    Stopwatch,
    Task,
    Work,
    interleave,
)
from calexnet.devices.pacing import Action, Pulse, Time
from calexnet.errors import InputError


@dataclass
class World:
    """A clock and a processor; stands in for the `time` module."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    log: list[str] = field(default_factory=list)

    def perf_counter(self) -> float:
        return self.wall_s

    def process_time(self) -> float:
        return self.cpu_s

    def spend(self, name: str, wall_s: float, cpu_s: float = 0.0) -> None:
        self.wall_s += wall_s
        self.cpu_s += cpu_s
        self.log.append(name)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr("calexnet.bench.measuring.timing.time", world)
    return world


def run(
    world: World,
    tasks: dict[str, Task],
    blocks: int = 4,
    seed: int = 0,
    after_block: Callable[[Block], None] = lambda block: None,
) -> dict[str, Spent]:
    return interleave(tasks, Method(blocks, seed), after_block=after_block)


def walls(spent: Spent) -> list[float]:
    """Return the only call of each block."""
    return [float(calls) for (calls,) in spent.call_s]


def steady(world: World, name: str, wall_s: float = 1.0) -> Task:
    return Task(lambda block: [lambda: world.spend(name, wall_s)], 1)


def test_each_block_counts_its_own_calls_an_image_and_nothing_else(world: World) -> None:
    """Block `b` makes `b + 1` calls; preparing calls does not count."""

    def calls(block: int) -> list[Callable[[], None]]:
        world.wall_s += 512.0
        return [lambda: world.spend("a", 0.5, 0.25)] * (block + 1)

    spent = run(world, {"a": Task(calls, images=4)}, blocks=3)["a"]

    assert [[0.5], [0.5] * 2, [0.5] * 3] == [calls.tolist() for calls in spent.call_s]
    assert [0.0625, 0.125, 0.1875] == spent.cpu_s
    assert [125.0, 250.0, 375.0] == spent.ms().tolist()
    assert 0.125 == spent.mean_cpu_s()


def test_every_task_runs_once_uncounted_and_then_once_a_block_in_random_order(
    world: World,
) -> None:
    names, blocks = list("abc"), 60
    ends: list[int] = []

    tasks = {name: steady(world, name, index + 1.0) for index, name in enumerate(names)}
    spent = run(world, tasks, blocks, after_block=lambda block: ends.append(len(world.log)))

    assert names == world.log[:3]
    # In a block every task makes one call that is not counted, and then its own.
    runs = ["".join(world.log[i : i + 6]) for i in range(3, len(world.log), 6)]
    orders = [run[::2] for run in runs]
    assert orders == [run[1::2] for run in runs]
    assert blocks == len(orders)
    assert {"abc"} == {"".join(sorted(order)) for order in orders}
    assert 6 == len(Counter(orders)), "every order occurs"
    assert [3 + 6 * (block + 1) for block in range(blocks)] == ends
    assert [[i + 1.0] * blocks for i in range(3)] == [walls(spent[name]) for name in names]


def test_the_order_follows_from_the_seed(world: World) -> None:
    orders = []
    for seed in (1, 1, 2):
        world.log.clear()
        run(world, {name: steady(world, name) for name in "abcd"}, seed=seed)
        orders.append("".join(world.log))

    assert orders[0] == orders[1] != orders[2]


def test_nothing_is_clipped(world: World) -> None:
    """A cascade's slow images are real."""
    task = Task(lambda block: [lambda: world.spend("a", 1e6 if block == 2 else 1.0)], 1)

    assert [1.0, 1.0, 1e6, 1.0] == walls(run(world, {"a": task})["a"])


def test_no_garbage_is_collected_while_anything_is_counted(world: World) -> None:
    states: list[bool] = []
    task = Task(lambda block: [lambda: states.append(gc.isenabled())], 1)
    assert gc.isenabled()

    run(world, {"a": task})

    assert [True, *[False] * 8] == states, "the first call is the uncounted one"
    assert gc.isenabled()


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_garbage_collection_is_on_again_after_a_call_that_fails(
    world: World, problem: type[BaseException]
) -> None:
    def fail() -> None:
        if not gc.isenabled():
            raise problem

    with pytest.raises(problem):
        run(world, {"a": Task(lambda block: [fail], 1)})

    assert gc.isenabled()


def test_what_a_call_returns_is_freed_after_its_time(world: World) -> None:
    class Answer:
        def __del__(self) -> None:
            world.wall_s += 64.0

    assert [0.0] * 4 == walls(run(world, {"a": Task(lambda block: [Answer], 1)})["a"])


class Steps(Stopwatch):
    """Counts calls and says that each took a second."""

    name = "steps"

    def __init__(self) -> None:
        self.calls = 0

    def seconds(self, call: Callable[[], object]) -> float:
        call()
        self.calls += 1
        return 1.0


def test_another_clock_may_time_the_calls() -> None:
    steps = Steps()
    task = Task(lambda block: [lambda: None] * 3, 3)

    spent = interleave({"a": task}, Method(2, stopwatch=steps))["a"]

    assert [1000.0, 1000.0] == spent.ms().tolist()
    assert 6 == steps.calls


def test_blocks_that_are_known_are_not_timed_again(world: World) -> None:
    known: list[Block] = [{"a": ([7.0], 0.5)}, {"a": ([8.0], 0.5)}]
    more: list[Block] = []

    spent = interleave({"a": steady(world, "a")}, Method(4), known=known, after_block=more.append)[
        "a"
    ]

    assert [7.0, 8.0, 1.0, 1.0] == walls(spent)
    assert [{"a": ([1.0], 0.0)}] * 2 == more
    world.log.clear()
    interleave({"a": steady(world, "a")}, Method(2), known=known)
    assert [] == world.log


def test_the_order_of_a_block_does_not_depend_on_those_before(world: World) -> None:
    tasks = {name: steady(world, name) for name in "abcdef"}
    blocks: list[Block] = []
    interleave(tasks, Method(4), after_block=blocks.append)
    whole = world.log[-12:]

    interleave(tasks, Method(4), known=blocks[:2])

    assert whole == world.log[-12:]


def test_work_is_cut_to_calls_that_take_the_time_asked_for(world: World) -> None:
    walked: list[int] = []

    def call(number: int) -> Callable[[], None]:
        walked.append(number)
        return lambda: world.spend("a", 0.25)

    work = Work(call, images=8)

    assert [1, 1, 4, 10] == [calls_within(s, work.once_s(Method(2))) for s in (0.0, 0.1, 1.0, 2.5)]
    assert 20 == calls_within(5.0, work.once_s(Method(2, load=Load(calls_per_s=1e6))))
    assert 5 == calls_within(5.0, work.once_s(Method(2, load=Load(calls_per_s=1.0))))
    walked.clear()
    task = work.task(3)
    assert 24 == task.images
    task.calls(0), task.calls(2)
    assert [0, 1, 2, 6, 7, 8] == walked


def test_the_calls_of_a_group_are_mixed_and_told_apart(world: World) -> None:
    """Two tasks of three and two calls, in all orders; a third one stands alone."""
    costs = {"a": 0.5, "b": 2.0, "c": 8.0}

    def work(name: str, group: str) -> Work:
        return Work(
            lambda number: lambda: world.spend(name, costs[name], costs[name] / 4), 1, group=group
        )

    parts = (("a", "x", 3), ("b", "x", 2), ("c", "", 2))
    tasks = {name: work(name, group).task(calls) for name, group, calls in parts}
    spent = interleave(tasks, Method(60))

    # One call that is not counted, the last of them, goes ahead of the group, and of the third.
    blocks = ["".join(world.log[i : i + 9]) for i in range(7, len(world.log), 9)]
    assert 60 == len(blocks)
    assert all(block.startswith("ccc") or block.endswith("ccc") for block in blocks)
    mixed = [block.replace("c", "") for block in blocks]
    assert all(order[0] == order[-1] for order in mixed)
    assert 10 == len({order[1:] for order in mixed}), "every order occurs"
    for name, _, calls in parts:
        assert [[costs[name]] * calls] * 60 == [one.tolist() for one in spent[name].call_s]
        assert [costs[name] / 4] * 60 == spent[name].cpu_s


def test_a_task_that_needs_no_call_ahead_has_none(world: World) -> None:
    """After the one round in which everything is called once."""
    work = Work(lambda number: lambda: world.spend("a", 0.25), 1)
    spent = interleave({"a": work.task(2, led=False)}, Method(3))["a"]

    assert 2 + 3 * 2 == len(world.log)
    assert [[0.25, 0.25]] * 3 == [calls.tolist() for calls in spent.call_s]


def test_what_comes_ahead_of_each_call_is_made_and_not_counted(world: World) -> None:
    """Calls of a quarter second after others of three quarters; each counts its number on."""

    def work(name: str, wall_s: float) -> Callable[[int], Callable[[], None]]:
        return lambda number: lambda: world.spend(f"{name}{number}", wall_s, wall_s / 2)

    one = Work(work("a", 0.25), images=1, ahead=work("b", 0.75))
    due = Method(2, load=Load(calls_per_s=1.0), time=Ticking(world))

    assert [1, 3, 5] == [
        calls_within(seconds, one.once_s(Method(2))) for seconds in (1.0, 3.0, 5.0)
    ]
    assert 5 == calls_within(5.0, one.once_s(due))
    world.log.clear()
    spent = interleave({"a": one.task(2)}, Method(2))["a"]
    assert ["a0", "a1", "b0", "a0", "b1", "a1", "b2", "a2", "b3", "a3"] == world.log
    assert [[0.25, 0.25]] * 2 == [calls.tolist() for calls in spent.call_s]
    assert [0.125] * 2 == spent.cpu_s
    world.log.clear()
    interleave({"a": one.task(2)}, due)
    assert not any(name.startswith("b") for name in world.log), "a call that is due waits for none"


def test_one_hiccup_does_not_starve_a_task(world: World) -> None:
    """The second of the timed calls takes a hundred times as long."""
    costs = iter([0.25, 0.25, 25.0, 0.25, 0.25, 0.25])
    work = Work(lambda number: lambda: world.spend("a", next(costs)), images=1)

    assert 10 == calls_within(2.5, work.once_s(Method(2)))


def test_every_shape_is_met_before_anything_is_counted_the_largest_batch_first(
    world: World,
) -> None:
    """Calls come in three shapes, one of them in the second block alone."""
    shapes = {0: "x", 1: "x", 2: "y", 3: "z"}

    def work(name: str, images: int) -> Work:
        def call(number: int) -> Callable[[], None]:
            return lambda: world.spend(f"{name}{number}", 0.25)

        return Work(call, images, lambda number: frozenset({shapes[number]}))

    tasks = {name: work(name, images).task(2, blocks=2) for name, images in (("a", 1), ("b", 8))}
    interleave(tasks, Method(2))

    assert ["b0", "b1", "b0", "b2", "b3", "a0", "a1", "a0", "a2", "a3"] == world.log[:10]
    assert 10 + 8 + 4 == len(world.log), "and one uncounted call a task and block"


class Ticking(Time):
    """The world's clock, by which sleep passes at once."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now(self) -> float:
        return self.world.wall_s

    def sleep(self, seconds: float) -> None:
        self.world.wall_s += seconds

    def start(self, action: Action) -> Pulse:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([0.25, 0.25, 0.25], [0.25, 0.25, 0.25]),
        # Due at 0, 1 and 2 s: the first ends at 2.5, the second at 2.75, the third at 3.
        ([2.5, 0.25, 0.25], [2.5, 1.75, 1.0]),
    ],
)
def test_under_a_rate_a_call_counts_from_when_it_was_due(
    world: World, costs: list[float], expected: list[float]
) -> None:
    task = Task(lambda block: [lambda s=s: world.spend("a", s) for s in costs], 3)  # type: ignore[misc]

    method = Method(2, load=Load(calls_per_s=1.0), time=Ticking(world))
    spent = interleave({"a": task}, method)["a"]

    assert [expected] * 2 == [calls.tolist() for calls in spent.call_s]


@pytest.mark.parametrize(("text", "rate"), [("closed", None), ("rate:30", 30.0), ("rate:.5", 0.5)])
def test_a_load_is_read_and_written(text: str, rate: float | None) -> None:
    assert Load(rate) == Load.parse(text) == Load.parse(str(Load(rate)))


@pytest.mark.parametrize("text", ["", "open", "rate", "rate:", "rate:0", "rate:-1", "rate:x", "30"])
def test_a_load_that_means_nothing_is_refused(text: str) -> None:
    message = "^the load cannot be used: got .*; expected closed, or rate:R calls/s$"
    with pytest.raises(InputError, match=message):
        Load.parse(text)


def test_a_run_may_end_before_all_blocks_were_timed(world: World) -> None:
    task = Work(lambda number: lambda: world.spend("a", 0.25), images=1).task(2)
    told: list[int] = []

    def enough(blocks: int) -> bool:
        told.append(blocks)
        return blocks >= 3

    spent = interleave({"a": task}, Method(9), enough=enough)

    assert [1, 2, 3] == told
    assert 3 == len(spent["a"].call_s)
