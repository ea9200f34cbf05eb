"""Writing a bundle: graphs compiled, counted, verified, and put in place in one step."""

from __future__ import annotations

import platform
import shutil
from dataclasses import replace
from datetime import datetime, timezone
from importlib import import_module, metadata
from pathlib import Path

from calexnet import checkpoint, manifest
from calexnet.bundle import Bundle, open_bundle
from calexnet.cascade import Cascade
from calexnet.errors import BundleError, InputError
from calexnet.export import TARGETS, flops, segments, verify
from calexnet.manifest import MANIFEST, BranchRecord, Compiled, Manifest, Parity, Provenance
from calexnet.preprocessing import InputForm, Preprocessing
from calexnet.progress import Progress
from calexnet.runtimes.runner import load_runner
from calexnet.storage import staged_folder

_PACKAGES = ("calexnet", "torch", "onnx", "onnxruntime", "numpy")


def export_run(run: Path, out: Path, *, target: str, input: InputForm) -> Manifest:
    """See `calexnet.export.export_run`."""
    if target not in TARGETS:
        raise InputError(
            "unknown target", got=repr(target), expected=f"one of {', '.join(TARGETS)}"
        )
    cascade, source = checkpoint.load(run)
    return export_cascade(cascade, source, out, target=target, input=input)


def export_cascade(
    cascade: Cascade, source: str, out: Path, *, target: str, input: InputForm
) -> Manifest:
    """Export `cascade`, which the hash `source` names, to the bundle `out`."""
    earlier = _earlier(out, source, input)
    with Progress("exporting, steps", 4) as progress:
        progress.advance(0, note="translating")
        graphs = segments.build(cascade, raw_input=input == "uint8")
        progress.advance(note="counting")
        macs = flops.count(cascade)
        progress.advance(note="compiling")
        with staged_folder(out, marker=MANIFEST) as stage:
            if earlier is not None:
                shutil.copytree(out, stage, dirs_exist_ok=True)
            *compiled, plain = import_module(TARGETS[target]).compile(graphs, stage)
            build = Compiled(
                target=target,
                precision="fp32",
                layout="segments",
                segments=tuple(compiled),
                plain=plain,
                parity=None,
                parity_reason="not verified yet",
            )
            content = Manifest(
                schema=manifest.SCHEMA,
                backbone=cascade.spec.backbone.name,
                classes=cascade.spec.classes,
                preprocessing=_preprocessing(cascade, input),
                branches=_branches(cascade),
                compiled=(*_others(earlier, build), build),
                operating_points=cascade.spec.operating_points,
                default_operating_point=cascade.spec.default_operating_point,
                train_margin=cascade.spec.recipe.train_margin,
                macs=macs,
                split=cascade.spec.split,
                provenance=_provenance(source),
            )
            progress.advance(note="verifying")
            parity = _verify(cascade, stage, content, build)
            content = _with_parity(content, build, parity)
            (stage / MANIFEST).write_bytes(manifest.dump(content))
            open_bundle(stage)
        progress.advance()
    return content


def _earlier(out: Path, source: str, input: str) -> Bundle | None:
    """Return the bundle that this export adds to, if there is one.

    Raises:
        BundleError: It is of another run, or takes another input.
    """
    if not (out / MANIFEST).is_file():
        return None
    bundle = open_bundle(out)
    held = bundle.manifest
    if held.provenance.source != source:
        raise BundleError(
            f"{out} is a bundle of another run",
            got=f"run {held.provenance.source[:12]}",
            expected=f"run {source[:12]}",
            fix="Choose another --out, or remove that bundle first",
        )
    if held.preprocessing.input != input:
        raise BundleError(
            f"{out} takes another input",
            got=held.preprocessing.input,
            expected=input,
            fix="Choose another --out: a bundle takes one input on every target",
        )
    return bundle


def _others(earlier: Bundle | None, build: Compiled) -> tuple[Compiled, ...]:
    """Return what an earlier bundle holds besides what is being renewed."""
    if earlier is None:
        return ()
    mine = build.target, build.precision
    return tuple(c for c in earlier.manifest.compiled if (c.target, c.precision) != mine)


def _preprocessing(cascade: Cascade, input: InputForm) -> Preprocessing:
    trained = cascade.spec.preprocessing
    return Preprocessing(trained.height, trained.width, trained.mean, trained.std, input)


def _branches(cascade: Cascade) -> tuple[BranchRecord, ...]:
    return tuple(
        BranchRecord(name, cascade.spec.head, sum(p.numel() for p in head.parameters()))
        for name, head in zip(cascade.spec.attach, cascade.heads, strict=True)
    )


def _verify(cascade: Cascade, stage: Path, content: Manifest, build: Compiled) -> Parity:
    runner = load_runner(Bundle(stage, content, sha256=""), build.target, build.precision)
    return verify.verify(cascade, runner)


def _with_parity(content: Manifest, build: Compiled, parity: Parity) -> Manifest:
    verified = replace(build, parity=parity, parity_reason=None)
    return replace(content, compiled=tuple(verified if c is build else c for c in content.compiled))


def _provenance(source: str) -> Provenance:
    return Provenance(
        source=source,
        versions={name: metadata.version(name) for name in _PACKAGES},
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
