"""What the graphs of a bundle hold, as rows of a report: from the manifest, so without onnx."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from calexnet.counts import GraphCounts
from calexnet.manifest import FULL, SEGMENTS, Compiled, Manifest

#: The target whose graphs all others are compiled from.
SOURCE = "onnxruntime"


@dataclass(frozen=True)
class CountRow:
    """One graph of one build.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        segment: From 1; 0 is the plain backbone.
        source_target: Of the graph that was counted: its own, or what that was compiled from.
        source_precision: Likewise.
        counts: For one image; ``None`` if the bundle does not say.
    """

    target: str
    precision: str
    segment: int
    source_target: str
    source_precision: str
    counts: GraphCounts | None


def count_rows(content: Manifest, builds: Sequence[Compiled]) -> tuple[CountRow, ...]:
    """Return a row for plain and each segment of `builds`.

    Args:
        content: The bundle's manifest.
        builds: Those that the report is about.
    """
    return tuple(row for build in builds for row in _rows_of(build, _counted(content, build)))


def _counted(content: Manifest, build: Compiled) -> Compiled:
    """Return `build`, or the one with the graphs that it was compiled from."""
    if build.plain.counts is not None:
        return build
    whole = [other for other in content.compiled if other.layout == SEGMENTS]
    known = {(other.target, other.precision): other for other in whole}
    sources = ((SOURCE, precision) for precision in (build.precision, FULL))
    return next((known[source] for source in sources if source in known), build)


def _rows_of(build: Compiled, counted: Compiled) -> Iterator[CountRow]:
    source = counted.target, counted.precision
    for number, graph in enumerate((counted.plain, *counted.segments)):
        yield CountRow(build.target, build.precision, number, *source, graph.counts)
