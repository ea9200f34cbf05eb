"""An engine in the GPU's memory, and contexts, each of which runs it for one thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calexnet.errors import EngineError
from calexnet.manifest import GraphRecord
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.tensorrt.cuda import Buffer, Cuda, Stream


class TensorRtError(Exception):
    """A call that TensorRT answered with no; the message has its log."""


class Context:
    """One way to run an engine; for one thread.

    Args:
        record: What the manifest says of the engine.
        context: An ``IExecutionContext``.
        log: TensorRT's.
    """

    def __init__(self, record: GraphRecord, context: Any, log: Any) -> None:
        self._record, self._context, self._log = record, context, log

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: Stream) -> None:
        """Give the stream one run of the engine.

        Args:
            rows: The batch size.
            addresses: Of every input and output on the GPU, with room for `rows`.
            stream: Of the GPU.

        Raises:
            TensorRtError: TensorRT refused.
        """
        context, since = self._context, self._log.mark()
        for tensor in self._record.inputs:
            if tensor.has_batch:
                self._agreed(context.set_input_shape(tensor.name, tensor.shape_for(rows)), since)
        for name, address in addresses.items():
            self._agreed(context.set_tensor_address(name, address), since)
        self._agreed(context.execute_async_v3(stream.handle), since)

    def _agreed(self, answer: bool, since: int) -> None:
        if not answer:
            raise TensorRtError(self._log.text(since))


class TensorRtEngine(Engine):
    """One segment in the GPU's memory.

    Args:
        record: What the manifest says of it.
        engine: An ``ICudaEngine``.
        log: TensorRT's.
        cuda: The GPU's memory.

    Attributes:
        cuda: Likewise.
        most: The largest batch that it takes.
    """

    target = "tensorrt"
    provider = "cuda"

    def __init__(self, record: GraphRecord, engine: Any, log: Any, cuda: Cuda) -> None:
        super().__init__(record)
        self.cuda = cuda
        self.most = max(record.buckets or (1,))
        self._engine, self._log = engine, log
        self._lock = threading.Lock()
        self._rig: _Rig | None = None

    def context(self) -> Context:
        """Return one more way to run this engine.

        Raises:
            EngineError: TensorRT refused; most often there is no memory for it.
        """
        with self._lock:
            since = self._log.mark()
            context = self._engine.create_execution_context()
        if context is None:
            raise EngineError(
                f"TensorRT makes no context for {self.record.name}",
                got=self._log.text(since),
                fix="If memory is short: build for smaller batches, or run fewer threads at once",
            )
        return Context(self.record, context, self._log)

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        rig = self._rig = self._rig or _Rig(self)
        return rig.run(feeds, outputs)


class _Rig:
    """An engine between arrays on the host: memory for its tensors, a context, a stream."""

    def __init__(self, engine: TensorRtEngine) -> None:
        record = engine.record
        self._cuda, self._most = engine.cuda, engine.most
        self._context, self._stream = engine.context(), Stream(engine.cuda)
        self._tensors = {t.name: t for t in (*record.inputs, *record.outputs)}
        self._buffers = {
            name: Buffer(self._cuda, tensor.bytes_for(self._most))
            for name, tensor in self._tensors.items()
        }
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        batched = {name for name in feeds if self._tensors[name].has_batch}
        rows = len(feeds[next(iter(batched))])
        parts = []
        with self._lock:
            for first in range(0, rows, self._most):
                some = slice(first, first + self._most)
                part = {n: a[some] if n in batched else a for n, a in feeds.items()}
                parts.append(self._chunk(min(rows - first, self._most), part, outputs))
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    def _chunk(self, rows: int, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        self._cuda.mark(self._stream)
        for name, array in feeds.items():
            self._cuda.copy_in(self._buffers[name].address, array, self._stream)
        addresses = {name: buffer.address for name, buffer in self._buffers.items()}
        self._context.enqueue(rows, addresses, self._stream)
        answers = []
        for name in outputs:
            tensor = self._tensors[name]
            answers.append(np.empty(tensor.shape_for(rows), tensor.dtype))
            self._cuda.copy_out(answers[-1], addresses[name], self._stream)
        self._cuda.mark(self._stream)
        self._cuda.wait(self._stream)
        return answers
