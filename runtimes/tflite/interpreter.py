"""One LiteRT interpreter, planned for one batch size, with its tensors as numpy sees them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from calexnet.manifest import GraphRecord
from calexnet.runtimes.engines.base import Array


class Planned:
    """An interpreter and the batch size that it is planned for. For one thread.

    Attributes:
        batch: Samples; ``None`` = not planned yet.
        inputs: The interpreter's own memory, by name: arrays to write before `invoke`. What they
            hold after it is not said.
        outputs: Likewise, to read after `invoke`. Both are good until the next `plan`.
        invoke: The runtime's own call.
    """

    def __init__(self, record: GraphRecord, interpreter: Any) -> None:
        self.batch: int | None = None
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self.invoke: Callable[[], None] = interpreter.invoke
        self._interpreter = interpreter
        self._input_index = named_inputs(interpreter)
        self._batched = {
            self._input_index[t.name]: tuple(t.shape[1:]) for t in record.inputs if "n" in t.shape
        }
        self._output_index = named_outputs(interpreter)

    def plan(self, batch: int) -> None:
        """Plan it for `batch`, which moves its memory; nothing is done if it is so already."""
        if batch != self.batch:
            self._plan(batch)

    def _plan(self, batch: int) -> None:
        self.batch = None
        for index, shape in self._batched.items():
            self._interpreter.resize_tensor_input(index, (batch, *shape), strict=True)
        self._interpreter.allocate_tensors()
        self.inputs = {name: self._view(index) for name, index in self._input_index.items()}
        self.outputs = {name: self._view(index) for name, index in self._output_index.items()}
        self.batch = batch

    def run(self, batch: int, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return the named outputs, as arrays of their own."""
        self.plan(batch)
        for name, array in feeds.items():
            self._interpreter.set_tensor(self._input_index[name], array)
        self.invoke()
        return [self.outputs[name].copy() for name in outputs]

    def _view(self, index: int) -> Array:
        """Return a tensor where it lies.

        The interpreter refuses to run while an array of its making refers to it. This one does not
        refer to it, and must not outlive it.
        """
        array: Array = self._interpreter.tensor(index)()
        memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        return np.ndarray(array.shape, array.dtype, buffer=memoryview(memory))


def named_inputs(interpreter: Any) -> dict[str, int]:
    """Return the inputs by the names of the first signature, or their own where there is none."""
    return _named(interpreter, "inputs", interpreter.get_input_details())


def named_outputs(interpreter: Any) -> dict[str, int]:
    """Return the outputs, likewise."""
    return _named(interpreter, "outputs", interpreter.get_output_details())


def _named(interpreter: Any, side: str, details: Sequence[Any]) -> dict[str, int]:
    for found in interpreter._get_full_signature_list().values():
        return dict(found[side])
    return {detail["name"]: detail["index"] for detail in details}
