"""A hand-made manifest and the bundle of dummy files that it describes; numpy is enough."""

from __future__ import annotations

from pathlib import Path

from calexnet import manifest
from calexnet.calibration import OperatingPoint
from calexnet.costs import Macs
from calexnet.data.split import PartRecord, SplitRecord
from calexnet.files.storage import sha256
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import (
    MANIFEST,
    SCHEMA,
    BranchRecord,
    Compiled,
    FileRecord,
    GraphRecord,
    Manifest,
    Provenance,
    TensorRecord,
)
from calexnet.parity import ExitFlips, Parity
from calexnet.registry import Part


def _path(target: str, precision: str, name: str) -> str:
    suffix = "engine" if target == "tensorrt" else "onnx"
    return f"{target}/{precision}/{name}.{suffix}"


#: path -> bytes of every file but the manifest.
FILES = {
    _path(target, precision, name): f"{target} {precision} {name}".encode()
    for target, precision in (
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("tensorrt", "fp16"),
    )
    for name in ("segment1", "segment2", "plain")
}

PARITY = Parity("PyTorch", 8, 1e-4, 1e-6, (ExitFlips((), ()),) * 2, (), 0.0, 0.5, 0.5)


def graph(target: str, precision: str, name: str) -> GraphRecord:
    """Return the record of one of `FILES`."""
    path = _path(target, precision, name)
    return GraphRecord(
        name=name,
        file=FileRecord(path, sha256(FILES[path]), len(FILES[path])),
        inputs=(TensorRecord("image", "uint8", ("n", 4, 4, 3)),),
        outputs=(TensorRecord("label", "int32", ("n",)), TensorRecord("score", "float32", ("n",))),
        buckets=(1, 8) if target == "tensorrt" else None,
    )


def compiled(target: str, precision: str, parity: Parity | None = None) -> Compiled:
    """Return a cascade of two segments and its rival."""
    return Compiled(
        target=target,
        precision=precision,
        layout="segments",
        segments=(graph(target, precision, "segment1"), graph(target, precision, "segment2")),
        plain=graph(target, precision, "plain"),
        parity=parity,
        parity_reason=None if parity else "not run",
    )


def sample_manifest() -> Manifest:
    """Return a manifest with three builds and two operating points."""
    return Manifest(
        schema=SCHEMA,
        backbone="résnet-tiny",
        classes=("cat", "dog"),
        preprocessing=Preprocessing(4, 4, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        branches=(BranchRecord("layer1", "linear", 10),),
        compiled=(
            compiled("onnxruntime", "fp32", PARITY),
            compiled("onnxruntime", "int8"),
            compiled("tensorrt", "fp16"),
        ),
        operating_points=(
            OperatingPoint("margin-0", 0.0, ((0.75, None),), (0.25, 0.75), 0.5),
            OperatingPoint("margin-0.05", 0.05, ((0.5, 0.625),), (0.5, 0.5), 0.5),
        ),
        default_operating_point="margin-0.05",
        method=Part("calexnet"),
        rule=Part("cpm"),
        macs=Macs((100, 300), (10,), (0,)),
        split=SplitRecord(
            data="pets",
            seed=0,
            rule="train=all[0%:50%] calibration=all[50%:70%] test=all[70%:100%]",
            parts={part: PartRecord(1, "0" * 64) for part in ("train", "calibration", "test")},
        ),
        provenance=Provenance("0" * 64, {"calexnet": "0.1.0"}, "host", "2025-01-01T00:00:00Z"),
    )


def write_bundle(folder: Path, content: Manifest) -> None:
    """Write `FILES` and the manifest to `folder`."""
    for path, data in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / MANIFEST).write_bytes(manifest.dump(content))
