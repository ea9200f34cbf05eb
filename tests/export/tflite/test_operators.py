"""Every operator against ONNX Runtime: odd sizes, strides, pads, dilations, axes, broadcasts."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from calexnet.errors import ExportError
from calexnet.export.tflite import convert
from calexnet.export.tflite.operators import LOWERINGS, lowering
from tests.export.tflite.check import check, onnx_bytes

#: Operators that a test of this file has written.
RNG = np.random.default_rng(1)


def drawn(*shape: int) -> Any:
    return RNG.normal(0, 1, shape).astype(np.float32)


def one(operator: str, source: str, result: str, attributes: str = "", **constants: Any) -> bytes:
    """Return a graph of one node: `source` and the constants in, one output."""
    names = ", ".join(["x", *constants])
    head = f"g ({source} x) => ({result} y)"
    return onnx_bytes(f"{head} {{ y = {operator}{attributes}({names}) }}", **constants)


windows = st.fixed_dictionaries(
    {
        "size": st.tuples(st.integers(5, 13), st.integers(5, 13)),
        "kernel": st.tuples(st.integers(1, 5), st.integers(1, 4)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 2)] * 4),
    }
)


#: Padding like TFLite's SAME whose last step ends before the map does: nothing is padded there.
ENDING_WITHIN = {
    **{"size": (5, 5), "kernel": (2, 1), "strides": (1, 3)},
    **{"dilations": (1, 1), "pads": (0, 0, 1, 0)},
}


def attributes(window: Any, *names: str, **more: Any) -> str:
    parts = [f"{name} = [{', '.join(map(str, window[name]))}]" for name in names]
    return f"<{', '.join([*parts, *(f'{k} = {v}' for k, v in more.items())])}>"


def covers(window: Any, dilations: tuple[int, int] = (1, 1)) -> bool:
    """Tell whether the window fits into the padded map and each pad is smaller than it."""
    pads = window["pads"]
    return all(
        (window["kernel"][a] - 1) * dilations[a] + 1 <= window["size"][a] + pads[a] + pads[a + 2]
        and max(pads[a], pads[a + 2]) < window["kernel"][a]
        for a in (0, 1)
    )


@settings(max_examples=60)
@given(
    window=windows, shape=st.sampled_from([(3, 4, 1), (6, 6, 6), (4, 8, 4), (1, 3, 1), (4, 4, 2)])
)
@example(window=ENDING_WITHIN, shape=(3, 4, 1))
def test_convolutions(window: Any, shape: tuple[int, int, int]) -> None:
    """Ordinary, depthwise with one and two kernels a channel, of one channel, grouped."""
    assume(covers(window, window["dilations"]))
    inputs, outputs, groups = shape
    height, width = window["size"]
    weight = drawn(outputs, inputs // groups, *window["kernel"])
    words = attributes(window, "strides", "dilations", "pads", group=groups)
    source = f"float[n,{inputs},{height},{width}]"

    check(one("Conv", source, "float[n,c,h,w]", words, w=weight, b=drawn(outputs)))


@pytest.mark.parametrize(
    ("rule", "size", "stride"),
    list(product(["SAME_UPPER", "SAME_LOWER", "VALID"], [(7, 8), (9, 6)], [1, 2, 3])),
)
def test_convolutions_that_pad_themselves(rule: str, size: tuple[int, int], stride: int) -> None:
    words = f'<auto_pad = "{rule}", strides = [{stride}, {stride}]>'
    source = f"float[n,2,{size[0]},{size[1]}]"

    check(one("Conv", source, "float[n,c,h,w]", words, w=drawn(4, 2, 3, 4)))


@settings(max_examples=60)
@given(window=windows, ceil=st.booleans(), positive=st.booleans())
def test_max_pools(window: Any, ceil: bool, positive: bool) -> None:
    assume(covers(window))
    height, width = window["size"]
    words = attributes(
        window, "strides", "pads", kernel_shape=list(window["kernel"]), ceil_mode=int(ceil)
    )
    before = "Relu" if positive else "Neg"
    text = (
        f"g (float[n,3,{height},{width}] x) => (float[n,c,h,w] y) "
        f"{{ a = {before}(x) y = MaxPool{words}(a) }}"
    )

    check(onnx_bytes(text))


@settings(max_examples=60)
@given(window=windows, ceil=st.booleans(), counted=st.booleans())
def test_average_pools(window: Any, ceil: bool, counted: bool) -> None:
    assume(covers(window))
    # Before 1.24 ONNX Runtime did not count a pad that is wider behind than before.
    even = window["pads"][:2] == window["pads"][2:]
    assume(not counted or even or Version(onnxruntime.__version__) >= Version("1.24"))
    height, width = window["size"]
    words = attributes(
        window,
        "strides",
        "pads",
        kernel_shape=list(window["kernel"]),
        ceil_mode=int(ceil),
        count_include_pad=int(counted),
    )

    check(one("AveragePool", f"float[n,3,{height},{width}]", "float[n,c,h,w]", words))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("size", [(1, 1), (4, 7), (56, 56)])
def test_global_pools(operator: str, size: tuple[int, int]) -> None:
    check(one(operator, f"float[n,5,{size[0]},{size[1]}]", "float[n,5,1,1]"))


UNARY = ["Abs", "Exp", "Floor", "Gelu", "HardSwish", "Neg", "Relu", "Sigmoid", "Tanh", "Identity"]


@pytest.mark.parametrize("operator", [*UNARY, "HardSigmoid", "LeakyRelu", "Reciprocal", "Dropout"])
@pytest.mark.parametrize("shape", ["n,4,3,5", "n,7"])
def test_operators_of_one_tensor(operator: str, shape: str) -> None:
    check(one(operator, f"float[{shape}]", f"float[{shape}]"))


@pytest.mark.parametrize("operator", ["Log", "Sqrt"])
def test_operators_of_positive_numbers(operator: str) -> None:
    check(
        onnx_bytes(f"g (float[n,4,3,5] x) => (float[n,4,3,5] y) {{ a = Exp(x) y = {operator}(a) }}")
    )


def test_attributes_of_operators_of_one_tensor() -> None:
    gelu = ("Gelu", 'Gelu<approximate = "tanh">')
    for words in ("LeakyRelu<alpha = 0.3>", "HardSigmoid<alpha = 0.1666, beta = 0.4>", *gelu):
        check(onnx_bytes(f"g (float[n,4,3,5] x) => (float[n,4,3,5] y) {{ y = {words}(x) }}"))


BOUNDS = [(0.0, 6.0), (0.0, None), (-1.0, 1.0), (-0.5, 2.0), (None, 1.0), (-2.0, None)]


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize("after", ["Identity", "Conv"])
def test_clips(low: float | None, high: float | None, after: str) -> None:
    bounds = {"low": low, "high": high}
    constants = {name: np.float32(v) for name, v in bounds.items() if v is not None}
    names = ["" if value is None else name for name, value in bounds.items()]
    before = "Conv(x, w)" if after == "Conv" else "Identity(x)"
    text = (
        "g (float[n,3,5,5] x) => (float[n,3,5,5] y) "
        f"{{ a = {before} y = Clip(a, {', '.join(names).rstrip(', ')}) }}"
    )

    check(onnx_bytes(text, **{k: np.asarray(v) for k, v in constants.items()}, w=drawn(3, 3, 1, 1)))


BROADCASTS = [
    ("n,4,3,5", (4, 1, 1)),
    ("n,4,3,5", (1, 4, 1, 1)),
    ("n,4,3,5", (5,)),
    ("n,4,3,5", ()),
    ("n,4,3,5", (1,)),
    ("n,4,3,5", (3, 5)),
    ("n,4,3,5", (1, 1, 3, 1)),
    ("n,7", (7,)),
    ("n,7", (1, 1)),
]


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "Sum"])
@pytest.mark.parametrize(("shape", "other"), BROADCASTS)
def test_arithmetic_with_constants(operator: str, shape: str, other: tuple[int, ...]) -> None:
    constant = np.asarray(np.abs(drawn(*other)) + 0.5, np.float32)

    check(one(operator, f"float[{shape}]", f"float[{shape}]", c=constant))


@pytest.mark.parametrize(
    "operator", ["Add", "Sub", "Mul", "Max", "Min", "Greater", "Less", "Equal"]
)
@pytest.mark.parametrize(
    ("left", "right"),
    [("n,4,3,5", "n,4,3,5"), ("n,4,3,5", "n,4,1,1"), ("n,4,3,5", "n,1,3,5"), ("n,7", "n,1")],
)
def test_arithmetic_of_two_tensors(operator: str, left: str, right: str) -> None:
    kind = "bool" if operator in ("Greater", "Less", "Equal") else "float"
    text = f"g (float[{left}] x, float[{right}] z) => ({kind}[{left}] y) {{ y = {operator}(x, z) }}"

    check(onnx_bytes(text))


def test_a_vector_that_varies_is_broadcast_over_a_map_as_onnx_does() -> None:
    text = (
        "g (float[n,4,3,5] x, float[5] z) => (float[n,4,3,5] y) "
        "{ a = Relu(x) b = Neg(z) y = Add(a, b) }"
    )

    check(onnx_bytes(text))


@pytest.mark.parametrize("operator", ["Max", "Min", "Sum"])
def test_folds_of_three(operator: str) -> None:
    text = (
        "g (float[n,4,3,5] x, float[n,4,3,5] z) => (float[n,4,3,5] y) "
        f"{{ y = {operator}(x, z, c) }}"
    )

    check(onnx_bytes(text, c=drawn(4, 1, 1)))


def test_powers() -> None:
    text = "g (float[n,6] x) => (float[n,6] y) { a = Abs(x) y = Pow(a, c) }"

    check(onnx_bytes(text, c=np.asarray(2.5, np.float32)))


def test_comparisons_and_logic() -> None:
    text = """g (float[n,6] x, float[n,6] z) => (bool[n,6] y) {
        a = GreaterOrEqual(x, z) b = LessOrEqual(x, c) d = And(a, b) e = Not(d) f = Less(x, z)
        y = Or(e, f)
    }"""

    check(onnx_bytes(text, c=np.asarray(0.5, np.float32)))


def test_choices() -> None:
    text = """g (float[n,4,3,5] x, float[n,4,3,5] z) => (float[n,4,3,5] y) {
        a = Greater(x, z) y = Where(a, x, c)
    }"""

    check(onnx_bytes(text, c=drawn(4, 1, 1)))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [("n,7", 1), ("n,7", -1), ("n,4,3,5", 1), ("n,4,3,5", 2), ("n,4,3,5", -1), ("n,3,4", 1)],
)
def test_softmaxes(operator: str, shape: str, axis: int) -> None:
    check(one(operator, f"float[{shape}]", f"float[{shape}]", f"<axis = {axis}>"))


AXES = [[2, 3], [1], [3], [1, 2, 3], [-1], [2], [1, 3]]


@pytest.mark.parametrize(
    "operator", ["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]
)
@pytest.mark.parametrize(("axes", "keeps"), list(product(AXES, [0, 1])))
def test_reductions_of_maps(operator: str, axes: list[int], keeps: int) -> None:
    left = [
        d for a, d in enumerate(["n", "4", "3", "5"]) if keeps or a not in {x % 4 for x in axes}
    ]
    shape = ",".join(left)
    if keeps:
        shape = ",".join("1" if a in {x % 4 for x in axes} else d for a, d in enumerate("n435"))
    words = f"<keepdims = {keeps}>"

    check(one(operator, "float[n,4,3,5]", f"float[{shape}]", words, a=np.array(axes)))


@pytest.mark.parametrize("keeps", [0, 1])
def test_reductions_of_vectors(keeps: int) -> None:
    result = "float[n,1]" if keeps else "float[n]"

    check(one("ReduceMax", "float[n,6]", result, f"<keepdims = {keeps}>", a=np.array([1])))


@pytest.mark.parametrize(("axis", "keeps"), list(product([1, 2, -1], [0, 1])))
def test_arg_max(axis: int, keeps: int) -> None:
    left = [d for a, d in enumerate(["n", "4", "3", "5"]) if a != axis % 4]
    if keeps:
        left.insert(axis % 4, "1")
    words = f"<axis = {axis}, keepdims = {keeps}>"
    text = (
        f"g (float[n,4,3,5] x) => (int32[{','.join(left)}] y) "
        f"{{ a = ArgMax{words}(x) y = Cast<to = 6>(a) }}"
    )

    check(onnx_bytes(text))


def test_of_equal_values_the_first_is_the_maximum() -> None:
    text = """g (float[n,6] x) => (int32[n] y) {
        a = Greater(x, c) b = Cast<to = 1>(a) d = ArgMax<axis = 1, keepdims = 0>(b)
        y = Cast<to = 6>(d)
    }"""

    check(onnx_bytes(text, c=np.asarray(0.0, np.float32)), batches=(1, 40))


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenations_of_maps(axis: int) -> None:
    shape = ["n", "4", "3", "5"]
    shape[axis] = str(3 * int(shape[axis]))
    text = (
        f"g (float[n,4,3,5] x, float[n,4,3,5] z) => (float[{','.join(shape)}] y) "
        f"{{ a = Relu(x) y = Concat<axis = {axis}>(a, z, x) }}"
    )

    check(onnx_bytes(text))


def test_concatenations_of_carried_vectors() -> None:
    text = (
        "g (float[n,4] x, float[n,3] z) => (float[n,7] y, float[n,7] w) "
        "{ y = Concat<axis = 1>(x, z) w = Mul(y, y) }"
    )

    check(onnx_bytes(text))


@pytest.mark.parametrize(
    ("mode", "pads", "value"),
    [
        ("constant", [0, 2, 0, 0, 0, 1, 0, 0], None),
        ("constant", [0, 0, 1, 2, 0, 0, 3, 0], 0.0),
        ("constant", [0, 1, 1, 2, 0, 0, 3, 0], -1.5),
        ("reflect", [0, 0, 1, 2, 0, 0, 2, 1], None),
    ],
)
def test_pads(mode: str, pads: list[int], value: float | None) -> None:
    constants: dict[str, Any] = {"p": np.array(pads)}
    if value is not None:
        constants["v"] = np.asarray(value, np.float32)

    check(one("Pad", "float[n,4,3,5]", "float[n,c,h,w]", f'<mode = "{mode}">', **constants))


def test_a_pad_of_chosen_axes() -> None:
    text = "g (float[n,4,3,5] x) => (float[n,7,3,5] y) { y = Pad(x, p, , a) }"

    check(onnx_bytes(text, p=np.array([2, 1]), a=np.array([1])))


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([0, 0], [2**62, 2**62], [2, 3], [2, 2]),
        ([1], [3], [1], [1]),
        ([-3], [-1], [3], [1]),
        ([-1], [-(2**62)], [1], [-1]),
        ([3], [0], [3], [-2]),
        ([0, 1], [2**31 - 1, 4], [0, 3], [1, 1]),
    ],
)
def test_slices(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> None:
    constants: dict[str, Any] = {"s": starts, "e": ends, "a": axes, "t": steps}
    arrays: dict[str, Any] = {name: np.array(numbers) for name, numbers in constants.items()}

    check(one("Slice", "float[n,4,6,5]", "float[n,c,h,w]", **arrays))


def test_a_slice_without_axes_and_steps() -> None:
    s, e = np.array([0, 1, 2]), np.array([2**31 - 1, 3, 4])

    check(one("Slice", "float[n,4,6]", "float[n,2,2]", s=s, e=e))


def test_splits() -> None:
    text = """g (float[n,6,3,5] x) => (float[n,2,3,5] y, float[n,4,3,5] z) {
        y, z = Split<axis = 1>(x, s)
    }"""

    check(onnx_bytes(text, s=np.array([2, 4])))


@pytest.mark.parametrize("perm", [[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [0, 2, 1, 3]])
@pytest.mark.parametrize("source", ["x", "image"])
def test_transposes(perm: list[int], source: str) -> None:
    text = (
        f"g (float[n,4,3,5] {source}) => (float[n,c,h,w] y) "
        f"{{ a = Transpose<perm = {perm}>({source}) b = Softmax<axis = 1>(a) y = Neg(b) }}"
    )

    check(onnx_bytes(text))


def test_a_transpose_alone_in_front_of_an_output() -> None:
    check(one("Transpose", "float[n,4,3]", "float[n,3,4]", "<perm = [0, 2, 1]>"))
    check(one("Transpose", "float[n,4,3,5]", "float[n,3,5,4]", "<perm = [0, 2, 3, 1]>"))


@pytest.mark.parametrize(
    "body",
    [
        "y = Flatten<axis = 1>(x)",
        "a = Relu(x) y = Flatten<axis = 1>(a)",
        "a = GlobalMaxPool(x) y = Flatten<axis = 1>(a)",
        "a = GlobalMaxPool(x) y = Reshape(a, s)",
        "a = Reshape(x, t) y = Neg(a)",
        "a = GlobalMaxPool(x) y = Squeeze(a, u)",
        "a = GlobalMaxPool(x) b = Squeeze(a, u) d = Unsqueeze(b, u) e = Conv(d, w) y = Relu(e)",
        "a = Reshape(x, t) b = Reshape(a, v) y = Conv(b, w)",
    ],
)
def test_reshapes(body: str) -> None:
    constants = {"s": [-1, 4], "t": [0, -1], "u": [2, 3], "v": [-1, 4, 3, 5]}
    arrays = {name: np.array(numbers) for name, numbers in constants.items() if f" {name})" in body}
    if " w)" in body:
        arrays["w"] = drawn(2, 4, 1, 1)
    rank = 4 if "Conv" in body else 2
    shape = ",".join(["n", *"cde"[: rank - 1]])

    check(onnx_bytes(f"g (float[n,4,3,5] x) => (float[{shape}] y) {{ {body} }}", **arrays))


def test_a_reshape_to_a_computed_shape_takes_any_batch() -> None:
    text = """g (float[n,4,3,5] x) => (float[n,60] y) {
        a = Shape<start = 0, end = 1>(x) b = Concat<axis = 0>(a, c) y = Reshape(x, b)
    }"""

    check(onnx_bytes(text, c=np.array([60])))


@pytest.mark.parametrize("transposed", [0, 1])
def test_linear_layers(transposed: int) -> None:
    weight = drawn(5, 7) if transposed else drawn(7, 5)
    words = f"<transB = {transposed}, alpha = 0.5, beta = 2.0>"

    check(one("Gemm", "float[n,7]", "float[n,5]", words, w=weight, b=drawn(5)))
    check(one("Gemm", "float[n,7]", "float[n,5]", f"<transB = {transposed}>", w=weight))


def test_products() -> None:
    check(one("MatMul", "float[n,7]", "float[n,5]", w=drawn(7, 5)))
    check(one("MatMul", "float[n,3,7]", "float[n,3,5]", w=drawn(7, 5)))
    text = "g (float[n,3,7] x, float[n,7,2] z) => (float[n,3,2] y) { y = MatMul(x, z) }"
    check(onnx_bytes(text))


@pytest.mark.parametrize(
    ("indices", "shape"), [([2, 0], "n,2,3,5"), ([-1], "n,1,3,5"), (1, "n,3,5")]
)
def test_gathers_of_channels(indices: Any, shape: str) -> None:
    check(one("Gather", "float[n,4,3,5]", f"float[{shape}]", "<axis = 1>", i=np.array(indices)))


@pytest.mark.parametrize("shape", ["n,7", "n,4,3,5"])
def test_the_largest_of_the_last_axis(shape: str) -> None:
    result = shape[:-1] + "2"
    text = (
        f"g (float[{shape}] x) => (float[{result}] y, int32[{result}] z) "
        "{ y, i = TopK<axis = -1>(x, k) z = Cast<to = 6>(i) }"
    )

    check(onnx_bytes(text, k=np.array([2])))
    check(onnx_bytes(text.replace("z = Cast<to = 6>(i)", "z = Cast<to = 6>(y)"), k=np.array([2])))
    within = text.replace("(x, k)", "(a, k)").replace("{ y, i", "{ a = Sigmoid(x) y, i")
    check(onnx_bytes(within, k=np.array([2])))


@pytest.mark.parametrize("kind", ["float[n,4,3,5]", "float[n,6]"])
def test_batch_normalization(kind: str) -> None:
    size = 4 if "4" in kind else 6
    scale, shift, mean = (drawn(size) for _ in range(3))
    constants = {"s": scale, "b": shift, "m": mean, "v": np.abs(drawn(size)) + 0.5}

    check(one("BatchNormalization", kind, kind, "<epsilon = 0.001>", **constants))


@pytest.mark.parametrize(
    ("shape", "axis", "size"), [("n,6", -1, (6,)), ("n,4,3,5", -1, (5,)), ("n,4,3,5", 1, (4, 3, 5))]
)
@pytest.mark.parametrize("shifted", [True, False])
def test_layer_normalization(shape: str, axis: int, size: tuple[int, ...], shifted: bool) -> None:
    constants = {"s": drawn(*size)} | ({"b": drawn(*size)} if shifted else {})

    check(
        one(
            "LayerNormalization",
            f"float[{shape}]",
            f"float[{shape}]",
            f"<axis = {axis}>",
            **constants,
        )
    )


@pytest.mark.parametrize("to", ["float", "int32", "bool", "uint8"])
def test_casts_of_bytes(to: str) -> None:
    number = {"float": 1, "int32": 6, "bool": 9, "uint8": 2}[to]
    text = (
        f"g (uint8[n,3,5,2] image) => ({to}[n,3,5,2] y) "
        f"{{ a = Cast<to = {number}>(image) y = Identity(a) }}"
    )

    check(onnx_bytes(text))


def test_a_gate() -> None:
    """Equality exits; the label is looked up; NaN never exits."""
    text = """g (float[n,6] x, float[6] threshold) =>
        (int32[n] label, float[n] score, bool[n] exit, float[n,6] probabilities) {
        probabilities = Softmax<axis = 1>(x)
        best = ArgMax<axis = 1, keepdims = 0>(x)
        label = Cast<to = 6>(best)
        score = ReduceMax<keepdims = 0>(probabilities, a)
        bar = Gather<axis = 0>(threshold, label)
        exit = GreaterOrEqual(score, bar)
    }"""

    check(onnx_bytes(text, a=np.array([1])), batches=(1, 64))


def test_quantising_and_back() -> None:
    text = """g (float[n,3,4,5] x) => (float[n,3,4,5] y) {
        q = QuantizeLinear(x, scale, point)
        y = DequantizeLinear(q, scale, point)
    }"""
    scale, point = np.array(0.03, np.float32), np.array(-20, np.int8)

    check(onnx_bytes(text, scale=scale, point=point), tolerance=0.03)


def test_every_lowering_is_there_and_has_been_written() -> None:
    """A new operator needs a line above: each name stands in this file."""
    text = Path(__file__).read_text("utf-8")
    for name in LOWERINGS:
        assert callable(lowering(name))
        assert re.search(rf"\b{name}\b", text), name


REFUSALS = [
    (
        "Einsum",
        'y = Einsum<equation = "ij,ij->ij">(x, x)',
        "got Einsum; expected an operator that calexnet writes for tflite",
    ),
    ("Conv", "w = Neg(x) y = Conv(x, w)", "got computed weights; expected constant ones"),
    ("MaxPool", "y = MaxPool<kernel_shape = [2, 2], dilations = [2, 2]>(x)", r"dilations \(2, 2\)"),
    ("Pad", 'y = Pad<mode = "edge">(x, p)', "got mode edge; expected one of constant, reflect"),
    ("Slice", "y = Slice(x, z, o)", "got a part of the batch; expected all of it"),
    ("TopK", "y, i = TopK<axis = 1>(x, o)", "an axis that is not the last; expected the last axis"),
    ("TopK", "y, i = TopK<largest = 0>(x, o)", "got the smallest; expected the largest"),
    ("Erf", "y = Erf(x)", "got Erf; expected an operator that calexnet writes for tflite"),
    ("GatherND", "y = GatherND(x, g)", "got GatherND; expected an adaptive pool whose output"),
]


#: What some of them read and give, where it is not a map.
SHAPES = {"Conv": ("4,4,4,4", "a,b,c,d"), "Einsum": ("n,m", "a,b")}


@pytest.mark.parametrize(("operator", "body", "message"), REFUSALS)
def test_what_tflite_cannot_have_is_refused_by_operator_layer_and_segment(
    operator: str, body: str, message: str
) -> None:
    source, result = SHAPES.get(operator, ("n,4,6,6", "a,b,c,d"))
    constants = {"p": np.array([0, 0, 1, 1] * 2), "z": np.array([1]), "o": np.array([2])}
    constants["g"] = np.array([[0]])
    used = {name: array for name, array in constants.items() if re.search(rf"\b{name}\b", body)}
    text = f"segment2 (float[{source}] x) => (float[{result}] y) {{ {body} }}"
    model = onnx.load_from_string(onnx_bytes(text, **used))
    next(node for node in model.graph.node if node.op_type == operator).name = "block.2/node_7"

    with pytest.raises(
        ExportError,
        match=rf"^{operator}, layer 'block.2' in segment2, cannot be written for tflite: "
        rf".*{message}"
        r".*\. Change that layer in the network, use --target onnxruntime, or export the run with "
        r"--converter litert-torch\.$",
    ):
        convert(model.SerializeToString())
