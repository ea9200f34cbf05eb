"""Interleaved blocks on a clock that only the tasks themselves move."""

# The expected value comes first in every comparison.
from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from calexnet.bench.timing import Spent, Task, interleave


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
    monkeypatch.setattr("calexnet.bench.timing.time", world)
    return world


def run(
    world: World,
    tasks: dict[str, Task],
    blocks: int = 4,
    seed: int = 0,
    after_block: Callable[[], None] = lambda: None,
) -> dict[str, Spent]:
    return interleave(
        tasks,
        blocks=blocks,
        rng=np.random.default_rng(seed),
        after_block=after_block,
    )


def steady(world: World, name: str, wall_s: float = 1.0) -> Task:
    return Task(lambda block: [lambda: world.spend(name, wall_s)], 1)


def test_each_block_counts_its_own_calls_an_image_and_nothing_else(world: World) -> None:
    """Block `b` makes `b + 1` calls; preparing calls does not count."""

    def calls(block: int) -> list[Callable[[], None]]:
        world.wall_s += 512.0
        return [lambda: world.spend("a", 0.5, 0.25)] * (block + 1)

    spent = run(world, {"a": Task(calls, images=4)}, blocks=3)["a"]

    assert [0.125, 0.25, 0.375] == spent.wall_s
    assert [0.0625, 0.125, 0.1875] == spent.cpu_s
    assert [125.0, 250.0, 375.0] == spent.ms().tolist()
    assert 0.125 == spent.mean_cpu_s()


def test_every_task_runs_once_uncounted_and_then_once_a_block_in_random_order(
    world: World,
) -> None:
    names, blocks = list("abc"), 60
    ends: list[int] = []

    tasks = {name: steady(world, name, index + 1.0) for index, name in enumerate(names)}
    spent = run(world, tasks, blocks, after_block=lambda: ends.append(len(world.log)))

    assert names == world.log[:3]
    orders = ["".join(world.log[i : i + 3]) for i in range(3, len(world.log), 3)]
    assert blocks == len(orders)
    assert {"abc"} == {"".join(sorted(order)) for order in orders}
    assert 6 == len(Counter(orders)), "every order occurs"
    assert [3 + 3 * (block + 1) for block in range(blocks)] == ends
    assert [[i + 1.0] * blocks for i in range(3)] == [spent[name].wall_s for name in names]


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

    assert [1.0, 1.0, 1e6, 1.0] == run(world, {"a": task})["a"].wall_s


def test_no_garbage_is_collected_while_anything_is_counted(world: World) -> None:
    states: list[bool] = []
    task = Task(lambda block: [lambda: states.append(gc.isenabled())], 1)
    assert gc.isenabled()

    run(world, {"a": task})

    assert [True, *[False] * 4] == states, "the first call is the uncounted one"
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
