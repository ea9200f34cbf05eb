"""Counts: by hand on small graphs, against the modules, and across precisions."""

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

from calexnet.bundle import open_bundle
from calexnet.counts import GraphCounts, OperatorCount
from calexnet.data.dataset import Dataset
from calexnet.errors import ExportError
from calexnet.export.graph import capture as graphs
from calexnet.export.graph import dialect
from calexnet.export.graph.counts import contraction, count
from calexnet.registry import Part
from calexnet.training import flops, heads
from calexnet.training.cascade import Cascade
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import Optimisation
from tests.support.small_cascade import PLAN, train, untrained

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


def test_a_transposed_convolution_counts_as_its_module() -> None:
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


def test_the_batch_may_hold_more_than_images() -> None:
    """Windows folded into it, say."""
    found = counted(
        "g (float[n, 4, 8, 8] x) => (float[m, 6, 4, 4] y, float[m, 6, 9, 9] z) {"
        " f = Reshape(x, shape) y = Conv<pads = [1, 1, 1, 1]>(f, w)"
        " z = ConvTranspose<strides = [2, 2]>(f, t) }",
        shape=np.array([-1, 4, 4, 4]),
        w=zeros(6, 4, 3, 3),
        t=zeros(4, 6, 3, 3),
    )

    assert 2 * (4 * 6 * 4 * 3 * 3 * (4 * 4)) == found.macs


def test_a_graph_made_for_a_batch_is_counted_for_that() -> None:
    found = counted(
        "g (float[4, 3, 8, 8] x) => (float[4, 5] y) {"
        " c = Conv(x, w) p = GlobalAveragePool(c) f = Flatten(p) y = MatMul(f, v) }",
        w=zeros(6, 3, 1, 1),
        v=zeros(6, 5),
    )

    assert 4 * (6 * 3 * 64 + 6 * 5) == found.macs


def test_attention_and_recurrent_layers_by_hand() -> None:
    layer = "g (float[5, 1, 4] x) => (float[5, d, n, 3] y) {"
    lstm = counted(
        f'{layer} y = LSTM<hidden_size = 3, direction = "bidirectional">(x, w, r) }}',
        w=zeros(2, 12, 4),
        r=zeros(2, 12, 3),
    )
    gru = counted(
        f"{layer} y = GRU<hidden_size = 3>(x, w, r) }}", w=zeros(1, 9, 4), r=zeros(1, 9, 3)
    )

    assert [5 * 2 * 12 * (4 + 3), 5 * 9 * (4 + 3)] == [lstm.macs, gru.macs]
    assert () == (*lstm.uncounted, *gru.uncounted)


def test_grouped_attention_is_counted_as_its_two_products() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 23]> g (float[n, 8, 10, 16] q, float[n, 2, 12, 16] k,'
        " float[n, 2, 12, 6] v) => (float[n, 8, 10, 6] y) { y = Attention(q, k, v) }"
    )

    assert 8 * 10 * 12 * (16 + 6) == count(model.SerializeToString()).macs


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 2 * 3 * 5),
        ("bij,bkj", [(4, 2, 3), (4, 5, 3)], 4 * 2 * 3 * 5),
        ("...ij,...jk->...ik", [(7, 1, 2, 3), (4, 3, 5)], 7 * 4 * 2 * 3 * 5),
        ("i,i->", [(6,), (6,)], 6),
        ("bi,bj->bij", [(4, 2), (4, 5)], 0),
        ("bi,bi->bi", [(4, 2), (4, 2)], 0),
        ("bij,jk->bk", [(4, 9, 3), (3, 5)], 4 * 3 * 5),
        ("ij,jk,kl->il", [(2, 3), (3, 5), (5, 7)], 2 * 3 * 5 + 2 * 5 * 7),
        ("iij->j", [(3, 3, 2)], 0),
    ],
)
def test_an_einstein_sum_by_hand_and_as_torch_runs_it(
    equation: str, shapes: list[tuple[int, ...]], expected: int
) -> None:
    class Sum(nn.Module):
        def forward(self, *operands: torch.Tensor) -> torch.Tensor:
            with torch.backends.opt_einsum.flags(enabled=False):
                return torch.einsum(equation, *operands)

    assert expected == contraction(equation, shapes)
    assert expected == flops.macs_of(Sum(), *(torch.zeros(*shape) for shape in shapes))


