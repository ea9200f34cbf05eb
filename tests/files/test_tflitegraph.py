"""A cut TFLite file is refused before a runtime that does not look sees it."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bundle import open_bundle
from calexnet.errors import BundleError, InputError
from calexnet.export import export_bundle
from calexnet.files.storage import sha256
from calexnet.files.tflitegraph import refuse_misfit, require_whole
from calexnet.manifest import GraphRecord
from calexnet.runtimes.classifier import open_classifier
from tests.support.classifier_files import write_tflite
from tests.support.onnx_bundle import CLASSES, preprocessing, write_bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tflite(tmp_path_factory.mktemp("whole") / "a.tflite").read_bytes()


def test_a_whole_file_is_whole(whole: bytes, tmp_path: Path) -> None:
    require_whole(whole)
    quantised = write_tflite(tmp_path / "q.tflite", dtype="uint8", quantisation=(1 / 255, 0))
    require_whole(quantised.read_bytes())


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_anywhere_is_refused(whole: bytes, share: float) -> None:
    """All but the last few bytes, which may be there for their number alone."""
    with pytest.raises(ValueError, match=r"^(the file is cut: |no TFLite file: )"):
        require_whole(whole[: int(share * (len(whole) - 16))])


@given(place=st.integers(8, 200), value=st.integers(0, 255))
def test_a_file_that_was_changed_ends_in_an_answer(whole: bytes, place: int, value: int) -> None:
    data = bytearray(whole)
    data[place % len(data)] = value
    try:
        require_whole(bytes(data))
    except ValueError as problem:
        assert str(problem).startswith(("the file is cut", "no TFLite"))  # noqa: PT017


def test_a_cut_rival_is_one_message(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError, match=r"^tflite refuses .*cut.tflite: got the file is cut: \d+"):
        open_classifier(path, preprocessing(), len(CLASSES))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "made"
    write_bundle(folder)
    export_bundle(folder, target="tflite")
    return folder


@pytest.fixture
def record(made: Path) -> GraphRecord:
    return open_bundle(made).compiled("tflite", None).segments[0]


@pytest.fixture
def data(made: Path, record: GraphRecord) -> bytes:
    return (made / record.file.path).read_bytes()


def test_every_graph_of_a_bundle_is_what_its_manifest_declares(made: Path) -> None:
    build = open_bundle(made).compiled("tflite", None)
    for graph in (*build.segments, build.plain):
        refuse_misfit(graph, (made / graph.file.path).read_bytes())


def changed(data: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """Return a file after `change`, which gets the model and the schema."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    change(model, schema)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def elsewhere(model: Any, schema: Any) -> None:
    group, buffer = schema.ExternalBufferGroupT(), schema.ExternalBufferT()
    group.name = "/etc/passwd"
    model.externalBufferGroups, model.externalBuffers = [group], [buffer]


def beyond(model: Any, _: Any) -> None:
    model.buffers[1].offset, model.buffers[1].size = 2**40, 8


def custom(model: Any, _: Any) -> None:
    model.operatorCodes[0].customCode = "Mine"


def renamed(model: Any, _: Any) -> None:
    model.signatureDefs[0].inputs[0].name = "picture"


def other_dtype(model: Any, schema: Any) -> None:
    taken = model.signatureDefs[0].inputs[0].tensorIndex
    model.subgraphs[0].tensors[taken].type = schema.TensorType.INT8


def other_rank(model: Any, _: Any) -> None:
    taken = model.signatureDefs[0].inputs[0].tensorIndex
    model.subgraphs[0].tensors[taken].shapeSignature = [-1, 8, 3]


def other_size(model: Any, _: Any) -> None:
    taken = model.signatureDefs[0].inputs[0].tensorIndex
    model.subgraphs[0].tensors[taken].shapeSignature = [-1, 8, 9, 3]


def fixed_batch(model: Any, _: Any) -> None:
    taken = model.signatureDefs[0].inputs[0].tensorIndex
    model.subgraphs[0].tensors[taken].shapeSignature = [1, 8, 8, 3]


def no_such_tensor(model: Any, _: Any) -> None:
    model.signatureDefs[0].inputs[0].tensorIndex = 2**32 - 1


def no_such_graph(model: Any, _: Any) -> None:
    model.signatureDefs[0].subgraphIndex = 1


def no_graph(model: Any, _: Any) -> None:
    model.subgraphs = []


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (elsewhere, "a weight that lies in another file"),
        (beyond, r"the file is cut: \d+ bytes, and it needs 1099511627784"),
        (custom, "an operator 'Mine', which no runtime has built in"),
        (renamed, "inputs picture, threshold, not image, threshold"),
        (other_dtype, r"image as int8 \(.*\), not \w+ \(n, .*\)"),
        (other_rank, r"image as \w+ \(\?, 8, 3\), not \w+ \(n, .*\)"),
        (other_size, r"image as \w+ \(\?, 8, 9, 3\), not \w+ \(n, .*\)"),
        (fixed_batch, r"image as \w+ \(1, 8, 8, 3\), not \w+ \(n, .*\)"),
        (no_such_tensor, r"tensor 4294967295 of \d+"),
        (no_such_graph, "graph 1 of 1"),
        (no_graph, "graph 0 of 0"),
    ],
)
def test_an_altered_graph_is_refused_by_name(
    record: GraphRecord, data: bytes, change: Callable[[Any, Any], None], got: str
) -> None:
    with pytest.raises(
        BundleError,
        match=rf"^tflite/segment1\.tflite is not the graph that the manifest declares: got {got}\. "
        r"Do not use this bundle; get it again from where it was made\.$",
    ):
        refuse_misfit(record, changed(data, change))


def test_a_fixed_batch_is_the_one_that_the_manifest_declares(
    record: GraphRecord, data: bytes
) -> None:
    altered = changed(data, fixed_batch)

    with pytest.raises(BundleError, match="not the graph that the manifest declares"):
        refuse_misfit(replace(record, buckets=(2,)), altered)
    refuse_misfit(replace(record, buckets=(1,)), altered)


def test_without_a_signature_the_tensors_own_names_count(record: GraphRecord, data: bytes) -> None:
    def bare(model: Any, _: Any) -> None:
        model.signatureDefs = None

    refuse_misfit(record, changed(data, bare))


def test_a_bundle_reads_no_other_graph(made: Path, record: GraphRecord, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "altered")
    path = tmp_path / "altered" / record.file.path
    path.write_bytes(changed(path.read_bytes(), renamed))
    content = path.read_bytes()
    file = replace(record.file, sha256=sha256(content), size=len(content))
    bundle = replace(open_bundle(made), folder=tmp_path / "altered")

    with pytest.raises(BundleError, match="inputs picture, threshold, not image, threshold"):
        bundle.read_graph(replace(record, file=file))
    assert content == bundle.read(file)


def test_tables_that_are_shared_are_looked_at_once() -> None:
    """A small file may name one table a million times over, in itself."""
    names = 500_000
    vector = struct.pack("<I", names) + struct.pack(f"<{names}I", *range(4 * names, 0, -4))
    shared = struct.pack("<HHi", 4, 4, 4)
    # slot, identifier, then a layout of eight fields, its table, the vector and what it names
    layout = struct.pack("<HHHHH", 10, 8, 0, 0, 4) + b"\0\0"
    table = struct.pack("<iI", 12, 4)
    head = struct.pack("<I", 8 + len(layout)) + b"TFL3" + layout + table
    with pytest.raises(ValueError, match="the file is cut"):
        require_whole(head + vector)
    require_whole(head + vector + shared)
