"""Target onnxruntime: the graphs as files, and records that say just what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from calexnet.bundle import open_bundle
from calexnet.errors import ExportError
from calexnet.export import onnxruntime
from calexnet.export.segments import CascadeGraphs
from calexnet.manifest import TensorRecord
from tests.small_cascade import parse


def as_model(name: str, body: str = "y = Neg(x)") -> ir.Model:
    graph = parse(f"{name} (float[n,3] x) => (float[n,3] y) {{ {body} }}")
    return ir.Model(graph, ir_version=10)


def test_graphs_are_written_in_order_with_plain_last(tmp_path: Path) -> None:
    graphs = CascadeGraphs((as_model("segment1"), as_model("segment2")), as_model("plain"))

    records = onnxruntime.compile(graphs, tmp_path)

    names = ["segment1", "segment2", "plain"]
    assert names == [record.name for record in records]
    assert [f"onnxruntime/{name}.onnx" for name in names] == [r.file.path for r in records]
    for record in records:
        data = (tmp_path / record.file.path).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (
            record.file.size,
            record.file.sha256,
        )
        assert record.buckets is None
        assert (TensorRecord("x", "float32", ("n", 3)),) == record.inputs
        assert (TensorRecord("y", "float32", ("n", 3)),) == record.outputs


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


def test_a_graph_that_is_not_valid_is_told_by_name(tmp_path: Path) -> None:
    wrong = as_model("segment1")
    wrong.graph[0].op_type = "Nonsense"

    with pytest.raises(ExportError, match=r"^segment1 is not valid ONNX: got .*Nonsense"):
        onnxruntime.compile(CascadeGraphs((wrong,), as_model("plain")), tmp_path)


def test_a_graph_whose_shapes_contradict_is_told_by_name(tmp_path: Path) -> None:
    wrong = as_model("segment1")
    wrong.graph.outputs[0].shape = ir.Shape(["n", 4])

    with pytest.raises(ExportError, match=r"^segment1 is not valid ONNX: got "):
        onnxruntime.compile(CascadeGraphs((wrong,), as_model("plain")), tmp_path)
