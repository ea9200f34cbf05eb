"""Any classifier as it comes, in a plain ``.onnx`` or ``.tflite`` file.

What it takes and gives is worked out from the file, and one blank batch is run to be sure; what
does not fit is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.files import onnxgraph
from calexnet.files.storage import sha256
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import FileRecord, GraphRecord, TensorRecord
from calexnet.runtimes.engines.base import Array, Engine, Signature
from calexnet.runtimes.loading import runtime
from calexnet.runtimes.result import Result

#: How a file's name ends -> the target that runs it.
TARGETS = {".onnx": "onnxruntime", ".tflite": "tflite"}

_FLOATS = ("float32", "float16")
_QUANTISED = ("uint8", "int8")
_LABELS = ("int32", "int64")


@dataclass(frozen=True)
class Intake:
    """How images become a file's one input.

    Attributes:
        tensor: The input, its dimensions those of the images.
        preprocessing: What the images are like, and how they are normalised.
        channels_first: ``(n, C, H, W)``, else ``(n, H, W, C)``.
        raw: It takes the bytes of an image; else the normalised numbers.
    """

    tensor: TensorRecord
    preprocessing: Preprocessing
    channels_first: bool
    raw: bool

    def __call__(self, images: Array) -> Array:
        """Return the input for `images`, which are as the preprocessing says; C-contiguous."""
        given = self.preprocessing.input
        if self.raw:
            array: Array = images if given == "uint8" else self.preprocessing.restore(images)
            array = array.transpose(0, 3, 1, 2) if self.channels_first else array
        else:
            array = self.preprocessing.normalise(images) if given == "uint8" else images
            array = self._stored(array if self.channels_first else array.transpose(0, 2, 3, 1))
        return np.ascontiguousarray(array)

    def _stored(self, numbers: Array) -> Array:
        """Return normalised numbers in the dtype of the input, quantised if that is."""
        dtype, scale = np.dtype(self.tensor.dtype), self.tensor.scale
        if scale is None:
            return numbers.astype(dtype, copy=False)
        limits = np.iinfo(dtype)
        steps = np.rint(numbers / np.float32(scale)) + (self.tensor.zero_point or 0)
        return steps.clip(limits.min, limits.max).astype(dtype)


@dataclass(frozen=True)
class Reading:
    """How a file's output is read as labels.

    Attributes:
        tensor: The output: one number a class, or one label an image.
        labels: It gives labels.
    """

    tensor: TensorRecord
    labels: bool

    def __call__(self, values: Array) -> Result:
        """Return the label of every image, with the number that won: NaN where none is given."""
        if self.labels:
            labels = values.reshape(-1).astype(np.int32)
            scores = np.full(len(labels), np.nan, np.float32)
        else:
            table = values.reshape(len(values), -1)
            labels = table.argmax(1).astype(np.int32)
            scores = table.max(1).astype(np.float32)
            if self.tensor.scale is not None:
                scores = (scores - (self.tensor.zero_point or 0)) * np.float32(self.tensor.scale)
        return Result(labels, scores, np.ones(len(labels), np.int32))


class Classifier:
    """A file that answers images with labels; for one thread.

    Attributes:
        engine: What runs it.
        intake: How images become its input.
        reading: How its output is read as labels.
        batch: The one batch size that it takes, ``None`` = any.
    """

    def __init__(self, engine: Engine, intake: Intake, reading: Reading, batch: int | None) -> None:
        self.engine, self.intake, self.reading, self.batch = engine, intake, reading, batch
        self._feed, self._output = intake.tensor.name, reading.tensor.name
        self._bound: dict[int, tuple[Callable[[], None], Array, Array]] = {}

    def __call__(self, images: Array) -> Result:
        """Return labels and the numbers that won, for a batch of a size that it takes.

        All that it takes to answer is in this call: bringing the images into the file's form, too.

        Args:
            images: As the preprocessing that it was opened with says.

        Raises:
            InputError: Another type or shape, or a batch that it does not take.
            EngineError: The runtime failed.
        """
        images = self.intake.preprocessing.check(images)
        if self.batch not in (None, len(images)):
            raise InputError(
                f"{self.engine.record.name} takes another batch",
                got=len(images),
                expected=f"{self.batch}, which its graph is made for",
            )
        feed = self.intake(images)
        call, source, answer = self._bound.get(len(images)) or self._bind(feed)
        np.copyto(source, feed)
        try:
            call()
        except Exception as problem:  # each runtime has its own kinds
            raise self.engine.failure(problem, {self._feed: source.shape}) from problem
        return self.reading(answer)

    def _bind(self, feed: Array) -> tuple[Callable[[], None], Array, Array]:
        """Bind the engine to arrays once for a batch size, as the runner does."""
        (values,) = self.engine.run({self._feed: feed}, (self._output,))
        source, answer = np.empty_like(feed), np.empty_like(values)
        call = self.engine.bind({self._feed: source}, {self._output: answer})
        self._bound[len(feed)] = call, source, answer
        return self._bound[len(feed)]


def open_classifier(
    path: Path, preprocessing: Preprocessing, classes: int, threads: int | None = None
) -> Classifier:
    """Return the classifier in the file `path`.

    It has one input of images: ``(n, H, W, C)`` or ``(n, C, H, W)`` of the size of `preprocessing`.
    An unquantised uint8 input takes raw bytes; so does a quantised one whose numbers stand for
    0..255 or 0..1. Any other takes normalised numbers, float32, float16 or quantised. The first
    output of one integer an image gives labels, else the first of one number a class gives them by
    the largest.

    Args:
        path: Ends in one of `TARGETS`.
        preprocessing: What the images are like, and how they are normalised.
        classes: How many there are to tell apart.
        threads: Within an operator, ``None`` = all cores.

    Raises:
        InputError: There is no such file, or its input or output cannot be worked out or fitted.
        RuntimeUnavailableError: Its runtime is not installed.
    """
    data = _read(path)
    target = TARGETS[path.suffix.lower()]
    runs = runtime(target)
    runs.require()
    with _explained(path, target):
        if target == "onnxruntime":
            onnxgraph.seen(data, domains=None)  # weights in other files: of which folder?
        found = runs.signature(data)
    intake = _intake(path, found, preprocessing, channels_first=target == "onnxruntime")
    record = _record(path, data, found, intake)
    with _explained(path, target):
        engine = runs.load(record, data, provider=None, threads=threads)
    first = found.inputs[0].shape[0]
    batch = first if isinstance(first, int) else None
    return Classifier(engine, intake, _reading(path, engine, intake, batch or 1, classes), batch)


@contextmanager
def _explained(path: Path, target: str) -> Iterator[None]:
    """Turn a runtime's refusal of a file into one message."""
    try:
        yield
    except Exception as problem:  # each runtime has its own kinds
        raise InputError(
            f"{target} refuses {path}",
            got=" ".join(str(problem.__cause__ or problem).split()),
            expected="one file with all its weights, in operators that the runtime has",
        ) from problem


