"""Target `onnxruntime`: the portable graphs themselves, as ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from calexnet.export.portable import PortableGraphs, write_graph
from calexnet.manifest import GraphRecord

FOLDER = "onnxruntime"
#: What builds its files, besides calexnet.
PACKAGES = ("onnxruntime",)
PRECISIONS = ("fp16", "int8", "int8-symmetric")


def compile(graphs: PortableGraphs, bundle: Path) -> tuple[GraphRecord, ...]:
    """Write every graph into the target's folder of `bundle`; return their records, plain last."""
    return _write(graphs, bundle, FOLDER)


def narrow(
    graphs: PortableGraphs,
    bundle: Path,
    attach: Sequence[str],
    precision: str,
    images: NDArray[Any],
) -> tuple[GraphRecord, ...]:
    """Write every graph at `precision` into a folder of its own; return their records, plain last.

    Args:
        graphs: At float32.
        bundle: Its folder.
        attach: Where the branches are, in running order.
        precision: One of `PRECISIONS`.
        images: Real ones, as the graphs take them, to find ranges on.

    Raises:
        ExportError: The graphs cannot be had at this precision.
    """
    from calexnet.export.precisions.rejoin import narrow_cascade

    narrower = narrow_cascade(graphs, attach, precision, images)
    return _write(narrower, bundle, f"{FOLDER}/{precision}")


def _write(graphs: PortableGraphs, bundle: Path, folder: str) -> tuple[GraphRecord, ...]:
    return tuple(
        write_graph(bundle, f"{folder}/{g.name}.onnx", g.data, g.name, g.inputs, g.outputs)
        for g in graphs
    )
