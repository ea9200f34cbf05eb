"""A GPU that is not there: TensorRT and CUDA's memory, computed by ONNX Runtime in the host's.

`Cuda` stands for the module `cuda.bindings.runtime` and `module()` for the module `tensorrt`; a
test compares their names and arguments with the real ones. What a stream is given is done when it
is waited for and not before, fresh memory holds garbage, and every address is checked. So a copy in
the wrong place or at the wrong time shows in the answers.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

GARBAGE = 0xCD
#: What is said of bytes that are no engine.
REFUSAL = "Magic tag does not match"


class Status(enum.IntEnum):
    """Of ``cudaError_t``, what the stand-in answers."""

    SUCCESS = 0
    INVALID_VALUE = 1
    MEMORY_ALLOCATION = 2
    INSUFFICIENT_DRIVER = 35


class Kind(enum.IntEnum):
    """``cudaMemcpyKind``."""

    cudaMemcpyHostToDevice = 1  # noqa: N815
    cudaMemcpyDeviceToHost = 2  # noqa: N815
    cudaMemcpyDeviceToDevice = 3  # noqa: N815


class Cuda:
    """Memory, streams and events; the methods are those of ``cuda.bindings.runtime``.

    Args:
        room: Bytes of memory.
        driver: Whether there is one.
        late: Whether it reads the host's memory only when it comes to a copy.

    Attributes:
        said: Every call that moves, computes or waits, in the order in which it was made.
        memory: Address -> what is allocated there.
    """

    cudaMemcpyKind = Kind  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815

    def __init__(self, room: int = 2**28, driver: bool = True, late: bool = False) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.memory: dict[int, NDArray[np.uint8]] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self._room, self._driver, self._late = room, driver, late
        self._clock_ms = 0.0
        self._handles = count(1000)
        self.events = 0

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:  # noqa: N802
        return (Status.SUCCESS, 1) if self._driver else (Status.INSUFFICIENT_DRIVER, None)

    def cudaGetErrorString(self, error: Status) -> tuple[Any, ...]:  # noqa: N802
        return Status.SUCCESS, error.name.lower().replace("_", " ").encode()

    def cudaMemGetInfo(self) -> tuple[Any, ...]:  # noqa: N802
        return Status.SUCCESS, self._room - self.used, self._room

    @property
    def used(self) -> int:
        return sum(len(block) for block in list(self.memory.values()))

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:  # noqa: N802
        if self.used + size > self._room:
            return Status.MEMORY_ALLOCATION, None
        block = np.full(size + 256, GARBAGE, np.uint8)
        block = block[-block.ctypes.data % 256 :][:size]
        self.memory[block.ctypes.data] = block
        return Status.SUCCESS, block.ctypes.data

    def cudaFree(self, devPtr: int) -> tuple[Any, ...]:  # noqa: N802, N803
        del self.memory[devPtr]
        return (Status.SUCCESS,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:  # noqa: N802
        assert flags == self.cudaStreamNonBlocking
        handle = next(self._handles)
        self.streams[handle] = []
        return Status.SUCCESS, handle

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:  # noqa: N802
        self.streams[stream].clear()
        return (Status.SUCCESS,)

    def cudaMemcpyAsync(  # noqa: N802
        self, dst: int, src: int, count: int, kind: Kind, stream: int
    ) -> tuple[Any, ...]:
        self.said.append((kind.name.removeprefix("cudaMemcpy"), count, stream))
        if kind is Kind.cudaMemcpyHostToDevice:
            # The host's array may change at once.
            held = src if self._late else ctypes.string_at(src, count)
            self.check(dst, count)
            self.streams[stream].append(lambda: _move(dst, held, count))
        elif kind is Kind.cudaMemcpyDeviceToHost:
            self.check(src, count)
            self.streams[stream].append(lambda: _move(dst, src, count))
        else:
            self.check(src, count)
            self.check(dst, count)
            assert abs(dst - src) >= count, "source and target overlap"
            self.streams[stream].append(lambda: _move(dst, src, count))
        return (Status.SUCCESS,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:  # noqa: N802
        self.said.append(("wait", stream))
        work = self.streams[stream]
        while work:
            work.pop(0)()
        return (Status.SUCCESS,)

    def cudaEventCreate(self) -> tuple[Any, ...]:  # noqa: N802
        self.events += 1
        return Status.SUCCESS, {}

    def cudaEventDestroy(self, event: dict[str, float]) -> tuple[Any, ...]:  # noqa: N802
        self.events -= 1
        return (Status.SUCCESS,)

    def cudaEventRecord(self, event: dict[str, float], stream: int) -> tuple[Any, ...]:  # noqa: N802
        self.streams[stream].append(lambda: event.update(ms=self._clock_ms))
        return (Status.SUCCESS,)

    def cudaEventElapsedTime(  # noqa: N802
        self, start: dict[str, float], end: dict[str, float]
    ) -> tuple[Any, ...]:
        return Status.SUCCESS, end["ms"] - start["ms"]

    def check(self, address: int, size: int) -> None:
        """Check that `size` bytes at `address` are allocated."""
        for start, block in list(self.memory.items()):  # threads allocate meanwhile
            if start <= address < start + len(block):
                assert address + size <= start + len(block), "a copy over the end of a buffer"
                return
        raise AssertionError("an address that nobody allocated")

    def spend(self, ms: float) -> None:
        """Let time pass on the GPU."""
        self._clock_ms += ms


def _move(target: int, source: int | bytes, size: int) -> None:
    ctypes.memmove(target, source, size)


class ILogger:
    """What TensorRT's loggers are made of."""

    class Severity(enum.IntEnum):
        """How bad it is."""

        ERROR = 1
        WARNING = 2
        INFO = 3

    def log(self, severity: Severity, message: str) -> None:
        """Say nothing."""


