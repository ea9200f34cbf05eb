"""A trained cascade as a bundle: translated, counted, compiled, verified, put in place at once."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from calexnet import manifest, models
from calexnet.bundle import Bundle, open_bundle
from calexnet.costs import Macs
from calexnet.errors import BundleError, ExportError, InputError
from calexnet.export import litert_torch, verify
from calexnet.export.engines import builds_engines, refuse_options
from calexnet.export.from_bundle import (
    build_target,
    compile_target,
    versions,
    with_packages,
    with_versions,
)
from calexnet.export.graph import given, portable, segments
from calexnet.export.graph.segments import CascadeGraphs
from calexnet.export.graph.serialise import serialise
from calexnet.export.graph.work import counted
from calexnet.export.models import content as from_models
from calexnet.export.models import graphs as graphs_of_models
from calexnet.export.parity import NOT_YET
from calexnet.export.precisions import samples as calibration
from calexnet.export.sealing import seal
from calexnet.export.settings import LITERT_TORCH, OWN_CONVERTER, EngineSettings
from calexnet.export.targets import target_of
from calexnet.files.storage import copy_folder, staged_folder
from calexnet.images.preprocessing import InputForm, Preprocessing
from calexnet.manifest import (
    FULL,
    MANIFEST,
    SEGMENTS,
    BranchRecord,
    Compiled,
    CutRecord,
    Manifest,
    Provenance,
    with_build,
)
from calexnet.models import ModelCascade
from calexnet.progress import Progress
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.runtimes.loading import load_runner
from calexnet.training import runs
from calexnet.training.graph_run import GraphCascade

if TYPE_CHECKING:
    from calexnet.training.runs import AnyCascade

#: What makes the portable graphs.
_PACKAGES = ("calexnet", "onnx", "onnxruntime", "numpy")


def export_run(
    run: Path,
    out: Path,
    *,
    target: str,
    input: InputForm,
    precision: str = FULL,
    calib_data: str | None = None,
    calib_samples: int | None = None,
    data_root: Path | None = None,
    engines: EngineSettings | None = None,
    converter: str = OWN_CONVERTER,
    cut: int | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Manifest:
    """See `calexnet.export.export_run`."""
    target_of(target, precision)
    _refuse_converter(converter, target, precision)
    refuse_options(target, engines, calib_data)
    _refuse_narrow_engines(run, out, target, precision)
    if precision == FULL and calib_data is not None:
        raise InputError(
            f"--calib-data is not for a run at {FULL}",
            expected="a narrow --precision, or a bundle as the source",
            fix="Leave it out: the run brings the samples that it is verified on",
        )
    if models.is_models(run):
        whole, source = models.load(run)
        from_models.refuse_unfit(whole, input, converter, cut)
        cascade: AnyCascade | ModelCascade = whole
    else:
        cascade, source = runs.load(run, allow)
    record = None
    if cut is not None and not isinstance(cascade, ModelCascade):
        record = cut_record(cascade, cut)
        cascade = cut_after(cascade, record.number)
    samples = None
    if precision != FULL:
        spec = cascade.spec
        samples = calibration.load(
            calib_data, spec.split, spec.preprocessing, spec.classes, calib_samples, data_root
        )
    return export_cascade(
        cascade,
        source,
        out,
        target=target,
        input=input,
        precision=precision,
        samples=samples,
        engines=engines,
        converter=converter,
        cut=record,
        allow=allow.but_not_from(run),
    )


def cut_record(cascade: AnyCascade, number: int) -> CutRecord:
    """Return what is known of the network cut after stage `number`.

    Raises:
        InputError: There is no branch of this number.
    """
    spec = cascade.spec
    if not 1 <= number <= len(spec.attach):
        raise InputError(
            "there is nothing to cut at",
            got=f"--cut {number}",
            expected=", ".join(f"{k} (after {name})" for k, name in enumerate(spec.attach, 1)),
        )
    head, known = _branches(cascade)[number - 1], spec.known_cuts()[number - 1]
    return CutRecord(number, head, cascade.macs().plain, known)


def cut_after(cascade: AnyCascade, number: int) -> AnyCascade:
    """Return `cascade` cut after stage `number`: a network without branches."""
    if isinstance(cascade, GraphCascade):
        return given.cut_after(cascade, number)
    from calexnet.training.backbones import cut

    if cascade.spec.graph is not None:  # an ONNX backbone, its branches of torch
        from calexnet.export.graph.capture import as_graphs

        return given.cut_after(as_graphs(cascade), number)
    return cut.cut_after(cascade, number)


def _refuse_converter(converter: str, target: str, precision: str) -> None:
    """Do nothing if `converter` writes such a build, and is here."""
    if converter == OWN_CONVERTER:
        return
    if converter != LITERT_TORCH or (target, precision) != ("tflite", FULL):
        raise InputError(
            f"--converter {converter} cannot write this build",
            got=f"{target} {precision}",
            expected=f"{LITERT_TORCH} for tflite {FULL}, or {OWN_CONVERTER}",
        )
    litert_torch.require()  # before minutes of work


def _refuse_narrow_engines(run: Path, out: Path, target: str, precision: str) -> None:
    """Do nothing unless `target` builds engines at a precision that the bundle must have first."""
    if precision != FULL and builds_engines(target):
        raise InputError(
            f"target {target} comes at {precision} from a bundle only",
            got=f"the run {run}",
            expected=f"a bundle with the ONNX graphs at {precision}",
            fix=f"First: calexnet-export {run} --precision {precision} --out {out}; then: "
            f"calexnet-export {out} --target {target} --precision {precision}",
        )


def export_cascade(
    cascade: AnyCascade | ModelCascade,
    source: str,
    out: Path,
    *,
    target: str,
    input: InputForm,
    precision: str = FULL,
    samples: calibration.Calibration | None = None,
    engines: EngineSettings | None = None,
    converter: str = OWN_CONVERTER,
    cut: CutRecord | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Manifest:
    """Export `cascade`, which the hash `source` names, to the bundle `out`.

    The portable graphs are made first, unless the bundle has them: what `target` gets is compiled
    from those.

    Args:
        cascade: A trained one.
        source: Hash of its run.
        out: The bundle.
        target: For which.
        input: Raw images or normalised ones.
        precision: One that the target has.
        samples: Real ones, for a precision that is not full.
        engines: How to build, for targets that build engines.
        converter: See `calexnet.export.export_run`.
        cut: Of a network cut short, which has no branches.
        allow: Whose own threshold rule may be imported.
    """
    earlier = _earlier(out, source, input, cut)
    is_portable = (target, precision) == (portable.TARGET, portable.PRECISION)
    translates = earlier is None or is_portable
    steps = 4 * translates + 2 * (not is_portable)
    with (
        Progress("exporting, steps", steps) as progress,
        staged_folder(out, marker=MANIFEST) as stage,
    ):
        if earlier is not None:
            copy_folder(out, stage)
            content = earlier.manifest
        if translates:
            progress.advance(0, note="translating")
            built = _built(cascade, input)
            graphs = serialise(built)
            progress.advance(note="counting")
            work = counted(graphs, built.branches, cascade.macs())
            content = _content(cascade, source, input, earlier, work.macs, cut)
            progress.advance(note="compiling")
            build = compile_target(graphs, stage, portable.TARGET, reason=NOT_YET)
            progress.advance(note="verifying")
            content = _with_verified(cascade, stage, content, build)
            progress.advance()
        if not is_portable:
            progress.advance(0, note=f"compiling for {target} {precision}")
            bundle = Bundle(stage, content, sha256="")
            if converter == LITERT_TORCH and not isinstance(cascade, ModelCascade):
                build = _converted(cascade, stage, raw_input=input == "uint8")
                content = with_packages(content, litert_torch.PACKAGES)
            else:
                build = build_target(
                    bundle, target, precision, samples, engines, reason=NOT_YET, allow=allow
                )
            progress.advance(note=f"verifying {target} {precision}")
            content = _with_verified(cascade, stage, content, build)
            progress.advance()
        seal(stage, content)
    if translates and (doubt := work.doubt()) is not None:
        print(f"warning: {doubt}", file=sys.stderr)
    return content


def _built(cascade: AnyCascade | ModelCascade, input: InputForm) -> CascadeGraphs:
    if isinstance(cascade, ModelCascade):
        return graphs_of_models.build(cascade)
    return segments.build(cascade, raw_input=input == "uint8")


def _converted(cascade: AnyCascade, stage: Path, *, raw_input: bool) -> Compiled:
    """Write the files of tflite by Google's converter; return the manifest's entry.

    Raises:
        ExportError: The backbone is an ONNX graph.
    """
    if isinstance(cascade, GraphCascade) or cascade.spec.graph is not None:
        raise ExportError(
            "litert-torch converts torch's modules",
            got=f"the ONNX graph {cascade.spec.backbone.name}",
            fix="Leave out --converter",
        )
    *parts, plain = litert_torch.compile(cascade, stage, "tflite", raw_input=raw_input)
    return Compiled("tflite", FULL, SEGMENTS, tuple(parts), plain, None, NOT_YET)


def _earlier(out: Path, source: str, input: str, cut: CutRecord | None) -> Bundle | None:
    """Return the bundle that this export adds to, if there is one.

    Raises:
        BundleError: It is of another run, cut elsewhere, or takes another input.
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
    if held.cut != cut:
        raise BundleError(
            f"{out} holds another network of this run",
            got=_cut_words(held.cut),
            expected=_cut_words(cut),
            fix="Choose another --out",
        )
    if held.preprocessing.input != input:
        raise BundleError(
            f"{out} takes another input",
            got=held.preprocessing.input,
            expected=input,
            fix="Choose another --out: a bundle takes one input on every target",
        )
    return bundle


