"""Engines on LiteRT, or on its predecessor tflite-runtime where that is what there is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from typing import Any

import numpy as np

from calexnet.errors import BundleError, CalexnetError, InputError, RuntimeUnavailableError
from calexnet.manifest import GraphRecord, TensorRecord
from calexnet.runtimes.base import Array, Engine, Signature
from calexnet.runtimes.tflite_interpreter import Planned, named_inputs, named_outputs
from calexnet.runtimes.tflite_lane import TfliteLane
from calexnet.runtimes.threads import cores

#: Where a batch's tensors live, and whether it can do with segments that are not opened yet.
LANE, LAZY = TfliteLane, True

#: Our names of LiteRT's back ends; on the CPU that is XNNPACK.
PROVIDERS = ("cpu",)

#: Package -> module with the interpreter, and the oldest version that can be used, which for the
#: first the extra `tflite` asks for too; best first.
PACKAGES = {
    "ai-edge-litert": ("ai_edge_litert.interpreter", (2, 1)),
    "tflite-runtime": ("tflite_runtime.interpreter", (2, 14)),
}

#: About how many bytes of weights the interpreters of one engine may hold; each has its own copy.
_KEPT_BYTES = 32 * 2**20
_MOST_KEPT = 8


class TfliteEngine(Engine):
    """One flatbuffer in interpreters, of which no two threads ever share one.

    An interpreter is planned for one batch size, and changing that costs a fraction of a
    millisecond. So small engines keep several, one a batch size; in large ones that is nothing
    beside the run itself, and the memory for a second copy of the weights is much.

    Args:
        record: What the manifest says of it.
        make: Gives one more interpreter.

    Attributes:
        most_kept: How many interpreters are worth keeping, for as many batch sizes.
    """

    target = "tflite"

    def __init__(self, record: GraphRecord, make: Callable[[], Any]) -> None:
        super().__init__(record)
        self._make = make
        self._lock = threading.Lock()
        self.most_kept = min(_MOST_KEPT, max(1, _KEPT_BYTES // record.file.size))
        self._most = self.most_kept
        self._busy = 0
        self._idle = [Planned(record, make())]

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        batch = self._batch(feeds)
        if not self.record.buckets or batch in self.record.buckets:
            with self._one_for(batch) as planned:
                return planned.run(batch, feeds, outputs)
        parts = [self._run(part, outputs) for part in self._one_by_one(feeds, batch)]
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    def _one_by_one(self, feeds: Mapping[str, Array], batch: int) -> Iterator[dict[str, Array]]:
        """Yield the samples of a batch that a file of a fixed batch does not take at once."""
        batched = {t.name for t in self.record.inputs if t.has_batch}
        for row in range(batch):
            yield {n: a[row : row + 1] if n in batched else a for n, a in feeds.items()}

    def bind(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Give the call an interpreter of its own, planned once; unless the weights are large."""
        if self.most_kept == 1 or self.record.buckets:
            return super().bind(feeds, outputs)
        planned = self.lend()
        planned.plan(self._batch(feeds))
        taken = [(planned.inputs[name], array) for name, array in feeds.items()]
        given = [(array, planned.outputs[name]) for name, array in outputs.items()]

        def call() -> None:
            for target, source in taken:
                np.copyto(target, source)
            planned.invoke()
            for target, source in given:
                np.copyto(target, source)

        return call

    def _batch(self, feeds: Mapping[str, Array]) -> int:
        return next(len(feeds[t.name]) for t in self.record.inputs if "n" in t.shape)

    def lend(self) -> Planned:
        """Return an interpreter that is the caller's from now on."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Planned(self.record, self._make())

    @contextmanager
    def _one_for(self, batch: int) -> Iterator[Planned]:
        """Yield an interpreter that is nobody else's, if it can be one planned for `batch`."""
        with self._lock:
            planned = self._take(batch)
            self._busy += 1
            # As many as have been needed at once are kept.
            self._most = max(self._most, self._busy)
        try:
            planned = planned or Planned(self.record, self._make())
            yield planned
        except BaseException:
            planned = None  # it is in no known state
            raise
        finally:
            with self._lock:
                self._busy -= 1
                if planned is not None:
                    self._idle.append(planned)
                    del self._idle[: -self._most]

    def _take(self, batch: int) -> Planned | None:
        """Take an idle interpreter: the fitting one, or the one longest idle if they are enough."""
        fitting = [planned for planned in self._idle if planned.batch in (batch, None)]
        enough = len(self._idle) + self._busy >= self._most
        if not fitting and not (enough and self._idle):
            return None
        planned = fitting[-1] if fitting else self._idle[0]
        self._idle.remove(planned)
        return planned


def require() -> None:
    """Do nothing if LiteRT can be used here.

    Raises:
        RuntimeUnavailableError: Neither package is installed, new enough and fit for this numpy.
    """
    interpreter_module()


