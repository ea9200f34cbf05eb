"""Counts: by hand on small graphs, by fvcore on whole cascades, and across precisions."""

# The expected value comes first in every comparison.
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from calexnet import flops, heads
from calexnet.bundle import open_bundle
from calexnet.cascade import Cascade
from calexnet.counts import GraphCounts, OperatorCount
from calexnet.data.dataset import Dataset
from calexnet.errors import ExportError
from calexnet.export import dialect, graphs, segments
from calexnet.export.counts import count
from calexnet.export.serialise import serialise
from calexnet.methods.fitting import Optimisation
from calexnet.recipe import plan_recipe
from calexnet.registry import Part
from tests.small_cascade import PLAN, train, untrained

ATTACH = ("layer1", "layer2")


def counted(text: str, **constants: NDArray[Any]) -> GraphCounts:
    """Return the counts of a graph in ONNX's own notation, with these constants."""
    imports = 'ir_version: 10, opset_import: ["" : 20, "com.microsoft" : 1]'
    model = onnx.parser.parse_model(f"<{imports}> {text}")
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in constants.items())
    return count(model.SerializeToString())


def zeros(*shape: int, dtype: str = "float32") -> NDArray[Any]:
    return np.zeros(shape, dtype)


def test_a_convolution_by_hand() -> None:
    found = counted(
        "g (float[n, 4, 8, 8] x) => (float[n, 6, 4, 4] y) {"
        " c = Conv<strides = [2, 2], pads = [1, 1, 1, 1], group = 2>(x, w, b) y = Relu(c) }",
        w=zeros(6, 2, 3, 3),
        b=zeros(6),
    )

    assert 6 * 2 * 3 * 3 * (4 * 4) == found.macs
    assert 6 * 2 * 3 * 3 + 6 == found.parameters
    assert 4 * found.parameters == found.weight_bytes
    inputs, outputs = 4 * 8 * 8, 6 * 4 * 4
    assert 4 * (inputs + outputs + outputs + outputs) == found.activation_bytes
    assert (OperatorCount("Relu", 1, outputs),) == found.others
    assert found.weight_bytes + 32 * found.activation_bytes == found.moved_bytes(32)


def test_linear_layers_by_hand_however_they_are_written() -> None:
    gemm = counted("g (float[n, 5] x) => (float[n, 3] y) { y = Gemm(x, w) }", w=zeros(5, 3))
    turned = counted(
        "g (float[n, 5] x) => (float[n, 3] y) { y = Gemm<transB = 1>(x, w) }", w=zeros(3, 5)
    )
    product = counted(
        "g (float[n, 7, 5] x) => (float[n, 7, 3] y) { y = MatMul(x, w) }", w=zeros(5, 3)
    )
    vector = counted("g (float[n, 5] x) => (float[n] y) { y = MatMul(x, w) }", w=zeros(5))
    both = counted(
        "g (float[n, 7, 5] x) => (float[n, 7, 7] y) { t = Transpose<perm = [0, 2, 1]>(x)"
        " y = MatMul(x, t) }"
    )

    assert [15, 15, 7 * 15, 5, 7 * 7 * 5] == [c.macs for c in (gemm, turned, product, vector, both)]
    assert (0, (OperatorCount("Transpose", 1, 35),)) == (both.parameters, both.others)


def test_a_transposed_convolution_counts_as_fvcore_counts_it() -> None:
    module = nn.ConvTranspose2d(4, 6, 3, stride=2, bias=False)

    found = counted(
        "g (float[n, 4, 5, 5] x) => (float[n, 6, 11, 11] y) {"
        " y = ConvTranspose<strides = [2, 2]>(x, w) }",
        w=zeros(4, 6, 3, 3),
    )

    assert flops.macs_of(module, torch.zeros(1, 4, 5, 5)) == found.macs


def test_a_convolution_between_quantisers_counts_as_narrow() -> None:
    found = counted(
        "g (uint8[n, 4, 8, 8] x) => (uint8[n, 6, 8, 8] y) {"
        " a = DequantizeLinear(x, s, z) k = DequantizeLinear(w, s, v) c = Conv(a, k)"
        " y = QuantizeLinear(c, s, z) }",
        w=zeros(6, 4, 1, 1, dtype="int8"),
        s=np.array(0.1, np.float32),
        z=zeros(dtype="uint8"),
        v=zeros(dtype="int8"),
    )

    assert (24 * 64, 24, 24) == (found.macs, found.parameters, found.weight_bytes)
    assert 4 * 64 + 6 * 64 == found.activation_bytes
    assert {"DequantizeLinear": 2, "QuantizeLinear": 1} == {o.name: o.count for o in found.others}


def test_what_is_read_at_full_width_too_counts_twice() -> None:
    found = counted(
        "g (float[n, 8] x) => (uint8[n, 8] y, float[n, 8] r) {"
        " c = Abs(x) y = QuantizeLinear(c, s, z) r = Relu(c) }",
        s=np.array(0.1, np.float32),
        z=zeros(dtype="uint8"),
    )

    assert 8 * (4 + 4) + 8 * 1 + 8 * (4 + 4) == found.activation_bytes


def test_quantised_operators_count_without_their_scales() -> None:
    found = counted(
        "g (uint8[n, 4, 8, 8] x) => (uint8[n, 6, 8, 8] y) {"
        " y = QLinearConv(x, s, z, w, s, v, s, z, b) }",
        w=zeros(6, 4, 1, 1, dtype="int8"),
        b=zeros(6, dtype="int32"),
        s=np.array(0.1, np.float32),
        z=zeros(dtype="uint8"),
        v=zeros(dtype="int8"),
    )

    assert (24 * 64, 24 + 6, 24 + 4 * 6) == (found.macs, found.parameters, found.weight_bytes)
    assert 4 * 64 + 6 * 64 == found.activation_bytes
    assert () == found.others


