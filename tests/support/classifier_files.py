"""Classifiers as other tools write them: colours averaged, one linear layer, in every form.

What each must answer is worked out in numpy by `expected_logits`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from calexnet.export.tflite.flatbuffer import BATCH, TYPES, FlatModel
from tests.support.onnx_bundle import CLASSES, SIZE, preprocessing

#: What comes out.
Output = Literal["logits", "probabilities", "labels", "column", "map"]

WEIGHT = np.random.default_rng(3).normal(0, 2, (len(CLASSES), 3)).astype(np.float32)
BIAS = np.array([0.1, -0.2, 0.3, 0.0], np.float32)

_ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
}
# What the schema numbers and calexnet itself never writes.
_TFLITE_TYPES = TYPES | {"int8": "INT8"}


def expected_logits(raw: NDArray[np.uint8], *, normalised: bool = True) -> NDArray[np.float32]:
    """Return float32 ``(n, classes)`` for raw images; the network sees bytes or normalised."""
    if normalised:
        colours = preprocessing().normalise(raw).mean((2, 3))
    else:
        colours = raw.astype(np.float32).mean((1, 2)) / 255
    return np.asarray(colours @ WEIGHT.T + BIAS, np.float32)


def write_onnx(
    path: Path,
    *,
    dtype: str = "float32",
    channels_first: bool = True,
    batch: int | str | None = "batch",
    size: int | str = SIZE,
    output: Output = "logits",
    extra_input: bool = False,
    flat: int | None = None,
    foreign: bool = False,
) -> Path:
    """Write a classifier as an ONNX file; uint8 counts as raw, divided by 255 inside.

    With `flat` the network within is made for that many images, whatever its input says. With
    `foreign` it holds an operator that is not ONNX's own.
    """
    image = [3, size, size] if channels_first else [size, size, 3]
    nodes, names = [], iter(f"t{index}" for index in range(20))

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [next(names)], **attributes))
        return str(nodes[-1].output[0])

    constants = {"weight": WEIGHT, "bias": BIAS, "most": np.array([255], np.float32)}
    value = "pixels" if channels_first else add("Transpose", "pixels", perm=[0, 3, 1, 2])
    value = value if dtype == "float32" else add("Cast", value, to=TensorProto.FLOAT)
    value = add("Div", value, "most") if dtype == "uint8" else value
    value = add("GlobalAveragePool", value)
    if flat := flat or (batch if isinstance(batch, int) else None):
        constants["flat"] = np.array([flat, 3])
        value = add("Reshape", value, "flat")
    else:
        value = add("Flatten", value)
    value = add("Gemm", value, "weight", "bias", transB=1)
    if foreign:
        value = add("Gelu", value, domain="com.microsoft")
    kind, shape = TensorProto.FLOAT, [batch, len(CLASSES)]
    if output == "probabilities":
        value = add("Softmax", value, axis=1)
    elif output in ("labels", "column"):
        kind, keep = TensorProto.INT64, output == "column"
        shape = [batch, 1] if keep else [batch]
        value = add("ArgMax", value, axis=1, keepdims=int(keep))
    elif output == "map":
        constants["map"] = np.array([0, len(CLASSES), 1, 1])
        value, shape = add("Reshape", value, "map"), [batch, len(CLASSES), 1, 1]
    inputs = [helper.make_tensor_value_info("pixels", _ONNX_TYPES[dtype], [batch, *image])]
    if extra_input:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [batch, 3]))
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info(value, kind, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="other")
    checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def write_tflite(
    path: Path,
    *,
    dtype: str = "float32",
    quantisation: tuple[float, int] | None = None,
    batch: int = BATCH,
    signature: bool = True,
    narrow_output: tuple[float, int] | None = None,
) -> Path:
    """Write a classifier as a TFLite file, channels last.

    Args:
        path: Of the file.
        dtype: Of its input; unquantised uint8 counts as raw, divided by 255 inside.
        quantisation: Scale and zero point of its input.
        batch: That it is made for; `BATCH` = any.
        signature: Whether it has one.
        narrow_output: Scale and zero point of an int8 output.
    """
    model = _Writer()
    source = value = model.add("pixels", (batch, SIZE, SIZE, 3), dtype, quantisation)
    if quantisation is not None:
        value = model.then("DEQUANTIZE", [source], "real", (batch, SIZE, SIZE, 3))
    elif dtype == "uint8":
        value = model.then("CAST", [source], "floats", (batch, SIZE, SIZE, 3))
        most = model.flat.constant("most", np.array([255], np.float32))
        value = model.then("DIV", [value, most], "shares", (batch, SIZE, SIZE, 3), "DivOptions")
    axes = model.flat.constant("axes", np.array([1, 2], np.int32))
    value = model.then("MEAN", [value, axes], "colours", (batch, 3), "ReducerOptions")
    layer = [model.flat.constant("weight", WEIGHT), model.flat.constant("bias", BIAS)]
    value = model.then(
        "FULLY_CONNECTED", [value, *layer], "scores", (batch, 4), "FullyConnectedOptions"
    )
    if narrow_output is not None:
        answer = model.add("narrow", (batch, 4), "int8", narrow_output)
        model.flat.operator("QUANTIZE", [value], [answer])
        value = answer
    path.write_bytes(model.finish(source, value, signature=signature))
    return path


class _Writer:
    """A file as it grows, with what calexnet itself never writes: quantised tensors, no names."""

    def __init__(self) -> None:
        self.flat = FlatModel("serving_default")

    def add(self, name: str, dims: tuple[int, ...], dtype: str, quantisation: Any = None) -> int:
        index = self.flat.tensor(name, dims, "float32")
        tensor, schema = self.flat._tensors[index], self.flat._schema
        tensor.type = getattr(schema.TensorType, _TFLITE_TYPES[dtype])
        if quantisation is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([quantisation[0]], np.float32)
            tensor.quantization.zeroPoint = np.array([quantisation[1]], np.int64)
        return index

    def then(
        self, code: str, inputs: list[int], name: str, dims: tuple[int, ...], options: str = ""
    ) -> int:
        result = self.add(name, dims, "float32")
        self.flat.operator(code, inputs, [result], options)
        return result

    def finish(self, source: int, answer: int, *, signature: bool) -> bytes:
        if not signature:
            self.flat._schema = _WithoutSignatures(self.flat._schema)
        return self.flat.finish({"image": source}, {"answer": answer})


class _WithoutSignatures:
    """The schema, but for models that leave the signatures out."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def __getattr__(self, name: str) -> Any:
        return getattr(self._schema, name)

    def ModelT(self) -> Any:  # noqa: N802 - the schema's own name
        class Model(self._schema.ModelT):  # type: ignore[misc, name-defined]
            def Pack(self, builder: Any) -> Any:  # noqa: N802
                self.signatureDefs = None
                return super().Pack(builder)

        return Model()
