"""``calexnet-export``: a trained cascade in, a bundle out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from calexnet.cli import outcome
from calexnet.export import TARGETS, export_run
from calexnet.manifest import Manifest


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="calexnet-export",
        description="Split a trained cascade into segments with the gate inside, compile them for "
        "a target, verify them, and write a bundle.",
    )
    parser.add_argument("source", type=Path, help="what calexnet train wrote")
    parser.add_argument("--target", default="onnxruntime", help=f"one of: {', '.join(TARGETS)}")
    parser.add_argument("--out", required=True, type=Path, help="the bundle's folder")
    parser.add_argument(
        "--input",
        choices=("uint8", "float"),
        default="uint8",
        help="uint8: raw images, normalised in the graph (default); float: normalised before",
    )
    arguments = parser.parse_args(argv)
    return outcome.run("calexnet-export", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    content = export_run(
        arguments.source, arguments.out, target=arguments.target, input=arguments.input
    )
    print(_summary(content, arguments.target))
    print(f"\nBundle: {arguments.out}")
    return 0


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
