"""The runner: a whole cascade on one runtime, survivors gathered between segments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calexnet.bundle import Bundle
from calexnet.errors import CalexnetError, InputError, RuntimeUnavailableError
from calexnet.gating import NEVER, ExitTable
from calexnet.manifest import Compiled
from calexnet.parity import Answers
from calexnet.preprocessing import Preprocessing
from calexnet.runtimes.base import ANSWER, Array, Engine

#: target -> module with ``require()``, ``load(record, data, provider=, threads=)`` and
#: ``packages()``, which run its engines here.
RUNTIMES = {
    "onnxruntime": "calexnet.runtimes.onnxruntime",
    "tflite": "calexnet.runtimes.tflite",
}

#: Label, score and, if asked for, probabilities of some samples.
_Answer = tuple[Array, Array, "Array | None"]


class Result(NamedTuple):
    """Answers for a batch, in input order.

    Attributes:
        labels: int32 ``(n,)``.
        scores: float32 ``(n,)``.
        exits: int32 ``(n,)``, counted from 1; the last is the backbone's own head.
        probabilities: float32 ``(n, classes)``, only if asked for.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    exits: NDArray[np.int32]
    probabilities: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class SegmentCall:
    """One call of one segment, with all that it reads; it can be made again.

    Attributes:
        engine: The segment.
        feeds: Its inputs.
        outputs: Names of what it is asked for.
    """

    engine: Engine
    feeds: Mapping[str, Array]
    outputs: tuple[str, ...]

    def __call__(self) -> list[Array]:
        """Run the segment and return its outputs."""
        return self.engine.run(self.feeds, self.outputs)


