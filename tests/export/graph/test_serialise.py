"""Graphs to files: records that say just what is in them, and no invalid graph."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from calexnet.bundle import open_bundle
from calexnet.errors import ExportError
from calexnet.export.graph.segments import CascadeGraphs
from calexnet.export.graph.serialise import serialise
from calexnet.manifest import TensorRecord
from tests.support.small_cascade import parse


def as_model(name: str, body: str = "y = Neg(x)") -> ir.Model:
    graph = parse(f"{name} (float[n,3] x) => (float[n,3] y) {{ {body} }}")
    return ir.Model(graph, ir_version=10)


def test_graphs_keep_their_order_and_plain_comes_last() -> None:
    graphs = serialise(
        CascadeGraphs((as_model("segment1"), as_model("segment2")), as_model("plain"))
    )

    assert ["segment1", "segment2", "plain"] == [graph.name for graph in graphs]
    for graph in graphs:
        assert graph.name == onnx.load_from_string(graph.data).graph.name
        assert (TensorRecord("x", "float32", ("n", 3)),) == graph.inputs
        assert (TensorRecord("y", "float32", ("n", 3)),) == graph.outputs


def test_records_say_what_is_in_the_files(small_bundle: Path) -> None:
    (build,) = open_bundle(small_bundle).manifest.compiled

    assert ("onnxruntime", "fp32", "segments") == (build.target, build.precision, build.layout)
    for record in (*build.segments, build.plain):
        graph = onnx.load(small_bundle / record.file.path).graph
        for values, tensors in ((graph.input, record.inputs), (graph.output, record.outputs)):
            found = [
                TensorRecord(
                    value.name,
                    onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
                    tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim),
                )
                for value in values
            ]
            assert tuple(found) == tensors


def test_a_graph_that_is_not_valid_is_told_by_name() -> None:
    wrong = as_model("segment1")
    wrong.graph[0].op_type = "Nonsense"

    with pytest.raises(ExportError, match=r"^segment1 is not valid ONNX: got .*Nonsense"):
        serialise(CascadeGraphs((wrong,), as_model("plain")))


def test_a_graph_whose_shapes_contradict_is_told_by_name() -> None:
    wrong = as_model("segment1")
    wrong.graph.outputs[0].shape = ir.Shape(["n", 4])

    with pytest.raises(ExportError, match=r"^segment1 is not valid ONNX: got "):
        serialise(CascadeGraphs((wrong,), as_model("plain")))
