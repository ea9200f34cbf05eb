"""What choosing saves, and how often its certificates are broken: part of ``make choose-study``.

All labelled images that no head was trained on are the population: a resplit draws a calibration
and a test part from them with replacement, chooses by the first and tests on the second, as
``calexnet choose --minimise macs`` does; whether the promise was kept is then known, not estimated.
Beside it stand recipes made by hand, under the same test, and an oracle that knows the population.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet import certify, data
from calexnet.bench.model.statistics import share
from calexnet.choosing import making, models
from calexnet.choosing.costs import Cost, counted, expected
from calexnet.choosing.deciding import EFFORTS
from calexnet.choosing.finalists import rungs
from calexnet.choosing.models import Named
from calexnet.choosing.pool import Chain, Exit, ExitPool, Said
from calexnet.choosing.promise import Held, promised
from calexnet.choosing.rounds import CASCADES, OTHERS
from calexnet.choosing.search import Aim, Found, alone, ladder, search, thresholds
from calexnet.data.split import divide
from calexnet.gating import choose_exits, chosen_labels, exit_rates
from calexnet.progress import Progress
from calexnet.training.cascade import Cascade

RESPLITS = 300
#: Images to test on; two thirds as many calibrate, as a default split has it.
TESTED = (1000, 5000)
CALIBRATION = 2 / 3
#: Chains whose every price the oracle looks at.
LOOKED = 8
#: The most that a share of broken certificates may be, and by how much the oracle may save more.
BROKEN, BEHIND = 0.05, 0.05

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Shipped:
    """What one resplit came to.

    Attributes:
        saved: Share of the reference's MACs, on the population.
        drop: Share of accuracy lost there.
        certified: Whether it has a certificate; the reference needs none.
    """

    saved: float
    drop: float
    certified: bool

    def broken(self, max_drop: float) -> bool:
        """Tell whether it was promised to lose at most `max_drop`, and loses more."""
        return self.certified and self.drop > max_drop


@dataclass(frozen=True)
class Row:
    """One line of the table: a way to choose, over all resplits."""

    way: str
    tested: int
    found: tuple[Shipped, ...]

    def line(self, max_drop: float) -> str:
        """Return the line."""
        broken = share(sum(one.broken(max_drop) for one in self.found), len(self.found))
        saved = np.array([one.saved for one in self.found])
        return (
            f"{self.way:<26} {self.tested:6,}  {saved.mean():7.1%}  {np.quantile(saved, 0.1):7.1%}"
            f"  {np.mean([one.certified for one in self.found]):9.1%}"
            f"  {broken.value:7.1%} ({broken.low:.1%} to {broken.high:.1%})"
        )


@dataclass(frozen=True)
class Population:
    """Every image that could be drawn, as the exits answer it.

    Attributes:
        pool: Whose calibration part is the population.
        cost: In MACs.
        max_drop: Share of accuracy that may be lost.
    """

    pool: ExitPool
    cost: Cost
    max_drop: float

    def drawn(self, rows: Positions, tested: int) -> ExitPool:
        """Return the pool with `rows` as its calibration part."""
        said = {one: Said(it.labels[rows], it.scores[rows]) for one, it in self.pool.said.items()}
        return replace(self.pool, truth=self.pool.truth[rows], said=said, tested=tested)

    def resplit(self, seed: int, tested: int) -> tuple[Positions, Positions]:
        """Return the positions of a calibration and a test part, drawn with replacement."""
        rng, images = np.random.default_rng([seed, tested]), len(self.pool.truth)
        return rng.integers(0, images, round(tested * CALIBRATION)), rng.integers(0, images, tested)

    def answers(self, one: Contender, rows: Positions | slice) -> tuple[NDArray[np.int32], float]:
        """Return a contender's labels for `rows`, and the mean MACs of an image."""
        table = self.pool.table(one.chain).select(np.arange(len(self.pool.truth))[rows])
        taken = choose_exits(table, one.bars)
        rates = exit_rates(taken, len(one.chain))
        return chosen_labels(table, taken), expected(one.chain, self.cost, rates)

    def counts(self, one: Contender, rows: Positions | slice) -> certify.Counts:
        """Return how a contender stands against the reference on `rows`."""
        truth = self.pool.truth[rows]
        reference = self.pool.right(self.pool.plain[0])[rows]
        return certify.counts(reference, self.answers(one, rows)[0] == truth)

    def shipped(self, one: Contender | None) -> Shipped:
        """Return what a choice is worth on the population; ``None`` = the reference."""
        if one is None:
            return Shipped(0.0, 0.0, certified=False)
        everything = slice(None)
        plain = expected(self.pool.plain, self.cost, [1.0])
        saved = 1 - self.answers(one, everything)[1] / plain
        return Shipped(saved, self.counts(one, everything).drop, certified=True)


