"""``calexnet-export``: a trained cascade or a bundle in, a bundle with one more target out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calexnet import arguments as kinds
from calexnet import data
from calexnet.bundle import open_bundle
from calexnet.cli import alone
from calexnet.cli.parity import parity_lines
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.export import TARGETS, export_bundle, export_if, export_run
from calexnet.export.precisions import PRECISIONS
from calexnet.export.settings import CONVERTERS, OWN_CONVERTER, EngineSettings
from calexnet.export.targets import target_of
from calexnet.manifest import (
    FULL,
    IF,
    MANIFEST,
    SEGMENTS,
    CalibrationRecord,
    CutRecord,
    Fingerprint,
    Manifest,
)
from calexnet.runtimes.loading import load_runner

#: Fewer images to find ranges on are remarked upon.
_FEW = 32
HELP = (
    "Compile a trained cascade for a target, verify it, and write a bundle; or a bundle's graphs "
    "for one more target, without torch."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return alone("calexnet-export", __name__, argv)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, help="what calexnet train wrote, or a bundle")
    parser.add_argument(
        "--target",
        metavar="TARGET,...",
        type=kinds.names,
        help=f"one or several of: {', '.join(TARGETS)}; onnxruntime by default",
    )
    parser.add_argument(
        "--out", type=Path, help="the bundle's folder; that of a bundle is itself by default"
    )
    parser.add_argument(
        "--input",
        choices=("uint8", "float"),
        help="uint8: raw images, normalised in the graph (default); float: normalised before; a "
        "bundle has its own",
    )
    parser.add_argument(
        "--precision",
        metavar="PRECISION,...",
        type=kinds.names,
        default=(FULL,),
        help=f"one or several: {FULL} (default), and what the target has of "
        f"{', '.join(PRECISIONS)}, bf16",
    )
    parser.add_argument(
        "--layout",
        choices=(SEGMENTS, IF),
        default=SEGMENTS,
        help=f"{SEGMENTS} (default), which the runner drives; {IF}: the cascade as one ONNX graph "
        "too, for one image at a time and apps without calexnet",
    )
    parser.add_argument(
        "--cut",
        type=int,
        metavar="K",
        help="of a run: no cascade but the network cut after stage K, with the head of branch K "
        "and no gate, as a bundle of its own",
    )
    parser.add_argument(
        "--converter",
        choices=CONVERTERS,
        default=OWN_CONVERTER,
        help=f"{OWN_CONVERTER} (default); litert-torch, Google's: of a run, for target tflite, for "
        "operators that calexnet does not write; its files take one image at a time",
    )
    parser.add_argument(
        "--calib-data",
        help=f"real samples for a narrow precision, or to verify a bundle's new target on: "
        f"{kinds.SOURCES}; for a narrow precision the run's own set by default, if it has a name",
    )
    kinds.data_root(parser)
    kinds.allow(parser)
    parser.add_argument(
        "--calib-samples",
        type=int,
        help="how many of its calibration part to find ranges on; thresholds are found on all",
    )
    parser.add_argument(
        "--emit",
        choices=("trtexec",),
        help="of a bundle: write nothing, but print a script that builds and times the engines of "
        "target tensorrt with NVIDIA's own tool",
    )
    engines = parser.add_argument_group("engines for one GPU: target tensorrt")
    engines.add_argument(
        "--batch",
        type=kinds.integers,
        help="batch sizes to build for, 1,8,32 by default; any up to the largest can be run",
    )
    engines.add_argument(
        "--workspace-mib", type=kinds.count, help="most device memory a layer may use to compute"
    )
    engines.add_argument(
        "--timing-cache",
        type=Path,
        metavar="FILE",
        help="what earlier builds measured: read if it is there, then written",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle, and print what it holds and how it was verified."""
    if arguments.out is None and arguments.emit is None and not arguments.source.exists():
        raise InputError(
            "no such run or bundle",
            got=arguments.source,
            expected="the folder that calexnet train or calexnet-export wrote",
        )
    if arguments.out is None and arguments.emit is None and not _is_bundle(arguments.source):
        raise InputError("a run needs a folder for its bundle", expected="--out FOLDER")
    if arguments.emit is not None:
        return _emit(arguments)
    builds = [
        (target, precision)
        for precision in arguments.precision
        for target in arguments.target or ("onnxruntime",)
    ]
    for target, precision in builds:  # nothing is written where one of them cannot be
        target_of(target, precision)
    for target, precision in builds:
        full = precision == FULL and len(arguments.precision) > 1
        one = {"target": target, "precision": precision}
        one |= {"calib_data": None, "calib_samples": None} if full else {}
        _build(argparse.Namespace(**vars(arguments) | one))
    print(f"\nBundle: {arguments.out or arguments.source}")
    return 0


