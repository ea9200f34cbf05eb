"""Classifiers as other tools write them to ONNX, two convolutions each, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE, CLASSES = 8, 4

End = Literal["logits", "Softmax", "LogSoftmax", "Sigmoid"]

_random = np.random.default_rng(7)
FIRST = _random.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32)
SECOND = _random.normal(0, 0.3, (8, 6, 3, 3)).astype(np.float32)
DENSE = _random.normal(0, 0.5, (8 * 4, CLASSES)).astype(np.float32)
MEAN = np.array([0.4, 0.5, 0.6], np.float32)


class Writer:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, to: str, **attributes: Any) -> str:
        """Add a node that is named as its output; return that."""
        node = helper.make_node(kind, list(inputs), [to], name=f"node_{to}", **attributes)
        self.nodes.append(node)
        return to

    def hold(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def model(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        opset: int = 17,
        domains: Sequence[str] = (),
    ) -> onnx.ModelProto:
        """Return the model."""
        graph = helper.make_graph(self.nodes, "made_elsewhere", inputs, outputs, self.weights)
        imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)


def tensor(name: str, shape: Sequence[Any] | None, kind: int = TensorProto.FLOAT) -> Any:
    """Return what an input or output is."""
    return helper.make_tensor_value_info(name, kind, shape)


def classifier(
    *,
    channels_last: bool = False,
    batch: int | str = "N",
    end: End = "logits",
    classes: int = CLASSES,
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
    baked: int | None = None,
    foreign: bool = False,
) -> onnx.ModelProto:
    """Return a classifier of 8x8 images; channels last, it normalises inside as Keras' do.

    Args:
        channels_last: Takes ``(n, H, W, C)`` of 0..255, as tf2onnx writes it.
        batch: Of the input.
        end: The last activation.
        classes: How many numbers it gives.
        opset: Version of the operators.
        kind: Of the input and all weights.
        baked: Number of images that is spelled out in the reshape before the last layer.
        foreign: Whether an operator is somebody's own.
    """
    write, dtype = Writer(), helper.tensor_dtype_to_np_dtype(kind)
    value = "pixels"
    if channels_last:
        value = write.add("Div", value, write.hold("most", np.array(255, dtype)), to="unit")
        value = write.add("Sub", value, write.hold("mean", MEAN.astype(dtype)), to="centred")
        value = write.add("Transpose", value, to="first", perm=[0, 3, 1, 2])
    for name, weight in (("first", FIRST), ("second", SECOND)):
        held = write.hold(f"{name}_weight", weight.astype(dtype))
        strides = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
        value = write.add("Conv", value, held, to=f"{name}_conv", **strides)
        value = write.add("Relu", value, to=f"{name}_relu")
    if foreign:
        value = write.add("Swish", value, to="swish", domain="org.example")
    if baked is None:
        value = write.add("Flatten", value, to="flat")
    else:
        shape = write.hold("flat_shape", np.array([baked, -1], np.int64))
        value = write.add("Reshape", value, shape, to="flat")
    value = write.add(
        "MatMul", value, write.hold("dense", DENSE[:, :classes].astype(dtype)), to="scores"
    )
    if end != "logits":
        value = write.add(end, value, to="answer", **({} if end == "Sigmoid" else {"axis": -1}))
    image = [batch, SIDE, SIDE, 3] if channels_last else [batch, 3, SIDE, SIDE]
    return write.model(
        [tensor("pixels", image, kind)],
        [tensor(value, [batch, classes], kind)],
        opset,
        ["org.example"] if foreign else [],
    )
