"""The pieces of a pool, opened and ready to be timed where they stand in an app."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np

from calexnet.bench.costs.board import CostRow
from calexnet.bench.measuring.timing import Call, Work
from calexnet.bench.model.blocks import Blocks
from calexnet.bench.report.task import Setting
from calexnet.export.pool.document import Pool, PoolNetwork, Span
from calexnet.gating import forcing
from calexnet.progress import track
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.lanes.lane import Lane
from calexnet.runtimes.loading import runtime
from calexnet.runtimes.result import Batch
from calexnet.runtimes.runner import Chain
from calexnet.runtimes.steps import steps_of

#: Runs something on a batch of images.
Run = Callable[[Array], object]

#: Different images that a task goes through.
_IMAGES = 8


@dataclass(frozen=True)
class PieceTask:
    """What is timed: a piece at a setting, warm or cold."""

    span: Span
    setting: Setting
    cold: bool
    work: Work

    @property
    def name(self) -> str:
        """What it is called where all tasks of a thread setting are told apart."""
        return f"{self.span}, {self.setting}, {'cold' if self.cold else 'warm'}"


class Opened:
    """One network whose pieces are opened at one target, precision and thread setting.

    Args:
        network: Whose they are.
        engines: By piece, those of other networks too.
        runs: Their runtime.
        seed: Of the images: noise, for the time does not depend on what is seen.
    """

    def __init__(
        self, network: PoolNetwork, engines: Mapping[Span, Engine], runs: Runtime, seed: int
    ) -> None:
        self.network, self.engines, self.runs = network, engines, runs
        self.rng = np.random.default_rng(seed)
        self.images: dict[int, list[Array]] = {}

    def chain(self, spans: Sequence[Span]) -> Chain:
        """Return pieces that run one after the other, as a runner has them."""
        steps = steps_of([self.engines[span] for span in spans])
        return Chain(steps, self.network.preprocessing, self.runs.lane)

    def batches(self, batch: int) -> list[Array]:
        """Return a few batches of images as the pieces take them."""
        if batch not in self.images:
            shape = (_IMAGES, batch, *self.network.preprocessing.image_shape)
            noise = self.rng.integers(0, 256, shape, dtype=np.uint8)
            self.images[batch] = [self.network.preprocessing.as_input(one) for one in noise]
        return self.images[batch]

    def whole(self, batch: int) -> Run:
        """Return what runs the network alone on images of its own, whatever it is given."""
        run, turns = self._answering(Span(self.network.name)), cycle(self.batches(batch))
        return lambda _: run(next(turns))

    def work(self, span: Span, batch: int, between: Run | None) -> Work:
        """Return what is timed of a piece on so many samples: one call of it, as one image.

        Args:
            span: The piece.
            batch: How many samples reach it.
            between: What runs after each call of it; ``None`` = nothing, so that it stays warm.
        """
        images = self.batches(batch)
        before = [] if between is None else [between]
        if span.start is None:
            run = self._answering(span)
        else:
            inner = self._inner(span)
            inner.lead(images[0])
            # Warm is after the piece itself, whatever another task has left in the caches.
            before += [inner.lead] if between else [inner.lead, inner.run, inner.lead]
            run = inner.run

        def call(number: int) -> Call:
            return partial(run, images[number % len(images)])

        def ahead(number: int) -> Call:
            return partial(_all, before, images[number % len(images)])

        return Work(call, 1, ahead=ahead if before else None)

    def _answering(self, span: Span) -> Run:
        """Return what runs a piece that reads the image, after which everybody has left."""
        chain = self.chain([span])
        gates = sum(step.has_gate for step in chain.steps)
        thresholds = forcing((gates, self.network.classes), 1)
        return lambda images: chain.answer(images, thresholds, 1, None)

    def _inner(self, span: Span) -> _Inner:
        lead = Span(self.network.name, None, span.start, self.network.heads[0])
        steps = steps_of([self.engines[lead], self.engines[span]])
        return _Inner(
            lambda room: self.runs.lane(steps, self.network.preprocessing, room),
            forcing((sum(step.has_gate for step in steps), self.network.classes), 2),
        )


class _Inner:
    """A piece behind another that leads up to it, in one lane."""

    def __init__(self, make: Callable[[int], Lane], thresholds: Array) -> None:
        self.make, self.thresholds = make, thresholds
        self.lane: Lane | None = None

    def lead(self, images: Array) -> None:
        """Run what leads up to the piece, after which nobody has left."""
        if self.lane is None or self.lane.room < len(images):
            self.lane = self.make(len(images))
            self.lane.use(self.thresholds)
        self.batch = Batch(len(images), None)
        self.lane.start(images)
        self.batch.let_out(self.lane.run(0), 1)

    def run(self, images: Array) -> object:
        """Run the piece on what `lead` has made of the images, after which everybody has left."""
        assert self.lane is not None
        self.batch.let_out(self.lane.run(1), 2)
        return self.batch.result


def _all(runs: Sequence[Run], images: Array) -> None:
    for run in runs:
        run(images)


class OpenedBuild:
    """All pieces of a pool at one target and precision, opened on so many threads.

    Args:
        pool: Of which.
        target: Their runtime's name.
        precision: Of their numbers.
        threads: Within an operator.
        seed: Of the images.

    Raises:
        BundleError: A piece was changed, or the runtime refuses it.
        RuntimeUnavailableError: The runtime does not work here.
    """

    def __init__(
        self, pool: Pool, target: str, precision: str, threads: int = 1, seed: int = 0
    ) -> None:
        runs, pieces = runtime(target), pool.pieces(target, precision)
        runs.require()
        self.target, self.precision, self.threads = target, precision, threads
        words = f"opening {target} {precision}, pieces"
        engines = {
            span: runs.load(piece.graph, pool.read_graph(piece), provider=None, threads=threads)
            for span, piece in track(pieces.items(), words, len(pieces))
        }
        self.networks = {
            network.name: Opened(network, engines, runs, seed) for network in pool.record.networks
        }
        self.largest = self.networks[pool.largest(target, precision).network]

    def tasks(self, batches: Sequence[int]) -> Iterator[PieceTask]:
        """Yield every piece at every batch size, warm and cold."""
        for batch in batches:
            setting = Setting(self.target, self.precision, batch, self.threads)
            between = self.largest.whole(batch)
            for network in self.networks.values():
                for span in network.network.spans():
                    for cold in (False, True):
                        work = network.work(span, batch, between if cold else None)
                        yield PieceTask(span, setting, cold, work)


def rows_of(tasks: Mapping[str, PieceTask], blocks: Blocks) -> Iterator[CostRow]:
    """Yield what tasks, by name, cost by the blocks that they were timed in."""
    found = {(t.span, t.setting, t.cold): blocks.interval(name) for name, t in tasks.items()}
    for (span, setting, cold), warm_ms in found.items():
        if not cold:
            cold_ms = found[span, setting, True]
            yield CostRow(span, setting, warm_ms, cold_ms)