def _cut_words(cut: CutRecord | None) -> str:
    return "the cascade" if cut is None else f"the network cut after {cut.after.attach}"


def _content(
    cascade: AnyCascade | ModelCascade,
    source: str,
    input: InputForm,
    earlier: Bundle | None,
    macs: Macs,
    cut: CutRecord | None,
) -> Manifest:
    """Return the manifest of the cascade, with what an earlier bundle holds compiled already."""
    compiled = () if earlier is None else earlier.manifest.compiled
    if isinstance(cascade, ModelCascade):
        origin = _provenance(cascade, source)
        return replace(from_models.content(cascade, macs, origin), compiled=compiled)
    spec = cascade.spec
    return Manifest(
        schema=manifest.SCHEMA,
        backbone=spec.backbone.name,
        classes=spec.classes,
        preprocessing=_preprocessing(cascade, input),
        branches=_branches(cascade),
        compiled=compiled,
        operating_points=spec.operating_points,
        default_operating_point=spec.default_operating_point,
        method=spec.recipe.method,
        rule=spec.recipe.rule,
        macs=macs,
        split=spec.split,
        provenance=_provenance(cascade, source),
        cuts=spec.cuts,
        cut=cut,
    )


def _preprocessing(cascade: AnyCascade, input: InputForm) -> Preprocessing:
    return replace(cascade.spec.preprocessing, input=input)


def _branches(cascade: AnyCascade) -> tuple[BranchRecord, ...]:
    numbers = cascade.parameters().branches
    return tuple(
        BranchRecord(name, cascade.spec.head_of(number), parameters)
        for number, (name, parameters) in enumerate(zip(cascade.spec.attach, numbers, strict=True))
    )


def _with_verified(
    cascade: AnyCascade | ModelCascade, stage: Path, content: Manifest, build: Compiled
) -> Manifest:
    """Return `content` with `build`, compared with the run by its runtime if nothing was yet."""
    found = with_versions(with_build(content, build), build.target)
    if build.parity_reason != NOT_YET:
        return found
    runner = load_runner(Bundle(stage, found, sha256=""), build.target, build.precision)
    parity = verify.verify(cascade, runner)
    return with_build(found, replace(build, parity=parity, parity_reason=None))


def _provenance(cascade: AnyCascade | ModelCascade, source: str) -> Provenance:
    torch = () if isinstance(cascade, (GraphCascade, ModelCascade)) else ("torch",)
    return Provenance(
        source=source,
        versions=versions([*_PACKAGES, *torch]),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
