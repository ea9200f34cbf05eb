"""ONNX Runtime's static quantiser, with what the int8 precisions share."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import ExportError, first_line
from calexnet.export.precisions import trunk

#: Images a call while ranges are found: activations of more would fill the memory.
_BATCH = 32


def quantise(
    plain: onnx.ModelProto, images: NDArray[np.generic], activations: str, **options: Any
) -> onnx.ModelProto:
    """Return `plain` with its trunk between QuantizeLinear and DequantizeLinear.

    Weights are int8, symmetric, one scale a channel. An activation's range is the smallest that
    holds what `images` gave.

    Args:
        plain: See `calexnet.export.precisions.narrow`.
        images: Likewise.
        activations: ``QInt8`` or ``QUInt8``.
        options: More of `quantize_static`'s.

    Raises:
        ExportError: ONNX Runtime cannot quantise the graph.
    """
    from onnxruntime import quantization

    plain = _named(plain)
    graph = ir.serde.deserialize_model(plain).graph
    inside = {node.name for node in trunk.find(graph).nodes}
    extra = {
        "WeightSymmetric": True,
        # What only moves numbers moves narrow ones, even as the first thing after a cut.
        "ForceQuantizeNoInputCheck": True,
        **options.pop("extra_options"),
    }
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "quantised.onnx"
        try:
            quantization.quantize_static(
                plain,
                path,
                _reader(images),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=getattr(quantization.QuantType, activations),
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=[n.name for n in graph if n.name not in inside],
                extra_options=extra,
                **options,
            )
        except Exception as problem:  # the quantiser raises many kinds; all mean the same
            raise ExportError(
                "ONNX Runtime cannot quantise the backbone",
                got=first_line(problem),
                fix="Export at another --precision",
            ) from problem
        return onnx.load(path)


def _named(plain: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which every node has a name: the quantiser tells them apart by it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(plain)
    for number, node in enumerate(copy.graph.node):
        node.name = node.name or f"node{number}"
    return copy


def _reader(images: NDArray[np.generic]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            starts = range(0, len(images), _BATCH)
            self.batches = iter([images[i : i + _BATCH] for i in starts])

        def get_next(self) -> Mapping[str, NDArray[np.generic]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice about steps that are done already from the user."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
