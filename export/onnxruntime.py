"""Target `onnxruntime`: the portable graphs themselves, as ONNX files."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from calexnet.errors import ExportError
from calexnet.export.segments import CascadeGraphs
from calexnet.manifest import FileRecord, GraphRecord, TensorRecord
from calexnet.storage import sha256

PRECISION = "fp32"
FOLDER = "onnxruntime"


def compile(graphs: CascadeGraphs, bundle: Path) -> tuple[GraphRecord, ...]:
    """Write every graph into the target's folder of `bundle`; return their records, plain last.

    Raises:
        ExportError: A graph is not valid ONNX.
    """
    (bundle / FOLDER).mkdir(exist_ok=True)
    return tuple(_write(model, bundle) for model in (*graphs.segments, graphs.plain))


def _write(model: ir.Model, bundle: Path) -> GraphRecord:
    name = model.graph.name or ""
    proto = ir.serde.serialize_model(model)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise ExportError(f"{name} is not valid ONNX", got=problem) from problem
    data = proto.SerializeToString(deterministic=True)
    path = f"{FOLDER}/{name}.onnx"
    (bundle / path).write_bytes(data)
    return GraphRecord(
        name=name,
        file=FileRecord(path, sha256(data), len(data)),
        inputs=tuple(_record(value) for value in model.graph.inputs),
        outputs=tuple(_record(value) for value in model.graph.outputs),
        buckets=None,
    )


def _record(value: ir.Value) -> TensorRecord:
    assert value.name
    assert value.dtype is not None
    assert value.shape is not None
    shape = tuple(d if isinstance(d, int) else str(d.value) for d in value.shape)
    return TensorRecord(value.name, value.dtype.numpy().name, shape)
