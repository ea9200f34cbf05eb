"""Memory, streams and events: the real bindings take what they are given, the stand-in does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from calexnet.errors import EngineError
from calexnet.runtimes.tensorrt.cuda import Buffer, Cuda, Stream
from calexnet.runtimes.tensorrt.cuda_driver import NoGpuError, first_gpu
from tests.support import tensorrt_stand_in


@pytest.fixture
def api() -> tensorrt_stand_in.Cuda:
    return tensorrt_stand_in.Cuda()


def test_what_goes_in_comes_out_once_the_stream_is_waited_for(api: tensorrt_stand_in.Cuda) -> None:
    cuda = Cuda(api)
    stream, one, other = Stream(cuda), Buffer(cuda, 24), Buffer(cuda, 24)
    given, found = np.arange(6, dtype=np.int32), np.zeros(6, np.int32)

    cuda.copy_in(one.address, given, stream)
    given[:] = -1  # it may be changed at once
    cuda.copy_within(other.address + 4, one.address, 20, stream)
    cuda.copy_within(other.address, one.address + 20, 4, stream)
    cuda.copy_out(found, other.address, stream)
    assert [0] * 6 == found.tolist()
    cuda.wait(stream)

    assert [5, 0, 1, 2, 3, 4] == found.tolist()


def test_memory_goes_with_its_buffer(api: tensorrt_stand_in.Cuda) -> None:
    buffer = Buffer(Cuda(api), 24)
    assert 24 == api.used == buffer.size

    del buffer

    assert 0 == api.used


def test_the_gpus_own_clock_runs_from_the_first_mark_to_the_last(
    api: tensorrt_stand_in.Cuda,
) -> None:
    cuda = Cuda(api)
    stream = Stream(cuda)

    def call() -> None:
        for ms in (2.5, 1.0, 4.0):
            cuda.mark(stream)
            api.streams[stream.handle].append(partial(api.spend, ms))
        cuda.wait(stream)

    assert 3.5 == cuda.span_ms(call)
    assert 0 == api.events


def test_nothing_is_marked_when_nobody_asks(api: tensorrt_stand_in.Cuda) -> None:
    cuda = Cuda(api)
    stream = Stream(cuda)

    cuda.mark(stream)
    with pytest.raises(ZeroDivisionError):
        cuda.span_ms(lambda: 1 / 0)
    cuda.mark(stream)

    assert 0 == api.events
    assert [] == api.streams[stream.handle]


CALLS: list[Callable[[Cuda, Stream], object]] = [
    lambda cuda, _: cuda.allocate(256),
    lambda cuda, _: Stream(cuda),
    lambda cuda, stream: cuda.copy_in(4096, np.zeros(3, np.float32), stream),
    lambda cuda, stream: cuda.copy_out(np.zeros(3, np.float32), 4096, stream),
    lambda cuda, stream: cuda.copy_within(4096, 8192, 12, stream),
    lambda cuda, stream: cuda.wait(stream),
    lambda cuda, stream: cuda.span_ms(lambda: cuda.mark(stream)),
    lambda cuda, stream: cuda._call("cudaEventRecord", 0, stream.handle),
    lambda cuda, _: cuda._call("cudaEventElapsedTime", 0, 0),
    lambda cuda, _: cuda._call("cudaEventDestroy", 0),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_the_real_bindings_take_these_arguments_and_say_what_is_missing(
    call: Callable[[Cuda, Stream], object],
) -> None:
    """A wrong argument would be a TypeError. Only where calls can do nothing."""
    real = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    try:
        first_gpu()
    except NoGpuError:
        pass
    else:
        pytest.skip("there is a GPU, whose memory these addresses are not")
    stream = Stream.__new__(Stream)
    stream.handle = 0

    with pytest.raises(
        EngineError, match=r"^cuda\w+ fails: got CUDA error \d+, \w.*Start the prog"
    ):
        call(Cuda(real), stream)


def test_giving_back_complains_to_nobody() -> None:
    real = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")

    Cuda(real).free(0)
    Cuda(real).end_stream(0)