def _read(path: Path) -> bytes:
    if path.suffix.lower() not in TARGETS:
        raise InputError(
            f"{path} is no classifier that can be run here",
            got=f"a file that ends in {path.suffix!r}" if path.suffix else "no ending",
            expected=f"a file that ends in {' or '.join(TARGETS)}",
            fix="Export the network first, for example with torch.onnx.export",
        )
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(f"cannot read {path}", got=problem.strerror) from problem


def _record(path: Path, data: bytes, found: Signature, intake: Intake) -> GraphRecord:
    file = FileRecord(str(path), sha256(data), len(data))
    return GraphRecord(path.name, file, (intake.tensor,), found.outputs, None)


def _intake(
    path: Path, found: Signature, preprocessing: Preprocessing, *, channels_first: bool
) -> Intake:
    """Return how images get in; `channels_first` is what is tried first."""
    if len(found.inputs) != 1:
        raise InputError(
            f"{path} does not take images alone",
            got=f"{len(found.inputs)} inputs: {', '.join(map(_described, found.inputs))}",
            expected="one input",
        )
    (tensor,) = found.inputs
    for first in (channels_first, not channels_first):
        shape = _image_shape(preprocessing, channels_first=first)
        if _fits(tensor.shape, shape):
            tensor = replace(tensor, shape=("n", *shape))
            return Intake(tensor, preprocessing, first, _takes_bytes(path, tensor))
    last_first = [_image_shape(preprocessing, channels_first=first) for first in (False, True)]
    raise InputError(
        f"the input of {path} does not fit the images",
        got=_described(tensor),
        expected=" or ".join(f"(n, {', '.join(map(str, shape))})" for shape in last_first),
        fix="Export it for images of this size: nothing is resized here, for that would cost time "
        "that is not its own",
    )