def test_an_einstein_sum_is_found_in_a_graph() -> None:
    found = counted(
        'g (float[n, 4] x) => (float[n, 6] y) { y = Einsum<equation = "nk,kj->nj">(x, w) }',
        w=zeros(4, 6),
    )

    assert ((), 24) == (found.uncounted, found.macs)


def test_what_constants_alone_decide_costs_nothing() -> None:
    found = counted(
        "g (float[n, 4] x) => (float[n, 3] y) {"
        " p = MatMul(u, v) q = Transpose(p) y = Gemm<transB = 1>(x, q) }",
        u=zeros(4, 9),
        v=zeros(9, 3),
    )

    assert 4 * 3 == found.macs


def test_of_an_if_the_way_that_multiplies_more_counts() -> None:
    found = counted(
        "g (bool c, float[n, 4] x) => (float[n, 3] y) { a = Relu(x)"
        " y = If (c) <"
        " then_branch = t () => (float[n, 3] ty) { ty = MatMul(a, w) },"
        " else_branch = e () => (float[n, 3] ey) { b = MatMul(a, v)"
        "  ey = If (c) <then_branch = f () => (float[n, 3] fy) { fy = MatMul(b, w) },"
        "               else_branch = g () => (float[n, 3] gy) { gy = Slice(b, o, h, o) }> }> }",
        w=zeros(4, 3),
        v=zeros(4, 4),
        o=np.array([0]),
        h=np.array([3]),
    )

    assert (4 * 4 + 4 * 3, ()) == (found.macs, found.uncounted)
    assert ["Relu"] == [other.name for other in found.others]


def test_what_multiplies_and_is_not_counted_is_named() -> None:
    found = counted(
        "g (float[n, 4, 1] x) => (float[n, 4, 2] y) { y = DFT(x, none, a) }",
        none=np.array(4),
        a=np.array(1),
    )

    assert (("DFT",), 0) == (found.uncounted, found.macs)
    other = OperatorCount("com.microsoft:Gelu", 1, 4)
    assert ("com.microsoft:Gelu",) == dataclasses.replace(found, others=(other,)).uncounted


def test_a_shape_that_does_not_follow_is_an_error() -> None:
    expected = r"^a graph cannot be counted: got no shape for y, which Relu makes; expected shapes "
    with pytest.raises(ExportError, match=expected):
        counted("g (float[n, size] x) => (float[n, size] y) { y = Relu(x) }")


def test_a_file_that_is_no_graph_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"^a file that is no ONNX graph cannot be counted$"):
        count(b"nothing of the kind")


def assert_branches_as_modules(cascade: Cascade) -> None:
    """Compare the branches alone, which are translated in a fraction of the time."""
    found = []
    for index in range(len(cascade.branches)):
        model = ir.Model(graphs.branch_graph(cascade, index), ir_version=dialect.IR_VERSION)
        model.graph.name, model.graph.opset_imports[""] = "branch", dialect.OPSET
        found.append(count(ir.serde.serialize_model(model).SerializeToString()).macs)

    assert cascade.macs().branches == tuple(found)


@pytest.mark.slow
@pytest.mark.parametrize("head", [*heads.HEADS])
def test_every_head_counts_as_its_module(head: str) -> None:
    assert_branches_as_modules(untrained("resnet8", ("layer2",), side=32, head=head))


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


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pteenet", "ztw", "boostnet"])
def test_what_a_method_adds_to_its_head_counts_too(
    method: str, trained_by: Callable[[str], Cascade]
) -> None:
    assert_branches_as_modules(trained_by(method))


@pytest.mark.slow
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
