"""From a trained cascade to compiled segments: graphs, targets, verification, bundle.

``export_run`` is the whole way; ``calexnet-export`` is its command line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calexnet.manifest import Manifest
    from calexnet.preprocessing import InputForm

#: target -> module whose ``compile(graphs, folder)`` writes that target's files.
TARGETS = {"onnxruntime": "calexnet.export.onnxruntime"}


def export_run(
    run: str | Path, out: str | Path, *, target: str = "onnxruntime", input: InputForm = "uint8"
) -> Manifest:
    """Export the trained cascade in the folder `run` to the bundle `out`.

    Args:
        run: What ``calexnet train`` wrote.
        out: The bundle: a new folder, or an earlier bundle of the same run, which gains or renews
            this target.
        target: One of `TARGETS`.
        input: ``uint8`` for raw images, ``float`` for normalised ones.

    Returns:
        The bundle's manifest.

    Raises:
        CalexnetError: Anything that stops it; nothing is half written.
    """
    from calexnet.export.bundle import export_run as export

    return export(Path(run), Path(out), target=target, input=input)