class ITensor:
    """An input or output."""

    def __init__(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.name, self.dtype, self.shape = name, dtype, shape


def _tensors(values: Any) -> list[ITensor]:
    return [
        ITensor(
            value.name,
            onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type),
            tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim),
        )
        for value in values
    ]


class INetworkDefinition:
    """A network that is an ONNX file."""

    data: bytes
    inputs: list[ITensor]
    outputs: list[ITensor]

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_input(self, index: int) -> ITensor:
        return self.inputs[index]

    def get_output(self, index: int) -> ITensor:
        return self.outputs[index]


class OnnxParser:
    """Takes every ONNX file."""

    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        self._network = network

    def parse(self, model: bytes) -> bool:
        graph = onnx.load_from_string(model).graph
        self._network.data = model
        self._network.inputs, self._network.outputs = _tensors(graph.input), _tensors(graph.output)
        return True


class IOptimizationProfile:
    """Shapes by name: smallest, best, largest."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Any, Any, Any]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self.shapes[input] = (min, opt, max)


class ITimingCache:
    """Holds nothing."""

    def serialize(self) -> bytes:
        return b"timings"


class IBuilderConfig:
    """Keeps the profile."""

    profile: IOptimizationProfile

    def clear_flag(self, flag: str) -> None:
        assert flag == "TF32"

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache()

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        return not ignore_mismatch

    def get_timing_cache(self) -> ITimingCache:
        return ITimingCache()

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.profile = profile
        return 0


class Builder:
    """Writes an engine: the largest batch, and the ONNX file."""

    def __init__(self, logger: Any) -> None:
        assert isinstance(logger, ILogger)

    def create_network(self, flags: int) -> INetworkDefinition:
        assert flags == 1 << BuilderNames.STRONGLY_TYPED
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> bytes | None:
        largest = max(shapes[2][0] for shapes in config.profile.shapes.values())
        plan: bytes = largest.to_bytes(4, "little") + network.data
        return plan


class BuilderNames:
    """The flags that are named."""

    TF32 = "TF32"
    STRONGLY_TYPED = 1


class IExecutionContext:
    """Runs an engine when its stream comes to it."""

    def __init__(self, engine: ICudaEngine, cuda: Cuda) -> None:
        self._engine, self._cuda = engine, cuda
        self._shapes: dict[str, tuple[int, ...]] = {
            t.name: t.shape for t in engine.inputs if -1 not in t.shape
        }
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return 1 <= shape[0] <= self._engine.largest

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return memory % 256 == 0

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine, cuda = self._engine, self._cuda
        if self._addresses.keys() != {t.name for t in (*engine.inputs, *engine.outputs)}:
            return False
        (rows,) = {s[0] for n, s in self._shapes.items() if n in engine.batched}
        cuda.said.append(("run", engine.name, rows, stream_handle))
        addresses, shapes = dict(self._addresses), dict(self._shapes)
        for tensor in engine.outputs:
            cuda.check(addresses[tensor.name], _bytes(tensor, rows))
        cuda.streams[stream_handle].append(lambda: engine.compute(addresses, shapes, cuda))
        return True


def _bytes(tensor: ITensor, rows: int) -> int:
    shape = [rows if size == -1 else size for size in tensor.shape]
    return int(np.prod(shape)) * tensor.dtype.itemsize


class ICudaEngine:
    """An ONNX Runtime session with the names of an engine."""

    def __init__(self, data: bytes, cuda: Cuda) -> None:
        model = onnx.load_from_string(data[4:])
        self.largest = int.from_bytes(data[:4], "little")
        self.name = model.graph.name
        self.inputs, self.outputs = _tensors(model.graph.input), _tensors(model.graph.output)
        self.batched = {t.name for t in self.inputs if -1 in t.shape}
        self._cuda = cuda
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            data[4:], options, providers=["CPUExecutionProvider"]
        )

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index].name

    def get_tensor_dtype(self, name: str) -> np.dtype[Any]:
        return next(t.dtype for t in (*self.inputs, *self.outputs) if t.name == name)

    def create_execution_context(self) -> IExecutionContext | None:
        return IExecutionContext(self, self._cuda)

    def compute(self, addresses: dict[str, int], shapes: dict[str, Any], cuda: Cuda) -> None:
        feeds = {}
        for tensor in self.inputs:
            shape, address = shapes[tensor.name], addresses[tensor.name]
            size = int(np.prod(shape)) * tensor.dtype.itemsize
            cuda.check(address, size)
            raw = ctypes.string_at(address, size)
            feeds[tensor.name] = np.frombuffer(raw, tensor.dtype).reshape(shape)
        names = [tensor.name for tensor in self.outputs]
        for name, array in zip(names, self._session.run(names, feeds), strict=True):
            ctypes.memmove(addresses[name], np.ascontiguousarray(array).ctypes.data, array.nbytes)
        cuda.spend(1.0)


def module(cuda: Cuda, version: str = "10.3.0") -> ModuleType:
    """Return a module like `tensorrt`, whose engines compute on `cuda`."""

    class Runtime:
        """Opens what `Builder` wrote."""

        def __init__(self, logger: Any) -> None:
            assert isinstance(logger, ILogger)
            self._log = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            if len(serialized_engine) < 8:
                self._log.log(ILogger.Severity.ERROR, REFUSAL)
                return None
            return ICudaEngine(serialized_engine, cuda)

    found = ModuleType("tensorrt")
    vars(found).update(
        __version__=version,
        ILogger=ILogger,
        Builder=Builder,
        OnnxParser=OnnxParser,
        Runtime=Runtime,
        BuilderFlag=BuilderNames,
        NetworkDefinitionCreationFlag=BuilderNames,
        IBuilderConfig=IBuilderConfig,
        ICudaEngine=ICudaEngine,
        IExecutionContext=IExecutionContext,
        INetworkDefinition=INetworkDefinition,
        ITimingCache=ITimingCache,
        IOptimizationProfile=IOptimizationProfile,
        nptype=lambda dtype: dtype,
    )
    return found
