"""Whatever is named as a network of a model cascade: an ONNX file, a builder of torch's, a run.

What comes out is a graph with its story. torch is imported for what is torch's alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from calexnet.export.models.of_file import Wanted, is_onnx, of_file, size_of
from calexnet.export.models.of_run import of_run
from calexnet.files.storage import is_file
from calexnet.models import Model
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.training.record import RECORD

__all__ = ["Wanted", "size_of", "take_models"]


def take_models(
    sources: Sequence[str], wanted: Wanted, allow: Allowed = BUILT_IN_ONLY, *, branches: bool = True
) -> tuple[Model, ...]:
    """Return the networks that are named, in that order.

    Args:
        sources: Each an ONNX file, a run, or a builder with its weights, ``name@weights``.
        wanted: What they have to fit.
        allow: Whose own parts may be imported.
        branches: Keep those of the last network, if that is a run.

    Raises:
        InputError: One of them cannot be used; the message names it.
    """
    names = _short_names([source.partition("@")[0] for source in sources])
    last = len(sources) - 1
    return tuple(
        _taken(source, name, wanted, allow, branches=branches and k == last)
        for k, (source, name) in enumerate(zip(sources, names, strict=True))
    )


def _taken(source: str, name: str, wanted: Wanted, allow: Allowed, *, branches: bool) -> Model:
    path = Path(source)
    if is_onnx(source):
        return of_file(path, name, wanted)
    if is_file(path / RECORD):
        return of_run(path, name, wanted.classes, allow, branches=branches)
    from calexnet.export.models import of_torch

    return of_torch.of_builder(source, name, wanted, allow)


def _short_names(sources: Sequence[str]) -> list[str]:
    """Return for each source its last part, without its ending."""
    return [re.sub(r"\.onnx$", "", Path(source).name, flags=re.I) for source in sources]