def _build(arguments: argparse.Namespace) -> None:
    """Compile for one target at one precision, and print what was made."""
    source, out, target = arguments.source, arguments.out or arguments.source, arguments.target
    if arguments.converter != OWN_CONVERTER and _is_bundle(source):
        raise InputError(
            f"--converter {arguments.converter} takes a run",
            got=f"the bundle {source}",
            expected="what calexnet train wrote: it converts torch modules, a bundle holds graphs",
            fix=f"Run: calexnet-export RUN --target tflite --converter {arguments.converter} "
            f"--out {out}",
        )
    if arguments.cut is not None:
        _refuse_cut(arguments)
    options = {
        "precision": arguments.precision,
        "calib_data": arguments.calib_data,
        "calib_samples": arguments.calib_samples,
        "data_root": arguments.data_root,
        "engines": _engine_settings(arguments),
        "allow": kinds.allowed(arguments).names,
    }
    if arguments.layout == IF:
        content = _export_if(arguments, out, options)
    elif not _is_bundle(source):
        options["converter"] = arguments.converter
        content = export_run(
            source,
            out,
            target=target,
            input=arguments.input or "uint8",
            cut=arguments.cut,
            **options,
        )
    elif arguments.input is None:
        content = export_bundle(source, out, target=target, **options)
    else:
        raise InputError("--input cannot be chosen for a bundle", expected="what its graphs take")
    print(_summary(content, out, target, arguments.precision, arguments.layout))


def _refuse_cut(arguments: argparse.Namespace) -> None:
    """Do nothing if a network can be cut out of the source in this way.

    Raises:
        InputError: It cannot.
    """
    if _is_bundle(arguments.source):
        raise InputError(
            "--cut takes a run",
            got=f"the bundle {arguments.source}",
            expected="what calexnet train wrote",
        )
    if arguments.layout == IF:
        raise InputError(
            f"--layout {IF} is for a cascade",
            got=f"--cut {arguments.cut}, which leaves no gate",
            fix="Leave out one of them",
        )


def _emit(arguments: argparse.Namespace) -> int:
    from calexnet.export.tensorrt import trtexec

    _refuse_unused(arguments)
    settings = _engine_settings(arguments)
    if len(arguments.precision) > 1:
        raise InputError(
            f"--emit {arguments.emit} is for one precision", got=",".join(arguments.precision)
        )
    (precision,) = arguments.precision
    print(trtexec.script(open_bundle(arguments.source), precision, settings), end="")
    return 0


def _refuse_unused(arguments: argparse.Namespace) -> None:
    """Do nothing if all that was chosen has a meaning for a script.

    Raises:
        InputError: It has not.
    """
    unused = [
        "--" + name.replace("_", "-")
        for name in (
            "out",
            "input",
            "calib_data",
            "data_root",
            "calib_samples",
            "timing_cache",
            "cut",
        )
        if getattr(arguments, name) is not None
    ]
    if arguments.converter != OWN_CONVERTER:
        unused.insert(0, f"--converter {arguments.converter}")
    if arguments.layout != SEGMENTS:
        unused.insert(0, f"--layout {arguments.layout}")
    if arguments.target not in (None, ("tensorrt",)):
        unused.insert(0, f"--target {','.join(arguments.target)}")
    if unused:
        raise InputError(
            f"--emit {arguments.emit} has no use for what was chosen",
            got=", ".join(unused),
            expected="--precision, --batch and --workspace-mib at most",
            fix="Leave out the rest",
        )


def _export_if(arguments: argparse.Namespace, out: Path, options: dict[str, Any]) -> Manifest:
    """Add the one graph to a bundle; of a run, to the bundle that holds its segments, or will."""
    source, precision = arguments.source, arguments.precision
    if arguments.target != "onnxruntime":
        raise InputError(
            f"--layout {IF} is for target onnxruntime", got=f"--target {arguments.target}"
        )
    if arguments.converter != OWN_CONVERTER:
        raise InputError(
            f"--layout {IF} is ONNX, which no converter writes",
            got=f"--converter {arguments.converter}",
            fix="Leave out one of them",
        )
    if _is_bundle(source):
        return export_if(source, out, precision=precision)
    export_run(source, out, target="onnxruntime", input=arguments.input or "uint8", **options)
    return export_if(out, precision=precision, run=source, allow=options["allow"])


