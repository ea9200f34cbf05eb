"""One more target for a bundle, compiled from the portable graphs that it holds.

Nothing here needs torch or onnx; a target imports what it needs itself.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module, metadata
from pathlib import Path

from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.export import TARGETS, calibration, narrow, portable
from calexnet.export.engines import build_engines, builds_engines, refuse_options
from calexnet.export.portable import PortableGraphs
from calexnet.export.sealing import seal
from calexnet.export.settings import EngineSettings
from calexnet.manifest import MANIFEST, Compiled, Manifest, with_build
from calexnet.progress import Progress
from calexnet.runtimes.loading import load_runner
from calexnet.storage import staged_folder

UNVERIFIED = "compiled from a bundle, which holds no images to verify on"


def refuse_unknown(target: str, precision: str = portable.PRECISION) -> None:
    """Do nothing if there is such a target, and it comes at this precision.

    Raises:
        InputError: There is not, or it does not.
    """
    if target not in TARGETS:
        raise InputError(
            "unknown target", got=repr(target), expected=f"one of {', '.join(TARGETS)}"
        )
    known = (portable.PRECISION, *import_module(TARGETS[target]).PRECISIONS)
    if precision not in known:
        raise InputError(
            f"target {target} does not come at this precision",
            got=repr(precision),
            expected=f"one of {', '.join(known)}",
        )


def export_bundle(
    source: Path,
    out: Path,
    *,
    target: str,
    precision: str = portable.PRECISION,
    calib_data: str | None = None,
    calib_samples: int | None = None,
    engines: EngineSettings | None = None,
) -> Manifest:
    """See `calexnet.export.export_bundle`."""
    refuse_unknown(target, precision)
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
    samples = None
    if builds_engines(target):
        portable.portable_build(bundle, precision)  # is refused before anything is written
    elif precision != portable.PRECISION:
        samples = calibration.load(
            calib_data, held.split, held.preprocessing, held.classes, calib_samples
        )
    with Progress("exporting, steps", 2) as progress, staged_folder(out, marker=MANIFEST) as stage:
        progress.advance(0, note="compiling")
        shutil.copytree(source, stage, dirs_exist_ok=True)
        staged = replace(bundle, folder=stage)
        if builds_engines(target):
            build = build_engines(staged, target, precision, engines, reason=UNVERIFIED)
        elif samples is None:
            build = compile_target(portable.read(bundle), stage, target, reason=UNVERIFIED)
        else:
            build = narrow.narrow_build(staged, target, precision, samples)
        content = with_versions(with_build(held, build), target)
        progress.advance(note="loading")
        _load_once(Bundle(stage, content, sha256=""), build)
        seal(stage, content)
        progress.advance()
    return content


def compile_target(graphs: PortableGraphs, stage: Path, target: str, *, reason: str) -> Compiled:
    """Compile `graphs` into the folder `stage`; return the manifest's entry.

    Args:
        graphs: Of the whole cascade.
        stage: The bundle as it grows.
        target: One of `TARGETS`.
        reason: Why nothing is known of its parity yet.
    """
    *segments, plain = import_module(TARGETS[target]).compile(graphs, stage)
    return Compiled(target, "fp32", "segments", tuple(segments), plain, None, reason)


def with_versions(content: Manifest, target: str) -> Manifest:
    """Return `content` with the versions of the packages that wrote the files of `target`."""
    found = versions(import_module(TARGETS[target]).PACKAGES)
    known = content.provenance
    return replace(content, provenance=replace(known, versions={**known.versions, **found}))


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages by name."""
    return {name: metadata.version(name) for name in packages}


def _load_once(bundle: Bundle, build: Compiled) -> None:
    """Let the runtime, if it is here, read what was compiled for it."""
    with contextlib.suppress(RuntimeUnavailableError):
        load_runner(bundle, build.target, build.precision, threads=1)