def _image_shape(preprocessing: Preprocessing, *, channels_first: bool) -> tuple[int, ...]:
    height, width, channels = preprocessing.image_shape
    return (channels, height, width) if channels_first else (height, width, channels)


def _fits(shape: Sequence[int | str], image: Sequence[int]) -> bool:
    """Return whether an input of this shape takes such images; an open dimension takes any."""
    return len(shape) == 4 and all(
        isinstance(dim, str) or dim == size for dim, size in zip(shape[1:], image, strict=True)
    )


def _takes_bytes(path: Path, tensor: TensorRecord) -> bool:
    """Return whether an input takes raw bytes, rather than normalised numbers."""
    if tensor.dtype in _FLOATS:
        return False
    if tensor.dtype == "uint8" and tensor.scale is None:
        return True
    if tensor.dtype in _QUANTISED and tensor.scale is not None:
        stands_for = np.array([-(tensor.zero_point or 0), 255 - (tensor.zero_point or 0)])
        ends = stands_for * tensor.scale
        return tensor.dtype == "uint8" and any(
            np.allclose(ends, (0.0, most), rtol=1e-2, atol=1e-6) for most in (1.0, 255.0)
        )
    raise InputError(
        f"{path} takes numbers of another kind",
        got=_described(tensor),
        expected=f"uint8, {', '.join(_FLOATS)}, or quantised {' or '.join(_QUANTISED)}",
    )


def _reading(path: Path, engine: Engine, intake: Intake, batch: int, classes: int) -> Reading:
    """Return how labels come out, after one blank batch."""
    outputs = engine.record.outputs
    given = intake.preprocessing
    blank = np.zeros((batch, *given.batch_shape()), given.dtype)
    values = engine.run({intake.tensor.name: intake(blank)}, [t.name for t in outputs])
    seen = list(zip(outputs, values, strict=True))
    for tensor, value in seen:
        if value.dtype.name in _LABELS and value.size == batch:
            return Reading(tensor, labels=True)
    for tensor, value in seen:
        if _is_table(value, tensor) and value.shape[:1] == (batch,) and value[0].size == classes:
            return Reading(tensor, labels=False)
    raise InputError(
        f"no output of {path} gives labels",
        got=", ".join(f"{t.name}: {v.dtype} {v.shape}" for t, v in seen),
        expected=f"({batch}, {classes}) numbers, one a class, or ({batch},) int32 or int64 labels",
        fix="Export it with the same classes in the same order",
    )


def _is_table(value: NDArray[Any], tensor: TensorRecord) -> bool:
    name = value.dtype.name
    return name in (*_FLOATS, "float64") or (name in _QUANTISED and tensor.scale is not None)


def _described(tensor: TensorRecord) -> str:
    return f"{tensor.dtype} ({', '.join(map(str, tensor.shape))})"
