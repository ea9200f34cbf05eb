"""A cascade's narrow builds for tflite: the integers of ONNX Runtime's, weights half as large."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import calexnet
from calexnet.bundle import open_bundle
from calexnet.data.dataset import Dataset
from calexnet.errors import RuntimeUnavailableError
from calexnet.export import export_bundle, tflite
from calexnet.manifest import TensorRecord
from tests.support.small_cascade import files_of

schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")

NAMES = ("segment1", "segment2", "segment3", "plain")
TYPES = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
CODES = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}


def model_of(bundle: Path, precision: str, name: str) -> Any:
    data = (bundle / "tflite" / precision / f"{name}.tflite").read_bytes()
    return schema.ModelT.InitFromPackedBuf(data, 0)


def steps(model: Any) -> list[tuple[str, list[str]]]:
    """Return every operator, and the types of what goes in and comes out."""
    (graph,) = model.subgraphs
    return [
        (
            CODES[model.operatorCodes[operator.opcodeIndex].builtinCode],
            [TYPES[graph.tensors[i].type] for i in (*operator.inputs, *operator.outputs)],
        )
        for operator in graph.operators
    ]


def constants(model: Any) -> dict[str, NDArray[np.uint8]]:
    (graph,) = model.subgraphs
    return {
        tensor.name.decode(): np.asarray(model.buffers[tensor.buffer].data)
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is not None
    }


def test_int8_decides_as_onnx_runtime_does_on_the_same_integers(
    small_narrow_bundle: Path, small_data: Dataset
) -> None:
    ours, theirs = (
        calexnet.load(small_narrow_bundle, target=target, precision="int8", threads=1)
        for target in ("tflite", "onnxruntime")
    )

    one, other = ours.answers(small_data.images), theirs.answers(small_data.images)

    differences = np.abs(one.exits.scores - other.exits.scores)
    # A product that lies half way between two integers goes either way.
    assert np.median(differences) < 1e-6
    assert differences.max() < 0.05
    assert (one.exits.labels == other.exits.labels).mean() > 0.99
    assert (one.plain_labels == other.plain_labels).mean() > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_int8_counts_the_trunk_in_integers_and_decides_in_floats(
    small_narrow_bundle: Path, name: str
) -> None:
    found = steps(model_of(small_narrow_bundle, "int8", name))

    convolutions = [types for code, types in found if code == "CONV_2D"]
    narrow = [types for types in convolutions if "INT8" in types]
    assert len(narrow) >= 2
    assert {("INT8", "INT8", "INT32", "INT8")} == {tuple(types) for types in narrow}
    assert all("INT8" not in t for c, t in found if c in ("SOFTMAX", "FULLY_CONNECTED", "GATHER"))
    assert all(types[0] == "FLOAT32" for code, types in found if code == "REDUCE_MAX")
    counted = Counter(code for code, _ in found)
    # The image comes in once; the head of the branch, and the last one, read floats.
    assert counted["QUANTIZE"] == (name in ("segment1", "plain"))
    assert 1 <= counted["DEQUANTIZE"] <= 3


@pytest.mark.parametrize("precision", tflite.Tflite.precisions)
def test_plain_and_cascade_hold_the_same_numbers(small_narrow_bundle: Path, precision: str) -> None:
    whole = constants(model_of(small_narrow_bundle, precision, "plain"))
    for name in NAMES[:-1]:
        part = constants(model_of(small_narrow_bundle, precision, name))
        shared = {n for n in part.keys() & whole.keys() if "network" in n}
        assert len(shared) >= 2
        assert all(np.array_equal(part[n], whole[n]) for n in shared)


def carried(bundle: Path, target: str, precision: str) -> list[TensorRecord]:
    segments = open_bundle(bundle).compiled(target, precision).segments
    for before, after, name in ((0, 1, "layer1"), (1, 2, "layer2")):
        given = next(t for t in segments[before].outputs if t.name == name)
        assert given == next(t for t in segments[after].inputs if t.name == name)
    return [next(t for t in s.inputs if t.name.startswith("layer")) for s in segments[1:]]


def test_int8_crosses_a_cut_as_the_manifest_says(small_narrow_bundle: Path) -> None:
    ours = carried(small_narrow_bundle, "tflite", "int8")
    theirs = carried(small_narrow_bundle, "onnxruntime", "int8")

    for one, other, name in zip(ours, theirs, ("segment2", "segment3"), strict=True):
        assert ("int8", "uint8") == (one.dtype, other.dtype)
        assert one.scale == other.scale
        assert one.zero_point is not None
        assert other.zero_point == one.zero_point + 128
        (graph,) = model_of(small_narrow_bundle, "int8", name).subgraphs
        written = next(t for t in graph.tensors if t.name.decode() == one.name)
        assert "INT8" == TYPES[written.type]
        assert [one.scale] == written.quantization.scale.tolist()
        assert [one.zero_point] == written.quantization.zeroPoint.tolist()


def test_fp16_keeps_weights_in_half_the_bytes_and_computes_in_float32(
    small_narrow_bundle: Path,
) -> None:
    for record in carried(small_narrow_bundle, "tflite", "fp16"):
        assert ("float32", None) == (record.dtype, record.scale)
    for name in NAMES:
        found = steps(model_of(small_narrow_bundle, "fp16", name))
        narrow = [(code, types) for code, types in found if "FLOAT16" in types]
        assert len(narrow) >= 2
        assert {("DEQUANTIZE", ("FLOAT16", "FLOAT32"))} == {(c, tuple(t)) for c, t in narrow}
        assert not [code for code, types in found if code == "CAST" and types[0] == types[1]]


def test_narrow_files_are_smaller(small_narrow_bundle: Path, tmp_path: Path) -> None:
    export_bundle(small_narrow_bundle, tmp_path / "bundle", target="tflite")

    full, half, byte = (
        sum(len(data) for name, data in files_of(tmp_path / "bundle" / folder).items())
        for folder in ("tflite", "tflite/fp16", "tflite/int8")
    )
    full -= half + byte
    assert byte < half < 0.7 * full


@pytest.mark.parametrize("precision", tflite.Tflite.precisions)
def test_the_same_samples_give_the_same_bytes(
    small_narrow_bundle: Path, small_npz: Path, tmp_path: Path, precision: str
) -> None:
    export_bundle(
        small_narrow_bundle,
        tmp_path / "bundle",
        target="tflite",
        precision=precision,
        calib_data=str(small_npz),
        calib_samples=32,
    )

    folder = Path("tflite", precision)
    assert files_of(small_narrow_bundle / folder) == files_of(tmp_path / "bundle" / folder)


def test_a_missing_schema_is_told_and_nothing_is_written(
    small_bundle: Path, small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)

    with pytest.raises(RuntimeUnavailableError, match=r"^TFLite cannot be written here: got "):
        export_bundle(
            small_bundle,
            tmp_path / "bundle",
            target="tflite",
            precision="int8",
            calib_data=str(small_npz),
        )

    assert [] == list(tmp_path.iterdir())
