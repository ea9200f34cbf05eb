"""The runner: a whole cascade on one runtime, survivors gathered between segments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calexnet.bundle import Bundle
from calexnet.errors import EngineError, InputError
from calexnet.gating import NEVER, ExitTable, forcing
from calexnet.images.given import as_batch, pixels
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import IF, Compiled
from calexnet.numbers import whole
from calexnet.parity import Answers
from calexnet.runtimes import thresholds as tables
from calexnet.runtimes.counters import Counters, Tally
from calexnet.runtimes.engines.base import ANSWER, Array, Engine
from calexnet.runtimes.engines.once import Once
from calexnet.runtimes.lanes.host import HostLane
from calexnet.runtimes.lanes.if_lane import IfLane
from calexnet.runtimes.lanes.lane import Lane
from calexnet.runtimes.lanes.pool import Pool
from calexnet.runtimes.plan import Plan, Stamp
from calexnet.runtimes.result import Batch, Result
from calexnet.runtimes.steps import Step, steps_of
from calexnet.runtimes.trace import SegmentCall, trace

#: What `Runner.close` lets go of.
_HELD = ("_engines", "_cascade", "_plain_chain")


class Runner:
    """A cascade that answers batches of images. Safe to share between threads.

    Call it with images as the bundle's preprocessing says: uint8 ``(n, H, W, C)``, or normalised
    float32 ``(n, C, H, W)`` for a bundle exported with ``--input float``. One of them alone is a
    batch of one, and pictures of Pillow or raw images of other sizes are brought to size if the
    bundle records how (`calexnet.images.given.as_batch`). Sent to another process, as by a pool, it
    opens its bundle there, once a process.

    Attributes:
        bundle: What it runs.
        compiled: Which target and precision of it.
        thresholds: float32 ``(branches, classes)``.
        stamp: What a plan that is measured with it is good for; ``None`` = nobody says.
        hook: Called after each call with its result and milliseconds, in the caller's thread, for
            example to log them; what it raises, the caller gets. ``None`` = nothing is called.
    """

    def __init__(
        self,
        bundle: Bundle,
        compiled: Compiled,
        engines: Sequence[Engine],
        plain: Callable[[], Engine],
        thresholds: NDArray[np.float32],
        lane: type[Lane] = HostLane,
        plan: Plan | None = None,
        stamp: Stamp | None = None,
        again: Callable[[NDArray[np.float32]], Runner] | None = None,
    ) -> None:
        self.bundle = bundle
        self.compiled = compiled
        self.thresholds = _frozen(thresholds)
        self.hook: Callable[[Result, float], object] | None = None
        self._tally = Tally(len(thresholds) + 1)
        self._classes = bundle.manifest.classes
        self._engines = tuple(engines)
        self._again = again
        self._preprocessing = bundle.manifest.preprocessing
        cascade = IfLane if compiled.layout == IF else lane
        self.stamp = stamp
        if plan is not None:
            plan.refuse_elsewhere(compiled, stamp)
        self._cascade = Chain(steps_of(self._engines), self._preprocessing, cascade, plan)
        preprocessing = self._preprocessing  # with `self` in it, only the collector would free it
        # Carried or not, a tensor takes memory: plain has no room for more than the cascade.
        most = None if compiled.layout == IF else self._cascade.lanes.most
        self._plain_chain = Once(lambda: Chain(steps_of([plain()]), preprocessing, lane, most=most))

    @property
    def provider(self) -> str:
        """The runtime's back end that the engines are on."""
        return self._engines[0].provider

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in label order."""
        return self._classes

    @property
    def preprocessing(self) -> Preprocessing:
        """What images must look like."""
        return self._preprocessing

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The segments' engines in running order, the tail last; one for all in layout `if`."""
        return self._engines

    @property
    def plain_engine(self) -> Engine:
        """The backbone alone, loaded when it is first asked for."""
        return self._plain_chain().steps[0].engine

    @property
    def most(self) -> int:
        """How many images go through at once; larger batches come in chunks."""
        return self._cascade.lanes.most

    @contextmanager
    def lane(self, room: int) -> Iterator[Lane]:
        """Yield memory for `room` images, at most `most`, and the segments bound to it.

        It is nobody else's meanwhile, so that segments and gathering can be timed one by one.

        Raises:
            InputError: Layout `if`, which has no segments.
        """
        self._refuse_one_graph("time")
        lane = self._cascade.lanes.take(room)
        lane.use(self.thresholds)
        yield lane
        lane.end()
        self._cascade.lanes.give_back(lane)

    def __reduce__(self) -> tuple[Callable[[NDArray[np.float32]], Runner], tuple[Array]]:
        """Let it be sent to another process: there its bundle is opened again, from its folder."""
        if self._again is None:
            raise TypeError("a runner that calexnet.load did not open cannot be pickled")
        return self._again, (np.array(self.thresholds),)

    def with_thresholds(
        self, thresholds: NDArray[np.float32] | Sequence[Sequence[float]]
    ) -> Runner:
        """Return a runner with another threshold table that shares engines and memory with this.

        Raises:
            InputError: Another shape, or NaN.
        """
        other = object.__new__(Runner)
        other.__dict__.update(self.__dict__)
        other._tally = Tally(self._exits)
        other.thresholds = _frozen(tables.checked(thresholds, self.thresholds.shape))
        return other

    def __call__(self, images: Array, *, probabilities: bool = False) -> Result:
        """Return labels, scores and exits for a batch of any size.

        A batch too large for the memory that a lane may take is answered in chunks.

        Args:
            images: See the class. An empty batch gives an empty result.
            probabilities: Give each sample's class probabilities too, as `Result.top` needs them.

        Raises:
            InputError: Images of another type or shape, or with NaN.
            EngineError: The runtime failed; the runner stays usable.
        """
        start = time.perf_counter()
        result = self._answer(self._cascade, images, 1, probabilities)
        ms = (time.perf_counter() - start) * 1e3
        self._tally.add(result.exits, ms)
        if self.hook is not None:
            self.hook(result, ms)
        return result

    @property
    def operating_points(self) -> tuple[str, ...]:
        """Names of the operating points, as `at` takes them."""
        points = self.bundle.manifest.points_of(self.compiled)
        return tuple(point.name for point in points)

    def at(self, operating_point: str) -> Runner:
        """Return a runner at an operating point of the bundle, which shares engines with this.

        Its counters begin at zero.

        Raises:
            BundleError: There is none of that name.
        """
        point = self.bundle.manifest.operating_point(operating_point, self.compiled)
        return self.with_thresholds(point.table())

    @property
    def counters(self) -> Counters:
        """What this runner has answered so far; safe to read while other threads call it."""
        return self._tally.read()

    def reset_counters(self) -> Counters:
        """Set the counters to zero; return what they were, with no call lost in between."""
        return self._tally.read(reset=True)

    def warm_up(self, batch: int = 1) -> None:
        """Run blank images through every segment, so that the first real call pays for nothing.

        What is opened late is opened now, and memory is taken. It is not counted.

        Args:
            batch: Images of one call, as the app is going to make them.

        Raises:
            InputError: Fewer than one image.
            EngineError: The runtime failed; the runner stays usable.
        """
        shape = whole("batch", batch, 1, 2**31), *self._preprocessing.batch_shape()
        staying = self.with_thresholds(np.full(self.thresholds.shape, NEVER, np.float32))
        staying._answer(self._cascade, np.zeros(shape, self._preprocessing.dtype), 1, False)

    def close(self) -> None:
        """Let go of the engines; further calls are refused.

        Runners that share them, by `at` or `with_thresholds`, go on until they are closed too.
        """
        for name in _HELD:
            self.__dict__.pop(name, None)

    def __enter__(self) -> Runner:
        """Return it; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say of what `close` has let go that it is closed; asked for what is missing alone."""
            if name in _HELD:
                raise InputError("this cascade is closed", fix="Load its bundle again")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def resize(self, images: Iterable[NDArray[np.uint8]]) -> Array:
        """Return raw images of any sizes as one batch that this cascade takes.

        They come to size as the training's own did, as the bundle's preprocessing says::

            result = cascade(cascade.resize([photo, another]))

        Args:
            images: Each uint8 ``(height, width, C)``, as a camera or a decoder gives it, or a
                picture of Pillow.

        Raises:
            InputError: One of them is no such image.
        """
        given = self._preprocessing
        raw = (
            images
            if isinstance(images, np.ndarray)
            else [pixels(i, given.channels) for i in images]
        )
        return given.as_input(given.resized(raw))

    def plain(self, images: Array) -> Result:
        """Return the answers of the backbone alone, as if every sample took the last exit.

        It is loaded on the first call.

        Raises:
            InputError: Images of another type or shape, or with NaN.
            EngineError: The runtime failed; the runner stays usable.
            BundleError: Its file was changed since the bundle was opened, or is refused.
        """
        return self._answer(self._plain_chain(), images, self._exits, probabilities=False)

    @property
    def _exits(self) -> int:
        return len(self.thresholds) + 1

    def _answer(self, chain: Chain, images: Array, first: int, probabilities: bool) -> Result:
        images = as_batch(images, self._preprocessing)
        classes = len(self.classes) if probabilities else None
        if 0 < len(images) <= chain.lanes.most:
            images = self._preprocessing.ready(images)
            result = chain.answer(images, self.thresholds, first, classes)
        else:
            parts = [Result.empty(0, classes)]
            for some in self._chunks(images, chain):
                parts.append(chain.answer(some, self.thresholds, first, classes))
            result = Result.joined(parts)
        result.classes = self._classes
        return result

    def _chunks(self, images: Array, chain: Chain) -> Iterator[Array]:
        """Yield fitting `images` in as few parts as `chain` can take, of about the same size.

        What costs memory is done part by part: the images may be a memory map.
        """
        parts = -(-len(images) // chain.lanes.most)
        for part in range(parts):
            start, end = (len(images) * edge // parts for edge in (part, part + 1))
            yield self._preprocessing.ready(images[start:end], start)

    def ask_every_exit(self, images: Array) -> ExitTable:
        """Return what every exit answers for every sample; nobody leaves.

        A batch too large for the memory that a lane may take is answered in chunks.
        """
        images = as_batch(images, self._preprocessing)
        shape = (self._exits, len(images))
        table = ExitTable(np.zeros(shape, np.int32), np.zeros(shape, np.float32))
        if len(images) > 0:
            for number, answer in enumerate(self._every_exit(images)):
                table.labels[number], table.scores[number] = answer["label"], answer["score"]
        return table

    def answers(self, images: Array, batch: int = 64) -> Answers:
        """Return all that every exit and plain answer for `images`; nobody leaves.

        Args:
            images: Any number, at least one.
            batch: How many to run at a time, at least one.

        Raises:
            InputError: No images, or images or a batch that cannot be used.
        """
        batch = whole("batch", batch, 1, 2**31)
        images = as_batch(images, self._preprocessing)
        if len(images) == 0:
            raise InputError("there is nothing to answer", got="0 images", expected="at least one")
        parts = [self._answers(images[i : i + batch]) for i in range(0, len(images), batch)]
        return Answers.joined(parts)

    def _answers(self, images: Array) -> Answers:
        given = self._every_exit(images, probabilities=True)
        labels, scores, table = (
            np.stack([answer[name] for answer in given])
            for name in ("label", "score", "probabilities")
        )
        plain = self._answer(self._plain_chain(), images, self._exits, probabilities=True)
        assert plain.probabilities is not None
        return Answers(
            ExitTable(labels, scores), table, plain.labels, plain.scores, plain.probabilities
        )

    def _every_exit(self, images: Array, *, probabilities: bool = False) -> list[dict[str, Array]]:
        """Return each exit's answer by the names of its tensors, for at least one image."""
        if self.compiled.layout != IF:
            parts = [
                [_answer(outputs) for _, outputs in self.trace(some, probabilities=probabilities)]
                for some in self._chunks(as_batch(images, self._preprocessing), self._cascade)
            ]
            return [_joined(answers) for answers in zip(*parts, strict=True)]
        forced = [
            self.with_thresholds(forcing(self.thresholds.shape, number))
            for number in range(1, self._exits + 1)
        ]
        results = [runner(images, probabilities=probabilities) for runner in forced]
        return [
            {"label": labels, "score": scores} | ({} if table is None else {"probabilities": table})
            for labels, scores, _, table in results
        ]

    def trace(
        self, images: Array, *, probabilities: bool = False
    ) -> list[tuple[SegmentCall, dict[str, Array]]]:
        """Return each segment's call for `images`, and its outputs, with nobody leaving.

        The calls can be made again, for example to time a segment alone.

        Args:
            images: See the class; at least one. All go through at once.
            probabilities: Ask for these too.

        Raises:
            InputError: Images of another type or shape, or layout `if`, which has no segments.
        """
        images = self._preprocessing.ready(as_batch(images, self._preprocessing))
        self._refuse_one_graph("trace")
        return trace(self._cascade.steps, self.thresholds, images, probabilities=probabilities)

    def _refuse_one_graph(self, verb: str) -> None:
        if self.compiled.layout == IF:
            raise InputError(
                f"there are no segments to {verb}",
                got=f"a cascade in layout {IF}",
                fix="Load the bundle in layout segments",
            )


class Chain:
    """Segments that run one after the other, and the lanes that batches take through them.

    The plain backbone is a chain of one.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        preprocessing: Preprocessing,
        lane: type[Lane],
        plan: Plan | None = None,
        most: int | None = None,
    ) -> None:
        self.steps = steps
        self._plan = plan
        fits = lane.most_rows(steps, preprocessing)
        self.lanes = Pool(lambda room: lane(steps, preprocessing, room), min(fits, most or fits))

    def answer(
        self, images: Array, thresholds: NDArray[np.float32], first: int, classes: int | None
    ) -> Result:
        """Return the answers for a batch of at least one sample, at most `lanes.most`.

        Args:
            images: Checked.
            thresholds: float32 ``(branches, classes)``.
            first: Number of the first exit.
            classes: How many, if probabilities are asked for; else ``None``.
        """
        try:
            lane = self.lanes.take(len(images))
        except MemoryError as problem:
            raise EngineError(
                "no memory for the tensors of this batch",
                got=f"{len(images)} images; {problem}",
                fix="The runner stays usable; try a smaller batch",
            ) from problem
        if lane.thresholds is not thresholds and self.steps[0].has_gate:
            lane.use(thresholds)
        result = self._through(lane, images, first, classes)
        lane.end()
        self.lanes.give_back(lane)  # not after an error: nobody knows its state then
        return result

    def _through(self, lane: Lane, images: Array, first: int, classes: int | None) -> Result:
        batch = Batch(len(images), classes)
        lane.start(images)
        for segment in range(len(self.steps)):
            answer = lane.run(segment, probabilities=classes is not None)
            batch.let_out(answer, first + segment)
            if batch.left == 0:
                break
            if batch.left < lane.rows and self._pays(segment + 1, lane.rows, batch.left):
                lane.keep(batch.gather())
        assert batch.result is not None, "the tail lets everyone out"
        return batch.result

    def _pays(self, segment: int, rows: int, left: int) -> bool:
        return self._plan is None or self._plan.gathers(segment, rows, left)


def _frozen(thresholds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a view that cannot be written to: lanes hold copies, and tell tables by identity."""
    view = thresholds.view()
    view.flags.writeable = False
    return view


def _answer(outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a segment answers of all that it gives; carried tensors are let go."""
    return {name: array for name, array in outputs.items() if name in ANSWER}


def _joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return one exit's answers for consecutive parts of a batch as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
