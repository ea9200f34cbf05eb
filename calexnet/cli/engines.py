"""``python -m calexnet.cli.engines BUNDLE [PRECISION]``: engines of TensorRT for this machine.

What ``--on user@board --target tensorrt`` runs first: it builds, in place, those that a bundle
lacks or that were built elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from calexnet.bundle import Bundle, open_bundle
from calexnet.cli import outcome
from calexnet.export import export_bundle
from calexnet.export.tensorrt import TensorRt
from calexnet.manifest import FULL
from calexnet.runtimes.tensorrt.library import tensorrt_here

TARGET = "tensorrt"


def main(words: Sequence[str] | None = None) -> int:
    """Build what is missing, and return the exit code."""
    bundle, *precisions = sys.argv[1:] if words is None else words
    return outcome.run("engines", lambda: _build(Path(bundle), precisions))


def missing(bundle: Bundle, precisions: Sequence[str]) -> list[str]:
    """Return the precisions at which there are no engines for this machine.

    Args:
        bundle: Looked at.
        precisions: Wanted; none = all that its graphs have.

    Raises:
        RuntimeUnavailableError: TensorRT does not work here.
    """
    _, here = tensorrt_here()
    builds = bundle.manifest.compiled
    built = {b.precision for b in builds if b.target == TARGET and b.fingerprint == here}
    held = {b.precision for b in builds}
    wanted = precisions or [p for p in (FULL, *TensorRt.precisions) if p in held]
    return [precision for precision in wanted if precision not in built]


def _build(path: Path, precisions: Sequence[str]) -> int:
    for precision in missing(open_bundle(path), precisions):
        print(f"building engines of TensorRT at {precision}")
        export_bundle(path, target=TARGET, precision=precision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
