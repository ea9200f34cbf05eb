"""Memory of the GPU, streams and events, through the runtime bindings of ``cuda-python``.

Every call is checked, and every address is a plain number, as TensorRT takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any
from weakref import finalize

from calexnet.errors import EngineError
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.tensorrt.cuda_driver import NoGpuError

#: ``cudaErrorMemoryAllocation`` of ``driver_types.h``.
_OUT_OF_MEMORY = 2


class Buffer:
    """Memory on the GPU, freed when nobody holds this any more.

    Attributes:
        address: Where it begins; aligned to 256 bytes, as TensorRT wants it.
        size: Bytes.
    """

    def __init__(self, cuda: Cuda, size: int) -> None:
        self.size = size
        self.address = cuda.allocate(size)
        finalize(self, cuda.free, self.address)


class Stream:
    """Work that the GPU does in the order in which it is given.

    Attributes:
        handle: What TensorRT and CUDA call it by.
    """

    def __init__(self, cuda: Cuda) -> None:
        self.handle = cuda.make_stream()
        finalize(self, cuda.end_stream, self.handle)


class Cuda:
    """The calls that a lane makes, on the GPU that CUDA calls 0.

    Each raises an `EngineError` with CUDA's own words if CUDA answers with an error.

    Args:
        api: The module `cuda.bindings.runtime`, or one like it.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._kinds = api.cudaMemcpyKind
        self._marks: list[Any] | None = None

    def devices(self) -> int:
        """Return how many GPUs there are.

        Raises:
            NoGpuError: None, no driver, or one too old for the bindings; in CUDA's own words.
        """
        status, count = self._api.cudaGetDeviceCount()
        if int(status) != 0:
            raise NoGpuError(f"cudaGetDeviceCount fails with {self._words(status)}")
        return int(count)

    def allocate(self, size: int) -> int:
        """Return the address of new memory of `size` bytes.

        Raises:
            EngineError: There is not enough.
        """
        status, address = self._api.cudaMalloc(size)
        if int(status) == _OUT_OF_MEMORY:
            free, total = self._call("cudaMemGetInfo")
            raise EngineError(
                "the GPU's memory is exhausted",
                got=f"{free / 2**20:.0f} of {total / 2**20:.0f} MiB free",
                expected=f"{size / 2**20:.1f} MiB more for one tensor",
                fix="Build for smaller batches (calexnet-export BUNDLE --target tensorrt --batch "
                "1,8), run fewer threads at once, or end other programs on the GPU",
            )
        self._check("cudaMalloc", status)
        return int(address)

    def free(self, address: int) -> None:
        """Give memory back; an error is of no use to anybody then."""
        self._api.cudaFree(address)

    def make_stream(self) -> int:
        """Return the handle of a new stream, which waits for no other."""
        return int(self._call("cudaStreamCreateWithFlags", self._api.cudaStreamNonBlocking))

    def end_stream(self, handle: int) -> None:
        """Give a stream back; an error is of no use to anybody then."""
        self._api.cudaStreamDestroy(handle)

    def copy_in(self, address: int, array: Array, stream: Stream) -> None:
        """Copy a contiguous array to the GPU; it may be changed as soon as this returns."""
        self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice", stream)

    def copy_out(self, array: Array, address: int, stream: Stream) -> None:
        """Fill a contiguous array from the GPU; it is filled once the stream is waited for."""
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost", stream)

    def copy_within(self, target: int, source: int, size: int, stream: Stream) -> None:
        """Copy `size` bytes from one place on the GPU to another; they may not overlap."""
        self._copy(target, source, size, "cudaMemcpyDeviceToDevice", stream)

    def wait(self, stream: Stream) -> None:
        """Wait until all that the stream was given is done."""
        self._call("cudaStreamSynchronize", stream.handle)

    def mark(self, stream: Stream) -> None:
        """Let the GPU note the time when it comes to this place of the stream, if anybody asks."""
        if self._marks is not None:
            event = self._call("cudaEventCreate")
            self._call("cudaEventRecord", event, stream.handle)
            self._marks.append(event)

    def span_ms(self, call: Callable[[], object]) -> float | None:
        """Make a call that waits for the GPU; return the ms between its first and last `mark`.

        By the GPU's own clock; ``None`` if the call had nothing for the GPU. For one thread at a
        time.
        """
        marks: list[Any] = []
        self._marks = marks
        try:
            call()
            if not marks:
                return None
            return float(self._call("cudaEventElapsedTime", marks[0], marks[-1]))
        finally:
            self._marks = None
            for event in marks:
                self._call("cudaEventDestroy", event)

    def _copy(self, target: int, source: int, size: int, kind: str, stream: Stream) -> None:
        self._call(
            "cudaMemcpyAsync", target, source, size, getattr(self._kinds, kind), stream.handle
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        """Return what a call gives: nothing, a value, or several."""
        status, *values = getattr(self._api, name)(*arguments)
        self._check(name, status)
        return values[0] if len(values) == 1 else tuple(values)

    def _check(self, name: str, status: Any) -> None:
        if int(status) != 0:
            raise EngineError(
                f"{name} fails",
                got=self._words(status),
                fix="Start the program again: after some errors CUDA refuses every call",
            )

    def _words(self, status: Any) -> str:
        return f"CUDA error {int(status)}, {self._api.cudaGetErrorString(status)[1].decode()}"


def open_cuda() -> Cuda:
    """Return the calls for this machine's GPU.

    Raises:
        ImportError: The bindings are not installed.
        NoGpuError: They find no GPU, or a driver that is too old for them.
    """
    cuda = Cuda(import_module("cuda.bindings.runtime"))
    cuda.devices()
    return cuda