def packages() -> tuple[str, ...]:
    """Return the packages that run engines here."""
    return (interpreter_module()[0],)


def version() -> str:
    """Return name and version of the runtime."""
    package, _ = interpreter_module()
    return f"{package}-{metadata.version(package)}"


def load(
    record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
) -> TfliteEngine:
    """Return an engine from a flatbuffer's bytes.

    Args:
        record: What the manifest says of it.
        data: The ``.tflite`` file's content, already checked.
        provider: One of `PROVIDERS`, ``None`` = cpu.
        threads: Within an operator, ``None`` = all cores.

    Raises:
        InputError: Unknown provider.
        BundleError: The runtime refuses the file.
    """
    package, module = interpreter_module()
    if provider is not None and provider not in PROVIDERS:
        raise InputError(
            "unknown provider", got=repr(provider), expected=f"one of {', '.join(PROVIDERS)}"
        )
    count = threads or cores()

    def make() -> Any:
        interpreter = module.Interpreter(model_content=data, num_threads=count)
        if package == "tflite-runtime":
            _refuse_int8_on_floats(interpreter, record)
        interpreter.allocate_tensors()
        return interpreter

    try:
        return TfliteEngine(record, make)
    except CalexnetError:
        raise
    except (ValueError, RuntimeError) as problem:
        raise BundleError(
            f"{package} {metadata.version(package)} refuses {record.file.path}",
            got=" ".join(str(problem).split()),
            fix=f"Update {package}, or export the bundle again",
        ) from problem


def signature(data: bytes) -> Signature:
    """Return the inputs and outputs of any TFLite file.

    Raises:
        ValueError: The runtime refuses the file.
        RuntimeError: Likewise.
    """
    _, module = interpreter_module()
    interpreter = module.Interpreter(model_content=data)
    return Signature(
        _named(interpreter.get_input_details(), named_inputs(interpreter)),
        _named(interpreter.get_output_details(), named_outputs(interpreter)),
    )


def _named(details: Sequence[Any], indices: Mapping[str, int]) -> tuple[TensorRecord, ...]:
    names = {index: name for name, index in indices.items()}
    return tuple(
        _tensor(detail, names[detail["index"]]) for detail in details if detail["index"] in names
    )


def _tensor(detail: Any, name: str) -> TensorRecord:
    shape = tuple("?" if dim < 0 else int(dim) for dim in detail["shape_signature"])
    scale, zero_point = detail["quantization"]
    quantisation = (float(scale), int(zero_point)) if scale else ()
    return TensorRecord(name, np.dtype(detail["dtype"]).name, shape, *quantisation)


def _refuse_int8_on_floats(interpreter: Any, record: GraphRecord) -> None:
    """Do nothing unless the old runtime would compute wrong numbers, and say nothing.

    It multiplies float activations with int8 weights wrongly in a linear layer; every exit then
    looks sure.

    Raises:
        BundleError: There is such a layer.
    """
    types = {d["index"]: np.dtype(d["dtype"]).name for d in interpreter.get_tensor_details()}
    for operator in interpreter._get_ops_details():
        given = [types[index] for index in operator["inputs"][:2]]
        if operator["op_name"] == "FULLY_CONNECTED" and given == ["float32", "int8"]:
            raise BundleError(
                f"tflite-runtime computes {record.file.path} wrongly",
                got="a linear layer with int8 weights on float activations",
                expected="both int8, or both float",
                fix="Run: pip install 'calexnet[tflite]' for LiteRT",
            )


def interpreter_module() -> tuple[str, Any]:
    """Return the package that runs engines here, and its module."""
    problems, fix = [], "Run: pip install 'calexnet[tflite]'"
    for package, (name, oldest) in PACKAGES.items():
        try:
            module = import_module(name)
        except ImportError as missing:
            problems.append(str(missing))
            continue
        problem = problem_with(package, oldest)
        if not problem:
            return package, module
        problems.append(problem)
        if _numpy_problem(package):
            fix += f"; or pip install 'numpy<2' for {package}"
    raise RuntimeUnavailableError("LiteRT cannot be used here", got="; ".join(problems), fix=fix)


def problem_with(package: str, oldest: tuple[int, int]) -> str:
    """Return why an installed package cannot be used, or nothing."""
    version = metadata.version(package)
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        return f"{package} {version}, older than {oldest[0]}.{oldest[1]}"
    return _numpy_problem(package)


def _numpy_problem(package: str) -> str:
    """Return what is wrong with the old package beside numpy 2: it crashes on the first model."""
    numpy = metadata.version("numpy")
    if package != "tflite-runtime" or int(numpy.split(".")[0]) < 2:
        return ""
    return f"{package} {metadata.version(package)} with numpy {numpy}, which needs numpy below 2"
