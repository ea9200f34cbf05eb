"""Precision fp16: what is cast, what never is, and what does not fit."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from calexnet.errors import ExportError
from calexnet.export.precisions import fp16
from tests.support.small_cascade import parse, run

IMAGES = np.zeros((1, 3, 4, 4), np.float32)
TEXT = """plain (float[n,3,4,4] image) => (float[n,2] probabilities)
<float[2,3,1,1] w = {1, 2, 3, 4, 5, 6}, float[4] sizes = {1, 1, 0.5, 0.5},
 float[2,2] m = {1, 2, 3, 4}>
{
    made = Conv(image, w)
    small = Resize(made, , sizes)
    six = Constant<value = float {6}>()
    zero = Constant<value = float {0}>()
    kept = Clip(small, zero, six)
    pooled = GlobalAveragePool(kept)
    flat = Flatten<axis=1>(pooled)
    logits = MatMul(flat, m)
    probabilities = Softmax<axis=1>(logits)
}"""


def narrowed(text: str = TEXT) -> ir.Graph:
    model = ir.Model(parse(text), ir_version=10)
    model.graph.opset_imports[""] = 20
    found = fp16.narrow(ir.serde.serialize_model(model), IMAGES)
    onnx.checker.check_model(found, full_check=True)
    return ir.serde.deserialize_model(found).graph


def test_the_trunk_is_half_and_both_ends_are_full() -> None:
    graph = narrowed()

    dtypes = {v.name: v.dtype.name for n in graph for v in n.outputs if v.dtype is not None}
    assert {"made", "small", "kept"} <= {n for n, dtype in dtypes.items() if dtype == "FLOAT16"}
    assert {"pooled", "flat", "logits", "probabilities"} <= {
        name for name, dtype in dtypes.items() if dtype == "FLOAT"
    }
    assert 2 == sum(node.op_type == "Cast" for node in graph)
    assert "FLOAT" == str(graph.inputs[0].dtype) == str(graph.outputs[0].dtype)


def test_what_onnx_wants_in_full_stays_so() -> None:
    graph = narrowed()

    resize = next(node for node in graph if node.op_type == "Resize")
    assert resize.inputs[2] is not None
    assert ("sizes", "FLOAT") == (resize.inputs[2].name, str(resize.inputs[2].dtype))


def test_it_computes_the_same_but_for_rounding() -> None:
    image = np.random.default_rng(0).normal(0, 1, (5, 3, 4, 4)).astype(np.float32)

    half = run(narrowed(), {"image": image})
    full = run(parse(TEXT), {"image": image})

    np.testing.assert_allclose(full["probabilities"], half["probabilities"], atol=5e-3)
    assert not np.array_equal(full["probabilities"], half["probabilities"])


def test_a_weight_that_does_not_fit_is_told_by_name() -> None:
    with pytest.raises(
        ExportError,
        match=r"^w does not fit float16: got numbers up to 1e\+05; expected at most 65504\. Export",
    ):
        narrowed(TEXT.replace("{1, 2, 3, 4, 5, 6}", "{1e5, 2, 3, 4, 5, 6}"))