def _engine_settings(arguments: argparse.Namespace) -> EngineSettings | None:
    """Return what was chosen of `EngineSettings`, ``None`` if nothing was."""
    chosen = {
        "batches": arguments.batch,
        "workspace_mib": arguments.workspace_mib,
        "timing_cache": arguments.timing_cache,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return EngineSettings(**given) if given else None


def _is_bundle(source: Path) -> bool:
    return (source / MANIFEST).is_file()


def _summary(content: Manifest, out: Path, target: str, precision: str, layout: str) -> str:
    wanted = target, precision, layout
    build = next(b for b in content.compiled if (b.target, b.precision, b.layout) == wanted)
    macs = content.macs
    stages, heads = macs.stages, (*macs.branches, 0)
    if layout == IF:
        stages, heads = (sum(macs.stages),), (sum(macs.branches),)
    lines = [
        f"\n{build.name}",
        "segment     file size    stage MACs   branch MACs   share of plain",
    ]
    for graph, stage, head in zip(build.segments, stages, heads, strict=True):
        part = (stage + head) / macs.plain
        lines.append(
            f"{graph.name:<10} {graph.file.size / 1e3:7.1f} kB  {stage:12,}  {head:12,}"
            f"   {part:14.1%}"
        )
    lines.append(f"{'plain':<10} {build.plain.file.size / 1e3:7.1f} kB  {content.macs.plain:12,}")
    if content.cut is not None:
        lines += ["", *_cut_lines(content.cut, macs.plain)]
    if target == "openvino" and precision.startswith("int8"):
        lines += _executed(out, precision, layout)
    if build.fingerprint is not None:
        lines += ["", _built_by(build.fingerprint, build.plain.buckets or ())]
    elif build.calibration is not None:
        lines += ["", _calibrated(build.calibration)]
    if build.parity is None:
        name = content.split.data if content.split.data in data.NAMED else "DATA"
        lines += [
            *("", f"Not verified: {build.parity_reason}."),
            f"Where its runtime is: calexnet verify {out} --data {name}",
        ]
    else:
        # Nobody can leave early where there is no gate.
        early = build.parity.early if content.branches else None
        parity = replace(build.parity, early=early)
        lines += ["", *parity_lines(parity, full=precision == FULL)]
    return "\n".join(lines)


def _cut_lines(cut: CutRecord, macs: int) -> list[str]:
    known = cut.calibration
    lines = [
        f"Cut after {cut.after.attach}, with the head {cut.after.head}: "
        f"{macs / cut.whole_macs:.1%} of the MACs of the whole network, "
        f"{known.accuracy:.2%} right on calibration images.",
    ]
    if known.counts is not None:
        lines.append(
            f"Of {known.counts.images:,} of them the whole network alone is right on "
            f"{known.counts.harmed:,}, and this one alone on {known.counts.helped:,}."
        )
    return lines


def _built_by(mark: Fingerprint, batches: tuple[int, ...]) -> str:
    gpu = "without a GPU" if mark.gpu is None else f"for {mark.gpu} ({mark.compute_capability})"
    return f"Built by {mark.runtime} {gpu}, for batches up to {max(batches)}."


def _executed(out: Path, precision: str, layout: str) -> list[str]:
    """Return how much of a build OpenVINO executes in 8-bit whole numbers, where it is here."""
    try:
        runner = load_runner(open_bundle(out), "openvino", precision, layout=layout)
    except RuntimeUnavailableError:
        return []
    from calexnet.runtimes.openvino.engine import executed
    from calexnet.runtimes.openvino.executed import integer_convolutions

    plain = integer_convolutions(executed([runner.plain_engine]))
    cascade = integer_convolutions(executed(runner.engines))
    return [
        "",
        f"OpenVINO executes {plain.integer} of {plain.all} convolutions of plain in 8-bit whole "
        f"numbers on this processor, and {cascade.integer} of {cascade.all} of the cascade.",
    ]


def _calibrated(record: CalibrationRecord) -> str:
    if record.ranged == 0:
        return (
            f"Thresholds carried over to this build's own scores, on {record.samples} images of "
            f"{record.data}."
        )
    told = (
        f"Ranges from {record.ranged} images of {record.data}; thresholds carried over to this "
        f"build's own scores, on {record.samples}."
    )
    if record.ranged < _FEW:
        told += (
            f"\nSo few images hardly show the ranges: on {_FEW} or more a narrow build is usually "
            "nearer to the full one. See --calib-samples."
        )
    return told


if __name__ == "__main__":
    sys.exit(main())
