"""Time by the GPU's own clock: events in its stream, from images copied in to answers out."""

from __future__ import annotations

from calexnet.bench.measuring.timing import Call, Stopwatch
from calexnet.errors import MeasurementError
from calexnet.runtimes.tensorrt import gpu_memory


class GpuClock(Stopwatch):
    """What passes on the GPU between a call's first byte in and its last answer out.

    Waits for the host between segments count: whoever leaves early is paid for with them. What the
    host does before and after does not.

    Raises:
        RuntimeUnavailableError: There is no GPU.
    """

    name = "gpu"

    def __init__(self) -> None:
        self._cuda = gpu_memory()

    def seconds(self, call: Call) -> float:
        """Make the call and return how long the GPU had it.

        Raises:
            MeasurementError: The call had nothing for the GPU.
        """
        ms = self._cuda.span_ms(call)
        if ms is None:
            raise MeasurementError(
                "a call cannot be timed by the GPU's clock",
                got="a network that runs on the processor",
                fix="Use --clock gpu with --target tensorrt and without --rival, or leave it out",
            )
        return ms / 1e3
