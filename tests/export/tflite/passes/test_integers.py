"""Quantised steps: integers as ONNX Runtime counts them where TFLite can, floats elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet.export.tflite import convert
from tests.export.tflite.check import check, onnx_bytes

schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")

Array = NDArray[Any]
STEP = 0.04


def quantised(
    body: str,
    constants: Mapping[str, Array] | None = None,
    *,
    source: str = "n,4,8,7",
    result: str = "n,4,8,7",
    points: tuple[int, int] = (128, 128),
    result_scale: float = STEP,
) -> bytes:
    """Return a graph that quantises `x`, does `body` from ``a`` to ``b``, and quantises again."""
    text = f"""g (float[{source}] x) => (float[{result}] y) {{
        qx = QuantizeLinear(x, sx, zx)
        a = DequantizeLinear(qx, sx, zx)
        {body}
        qy = QuantizeLinear(b, sy, zy)
        y = DequantizeLinear(qy, sy, zy)
    }}"""
    scales: dict[str, Array] = {
        "sx": np.array(STEP, np.float32),
        "zx": np.array(points[0], np.uint8),
        "sy": np.array(result_scale, np.float32),
        "zy": np.array(points[1], np.uint8),
    }
    return onnx_bytes(text, **scales, **(constants or {}))


def weights(*shape: int) -> dict[str, Array]:
    """Return int8 weights with a scale a channel."""
    rng = np.random.default_rng(shape)
    return {
        "w": rng.integers(-64, 65, shape).astype(np.int8),
        "sw": rng.uniform(0.5, 1.5, shape[0]).astype(np.float32) / (500 * shape[1] ** 0.5),
        "zw": np.zeros(shape[0], np.int8),
    }


def normal(*shape: int) -> Array:
    """Return float32 numbers about 0."""
    return np.random.default_rng(shape).normal(0, 1, shape).astype(np.float32)


def model_of(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(convert(data), 0)


def operators(data: bytes) -> Counter[str]:
    """Return how often each operator is in the file that `data` becomes."""
    model = model_of(data)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)


WEIGHT = "wide = DequantizeLinear<axis=0>(w, sw, zw) "
CONVOLUTIONS = {
    "same": ("kernel_shape=[3,3], pads=[1,1,1,1]", (5, 4, 3, 3), "n,5,8,7"),
    "padded before": ("kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]", (5, 4, 3, 3), "n,5,4,4"),
    "dilated": ("kernel_shape=[3,2], dilations=[2,2]", (5, 4, 3, 2), "n,5,4,5"),
    "by group": ("kernel_shape=[1,1], group=2", (6, 2, 1, 1), "n,6,8,7"),
    "depthwise": ("kernel_shape=[3,3], pads=[1,1,1,1], group=4", (8, 1, 3, 3), "n,8,8,7"),
}


@pytest.mark.parametrize("points", [(128, 128), (0, 0), (128, 0), (7, 200)])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_convolution_counts_as_onnx_runtime_does(kind: str, points: tuple[int, int]) -> None:
    attributes, shape, result = CONVOLUTIONS[kind]
    data = quantised(
        f"{WEIGHT} b = Conv<{attributes}>(a, wide, bias)",
        {"bias": normal(shape[0]), **weights(*shape)},
        result=result,
        points=points,
    )

    check(data, step=STEP)

    found = operators(data)
    assert 1 == found["QUANTIZE"] == found["DEQUANTIZE"]
    assert 1 == found["CONV_2D"] + found["DEPTHWISE_CONV_2D"]
    assert (kind == "depthwise") == (found["DEPTHWISE_CONV_2D"] == 1)


def test_a_convolution_without_bias_and_one_with_a_quantised_one_do_too() -> None:
    shape = (4, 4, 1, 1)
    given = weights(*shape)
    bias = {
        "bias": np.array([-9000, 7, 400, 8000], np.int32),
        "sb": (given["sw"] * np.float32(STEP)).astype(np.float32),
        "zb": np.zeros(4, np.int32),
    }

    check(quantised(f"{WEIGHT} b = Conv(a, wide)", given), step=STEP)
    body = f"{WEIGHT} sum = DequantizeLinear<axis=0>(bias, sb, zb) b = Conv(a, wide, sum)"
    data = quantised(body, given | bias)
    check(data, step=STEP)

    (graph,) = model_of(data).subgraphs
    written = next(t for t in graph.tensors if t.type == schema.TensorType.INT32)
    np.testing.assert_allclose(bias["sb"], written.quantization.scale, rtol=1e-6)


STEPS = {
    "Add": (
        "c = Relu(a) qc = QuantizeLinear(c, sy, zy) d = DequantizeLinear(qc, sy, zy) b = Add(a, d)",
        {"ADD", "RELU"},
        "n,4,8,7",
    ),
    "Mul": ("b = Mul(a, a)", {"MUL"}, "n,4,8,7"),
    "Sub": ("one = DequantizeLinear(qone, sx, zx) b = Sub(a, one)", {"SUB"}, "n,4,8,7"),
    "Relu": ("b = Relu(a)", {"RELU"}, "n,4,8,7"),
    "GlobalAveragePool": ("b = GlobalAveragePool(a)", {"MEAN"}, "n,4,1,1"),
    "MaxPool": ("b = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a)", {"MAX_POOL_2D"}, "n,4,4,3"),
    "MaxPool, padded": (
        "b = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(a)",
        {"MAX_POOL_2D", "PADV2"},
        "n,4,4,4",
    ),
    "Pad": ("b = Pad(a, pads)", {"PAD"}, "n,4,9,9"),
    "Pad, 0 said": ("b = Pad(a, pads, zero)", {"PAD"}, "n,4,9,9"),
    "Slice": ("b = Slice(a, from, to, axes, by)", {"STRIDED_SLICE"}, "n,4,4,4"),
    "Transpose": ("b = Transpose<perm=[0,2,1,3]>(a)", {"TRANSPOSE"}, "n,8,4,7"),
    "Flatten": ("b = Flatten<axis=1>(a)", {"TRANSPOSE", "RESHAPE"}, "n,224"),
    "Concat": ("b = Concat<axis=1>(a, a)", {"CONCATENATION"}, "n,8,8,7"),
}
ARGUMENTS = {
    "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
    "zero": np.array(0, np.float32),
    "from": np.array([0, 0]),
    "to": np.array([8, 7]),
    "axes": np.array([2, 3]),
    "by": np.array([2, 2]),
    "qone": np.array(200, np.uint8),
}


@pytest.mark.parametrize("point", [0, 128])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_counts_as_onnx_runtime_does(name: str, point: int) -> None:
    body, codes, result = STEPS[name]
    given = {key: array for key, array in ARGUMENTS.items() if key in body}
    if (name, point) == ("MaxPool, padded", 0):
        codes = {"MAX_POOL_2D", "PAD"}
    data = quantised(body, given, result=result, points=(point, point))

    check(data, step=STEP)

    found = operators(data)
    assert found.keys() - {"QUANTIZE", "DEQUANTIZE"} == codes
    assert 1 == found["DEQUANTIZE"]


FLOATS: dict[str, tuple[str, str, dict[str, Array]]] = {
    "Tanh": ("b = Tanh(a)", "n,4,8,7", {}),
    "AveragePool": ("b = AveragePool<kernel_shape=[3,1]>(a)", "n,4,6,7", {}),
    "Pad with ones": (
        "b = Pad(a, pads, one)",
        "n,4,9,9",
        {"pads": ARGUMENTS["pads"], "one": np.array(1, np.float32)},
    ),
    "read as floats too": ("c = Relu(a) d = Neg(c) b = Add(c, d)", "n,4,8,7", {}),
}


@pytest.mark.parametrize("name", FLOATS)
def test_a_step_without_an_integer_form_is_done_in_float(name: str) -> None:
    body, result, given = FLOATS[name]
    data = quantised(body, given, result=result)

    check(data, step=STEP)

    assert 2 == operators(data)["QUANTIZE"]


def test_moving_numbers_to_another_scale_is_no_move() -> None:
    data = quantised("b = Flatten<axis=1>(a)", result="n,224", result_scale=2 * STEP)

    check(data, step=2 * STEP)

    assert 2 == operators(data)["QUANTIZE"]


def test_a_linear_layer_keeps_float_weights() -> None:
    """The old runtime computes int8 ones wrongly."""
    given = weights(6, 224)
    body = f"flat = Flatten<axis=1>(a) {WEIGHT} b = Gemm<transB=1>(flat, wide)"
    data = quantised(body, given, result="n,6")

    check(data, step=STEP)

    (graph,) = model_of(data).subgraphs
    weight = next(t for t in graph.tensors if t.shape.tolist() == [6, 224])
    assert schema.TensorType.FLOAT32 == weight.type


def test_weights_have_a_scale_a_channel_and_operators_the_version_for_int8() -> None:
    given = weights(8, 1, 3, 3)
    model = model_of(quantised(f"{WEIGHT} b = Conv<group=4>(a, wide)", given, result="n,8,6,5"))

    (graph,) = model.subgraphs
    weight = next(t for t in graph.tensors if t.shape.tolist() == [1, 3, 3, 8])
    assert (schema.TensorType.INT8, 3) == (weight.type, weight.quantization.quantizedDimension)
    np.testing.assert_array_equal(given["sw"], weight.quantization.scale)
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert 3 == versions[schema.BuiltinOperator.DEPTHWISE_CONV_2D]
    assert 1 == versions[schema.BuiltinOperator.QUANTIZE]


def test_unsigned_integers_become_signed_ones() -> None:
    (graph,) = model_of(quantised("b = Relu(a)", points=(128, 0))).subgraphs

    points = {
        t.name.decode(): t.quantization.zeroPoint.tolist()
        for t in graph.tensors
        if t.type == schema.TensorType.INT8
    }
    assert {"qx": [0], "qy": [-128]} == points


def test_float16_weights_are_kept_and_read_as_float32() -> None:
    text = """g (float[n,4,8,7] x) => (float[n,8,8,7] y) {
        a = Cast<to=10>(x)
        c = Conv(a, w, bias)
        b = Relu(c)
        y = Cast<to=1>(b)
    }"""
    given = {
        "w": normal(8, 4, 1, 1).astype(np.float16),
        "bias": normal(8).astype(np.float16),
    }
    data = onnx_bytes(text, **given)

    # ONNX Runtime rounds what lies between to float16, TFLite does not.
    check(data, tolerance=2e-3)

    assert {"DEQUANTIZE": 1, "CONV_2D": 1} == operators(data)
    (graph,) = model_of(data).subgraphs
    assert [schema.TensorType.FLOAT16] == [
        t.type for t in graph.tensors if t.type not in (schema.TensorType.FLOAT32,)
    ]
