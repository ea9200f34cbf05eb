"""Layout `if` in a bundle: one ONNX file that any app with ONNX Runtime runs by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet import models
from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import RuntimeUnavailableError
from calexnet.export.from_bundle import UNVERIFIED, with_versions
from calexnet.export.graph import portable
from calexnet.export.onnxruntime import with_counts
from calexnet.export.parity import refuse_beyond_rounding, side, verified_before
from calexnet.export.sealing import seal
from calexnet.files.storage import copy_folder, staged_folder
from calexnet.manifest import FULL, IF, MANIFEST, Compiled, Manifest, with_build
from calexnet.parity import compare
from calexnet.progress import Progress
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.runtimes.loading import load_runner

#: Real samples to compare with segments on: every exit of each is asked by itself.
_PARITY = 64


def export_if(
    source: Path,
    out: Path,
    *,
    precision: str = FULL,
    run: Path | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Manifest:
    """See `calexnet.export.export_if`."""
    bundle = open_bundle(source)
    graphs = portable.read(bundle, precision)
    with (
        Progress("exporting, steps", 2) as progress,
        staged_folder(out, marker=MANIFEST) as stage,
    ):
        progress.advance(0, note="nesting")
        copy_folder(source, stage)
        build = _nested(bundle, graphs, stage, precision)
        content = with_versions(with_build(bundle.manifest, build), build.target)
        progress.advance(note="verifying" if run else "loading")
        build = _verified(Bundle(stage, content, sha256=""), build, run, allow)
        content = with_build(content, verified_before(bundle.manifest, build))
        seal(stage, content)
        progress.advance()
    return content


def _nested(
    bundle: Bundle, graphs: portable.PortableGraphs, stage: Path, precision: str
) -> Compiled:
    """Write the one graph beside the segments that it is made of; return the manifest's entry."""
    try:
        from calexnet.export.graph.nested import nest
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "the one graph cannot be written here",
            got=missing,
            fix="Run: pip install onnx onnx-ir; or export on the host",
        ) from missing

    parts = portable.portable_build(bundle, precision)
    graph = nest(graphs)
    path = f"{Path(parts.plain.file.path).parent.as_posix()}/{graph.name}.onnx"
    record = portable.write_graph(
        stage, path, graph.data, graph.name, graph.inputs, graph.outputs, buckets=(1,)
    )
    record = with_counts(record, graph.data)
    return replace(parts, layout=IF, segments=(record,), parity=None, parity_reason=UNVERIFIED)


def _verified(bundle: Bundle, build: Compiled, run: Path | None, allow: Allowed) -> Compiled:
    """Return `build` with its parity with the segments, on the samples of `run`.

    Raises:
        ParityError: It decides otherwise than rounding explains.
        BundleError: ONNX Runtime refuses the graph.
    """
    runner = load_runner(bundle, build.target, build.precision, layout=IF, threads=1)
    if run is None:
        return build
    images, labels = _samples(bundle, run, allow)
    parts = load_runner(bundle, build.target, build.precision)
    parity = compare(
        side(parts, images),
        side(runner, images),
        labels,
        [point.table() for point in bundle.manifest.points_of(build)],
        bundle.manifest.rounding,
    )
    refuse_beyond_rounding(parity, "layout if", "the segments")
    return replace(build, parity=parity, parity_reason=None)


def _samples(bundle: Bundle, run: Path, allow: Allowed) -> tuple[NDArray[Any], NDArray[np.int64]]:
    from calexnet.training import runs

    found = models.load(run) if models.is_models(run) else runs.load(run, allow)
    samples = found[0].samples
    images = bundle.manifest.preprocessing.as_input(samples.images[:_PARITY])
    return images, samples.labels[:_PARITY]
