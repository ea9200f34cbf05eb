"""The file itself: what the schema must have, names, one signature, any batch, aligned buffers."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet.export.tflite import convert, operators
from calexnet.export.tflite.flatbuffer import TYPES, FlatModel
from calexnet.export.tflite.passes.fuse import HOSTS
from tests.export.tflite.check import interpreters, onnx_bytes

schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")

TEXT = """segment1 (uint8[n,6,5,3] image, float[4] threshold) =>
    (float[n,4,6,5] layer1, bool[n] exit) {
    turned = Transpose<perm = [0, 3, 1, 2]>(image)
    floats = Cast<to = 1>(turned)
    before = Conv<pads = [1, 1, 1, 1]>(floats, weight)
    layer1 = Relu(before)
    mean = GlobalAveragePool(layer1)
    logits = Flatten<axis = 1>(mean)
    score = ReduceMax<keepdims = 0>(logits, axes)
    best = ArgMax<axis = 1, keepdims = 0>(logits)
    bar = Gather(threshold, best)
    exit = GreaterOrEqual(score, bar)
}"""


@pytest.fixture(scope="module")
def data() -> bytes:
    weight = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    return convert(onnx_bytes(TEXT, weight=weight, axes=np.array([1])))


@pytest.fixture(scope="module")
def model(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(data, 0)


def strings(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str}


def test_the_schema_has_every_name_that_the_lowerings_use() -> None:
    """It is generated code without a promise: this fails first when it changes."""
    codes, kinds = set(vars(schema.BuiltinOperator)), set(vars(schema.BuiltinOptions))
    folder = Path(inspect.getfile(operators)).parent
    used = set().union(*(strings(ast.parse(path.read_text())) for path in folder.glob("*.py")))
    options = {name for name in used if name.endswith("Options")} | {f"{h}Options" for h in HOSTS}
    options -= {"Options", "ConvOptions", "GemmOptions"}  # the two have their own files

    assert {name for name in used if name.isupper() and "_" in name} - {"SAME_UPPER"} <= codes
    assert {"ADD", "CONV_2D", "FULLY_CONNECTED", "GATHER", "GREATER_EQUAL", "RESHAPE"} <= codes
    assert options <= kinds
    assert set(TYPES.values()) <= set(vars(schema.TensorType))
    assert {"SAME", "VALID"} <= set(vars(schema.Padding))
    assert {"NONE", "RELU", "RELU6", "RELU_N1_TO_1"} <= set(vars(schema.ActivationFunctionType))


def test_a_field_that_the_schema_has_not_is_no_silent_attribute() -> None:
    with pytest.raises(AttributeError, match="Conv2DOptions has no field stride"):
        FlatModel("g").operator("CONV_2D", [], [], "Conv2DOptions", {"stride": 1})


def test_the_file_says_what_it_is(data: bytes, model: Any) -> None:
    assert b"TFL3" == data[4:8]
    assert (3, b"calexnet") == (model.version, model.description)


def test_one_signature_has_the_segments_name_and_its_tensors(model: Any) -> None:
    (signature,), (graph,) = model.signatureDefs, model.subgraphs

    assert b"segment1" == signature.signatureKey == graph.name
    for ours, theirs, names in (
        (signature.inputs, graph.inputs, [b"image", b"threshold"]),
        (signature.outputs, graph.outputs, [b"layer1", b"exit"]),
    ):
        assert names == [entry.name for entry in ours]
        assert [entry.tensorIndex for entry in ours] == theirs.tolist()
        assert names == [graph.tensors[index].name for index in theirs]


def test_tensors_keep_their_onnx_names_and_none_is_used_twice(model: Any) -> None:
    names = [tensor.name.decode() for tensor in model.subgraphs[0].tensors]

    assert {"image", "layer1", "mean", "logits", "score", "best", "bar", "exit"} < set(names)
    assert len(set(names)) == len(names)


def test_the_batch_is_open_and_nothing_else_is(model: Any) -> None:
    tensors = {tensor.name.decode(): tensor for tensor in model.subgraphs[0].tensors}

    assert [-1, 6, 5, 3] == tensors["image"].shapeSignature.tolist()
    assert [-1, 6, 5, 4] == tensors["layer1"].shapeSignature.tolist()
    assert [-1] == tensors["exit"].shapeSignature.tolist()
    assert tensors["threshold"].shapeSignature is None
    assert tensors["mean"].shapeSignature is None, "found out when a batch is planned"
    constants = [t for t in tensors.values() if model.buffers[t.buffer].data is not None]
    assert all(t.shapeSignature is None for t in constants)


def test_clamps_are_done_by_what_they_clamp_and_turns_by_nobody(model: Any) -> None:
    names = {v: k for k, v in vars(schema.BuiltinOperator).items()}
    graph = model.subgraphs[0]
    found = [names[model.operatorCodes[o.opcodeIndex].builtinCode] for o in graph.operators]

    assert (
        ["CAST", "CONV_2D", "MEAN", "RESHAPE", "REDUCE_MAX", "ARG_MAX", "GATHER", "GREATER_EQUAL"]
    ) == found


def test_buffers_are_aligned_as_the_schema_demands(data: bytes) -> None:
    model = schema.Model.GetRootAs(data, 0)
    addresses = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if not buffer.DataIsNone():
            offset = buffer._tab.Offset(4)
            addresses.append(buffer._tab.Vector(offset))

    assert addresses
    assert [0] * len(addresses) == [address % 16 for address in addresses]


def test_a_file_may_be_planned_for_any_batch_strictly(data: bytes) -> None:
    for interpreter_type in interpreters():
        interpreter = interpreter_type(model_content=data)
        index = interpreter.get_input_details()[0]["index"]
        for batch in (1, 8, 3, 64, 1):
            interpreter.resize_tensor_input(index, [batch, 6, 5, 3], strict=True)
            interpreter.allocate_tensors()
            interpreter.invoke()
            shapes = {
                len(d["shape"]): d["shape"].tolist() for d in interpreter.get_output_details()
            }
            assert {4: [batch, 6, 5, 4], 1: [batch]} == shapes