def test_shapes_and_views_move_nothing() -> None:
    found = counted(
        "g (float[n, 4, 2, 2] x) => (float[n, 16] y) { y = Reshape(x, shape) }",
        shape=np.array([0, 16]),
    )

    assert GraphCounts(0, 0, 0, 0, (OperatorCount("Reshape", 1, 16),)) == found


def test_what_multiplies_and_is_not_counted_is_named() -> None:
    found = counted(
        "g (float[n, 4] x) => (float[n, 4] y) { a = Relu(x)"
        ' y = Einsum<equation = "nk,kj->nj">(a, w) }',
        w=zeros(4, 4),
    )

    assert (("Einsum",), 0) == (found.uncounted, found.macs)
    other = OperatorCount("com.microsoft:Gelu", 1, 4)
    assert ("com.microsoft:Gelu",) == dataclasses.replace(found, others=(other,)).uncounted


def test_a_shape_that_does_not_follow_is_an_error() -> None:
    expected = r"^a graph cannot be counted: got no shape for y; expected shapes that follow from "
    with pytest.raises(ExportError, match=expected):
        counted("g (float[n, size] x) => (float[n, size] y) { y = Relu(x) }")


def test_a_file_that_is_no_graph_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"^a file that is no ONNX graph cannot be counted$"):
        count(b"nothing of the kind")


def assert_as_fvcore(cascade: Cascade) -> None:
    expected = cascade.macs()
    exported = serialise(segments.build(cascade))

    *parts, plain = (count(graph.data) for graph in exported)

    heads_and_gates = zip(expected.branches, expected.gates, strict=True)
    visited = (*(sum(pair) for pair in heads_and_gates), 0)
    assert [s + v for s, v in zip(expected.stages, visited, strict=True)] == [p.macs for p in parts]
    assert expected.plain == plain.macs
    assert [()] * (len(parts) + 1) == [one.uncounted for one in (*parts, plain)]


def assert_branches_as_fvcore(cascade: Cascade) -> None:
    """Compare the branches alone, which are translated in a fraction of the time."""
    found = []
    for index in range(len(cascade.branches)):
        model = ir.Model(graphs.branch_graph(cascade, index), ir_version=dialect.IR_VERSION)
        model.graph.name, model.graph.opset_imports[""] = "branch", dialect.OPSET
        found.append(count(ir.serde.serialize_model(model).SerializeToString()).macs)

    assert cascade.macs().branches == tuple(found)


@pytest.mark.parametrize("head", [*heads.HEADS])
def test_every_head_counts_as_fvcore_counts_it(head: str) -> None:
    assert_branches_as_fvcore(untrained("resnet8", ("layer2",), side=32, head=head))


def test_a_cascade_counts_as_fvcore_counts_it() -> None:
    assert_as_fvcore(untrained("resnet20", ATTACH, classes=10, side=32))


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "side"), [("resnet18", 32), ("resnet50", 64)])
def test_a_large_cascade_counts_as_fvcore_counts_it(backbone: str, side: int) -> None:
    attach = ("layer1", "layer2", "layer3")
    assert_as_fvcore(untrained(backbone, attach, classes=100, side=side, head="linear"))


@pytest.fixture(scope="module")
def trained_by(small_data: Dataset) -> Callable[[str], Cascade]:
    def made(method: str) -> Cascade:
        recipe = plan_recipe(
            Part(method),
            head="native",
            optimisation=Optimisation(epochs=1),
            rule=Part("budget"),
            settings=(0.5,),
        )
        return train(small_data, dataclasses.replace(PLAN, attach=ATTACH, recipe=recipe))

    return made


@pytest.mark.parametrize("method", ["pteenet", "ztw", "boostnet"])
def test_what_a_method_adds_to_its_head_counts_too(
    method: str, trained_by: Callable[[str], Cascade]
) -> None:
    assert_branches_as_fvcore(trained_by(method))


def test_every_onnx_graph_of_a_bundle_has_its_counts(small_narrow_bundle: Path) -> None:
    bundle = open_bundle(small_narrow_bundle)
    full, *narrow = (b for b in bundle.manifest.compiled if b.target == "onnxruntime")

    assert narrow
    for build in (full, *narrow):
        for graph in (*build.segments, build.plain):
            assert count(bundle.read(graph.file)) == graph.counts
    for build in narrow:
        for one, other in zip(
            (*full.segments, full.plain), (*build.segments, build.plain), strict=True
        ):
            assert one.counts
            assert other.counts
            assert (one.counts.macs, one.counts.parameters) == (
                other.counts.macs,
                other.counts.parameters,
            )
            assert other.counts.moved_bytes(1) < one.counts.moved_bytes(1)


def test_the_parameters_are_those_of_the_network(
    small_cascade: Cascade, small_bundle: Path
) -> None:
    """Less batch norms, which are folded into the convolutions before them."""
    network = small_cascade.backbone.network
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    folded = sum(norm.weight.numel() for norm in norms)  # two numbers become one bias
    image = 2 * 3  # scale and shift of the normalisation

    plain = open_bundle(small_bundle).manifest.compiled[0].plain

    assert plain.counts
    expected = sum(p.numel() for p in network.parameters()) - folded + image
    assert expected == plain.counts.parameters
