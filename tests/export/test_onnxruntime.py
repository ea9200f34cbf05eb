"""Target onnxruntime: the portable graphs as files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from calexnet.export import onnxruntime
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.manifest import TensorRecord

X, Y = TensorRecord("x", "float32", ("n", 3)), TensorRecord("y", "float32", ("n", 3))


def graph(name: str) -> PortableGraph:
    return PortableGraph(name, f"the bytes of {name}".encode(), (X,), (Y,))


def test_graphs_are_written_as_they_are_in_order_with_plain_last(tmp_path: Path) -> None:
    graphs = PortableGraphs((graph("segment1"), graph("segment2")), graph("plain"))

    records = onnxruntime.OnnxRuntime().compile(graphs, tmp_path, "onnxruntime")

    names = ["segment1", "segment2", "plain"]
    assert names == [record.name for record in records]
    assert [f"onnxruntime/{name}.onnx" for name in names] == [r.file.path for r in records]
    for record in records:
        data = (tmp_path / record.file.path).read_bytes()
        assert f"the bytes of {record.name}".encode() == data
        assert (len(data), hashlib.sha256(data).hexdigest()) == (
            record.file.size,
            record.file.sha256,
        )
        assert record.buckets is None
        assert ((X,), (Y,)) == (record.inputs, record.outputs)
