"""From a trained cascade to compiled segments: graphs, targets, verification, bundle.

``export_run`` is the whole way, ``export_bundle`` its second half; ``calexnet-export`` is their
command line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calexnet.manifest import Manifest
    from calexnet.preprocessing import InputForm

#: target -> module with ``compile(graphs, bundle)``, which writes that target's files from the
#: portable graphs, and ``PACKAGES``, which it does that with.
TARGETS = {
    "onnxruntime": "calexnet.export.onnxruntime",
    "tflite": "calexnet.export.tflite",
}


def export_run(
    run: str | Path, out: str | Path, *, target: str = "onnxruntime", input: InputForm = "uint8"
) -> Manifest:
    """Export the trained cascade in the folder `run` to the bundle `out`.

    Args:
        run: What ``calexnet train`` wrote.
        out: The bundle: a new folder, or an earlier bundle of the same run, which gains or renews
            this target.
        target: One of `TARGETS`. A new bundle gets `onnxruntime` too: its files are the portable
            graphs that every other target is compiled from.
        input: ``uint8`` for raw images, ``float`` for normalised ones.

    Returns:
        The bundle's manifest.

    Raises:
        CalexnetError: Anything that stops it; nothing is half written.
    """
    from calexnet.export.bundle import export_run as export

    return export(Path(run), Path(out), target=target, input=input)


def export_bundle(source: str | Path, out: str | Path | None = None, *, target: str) -> Manifest:
    """Compile the portable graphs in the bundle `source` for one more target.

    Needs neither the run nor torch, so a board can do it.

    Args:
        source: A bundle.
        out: Where the bundle with that target goes, ``None`` = in the place of `source`.
        target: One of `TARGETS`.

    Returns:
        The new bundle's manifest.

    Raises:
        CalexnetError: Anything that stops it; nothing is half written.
    """
    from calexnet.export.targets import export_bundle as export

    return export(Path(source), Path(out or source), target=target)
