"""Segments for TFLite by Google's converter: the way out for operators that ours does not write.

It takes torch modules, so it needs a run; it fixes the batch, at one, and the runner feeds image by
image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calexnet.errors import ExportError, RuntimeUnavailableError, first_line
from calexnet.export.graph.portable import write_graph
from calexnet.manifest import GraphRecord, TensorRecord

if TYPE_CHECKING:
    from torch import Tensor

    from calexnet.export.litert_torch.segments import Part
    from calexnet.training.cascade import Cascade

#: What builds its files, besides calexnet and torch.
PACKAGES = ("litert-torch",)

_BATCH = 1


def require() -> Any:
    """Return the converter's function.

    Raises:
        RuntimeUnavailableError: It is not installed.
    """
    try:
        import litert_torch
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "Google's converter cannot be used here",
            got=missing,
            fix="Run: pip install 'calexnet[litert-torch]' (2.3 GB with torch)",
        ) from missing
    return litert_torch.convert


def compile(
    cascade: Cascade, bundle: Path, folder: str, *, raw_input: bool
) -> tuple[GraphRecord, ...]:
    """Write every segment into `folder` of `bundle`; return their records, plain last.

    Args:
        cascade: A trained one.
        bundle: Its folder is being written.
        folder: Below it.
        raw_input: Take uint8 images, else normalised ones.

    Raises:
        ExportError: The backbone cannot be captured or cut, or the converter refuses a segment.
        RuntimeUnavailableError: litert-torch is not installed.
    """
    convert = require()
    from calexnet.export.litert_torch.segments import parts

    records = []
    for part in parts(cascade, raw_input=raw_input):
        data = _converted(convert, part)
        inputs = tuple(_records(part.example))
        outputs = tuple(_records(part.module(**part.example)))
        path = f"{folder}/{part.name}.tflite"
        records.append(
            write_graph(bundle, path, data, part.name, inputs, outputs, buckets=(_BATCH,))
        )
    return tuple(records)


def _converted(convert: Any, part: Part) -> bytes:
    try:
        return bytes(convert(part.module, sample_kwargs=part.example).model_content())
    except Exception as problem:  # torch, jax and the converter raise many kinds
        raise ExportError(
            f"litert-torch cannot convert {part.name}",
            got=first_line(problem),
            fix="Change the layer in the network, or use --target onnxruntime",
        ) from problem


def _records(tensors: dict[str, Tensor]) -> Iterator[TensorRecord]:
    for name, tensor in tensors.items():
        rows = () if name == "threshold" else ("n",)
        shape = (*rows, *tensor.shape[len(rows) :])
        yield TensorRecord(name, str(tensor.dtype).removeprefix("torch."), shape)