@dataclass(frozen=True)
class _Step:
    """One segment as the runner drives it, worked out once from the graphs' own tensors.

    Attributes:
        engine: The segment.
        takes: Tensors that it reads, its threshold apart.
        gives: Tensors that it hands on; they come first in `outputs`.
        keeps: Tensors that exist after it and that a later segment reads.
        outputs: What it is asked for: `gives`, label, score and, of a branch, exit.
        threshold: float32 ``(classes,)``; ``None`` for the tail, where everyone leaves.
    """

    engine: Engine
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    keeps: tuple[str, ...]
    outputs: tuple[str, ...]
    threshold: NDArray[np.float32] | None

    def feeds(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """Return the engine's inputs, taken from the tensors at hand."""
        feeds = {name: state[name] for name in self.takes}
        if self.threshold is not None:
            feeds["threshold"] = self.threshold
        return feeds


class _SinglePath:
    """The way of one image, on arrays that are bound to the engines once; for one thread.

    At batch 1 nobody is gathered, and what lies between segments would cost a percent or two.
    """

    def __init__(
        self, steps: Sequence[_Step], preprocessing: Preprocessing, first_exit: int = 1
    ) -> None:
        dtype = np.uint8 if preprocessing.input == "uint8" else np.float32
        self._image: Array = np.empty((1, *preprocessing.batch_shape()), dtype)
        self._steps = steps
        self._first_exit = first_exit
        self._segments: list[tuple[Callable[[], None], Array, Array, Array | None]] = []
        self._state: dict[str, Array] = {"image": self._image}
        for step in steps:
            known = {tensor.name: tensor for tensor in step.engine.record.outputs}
            outputs: dict[str, Array] = {}
            for name in step.outputs:
                shape = [1 if isinstance(d, str) else d for d in known[name].shape]
                outputs[name] = np.zeros(shape, known[name].dtype)
            call = step.engine.bind(step.feeds(self._state), outputs)
            self._state.update({name: outputs[name] for name in step.gives})
            self._segments.append((call, outputs["label"], outputs["score"], outputs.get("exit")))

    def answer(self, image: Array) -> Result:
        """Return the answer for a batch of one."""
        np.copyto(self._image, image)
        number = 0
        try:
            for number, (call, label, score, leaves) in enumerate(self._segments, start=1):
                call()
                if leaves is None or leaves[0]:
                    exits = np.array([self._first_exit + number - 1], np.int32)
                    return Result(label.copy(), score.copy(), exits)
        except Exception as problem:  # each runtime has its own kinds
            step = self._steps[number - 1]
            raise step.engine.failure(problem, step.feeds(self._state)) from problem
        raise AssertionError("the tail lets everyone out")


class Runner:
    """A cascade that answers batches of images. Safe to share between threads.

    Call it with images as the bundle's preprocessing says: uint8 ``(n, H, W, C)``, or normalised
    float32 ``(n, C, H, W)`` for a bundle exported with ``--input float``.

    Attributes:
        bundle: What it runs.
        compiled: Which target and precision of it.
        thresholds: float32 ``(branches, classes)``.
    """

    def __init__(
        self,
        bundle: Bundle,
        compiled: Compiled,
        engines: Sequence[Engine],
        plain: Engine,
        thresholds: NDArray[np.float32],
    ) -> None:
        self.bundle = bundle
        self.compiled = compiled
        self.thresholds = thresholds
        self._engines = tuple(engines)
        self._plain = plain
        self._steps = _steps(self._engines, thresholds)
        self._plain_steps = _steps([plain], thresholds)
        self._preprocessing = bundle.manifest.preprocessing
        self._single = threading.local()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in label order."""
        return self.bundle.manifest.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """What images must look like."""
        return self._preprocessing

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The segments' engines in running order, the tail last."""
        return self._engines

    @property
    def plain_engine(self) -> Engine:
        """The backbone alone."""
        return self._plain

    def with_thresholds(
        self, thresholds: NDArray[np.float32] | Sequence[Sequence[float]]
    ) -> Runner:
        """Return a runner with another threshold table that shares these engines.

        Raises:
            InputError: Another shape, or NaN.
        """
        table = _checked_thresholds(thresholds, self.thresholds.shape)
        return Runner(self.bundle, self.compiled, self._engines, self._plain, table)

    def __call__(self, images: Array, *, probabilities: bool = False) -> Result:
        """Return labels, scores and exits for a batch of any size.

        Args:
            images: See the class. An empty batch gives an empty result.
            probabilities: Give each sample's class probabilities too.

        Raises:
            InputError: Images of another type or shape, or with NaN.
            EngineError: The runtime failed; the runner stays usable.
        """
        images = self._preprocessing.check(images)
        count = len(images)
        if count == 0:
            return self._empty_result(0, probabilities)
        if count == 1 and not probabilities:
            return self._single_path("cascade", self._steps).answer(images)
        result: Result | None = None
        alive: NDArray[np.intp] | None = None  # positions in the batch; None = everyone, in order
        state: dict[str, Array] = {"image": images}
        for number, step in enumerate(self._steps, start=1):
            outputs = (*step.outputs, "probabilities") if probabilities else step.outputs
            values = step.engine.run(step.feeds(state), outputs)
            carried = len(step.gives)
            answer = (values[carried], values[carried + 1], values[-1] if probabilities else None)
            leaves = None if step.threshold is None else values[carried + 2]
            leaving = count if leaves is None else int(np.count_nonzero(leaves))
            if leaves is None or leaving == count:
                if result is None or alive is None:
                    return _everyone(answer, number)
                _write(result, alive, answer, number)
                return result
            state.update(zip(step.gives, values, strict=False))
            if leaving == 0:
                state = {name: state[name] for name in step.keeps}
                continue
            if result is None or alive is None:
                result, alive = self._empty_result(count, probabilities), np.arange(count)
            _write(result, alive[leaves], _rows(answer, leaves), number)
            stay = np.flatnonzero(~leaves)
            alive, count = alive[stay], len(stay)
            state = {name: state[name].take(stay, axis=0) for name in step.keeps}
        raise AssertionError("the tail lets everyone out")

    def _single_path(self, name: str, steps: tuple[_Step, ...]) -> _SinglePath:
        """Return this thread's path for single images through `steps`."""
        path: _SinglePath | None = getattr(self._single, name, None)
        if path is None:
            first_exit = len(self._steps) - len(steps) + 1
            path = _SinglePath(steps, self._preprocessing, first_exit)
            setattr(self._single, name, path)
        return path

    def plain(self, images: Array) -> Result:
        """Return the answers of the backbone alone, as if every sample took the last exit."""
        images = self.preprocessing.check(images)
        if len(images) == 0:
            return self._empty_result(0, probabilities=False)
        if len(images) == 1:
            return self._single_path("plain", self._plain_steps).answer(images)
        label, score = self._plain.run({"image": images}, ("label", "score"))
        return _everyone((label, score, None), len(self._steps))

    def ask_every_exit(self, images: Array) -> ExitTable:
        """Return what every exit answers for every sample; nobody leaves."""
        images = self.preprocessing.check(images)
        shape = (len(self._steps), len(images))
        table = ExitTable(np.zeros(shape, np.int32), np.zeros(shape, np.float32))
        if len(images) > 0:
            for number, (_, answer) in enumerate(self.trace(images)):
                table.labels[number], table.scores[number] = answer["label"], answer["score"]
        return table

    def answers(self, images: Array, batch: int = 64) -> Answers:
        """Return all that every exit and plain answer for `images`; nobody leaves.

        Args:
            images: Any number, at least one.
            batch: How many to run at a time.
        """
        parts = [self._answers(images[i : i + batch]) for i in range(0, len(images), batch)]
        return Answers.joined(parts)

    def _answers(self, images: Array) -> Answers:
        given = [answer for _, answer in self.trace(images, probabilities=True)]
        labels, scores, table = (
            np.stack([answer[name] for answer in given])
            for name in ("label", "score", "probabilities")
        )
        plain = self.plain(images)
        return Answers(ExitTable(labels, scores), table, plain.labels, plain.scores)

    def trace(
        self, images: Array, *, probabilities: bool = False
    ) -> list[tuple[SegmentCall, dict[str, Array]]]:
        """Return each segment's call for `images`, and its outputs, with nobody leaving.

        The calls can be made again, for example to time a segment alone.

        Args:
            images: See the class; at least one.
            probabilities: Ask for these too.
        """
        state: dict[str, Array] = {"image": self.preprocessing.check(images)}
        more = ("probabilities",) if probabilities else ()
        seen = []
        for step in self._steps:
            call = SegmentCall(step.engine, step.feeds(state), (*step.outputs, *more))
            outputs = dict(zip(call.outputs, call(), strict=True))
            state.update(outputs)
            seen.append((call, outputs))
        return seen

    def _empty_result(self, count: int, probabilities: bool) -> Result:
        table = np.empty((count, len(self.classes)), np.float32) if probabilities else None
        return Result(
            np.empty(count, np.int32), np.empty(count, np.float32), np.empty(count, np.int32), table
        )


def load_runner(
    bundle: Bundle,
    target: str | None = None,
    precision: str | None = None,
    *,
    provider: str | None = None,
    threads: int | None = None,
    operating_point: str | None = None,
    thresholds: NDArray[np.float32] | Sequence[Sequence[float]] | None = None,
) -> Runner:
    """See `calexnet.runtimes.load`; `bundle` is opened already."""
    if threads is not None and threads < 1:
        raise InputError("threads cannot be used", got=threads, expected="at least 1, or None")
    module, compiled = _choose(bundle, target, precision)
    point = bundle.manifest.operating_point(operating_point, compiled).table()
    table = point if thresholds is None else _checked_thresholds(thresholds, point.shape)
    *engines, plain = (
        module.load(record, bundle.read(record.file), provider=provider, threads=threads)
        for record in (*compiled.segments, compiled.plain)
    )
    return Runner(bundle, compiled, engines, plain, table)


def _choose(bundle: Bundle, target: str | None, precision: str | None) -> tuple[Any, Compiled]:
    """Return the runtime's module and what was compiled for it: the first that works here."""
    if target is not None:
        module = runtime(target)
        compiled = bundle.compiled(target, precision)
        module.require()
        return module, compiled
    problems: list[CalexnetError] = []
    for build in bundle.manifest.compiled:
        if precision in (None, build.precision):
            try:
                module = runtime(build.target)
                module.require()
                return module, build
            except (InputError, RuntimeUnavailableError) as problem:  # unknown, or not installed
                problems.append(problem)
    if problems:
        raise problems[0]
    raise InputError(
        f"{bundle.folder} holds nothing at precision {precision!r}",
        expected=", ".join(sorted({build.precision for build in bundle.manifest.compiled})),
    )


def runtime_packages(target: str) -> tuple[str, ...]:
    """Return the packages that run engines of `target` here."""
    names: tuple[str, ...] = runtime(target).packages()
    return names


def runtime(target: str) -> Any:
    """Return the module that runs engines of `target`.

    Raises:
        InputError: There is none.
    """
    if target not in RUNTIMES:
        raise InputError(
            "unknown target", got=repr(target), expected=f"one of {', '.join(RUNTIMES)}"
        )
    return import_module(RUNTIMES[target])


def _steps(engines: Sequence[Engine], thresholds: NDArray[np.float32]) -> tuple[_Step, ...]:
    takes = [
        tuple(t.name for t in engine.record.inputs if t.name != "threshold") for engine in engines
    ]
    steps, made = [], ["image"]
    for index, engine in enumerate(engines):
        outputs = [tensor.name for tensor in engine.record.outputs]
        gives = tuple(name for name in outputs if name not in ANSWER)
        made += gives
        later = {name for names in takes[index + 1 :] for name in names}
        answer = tuple(name for name in ANSWER if name in outputs and name != "probabilities")
        steps.append(
            _Step(
                engine=engine,
                takes=takes[index],
                gives=gives,
                keeps=tuple(name for name in made if name in later),
                outputs=(*gives, *answer),
                threshold=thresholds[index] if "exit" in outputs else None,
            )
        )
    return tuple(steps)


def _everyone(answer: _Answer, number: int) -> Result:
    """Return the result of a batch that left whole: the engine's own arrays, nothing copied."""
    label, score, probabilities = answer
    return Result(label, score, np.full(len(label), number, np.int32), probabilities)


def _rows(answer: _Answer, leaves: NDArray[np.bool_]) -> _Answer:
    label, score, probabilities = answer
    return label[leaves], score[leaves], None if probabilities is None else probabilities[leaves]


def _write(result: Result, rows: NDArray[np.intp] | slice, answer: _Answer, number: int) -> None:
    result.labels[rows], result.scores[rows], probabilities = answer
    result.exits[rows] = number
    if result.probabilities is not None:
        result.probabilities[rows] = probabilities


def _checked_thresholds(thresholds: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        table = np.array(thresholds, dtype=np.float32)
        problem = "NaN in it" if np.isnan(table).any() else ""
        if table.shape != shape:
            problem = f"shape {table.shape}"
    except (TypeError, ValueError) as refusal:  # rows of several lengths, or no numbers
        problem = str(refusal)
    if problem:
        raise InputError(
            "the threshold table cannot be used",
            got=problem,
            expected=f"numbers {shape}, one row a branch, one column a class; {NEVER} = never",
        )
    return table
