"""Making a pool: every piece of some networks, compiled for every target and precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calexnet.counts import GraphCounts
from calexnet.errors import InputError
from calexnet.export.engines import builds_engines
from calexnet.export.from_bundle import versions
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.onnxruntime import counts_of
from calexnet.export.pool.document import (
    POOL,
    SCHEMA,
    Piece,
    Pool,
    PoolNetwork,
    PoolRecord,
    Span,
    dump,
    open_pool,
    refuse_many,
)
from calexnet.export.pool.pieces import Pieces, Source
from calexnet.export.targets import FileTarget, target_of
from calexnet.files.storage import staged_folder
from calexnet.images.preprocessing import InputForm
from calexnet.manifest import FULL, GraphRecord
from calexnet.progress import Progress

#: What makes the graphs.
_PACKAGES = ("calexnet", "onnx", "numpy")


@dataclass(frozen=True)
class Build:
    """A target at a precision."""

    target: str
    precision: str = FULL


def write_pool(
    sources: Sequence[Source],
    out: Path,
    builds: Sequence[Build] = (Build("onnxruntime"),),
    *,
    input: InputForm = "uint8",
) -> Pool:
    """Write the pieces of every network at every build into the folder `out`.

    Narrow precisions find their ranges on the images that the networks bring.

    Args:
        sources: The networks.
        out: A new folder, or that of an earlier pool, which is replaced.
        builds: At least one.
        input: ``uint8`` for raw images, ``float`` for normalised ones.

    Returns:
        The pool, opened.

    Raises:
        InputError: No network or build, one stands there twice, or a network has too many pieces.
        ExportError: A network cannot be cut or compiled so.
        RuntimeUnavailableError: What a target is compiled with is missing.
    """
    compilers = _compilers(sources, builds)
    networks = tuple(_network(source, input) for source in sources)
    count = sum(1 for network in networks for _ in network.spans())
    with (
        staged_folder(out, marker=POOL) as stage,
        Progress("writing the pool, pieces", count * len(builds)) as progress,
    ):
        found: list[Piece] = []
        for source, network in zip(sources, networks, strict=True):
            made = _Network(source, network, compilers, stage)
            for span in network.spans():
                for piece in made.pieces(span, f"piece{len(found) // len(builds) + 1}"):
                    found.append(piece)
                    progress.advance(note=str(span))
        packages = {name for compiler in compilers.values() for name in compiler.packages}
        record = PoolRecord(SCHEMA, networks, tuple(found), versions({*_PACKAGES, *packages}))
        (stage / POOL).write_bytes(dump(record))
    return open_pool(out)


class _Network:
    """One network on its way into the pool."""

    def __init__(
        self,
        source: Source,
        network: PoolNetwork,
        compilers: dict[Build, FileTarget],
        stage: Path,
    ) -> None:
        self.compilers, self.stage = compilers, stage
        self.images = network.preprocessing.as_input(source.network.samples.images)
        self.graphs = Pieces(source, raw_input=network.preprocessing.input == "uint8")

    def pieces(self, span: Span, name: str) -> list[Piece]:
        """Write a piece at every build, as graphs `name`."""
        counts = counts_of(self.graphs.full(span, name).data)
        return [self._piece(span, name, build, counts) for build in self.compilers]

    def _piece(self, span: Span, name: str, build: Build, counts: GraphCounts | None) -> Piece:
        graph = self._graph(span, name, build.precision)
        record = self._compiled(graph, build)
        if record.counts is None:  # of the graph that it is made of
            record = replace(record, counts=counts)
        macs = None if counts is None or counts.uncounted else counts.macs
        return Piece(span, build.target, build.precision, record, macs)

    def _graph(self, span: Span, name: str, precision: str) -> PortableGraph:
        if precision == FULL:
            return self.graphs.full(span, name)
        return self.graphs.narrow(span, name, precision, self.images)

    def _compiled(self, graph: PortableGraph, build: Build) -> GraphRecord:
        folder = f"{build.target}/{build.precision}"
        compiler = self.compilers[build]
        (record,) = compiler.compile(PortableGraphs((), graph), self.stage, folder)
        return record


def _network(source: Source, input: InputForm) -> PoolNetwork:
    spec, heads = source.network.spec, tuple(source.heads)
    refuse_many(source.name, source.places, heads)
    return PoolNetwork(
        name=source.name,
        backbone=spec.backbone.name,
        places=source.places,
        heads=heads,
        classes=len(spec.classes),
        preprocessing=replace(spec.preprocessing, input=input),
    )


def _compilers(sources: Sequence[Source], builds: Sequence[Build]) -> dict[Build, FileTarget]:
    """Return what compiles each build.

    Raises:
        InputError: See `write_pool`; or engines run only where they are built.
    """
    for what, given in (
        ("networks", [source.name for source in sources]),
        ("builds", [f"{build.target} {build.precision}" for build in builds]),
    ):
        if not given or len(set(given)) < len(given):
            raise InputError(
                f"the {what} of a pool cannot be used",
                got=", ".join(given) or "none",
                expected="at least one, each once",
            )
    found = {}
    for build in builds:
        compiler = target_of(build.target, build.precision)
        if builds_engines(build.target) or not isinstance(compiler, FileTarget):
            raise InputError(
                "a pool holds files that run anywhere",
                got=f"target {build.target}, whose engines run where they are built",
                fix="Leave it out, and measure finalists of it with calexnet-bench",
            )
        found[build] = compiler
    return found
