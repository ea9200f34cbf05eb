"""What lowerings write with: ONNX values in, tensors of the flatbuffer out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import ExportError
from calexnet.export.tflite.flatbuffer import FlatModel
from calexnet.export.tflite.quantisation import Quantisation, quantisation
from calexnet.export.tflite.values import ACTIVATION, constant, dims, refusal


class Emitter:
    """One graph on its way into a ``FlatModel``; tensors keep their ONNX names."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._model = FlatModel(graph.name or "main")
        self._tensors: dict[ir.Value, int] = {}
        for value in graph.inputs:
            self.write(value)

    def read(self, value: ir.Value | None) -> int:
        """Return the tensor that holds `value`."""
        assert value is not None
        array = constant(value)
        if value not in self._tensors and array is not None:
            self._tensors[value] = self.constant(value.name or "", array, quantisation(value))
        return self._tensors[value]

    def write(self, value: ir.Value) -> int:
        """Return a new tensor for `value`."""
        self._tensors[value] = self.like(value, value.name or "")
        return self._tensors[value]

    def like(self, value: ir.Value, name: str) -> int:
        """Return a new tensor of the type and shape of `value` for a step on the way to it."""
        return self.scratch(name, dims(value), value)

    def scratch(self, name: str, shape: Sequence[int], of: ir.Value) -> int:
        """Return a new tensor of `shape` and of the type of a value."""
        assert of.dtype is not None
        return self._model.tensor(name, shape, of.dtype.numpy().name, quantisation(of))

    def constant(self, name: str, array: NDArray[Any], found: Quantisation | None = None) -> int:
        """Return a new constant tensor; what is kept in float16 is read as float32."""
        if array.dtype != np.float16:
            return self._model.constant(name, array, found)
        half = self._model.constant(f"{name}.half", array)
        full = self._model.tensor(name, array.shape, "float32")
        self.emit("DEQUANTIZE", [half], [full])
        return full

    def numbers(self, name: str, values: Sequence[int]) -> int:
        """Return a new constant tensor of int32: axes, a shape, positions."""
        return self._model.constant(name, np.array(values, np.int32))

    def pairs(self, name: str, values: Sequence[tuple[int, int]]) -> int:
        """Return a new constant tensor of int32 ``(axes, 2)``: padding before and behind."""
        return self._model.constant(name, np.array(values, np.int32))

    def scalar(self, name: str, value: float) -> int:
        """Return a new constant tensor of float32 and rank 0."""
        return self._model.constant(name, np.array(value, np.float32))

    def emit(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        version: int = 1,
        **fields: Any,
    ) -> None:
        """Write one operator; `fields` are those of the schema's `options`."""
        self._model.operator(code, inputs, outputs, options, fields, version)

    def number(self, kind: str, name: str) -> int:
        """Return the number of a name in one of the schema's enumerations."""
        return self._model.enumeration(kind, name)

    def activation(self, node: ir.Node) -> int:
        """Return the number of the clamp that `node` does on its own result."""
        name = node.attributes.get_string(ACTIVATION, "NONE")
        return self.number("ActivationFunctionType", name)

    def argument(self, node: ir.Node, index: int, what: str) -> NDArray[Any] | None:
        """Return an optional input of `node` that has to be a constant.

        Raises:
            ExportError: It is computed.
        """
        value = node.inputs[index] if index < len(node.inputs) else None
        array = constant(value)
        if value is not None and array is None:
            raise self.refuse(node, f"a computed {what}", "a constant")
        return array

    def refuse(self, node: ir.Node, got: str, expected: str) -> ExportError:
        """Return the error that names `node` and what of it TFLite cannot have."""
        return refusal(self._graph, node, got=got, expected=expected)

    def finish(self) -> bytes:
        """Return the file's bytes."""
        inputs = {value.name or "": self._tensors[value] for value in self._graph.inputs}
        outputs = {value.name or "": self._tensors[value] for value in self._graph.outputs}
        return self._model.finish(inputs, outputs)
