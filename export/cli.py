"""``calexnet-export``: a trained cascade or a bundle in, a bundle with one more target out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from calexnet.cli import outcome
from calexnet.errors import InputError
from calexnet.export import TARGETS, export_bundle, export_run
from calexnet.manifest import MANIFEST, Manifest


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="calexnet-export",
        description="Split a trained cascade into segments with the gate inside, compile them for "
        "a target, verify them, and write a bundle. From a bundle: compile its graphs for one more "
        "target, without torch.",
    )
    parser.add_argument("source", type=Path, help="what calexnet train wrote, or a bundle")
    parser.add_argument("--target", default="onnxruntime", help=f"one of: {', '.join(TARGETS)}")
    parser.add_argument(
        "--out", type=Path, help="the bundle's folder; that of a bundle is itself by default"
    )
    parser.add_argument(
        "--input",
        choices=("uint8", "float"),
        help="uint8: raw images, normalised in the graph (default); float: normalised before; a "
        "bundle has its own",
    )
    arguments = parser.parse_args(argv)
    if arguments.out is None and not _is_bundle(arguments.source):
        parser.error("the following arguments are required: --out")
    return outcome.run("calexnet-export", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    source, out, target = arguments.source, arguments.out or arguments.source, arguments.target
    if not _is_bundle(source):
        content = export_run(source, out, target=target, input=arguments.input or "uint8")
    elif arguments.input is None:
        content = export_bundle(source, out, target=target)
    else:
        raise InputError("--input cannot be chosen for a bundle", expected="what its graphs take")
    print(_summary(content, target))
    print(f"\nBundle: {out}")
    return 0


def _is_bundle(source: Path) -> bool:
    return (source / MANIFEST).is_file()


def _summary(content: Manifest, target: str) -> str:
    build = next(build for build in content.compiled if build.target == target)
    stages, heads = content.macs.stages, (*content.macs.branches, 0)
    lines = ["", "segment     file size    stage MACs   branch MACs   share of plain"]
    for graph, stage, head in zip(build.segments, stages, heads, strict=True):
        part = (stage + head) / content.macs.plain
        lines.append(
            f"{graph.name:<10} {graph.file.size / 1e3:7.1f} kB  {stage:12,}  {head:12,}"
            f"   {part:14.1%}"
        )
    lines.append(f"{'plain':<10} {build.plain.file.size / 1e3:7.1f} kB  {content.macs.plain:12,}")
    parity = build.parity
    if parity is None:
        lines += ["", f"Not verified: {build.parity_reason}."]
    else:
        lines += [
            "",
            f"Verified against PyTorch on {parity.samples} real images: scores within "
            f"{parity.score_difference:.1e}, {parity.label_flips} labels and {parity.exit_flips} "
            "exits differ.",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