@dataclass(frozen=True)
class Contender:
    """A chain as the search saw it, and its thresholds: float32 ``(branches, classes)``."""

    found: Found
    bars: NDArray[np.float32]

    @property
    def chain(self) -> Chain:
        """Its exits."""
        return self.found.chain


def chosen(population: Population, seed: int, tested: int) -> Shipped:
    """Return what choosing ships for one resplit."""
    calibration, test = population.resplit(seed, tested)
    pool = population.drawn(calibration, tested)
    aim = Aim(population.max_drop, tested)
    found = search(pool, population.cost, aim)
    plain = alone(pool, pool.plain, population.cost)
    cascades = [one.chain for one in found if len(one.chain) > 1][:CASCADES]
    others = [
        one
        for one in found
        if len(one.chain) == 1 and one.cost < plain.cost and aim.hit(one.counts)
    ][:OTHERS]
    contenders = [
        *(one for chain in cascades for one in _points(pool, chain, population.cost, aim)),
        *(_static(pool, one) for one in others),
    ]
    return _tested(population, contenders, calibration, test)


def by_hand(population: Population, head: str, seed: int, tested: int) -> Shipped:
    """Return what one recipe ships: every branch of a kind on the reference, all its points."""
    calibration, test = population.resplit(seed, tested)
    pool = population.drawn(calibration, tested)
    end = pool.plain[0]
    branches = [one for one in pool.exits() if one.network == end.network and one.head == head]
    aim = Aim(population.max_drop, tested)
    contenders = list(_points(pool, (*branches, end), population.cost, aim)) if branches else []
    return _tested(population, contenders, calibration, test)


def oracle(population: Population) -> float:
    """Return the share of MACs that is saved by the cheapest that keeps the drop, all known.

    Of the best chains, as they are found with as many test images as anybody could want; every
    price, with thresholds from the population itself or from its other half.
    """
    pool, cost = population.pool, population.cost
    plain, best = expected(pool.plain, cost, [1.0]), [0.0]
    for found in search(pool, cost, Aim(population.max_drop, 10**8))[:LOOKED]:
        priced = ladder(pool, found.chain, cost) if len(found.chain) > 1 else (found,)
        for one in priced:
            bars = None if one.price is None else thresholds(pool, one.chain, cost, one.price)
            mine = _static(pool, one) if bars is None else Contender(one, bars)
            shipped = population.shipped(mine)
            best.append(shipped.saved if shipped.drop <= population.max_drop else 0.0)
            best.append(1 - one.cost / plain if one.counts.drop <= population.max_drop else 0.0)
    return max(best)


def _points(pool: ExitPool, chain: Chain, cost: Cost, aim: Aim) -> Iterator[Contender]:
    for one in rungs(pool, chain, cost, aim).values():
        assert one.price is not None
        yield Contender(one, thresholds(pool, chain, cost, one.price))


def _static(pool: ExitPool, found: Found) -> Contender:
    return Contender(found, np.zeros((0, len(pool.classes)), np.float32))


def _tested(
    population: Population,
    contenders: Sequence[Contender],
    calibration: Positions,
    test: Positions,
) -> Shipped:
    """Return what is shipped of `contenders`: the cheapest that the chain of tests certifies."""
    held = [
        Held(
            str(place),
            one.found.cost,
            one.found.counts,
            {None: population.counts(one, calibration)},
            {None: population.counts(one, test)},
        )
        for place, one in enumerate(contenders)
    ]
    most = expected(population.pool.plain, population.cost, [1.0])
    outcome = promised(held, population.max_drop, (), most)
    passed = [contenders[int(name)] for name, it in outcome.items() if it.standing == "passed"]
    return population.shipped(min(passed, key=lambda one: one.found.cost, default=None))


