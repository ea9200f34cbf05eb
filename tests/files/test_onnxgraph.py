"""ONNX files looked over without onnx: the right ones pass, altered ones are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

import calexnet
from calexnet import manifest
from calexnet.bundle import open_bundle
from calexnet.errors import BundleError
from calexnet.files import onnxgraph
from calexnet.files.declared import GraphError
from calexnet.files.onnxgraph import refuse_misfit, seen
from calexnet.files.storage import sha256
from calexnet.manifest import MANIFEST, FileRecord, GraphRecord
from tests.support.onnx_bundle import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "made"
    write_bundle(folder)
    return folder


@pytest.fixture
def record(bundle: Path) -> GraphRecord:
    return open_bundle(bundle).manifest.compiled[0].segments[0]


@pytest.fixture
def model(bundle: Path, record: GraphRecord) -> ModelProto:
    return onnx.load(bundle / record.file.path)


@pytest.mark.slow
def test_what_is_seen_is_what_onnx_sees(small_bundle: Path) -> None:
    for build in open_bundle(small_bundle).manifest.compiled:
        for graph in (*build.segments, build.plain):
            data = (small_bundle / graph.file.path).read_bytes()
            held = onnx.load_from_string(data).graph

            found = seen(data)

            assert len(held.node) == found.nodes
            assert [one.name for one in held.input] == list(found.inputs)
            assert [one.name for one in held.output] == list(found.outputs)
            assert {one.name for one in held.initializer} == found.initializers
            weights = sum(len(one.raw_data) for one in held.initializer)
            assert weights <= found.constant_bytes <= len(data)
            refuse_misfit(graph, data)


def external(model: ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"


def external_in_an_if(model: ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    inner.initializer.add().data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("If", ["c"], ["x"], then_branch=inner))


def renamed(model: ModelProto) -> None:
    model.graph.input[0].name = "picture"


def of_another_dtype(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8


def of_another_rank(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim.add().dim_value = 1


def of_another_size(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 9


def of_a_fixed_batch(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def with_one_more_output(model: ModelProto) -> None:
    model.graph.output.add().name = "more"


def of_another_output_dtype(model: ModelProto) -> None:
    label = next(one for one in model.graph.output if one.name == "label")
    label.type.tensor_type.elem_type = TensorProto.INT64


def foreign(model: ModelProto) -> None:
    model.graph.node[0].domain = "evil.ops"


def importing_foreign(model: ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))


def with_functions(model: ModelProto) -> None:
    model.functions.add().name = "mine"


def enormous(model: ModelProto) -> None:
    constant = TensorProto(dims=[2**40, 2**20], data_type=1)
    model.graph.node.append(helper.make_node("Constant", [], ["big"], value=constant))


def nested(model: ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    for _ in range(28):
        node = helper.make_node("If", ["c"], ["x"], then_branch=inner)
        inner = helper.make_graph([node], "inner", [], [])
    model.graph.node.append(inner.node[0])


def with_many_nodes(model: ModelProto) -> None:
    model.graph.node.extend([onnx.NodeProto(op_type="Relu")] * 100_001)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (external, "a weight that lies in another file"),
        (external_in_an_if, "a weight that lies in another file"),
        (renamed, r"inputs picture, threshold, not image, threshold"),
        (of_another_dtype, r"image as int8 \(.*\), not uint8 \(n, 8, 8, 3\)"),
        (of_another_rank, r"image as uint8 \(.*, 1\), not uint8 \(n, 8, 8, 3\)"),
        (of_another_size, r"image as uint8 \(n, 9, 8, 3\), not uint8 \(n, 8, 8, 3\)"),
        (of_a_fixed_batch, r"image as uint8 \(1, 8, 8, 3\), not uint8 \(n, 8, 8, 3\)"),
        (with_one_more_output, r"outputs .*more, not .*"),
        (of_another_output_dtype, r"label as int64 \(n\), not int32 \(n\)"),
        (foreign, r"operators of 'evil\.ops', which no runtime has built in"),
        (importing_foreign, r"operators of 'evil\.ops', which no runtime has built in"),
        (with_functions, "it has functions of its own"),
        (enormous, "a constant of impossible size"),
        (nested, "graphs nested deeper than 24"),
        (with_many_nodes, "more than 100,000 nodes"),
    ],
)
def test_an_altered_graph_is_refused_before_any_runtime(
    model: ModelProto,
    record: GraphRecord,
    bundle: Path,
    tmp_path: Path,
    alter: Callable[[ModelProto], None],
    message: str,
) -> None:
    """Even of a bundle whose hashes all fit."""
    alter(model)
    data = model.SerializeToString()
    content = write_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / record.file.path).write_bytes(data)
    build = content.compiled[0]
    file = FileRecord(record.file.path, sha256(data), len(data))
    first = replace(build.segments[0], file=file)
    build = replace(build, segments=(first, *build.segments[1:]))
    signed = manifest.dump(replace(content, compiled=(build,)))
    (tmp_path / "bundle" / MANIFEST).write_bytes(signed)

    with pytest.raises(
        BundleError,
        match=rf"^.*segment1\.onnx is not the graph that the manifest declares: got {message}\. "
        r"Do not use this bundle",
    ):
        calexnet.load(tmp_path / "bundle", threads=1)


def test_a_damaged_file_gives_an_answer_or_one_error(bundle: Path, record: GraphRecord) -> None:
    data = (bundle / record.file.path).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(1500):
        changed = bytearray(
            data[: random.integers(1, len(data))] if random.random() < 0.3 else data
        )
        for place in random.integers(0, len(changed), random.integers(1, 6)):
            changed[place] = random.integers(0, 256)
        try:
            seen(bytes(changed))
        except GraphError:
            refused += 1
    assert refused > 300


def test_bytes_of_constants_have_a_limit(
    model: ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxgraph, "MOST_CONSTANT_BYTES", 700)

    with pytest.raises(GraphError, match=r"more than 700 bytes of constants|impossible size"):
        seen(model.SerializeToString())


def test_a_file_of_another_type_is_no_graph(tmp_path: Path) -> None:
    content = write_bundle(tmp_path)
    build = content.compiled[0]
    (tmp_path / "payload.py").write_bytes((tmp_path / build.plain.file.path).read_bytes())
    (tmp_path / build.plain.file.path).unlink()
    plain = replace(build.plain, file=replace(build.plain.file, path="payload.py"))
    changed = replace(content, compiled=(replace(build, plain=plain),))
    (tmp_path / MANIFEST).write_bytes(manifest.dump(changed))

    with pytest.raises(
        BundleError,
        match=r"is of another type: got 'payload\.py'; expected \.onnx for target onnxruntime\. Do",
    ):
        open_bundle(tmp_path)
