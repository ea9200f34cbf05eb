"""One more target for a bundle, compiled from the portable graphs that it holds.

Nothing here needs torch or onnx; a target imports what it needs itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.export.engines import build_engines, builds_engines, refuse_options
from calexnet.export.graph import portable
from calexnet.export.graph.portable import PortableGraphs
from calexnet.export.parity import verified, verified_before
from calexnet.export.precisions import cascade as narrow
from calexnet.export.precisions import samples as calibration
from calexnet.export.precisions.samples import Calibration
from calexnet.export.sealing import seal
from calexnet.export.settings import EngineSettings
from calexnet.export.targets import TARGETS, FileTarget, target_of
from calexnet.files.storage import copy_folder, staged_folder
from calexnet.manifest import FULL, MANIFEST, SEGMENTS, Compiled, Manifest, with_build
from calexnet.progress import Progress
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.runtimes.loading import load_runner

UNVERIFIED = "compiled from a bundle, and no real images were given to verify on"


def export_bundle(
    source: Path,
    out: Path,
    *,
    target: str,
    precision: str = portable.PRECISION,
    calib_data: str | None = None,
    calib_samples: int | None = None,
    data_root: Path | None = None,
    engines: EngineSettings | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Manifest:
    """See `calexnet.export.export_bundle`."""
    target_of(target, precision)
    refuse_options(target, engines, calib_data)
    bundle = open_bundle(source)
    held = bundle.manifest
    if (target, precision) == (portable.TARGET, portable.PRECISION):
        raise InputError(
            f"{source} holds target {target} already",
            expected=f"one of {', '.join(name for name in TARGETS if name != portable.TARGET)}, or "
            "another precision",
            fix="To renew it export the run that the bundle comes from",
        )
    # Graphs that are not there are refused before anything is written.
    portable.portable_build(bundle, precision if builds_engines(target) else portable.PRECISION)
    samples = None
    if calib_data is not None or (precision != portable.PRECISION and not builds_engines(target)):
        samples = calibration.load(
            calib_data, held.split, held.preprocessing, held.classes, calib_samples, data_root
        )
    with Progress("exporting, steps", 2) as progress, staged_folder(out, marker=MANIFEST) as stage:
        progress.advance(0, note="compiling")
        copy_folder(source, stage)
        staged = replace(bundle, folder=stage)
        build = build_target(
            staged,
            target,
            precision,
            samples,
            engines,
            reason=UNVERIFIED,
            allow=allow.but_not_from(source),
        )
        progress.advance(note="verifying" if samples else "loading")
        build = _checked(staged, build, samples)
        content = with_versions(with_build(held, build), target)
        seal(stage, content)
        progress.advance()
    return content


def build_target(
    bundle: Bundle,
    target: str,
    precision: str,
    samples: Calibration | None,
    engines: EngineSettings | None,
    *,
    reason: str,
    allow: Allowed = BUILT_IN_ONLY,
) -> Compiled:
    """Write what `target` needs into the folder of `bundle`; return the manifest's entry.

    Args:
        bundle: With the portable graphs; its folder is being written.
        target: One of `TARGETS`.
        precision: One that the target has.
        samples: Real ones, for a precision that is not full.
        engines: How to build, for targets that build engines.
        reason: Why nothing is known of its parity yet.
        allow: Whose own threshold rule may be imported.
    """
    if builds_engines(target):
        return build_engines(bundle, target, precision, engines, reason=reason)
    if precision == portable.PRECISION or samples is None:
        return compile_target(portable.read(bundle), bundle.folder, target, reason=reason)
    return narrow.narrow_build(bundle, target, precision, samples, allow)


def compile_target(graphs: PortableGraphs, stage: Path, target: str, *, reason: str) -> Compiled:
    """Compile `graphs` into the folder `stage`; return the manifest's entry.

    Args:
        graphs: Of the whole cascade.
        stage: The bundle as it grows.
        target: One of `TARGETS`.
        reason: Why nothing is known of its parity yet.
    """
    compiler = target_of(target)
    assert isinstance(compiler, FileTarget), "engines are built by build_engines"
    *segments, plain = compiler.compile(graphs, stage, target)
    return Compiled(target, FULL, SEGMENTS, tuple(segments), plain, None, reason)


def with_versions(content: Manifest, target: str) -> Manifest:
    """Return `content` with the versions of the packages that wrote the files of `target`."""
    return with_packages(content, target_of(target).packages)


def with_packages(content: Manifest, packages: Iterable[str]) -> Manifest:
    """Return `content` with the versions of these packages."""
    known = content.provenance
    found = {**known.versions, **versions(packages)}
    return replace(content, provenance=replace(known, versions=found))


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages by name."""
    return {name: metadata.version(name) for name in packages}


def _checked(bundle: Bundle, build: Compiled, samples: Calibration | None) -> Compiled:
    """Return `build` after its runtime, if it is here, has read it and answered for `samples`."""
    if build.parity is not None:
        return build
    try:
        if samples is not None:
            return verified(bundle, build, samples)
        held = replace(bundle, manifest=with_build(bundle.manifest, build))
        load_runner(held, build.target, build.precision, threads=1)
    except RuntimeUnavailableError as missing:
        if samples is not None:
            told = str(missing).rstrip(".")
            build = replace(build, parity_reason=f"its runtime is missing here. {told}")
    return verified_before(bundle.manifest, build)