def table(
    name: str, population: Population, resplits: int, sizes: Sequence[int] = TESTED
) -> tuple[list[Row], float]:
    """Return the rows of one pool, and what the oracle saves."""
    heads = sorted({one.head for one in population.pool.exits() if one.head is not None})
    rows = []
    with Progress(name, len(sizes) * resplits) as progress:
        for tested in sizes:
            ways: dict[str, list[Shipped]] = {"choose": []}
            for seed in range(resplits):
                ways["choose"].append(chosen(population, seed, tested))
                for head in heads:
                    mine = by_hand(population, head, seed, tested)
                    ways.setdefault(f"{head}, every place", []).append(mine)
                progress.advance()
            rows += [Row(way, tested, tuple(found)) for way, found in ways.items()]
    return rows, oracle(population)


def lines(rows: Sequence[Row], best: float, max_drop: float) -> Iterator[str]:
    """Yield the table, and who met what."""
    yield f"{'':26} {'tested':>6}  {'saved':>7}  {'1 in 10':>7}  {'certified':>9}  broken"
    yield from (row.line(max_drop) for row in rows)
    yield f"{'oracle':<26} {'':6}  {best:7.1%}"
    for row in (row for row in rows if row.way == "choose"):
        behind = best - float(np.mean([one.saved for one in row.found]))
        broken = np.mean([one.broken(max_drop) for one in row.found])
        said = [f"broken {broken:.1%} (goal {BROKEN:.0%}: {_met(broken <= BROKEN)})"]
        if row.tested >= TESTED[-1]:
            said.append(f"{behind * 100:.1f} points behind the oracle (goal {BEHIND * 100:.0f}: ")
            said[-1] += f"{_met(behind <= BEHIND)})"
        yield f"with {row.tested:,} test images: {'; '.join(said)}"


def _met(goal: bool | np.bool_) -> str:
    return "met" if goal else "missed"


def pooled(named: Sequence[Named], heads: Sequence[str], ground: making.Ground) -> ExitPool:
    """Return the pool of `named`, with all images that nothing was trained on as its population."""
    made = making.made(models.opened(named, ground), heads, ground)
    indices = ground.split.indices
    rows = np.concatenate([indices["calibration"], indices["test"]])
    said: dict[Exit, Said] = {}
    for part in ("calibration", "test"):
        for one, more in _answers(made.runs, ground, part).items():
            known = said.get(one)
            said[one] = more if known is None else _joined(known, more)
    kept = {one: said[one] for one in made.pool.said}
    return replace(made.pool, truth=ground.samples.labels[rows], said=kept)


def _joined(first: Said, then: Said) -> Said:
    return Said(
        np.concatenate([first.labels, then.labels]), np.concatenate([first.scores, then.scores])
    )


def _answers(
    runs: Mapping[str, Mapping[str, Cascade]], ground: making.Ground, part: str
) -> dict[Exit, Said]:
    return {
        exit: said
        for name, mine in runs.items()
        for head, run in mine.items()
        for exit, said in making.answered(name, head, run, ground, part).items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of one set of images and one or several models."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choose_study", description=__doc__)
    parser.add_argument("models", nargs="+", help="as for calexnet choose")
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", type=Path, action="append", default=[])
    parser.add_argument("--split")
    parser.add_argument("--mean", type=float, nargs=3)
    parser.add_argument("--std", type=float, nargs=3)
    parser.add_argument("--pool", type=Path, required=True, help="folder of the trained parts")
    parser.add_argument("--effort", choices=EFFORTS, default="quick")
    parser.add_argument("--max-drop", type=float, default=1.0, help="points")
    parser.add_argument("--resplits", type=int, default=RESPLITS)
    parser.add_argument("--tested", type=int, nargs="+", default=TESTED, help="images to test on")
    words = parser.parse_args(argv)
    samples = data.load(words.data)
    ground = making.Ground(samples, divide(samples, 0, words.split), words.pool)
    weights = [*words.weights, *[None] * len(words.models)]
    named = [
        Named(what, mine, mean=words.mean and tuple(words.mean), std=words.std and tuple(words.std))
        for what, mine in zip(words.models, weights, strict=False)
    ]
    pool = pooled(named, EFFORTS[words.effort].heads, ground)
    population = Population(pool, counted(pool), words.max_drop / 100)
    name = f"{', '.join(words.models)} on {samples.name}"
    rows, best = table(name, population, words.resplits, words.tested)
    print(f"\n{name}: {len(pool.truth):,} images, at most {words.max_drop:g} points lost")
    print("\n".join(lines(rows, best, population.max_drop)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
