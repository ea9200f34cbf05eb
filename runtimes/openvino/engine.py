"""One ONNX graph, compiled by OpenVINO."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from calexnet.manifest import GraphRecord
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.openvino.executed import Layer, layers_of


class OpenVinoEngine(Engine):
    """A compiled graph, and requests of which no two threads ever share one.

    Attributes:
        origin: Where the graph came from: the bundle, or a cache, and if not, why.
    """

    target = "openvino"

    def __init__(self, record: GraphRecord, compiled: Any, origin: str = "bundle") -> None:
        super().__init__(record)
        self.origin = origin
        self._compiled = compiled
        self._ports = {name: port for port in compiled.outputs for name in port.names}
        self._idle: deque[Any] = deque()  # both ends are safe to share between threads

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is executed, layer by layer, in which number formats."""
        return layers_of(self._compiled)

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        for name, array in feeds.items():
            request.set_tensor(name, _shared(array if array.flags.writeable else array.copy()))
        _infer(request)
        answers = [np.array(request.get_tensor(self._ports[name]).data) for name in outputs]
        self._idle.append(request)  # not after an error: nobody knows its state then
        return answers

    def bind(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind the arrays to a request of the call's own: a call then costs no copy."""
        request = self._compiled.create_infer_request()
        for name, array in feeds.items():
            request.set_tensor(name, _shared(array))
        for name, array in outputs.items():
            request.set_tensor(self._ports[name], _shared(array))

        def call() -> None:
            _infer(request)

        return call


def _shared(array: Array) -> Any:
    """Return OpenVINO's view of an array, which has to outlive it."""
    import openvino

    return openvino.Tensor(array, shared_memory=True)


def _infer(request: Any) -> None:
    """Run a request in this thread; its answers stay where they are."""
    request.infer(share_outputs=True)


def executed(engines: Iterable[Engine]) -> tuple[Layer, ...]:
    """Return what OpenVINO executes of all `engines`, which are of target openvino."""
    opened = (cast("OpenVinoEngine", engine.opened()) for engine in engines)
    return tuple(layer for engine in opened for layer in engine.layers)
